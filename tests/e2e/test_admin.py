"""``firertc admin``: who may use the console."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from firertc.suite import LocalSuite

from .terminal import FIRERTC

COMMAND_SECONDS = 60


class Auth:
    """The suite's Auth, and the command."""

    def __init__(self, suite: LocalSuite, folder: Path) -> None:
        self.environment = {**os.environ, **suite.environment()}
        self.folder = folder
        address = self.environment["FIREBASE_AUTH_EMULATOR_HOST"]
        self.base = f"http://{address}/identitytoolkit.googleapis.com/v1"
        self.project = suite.project

    def run(
        self, *arguments: str, typed: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """``firertc admin …``"""
        return subprocess.run(
            [str(FIRERTC), "admin", *arguments],
            env=self.environment | variables,
            cwd=self.folder,
            input=typed,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    def listed(self) -> list[str]:
        """E-mail addresses of those who may."""
        shown = self.run("list", "--json")
        assert shown.returncode == 0, shown.stderr
        return [one["email"] for one in json.loads(shown.stdout)]

    def post(self, method: str, **body: Any) -> dict[str, Any]:
        """As a user."""
        url = f"{self.base}/accounts:{method}?key=any"
        answer = httpx.post(url, json={**body, "returnSecureToken": True})
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result

    def claims(self, uid: str) -> dict[str, Any]:
        """Custom claims of an account."""
        answer = httpx.post(
            f"{self.base}/projects/{self.project}/accounts:lookup",
            headers={"Authorization": "Bearer owner"},
            json={"localId": [uid]},
        )
        found: dict[str, Any] = json.loads(answer.json()["users"][0].get("customAttributes", "{}"))
        return found

    def set_claims(self, uid: str, text: str) -> None:
        """What another program of the project's owner did."""
        httpx.post(
            f"{self.base}/projects/{self.project}/accounts:update",
            headers={"Authorization": "Bearer owner"},
            json={"localId": uid, "customAttributes": text},
        ).raise_for_status()


@pytest.fixture
def auth(suite: LocalSuite, tmp_path: Path) -> Auth:
    """The suite's Auth."""
    return Auth(suite, tmp_path)


@pytest.fixture
def email() -> str:
    """An address that nobody has."""
    return f"{secrets.token_hex(5)}@example.com"


def test_grant_and_revoke(auth: Auth, email: str) -> None:
    uid = auth.post("signUp", email=email, password="not-secret")["localId"]
    auth.set_claims(uid, '{"team":"blue"}')
    granted = auth.run("grant", email)
    assert granted.returncode == 0, granted.stderr
    assert granted.stderr == f"{email} may use the console.\n"
    assert auth.claims(uid) == {"team": "blue", "admin": True}
    assert email in auth.listed()
    assert "already" in auth.run("grant", uid).stderr
    revoked = auth.run("revoke", uid)
    assert revoked.returncode == 0, revoked.stderr
    assert auth.claims(uid) == {"team": "blue"}
    assert email not in auth.listed()
    assert "never might" in auth.run("revoke", email).stderr


def test_create(auth: Auth, email: str) -> None:
    password = secrets.token_urlsafe(12)
    created = auth.run("grant", email, "--create", typed=f"{password}\n")
    assert created.returncode == 0, created.stderr
    assert password not in created.stdout + created.stderr
    signed_in = auth.post("signInWithPassword", email=email, password=password)
    assert auth.claims(signed_in["localId"]) == {"admin": True}
    # Who is there already keeps the password.
    again = auth.run("grant", email, "--create", typed="another-one\n")
    assert again.returncode == 0
    auth.post("signInWithPassword", email=email, password=password)


@pytest.mark.parametrize(
    ("arguments", "typed", "code", "hint"),
    [
        (["grant", "nobody@example.com"], "", 1, "--create"),
        (["grant", "no-such-uid"], "", 1, "has no account"),
        (["revoke", "nobody@example.com"], "", 1, "has no account"),
        (["grant", "no-such-uid", "--create"], "password\n", 2, "e-mail"),
        (["grant", "new@example.com", "--create"], "short\n", 2, "6 characters"),
        (["grant", "new@example.com", "--create"], "", 2, "password"),
        (["grant", "bad e-mail@", "--create"], "password\n", 2, "INVALID_EMAIL"),
    ],
)
def test_what_cannot_be(auth: Auth, arguments: list[str], typed: str, code: int, hint: str) -> None:
    done = auth.run(*arguments, typed=typed)
    assert done.returncode == code, done.stderr
    assert hint in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_nobody_answers(auth: Auth) -> None:
    done = auth.run("list", FIREBASE_AUTH_EMULATOR_HOST="127.0.0.1:9")
    assert done.returncode == 6
    assert "firertc up" in done.stderr


def test_a_demo_project_without_a_suite(auth: Auth) -> None:
    for name in list(auth.environment):
        if name.endswith("_EMULATOR_HOST"):
            del auth.environment[name]
    done = auth.run("list", "--project", "demo-nowhere")
    assert done.returncode == 6
    assert "firertc up" in done.stderr


def test_no_credentials_in_the_cloud(auth: Auth, tmp_path: Path) -> None:
    for name in list(auth.environment):
        if name.endswith("_EMULATOR_HOST"):
            del auth.environment[name]
    missing = str(tmp_path / "missing.json")
    done = auth.run("list", "--project", "some-project", GOOGLE_APPLICATION_CREDENTIALS=missing)
    assert done.returncode == 2
    assert "GOOGLE_APPLICATION_CREDENTIALS" in done.stderr
    assert "Traceback" not in done.stderr
