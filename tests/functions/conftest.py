"""Fixtures of the functions' tests: the emulators, realms with keys, the functions' modules."""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.cloud import firestore

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"
sys.path.insert(0, str(FUNCTIONS))

SECRET_CHARS = 43


class Place:
    """The emulators, and a realm of one test's own."""

    def __init__(self) -> None:
        """Take the addresses that the suite has put into the environment."""
        self.project = os.environ["GCLOUD_PROJECT"]
        self.firestore = os.environ["FIRESTORE_EMULATOR_HOST"]
        self.auth = os.environ["FIREBASE_AUTH_EMULATOR_HOST"]
        self.functions = os.environ["FIRERTC_FUNCTIONS_URL"]
        self.database = firestore.Client(project=self.project)
        self.realm = "t" + secrets.token_hex(6)

    def close(self) -> None:
        """Close the connection."""
        self.database.close()

    def make_key(self, **fields: Any) -> tuple[str, str]:
        """Write a key of this realm; returns it and its secret."""
        key, secret = "k" + secrets.token_hex(8), secrets.token_urlsafe(32)
        document = {
            "realm": self.realm,
            "secret": secret,
            "origins": ["https://app.example.com"],
            "programs": True,
            "label": "test",
            "disabled": False,
            "limits": {},
            "createdAt": firestore.SERVER_TIMESTAMP,
        }
        self.database.document(f"keys/{key}").set(document | fields)
        return key, secret

    def post(self, data: Any, *, url: str | None = None, **options: Any) -> httpx.Response:
        """Call ``join`` over HTTP."""
        return httpx.post(
            f"{url or self.functions}/join", json={"data": data}, timeout=30, **options
        )

    def join(self, key: str, **fields: Any) -> dict[str, Any]:
        """Join; the result."""
        response = self.post({"key": key} | fields)
        assert response.status_code == 200, response.text
        result: dict[str, Any] = response.json()["result"]
        return result

    def refusal(self, data: Any, **options: Any) -> tuple[int, str, str]:
        """Join and be refused: HTTP status, code and message."""
        response = self.post(data, **options)
        error = response.json().get("error")
        assert error is not None, response.text
        return response.status_code, error["details"]["code"], error["message"]

    def sign_in(self, custom_token: str) -> str:
        """Exchange a custom token for an ID token."""
        response = httpx.post(
            f"http://{self.auth}/identitytoolkit.googleapis.com/v1/accounts:signInWithCustomToken",
            params={"key": "any"},
            json={"token": custom_token, "returnSecureToken": True},
            timeout=10,
        )
        assert response.status_code == 200, response.text
        token: str = response.json()["idToken"]
        return token

    def rest(self, path: str) -> str:
        """REST address of a document, or of ``:commit``."""
        root = f"v1/projects/{self.project}/databases/(default)/documents"
        # An id of ours may hold a percent sign, which an address must escape.
        return f"http://{self.firestore}/{root}{path.replace('%', '%25')}"


@pytest.fixture
def place(suite: object) -> Iterator[Place]:
    """The running emulators with a fresh realm."""
    here = Place()
    yield here
    here.close()


Serve = Callable[..., AbstractContextManager[tuple[str, Path]]]


@pytest.fixture
def serve(suite: object, tmp_path: Path) -> Serve:
    """Start ``join`` in a process of its own, with settings, as the cloud would."""

    @contextmanager
    def started(**settings: str) -> Iterator[tuple[str, Path]]:
        with socket.socket() as chosen:
            chosen.bind(("127.0.0.1", 0))
            port = chosen.getsockname()[1]
        log = tmp_path / "log"
        framework = Path(sys.executable).with_name("functions-framework")
        arguments = [framework, "--target", "join", "--source", "main.py", "--port", str(port)]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*arguments, "--host", "127.0.0.1"],
                cwd=FUNCTIONS,
                env=os.environ | settings | {"PYTHONUNBUFFERED": "1"},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
            try:
                _wait_for(port, process, log)
                # The framework serves its one function under every path.
                yield f"http://127.0.0.1:{port}", log
            finally:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)

    return started


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"join does not answer: {log.read_text()}")
