"""The project's owner: keys, as ``join`` then takes them, and their secrets."""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from google.cloud.firestore import Client

from firertc import make_token
from firertc.cli import main
from firertc.config import load_config
from firertc.owner import connect, create_key, rotate_key
from firertc.suite import LocalSuite

APP = "https://app.example.com"


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    exit_code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its standard output, read."""
        return json.loads(self.out)


Run = Callable[..., Outcome]


@pytest.fixture
def run(suite: LocalSuite) -> Run:
    """Run ``firertc`` with arguments, in this process."""

    def started(*arguments: str) -> Outcome:
        with CliRunner().isolation() as (out, err, _):
            try:
                main([*arguments])
                code: Any = 0
            except SystemExit as end:
                code = end.code
            sys.stdout.flush()
            sys.stderr.flush()
            return Outcome(code or 0, out.getvalue().decode(), err.getvalue().decode())

    return started


@pytest.fixture
def name() -> str:
    """Name of a realm of the test's own."""
    return f"owner-{secrets.token_hex(6)}"


def made(outcome: Outcome) -> tuple[str, str]:
    """Key and secret from what ``keys create`` and its like print."""
    assert outcome.exit_code == 0, outcome.err
    assert "Traceback" not in outcome.err
    if outcome.out.startswith("{"):
        return outcome.json["key"], outcome.json["secret"]
    fields = dict(line.split("\t") for line in outcome.out.splitlines())
    return fields["key"], fields["secret"]


def join(key: str, origin: str | None = None, **fields: str) -> str:
    """Ask the real ``join``: the realm that it lets into, or the code that it refuses with."""
    answer = httpx.post(
        f"{os.environ['FIRERTC_FUNCTIONS_URL']}/join",
        json={"data": {"key": key, **fields}},
        headers={"Origin": origin} if origin else {},
        timeout=30,
        trust_env=False,
    ).json()
    return str(
        answer["result"]["realm"] if "result" in answer else answer["error"]["details"]["code"]
    )


def keys_of(database: Client, realm: str) -> dict[str, dict[str, Any]]:
    """Every key document of a realm, by its id."""
    found = {item.id: item.to_dict() or {} for item in database.collection("keys").stream()}
    return {key: fields for key, fields in found.items() if fields.get("realm") == realm}


# ---- keys -------------------------------------------------------------------------------------


def test_create(run: Run, name: str, admin_sync: Client) -> None:
    origins = ["--origin", f"{APP}/", "--origin", "http://localhost:*", "--origin", APP]
    outcome = run("keys", "create", name, *origins, "--label", "the app", "--json")
    key, secret = made(outcome)
    assert re.fullmatch(r"k[A-Za-z0-9_-]{20}", key)
    assert len(secret) >= 32
    (stored,) = keys_of(admin_sync, name).items()
    assert stored[0] == key
    created_at = stored[1].pop("createdAt")
    assert abs(created_at.timestamp() - time.time()) < 60
    assert stored[1] == {
        "realm": name,
        "secret": secret,
        "origins": [APP, "http://localhost:*"],
        "programs": False,
        "label": "the app",
        "disabled": False,
        "limits": {},
    }
    assert admin_sync.document(f"realms/{name}").get().to_dict() == {"open": False, "limits": {}}
    assert join(key, APP) == name
    assert join(key, "http://localhost:5000") == name
    assert join(key, "https://evil.example") == "origin-not-allowed"
    assert join(key) == "programs-not-allowed"


def test_programs(run: Run, name: str) -> None:
    assert join(made(run("keys", "create", name))[0]) == name
    both = made(run("keys", "create", name, "--programs", "--origin", APP))[0]
    assert join(both) == join(both, APP) == name


def test_realms_open_and_close(run: Run, name: str, admin_sync: Client) -> None:
    place = admin_sync.document(f"realms/{name}")
    place.set({"open": False, "limits": {"rooms": 3}})
    for option, is_open in (("", False), ("--open", True), ("", True), ("--closed", False)):
        made(run("keys", "create", name, *option.split()))
        assert place.get().to_dict() == {"open": is_open, "limits": {"rooms": 3}}
    assert len(keys_of(admin_sync, name)) == 4


def test_a_name_is_not_an_id(run: Run, name: str, admin_sync: Client) -> None:
    realm = f"Büro/{name[-6:]}"
    key, _ = made(run("keys", "create", realm))
    assert join(key) == f"B%C3%BCro%2F{name[-6:]}"
    assert [item["key"] for item in run("keys", "list", realm, "--json").json] == [key]
    assert realm in run("keys", "list", realm).out


def test_alias(run: Run, name: str) -> None:
    limits = ["--limit", "role=subscriber", "--limit", "sessionSeconds=600"]
    key, secret = made(run("keys", "create", name, "--origin", APP, *limits))
    other = "https://*.example.org"
    outcome = run("keys", "alias", key, "--origin", other, "--limit", "role=publisher", "--json")
    alias, own_secret = made(outcome)
    assert alias != key
    assert own_secret != secret
    assert outcome.json["limits"] == {"role": "publisher", "sessionSeconds": 600}
    assert join(alias, "https://a.example.org") == name
    assert join(alias, APP) == "origin-not-allowed"
    assert join(key, "https://a.example.org") == "origin-not-allowed"
    assert join(alias, "https://a.example.org", token=make_token(alias, secret)) == "forged-token"


def test_list(run: Run, name: str, admin_sync: Client) -> None:
    first, secret = made(run("keys", "create", name, "--origin", APP))
    # Whoever else may write to the database may have written this.
    admin_sync.document(f"keys/{first}").update({"label": "one\x1b[31m"})
    second, other_secret = made(run("keys", "alias", first))
    shown = run("keys", "list", name)
    header, *rows = (line.split("\t") for line in shown.out.splitlines())
    assert [row[:4] for row in rows] == [
        [first, name, APP, "on"],
        [second, name, "programs", "on"],
    ]
    assert rows[0][header.index("LABEL")] == "one\\x1b[31m"
    listed = run("keys", "list", name, "--json")
    assert [item["key"] for item in listed.json] == [first, second]
    assert listed.json[0]["label"] == "one\x1b[31m"
    everything = run("keys", "list", "--json")
    assert {"demo-key", first, second} <= {item["key"] for item in everything.json}
    for outcome in (shown, listed, everything, run("keys", "list")):
        assert "\x1b" not in outcome.out
        assert "secret" not in outcome.out.lower()
        assert secret not in outcome.out
        assert other_secret not in outcome.out
    empty = run("keys", "list", f"{name}-none")
    assert (empty.exit_code, empty.out) == (0, "")
    assert run("keys", "list", f"{name}-none", "--json").json == []


def test_disable_and_enable(run: Run, name: str) -> None:
    key, _ = made(run("keys", "create", name))
    other, _ = made(run("keys", "alias", key))
    for command, state, answer in (
        ("disable", True, "disabled-key"),
        ("disable", True, "disabled-key"),
        ("enable", False, name),
    ):
        assert run("keys", command, key).exit_code == 0
        assert join(key) == answer
        assert join(other) == name
        shown = {item["key"]: item["disabled"] for item in run("keys", "list", name, "--json").json}
        assert shown == {key: state, other: False}


def test_rotate(run: Run, name: str, admin_sync: Client) -> None:
    key, old = made(run("keys", "create", name, "--label", "x", "--limit", "tokenRequired=true"))
    before = keys_of(admin_sync, name)[key]
    assert join(key) == "token-required"
    assert join(key, token=make_token(key, old)) == name
    assert (rotated := made(run("keys", "rotate", key)))[0] == key
    assert keys_of(admin_sync, name)[key] == before | {"secret": rotated[1]}
    assert join(key, token=make_token(key, old)) == "forged-token"
    assert join(key, token=make_token(key, rotated[1])) == name


# ---- the secret -------------------------------------------------------------------------------


def test_a_secret_is_shown_once(
    run: Run, name: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    key, secret = made(run("keys", "create", name, "--json"))
    wrong = [["alias", secret], ["disable", secret], ["enable", secret], ["rotate", secret]]
    for arguments in (*wrong, ["list", secret], ["list"], ["disable", key], ["alias", key]):
        outcome = run("keys", *arguments)
        if arguments in wrong:
            assert outcome.exit_code == 1
            assert "a key and its secret are two things" in outcome.err
        if arguments != ["list", secret]:
            assert secret not in outcome.out + outcome.err, arguments
    assert secret not in run("keys", "rotate", key).out
    assert secret not in caplog.text
    shown = capfd.readouterr()
    assert secret not in shown.out + shown.err
    with connect(load_config()) as database:
        again = create_key(database, name)
        assert again.secret not in repr(again)
        assert "secret" not in repr(again.key)
        rotated = rotate_key(database, again.key.id)
        assert rotated.secret not in repr(rotated)


def test_secret_file(run: Run, name: str, tmp_path: Path, admin_sync: Client) -> None:
    file = tmp_path / "secret"
    before = os.umask(0)  # the mode is the command's own doing
    try:
        outcome = run("keys", "create", name, "--secret-file", str(file), "--json")
    finally:
        os.umask(before)
    assert outcome.exit_code == 0, outcome.err
    key, content = outcome.json["key"], file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert keys_of(admin_sync, name)[key]["secret"] == content.strip()
    assert outcome.json["secretFile"] == str(file)
    assert content.strip() not in outcome.out + outcome.err
    assert "secret" not in outcome.json
    # A file that is there is not destroyed, and no key is made whose secret nobody has.
    for command in (["create", name], ["alias", key]):
        refused = run("keys", *command, "--secret-file", str(file))
        assert refused.exit_code == 2
        assert "is there already" in refused.err
    assert list(keys_of(admin_sync, name)) == [key]
    assert file.read_text() == content
    # rotate replaces it, but only once the database has the new one.
    assert run("keys", "rotate", "nobody", "--secret-file", str(file)).exit_code == 1
    assert file.read_text() == content
    rotated = run("keys", "rotate", key, "--secret-file", str(file))
    assert rotated.exit_code == 0
    assert file.read_text() != content
    assert keys_of(admin_sync, name)[key]["secret"] == file.read_text().strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_impossible_secret_file(run: Run, name: str, tmp_path: Path, admin_sync: Client) -> None:
    for place in (tmp_path / "none" / "secret", tmp_path, Path("/dev/null")):
        refused = run("keys", "create", name, "--secret-file", str(place))
        assert refused.exit_code == 2, place
        assert str(place) in refused.err
    bad = run("keys", "create", name, "--origin", "x", "--secret-file", str(tmp_path / "s"))
    assert bad.exit_code == 2
    assert list(tmp_path.iterdir()) == []
    assert keys_of(admin_sync, name) == {}


# ---- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (["create", "REALM", "--origin", "example.com"], 2, "does not begin with https://"),
        (["create", "REALM", "--origin", "https://*.com"], 2, "too wide"),
        (["create", "REALM", "--origin", f"{APP}/page"], 2, "ends where the path begins"),
        (["create", "REALM", "--origin", "https://bücher.example"], 2, "xn-- form"),
        (["create", "REALM", "--no-programs"], 2, "Nobody could use this key"),
        (["create", "REALM", "--limit", "capacity=1"], 2, "from 2 to 1000"),
        (["create", "REALM", "--limit", "size=1"], 2, "is no limit"),
        (["create", "REALM", "--limit", "role=owner"], 2, "subscriber, publisher, moderator"),
        (["create", "REALM", "--label", "x" * 201], 2, "200 at most"),
        (["create", "REALM", "--label", "\udcff"], 2, "one line of text"),
        (["create", "REALM", "--label", "a\nb"], 2, "one line of text"),
        (["create", "REALM", "--origin", "\udcff"], 2, "no origin pattern"),
        (["create", "REALM", "--limit", "\udcff"], 2, "is no limit"),
        (["create", "REALM\udcff"], 2, "realm name"),
        (["rotate", "\udcff"], 1, "no such key"),
        (["list", "--database", "\udcff"], 2, "firertc: "),
        (["list", "--project", "\udcff"], 2, "firertc: "),
        (["create", "REALM" * 7], 2, "realm name is too long"),
        (["create", ""], 2, "at least one character"),
        (["create", "REALM", *["--origin", "*"], "--database", "a/b"], 1, "firertc: "),
        (["alias", "nobody"], 1, "no such key"),
        (["disable", "nobody"], 1, "no such key"),
        (["enable", "nobody"], 1, "no such key"),
        (["rotate", "nobody"], 1, "no such key"),
        (["rotate", "a/b"], 1, "no such key"),
        (["rotate", ".."], 1, "no such key"),
        (["rotate", ""], 1, "no such key"),
        (["disable", "é" * 2000], 1, "no such key"),
        (["list", "x" * 33], 2, "realm name is too long"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_bad_input(
    run: Run, name: str, admin_sync: Client, arguments: list[str], exit_code: int, words: str
) -> None:
    outcome = run("keys", *(part.replace("REALM", name) for part in arguments))
    assert outcome.exit_code == exit_code, outcome.err
    assert words in outcome.err
    assert outcome.err.startswith("firertc: ")
    assert outcome.err.count("\n") == 1
    assert outcome.out == ""
    assert keys_of(admin_sync, name) == {}
    assert not admin_sync.document(f"realms/{name}").get().exists
