"""The decisions of the local suite, without starting one."""

from __future__ import annotations

import base64
import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from firertc.errors import ConfigError
from firertc.suite import Operations, Ports, find_root, running, stop_running, user_token
from firertc.suite.addresses import HOST, Addresses, free_ports, is_free
from firertc.suite.engine import Found, choose
from firertc.suite.local import clean
from firertc.suite.requests import count, read_log
from firertc.suite.state import State, state_path
from firertc.suite.supervisor import descendants, started_at
from firertc.suite.workspace import configured, parts_of, surroundings

JAR = Path("/somewhere/cloud-firestore-emulator.jar")
HIDANE = Path("/somewhere/hidane")

PROJECT = {
    "functions": [{"source": "functions", "runtime": "python311"}],
    "firestore": {"rules": "firestore.rules"},
    "hosting": {"public": "web"},
    "emulators": {"auth": {"port": 9099}, "ui": {"enabled": True}},
}


@pytest.mark.parametrize(
    ("found", "forced", "name"),
    [
        (Found(21, JAR, HIDANE), None, "jar"),
        (Found(25, JAR, None), None, "jar"),
        (Found(21, None, HIDANE), None, "hidane"),
        (Found(21, None, None), None, "jar"),
        (Found(17, JAR, HIDANE), None, "hidane"),
        (Found(None, None, HIDANE), None, "hidane"),
        (Found(21, JAR, HIDANE), "hidane", "hidane"),
        (Found(21, None, HIDANE), "jar", "jar"),
        (Found(17, None, HIDANE), "", "hidane"),
    ],
)
def test_the_best_engine_is_chosen(found: Found, forced: str | None, name: str) -> None:
    engine = choose(found, forced)
    assert engine.name == name
    assert engine.why
    assert engine.prefix == ((str(HIDANE), "exec", "--") if name == "hidane" else ())


@pytest.mark.parametrize(
    ("found", "forced", "words"),
    [
        (Found(None, None, None), None, "scripts/setup"),
        (Found(17, JAR, None), None, "Java 17"),
        (Found(17, JAR, HIDANE), "jar", "needs Java 21"),
        (Found(21, JAR, None), "hidane", "not installed"),
        (Found(21, JAR, HIDANE), "mongo", "'jar' or 'hidane'"),
    ],
)
def test_without_an_engine_the_error_says_what_to_do(
    found: Found, forced: str | None, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        choose(found, forced)


def test_free_ports_are_free_and_different() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert all(is_free(port) for port in ports)
    assert not set(free_ports(5, avoid=ports)) & set(ports)


def test_a_port_with_a_listener_is_not_free() -> None:
    with socket.create_server((HOST, 0)) as server:
        assert not is_free(server.getsockname()[1])


def test_the_configuration_keeps_the_project_and_changes_the_ports() -> None:
    ports = Ports.free()
    result = configured(PROJECT, ports, ("firestore", "auth"))
    assert result["firestore"] == PROJECT["firestore"]
    assert "functions" not in result and "hosting" not in result
    assert result["emulators"]["firestore"] == {
        "host": HOST,
        "port": ports.firestore,
        "websocketPort": ports.requests,
    }
    assert result["emulators"]["ui"] == {"enabled": False}
    assert "hosting" not in result["emulators"]


def test_a_part_that_the_project_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match="'hosting'"):
        configured({"firestore": {}}, Ports.standard(), ("firestore", "hosting"))


def test_the_parts_are_those_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "firebase.json").write_text(json.dumps(PROJECT))
    assert set(parts_of(tmp_path)) == {"auth", "firestore", "functions", "hosting"}
    (tmp_path / "firebase.json").write_text('{"firestore": {}}')
    assert parts_of(tmp_path) == ("firestore",)
    with pytest.raises(ConfigError, match="unknown part 'storage'"):
        parts_of(tmp_path, ["storage"])


@pytest.mark.parametrize("content", ["", "[]", "{", None])
def test_a_broken_firebase_json_is_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "firebase.json").write_text(content)
    with pytest.raises(ConfigError, match=r"firebase\.json"):
        parts_of(tmp_path)


def test_the_root_is_the_nearest_folder_above(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"no firebase\.json"):
        find_root(below)
    (tmp_path / "firebase.json").write_text("{}")
    assert find_root(below) == tmp_path


def test_the_emulators_see_no_login_and_no_other_suite(tmp_path: Path) -> None:
    seen = surroundings(
        tmp_path,
        {
            "PATH": "/bin",
            "HTTPS_PROXY": "http://proxy",
            "GOOGLE_APPLICATION_CREDENTIALS": "/secret.json",
            "FIREBASE_TOKEN": "secret",
            "FIRESTORE_EMULATOR_HOST": "127.0.0.1:1",
            "FIRERTC_KEY": "key",
        },
    )
    assert seen["PATH"] == "/bin" and seen["HTTPS_PROXY"] == "http://proxy"
    assert seen["CI"] == seen["NO_UPDATE_NOTIFIER"] == "1"
    assert seen["XDG_CONFIG_HOME"].startswith(str(tmp_path))
    assert not {name for name in seen if "TOKEN" in name or "CRED" in name or name.endswith("HOST")}
    assert int(seen["FUNCTIONS_EMULATOR_PARALLEL"]) >= 2
    assert "FIRERTC_KEY" not in seen


def test_a_token_has_the_claims_of_a_real_one() -> None:
    head, body, signature = user_token("ann", {"room": "r"}, project="demo-x").split(".")
    assert signature == ""
    assert _decoded(head)["alg"] == "none"
    claims = _decoded(body)
    assert claims["sub"] == claims["user_id"] == "ann"
    assert claims["aud"] == "demo-x"
    assert claims["iss"] == "https://securetoken.google.com/demo-x"
    assert claims["exp"] == claims["iat"] + 3600
    assert claims["room"] == "r"


def _decoded(part: str) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded


def test_a_log_is_shown_without_tokens_and_colours() -> None:
    text = f"\x1b[31mfailed\x1b[0m for {user_token('ann')}  \n\n  next"
    assert clean(text) == "failed for <token>\n  next"


def record(
    method: str,
    path: str,
    outcomes: list[bool],
    *,
    allowed: bool = True,
    exists: bool = False,
    time: str = "2026-01-02T03:04:05.678Z",
) -> dict[str, Any]:
    """A record as the emulator's log has it."""
    auth = {"mapValue": {"fields": {"uid": {"stringValue": "ann"}}}}
    return {
        "outcome": "allow" if allowed else "deny",
        "granularAllowOutcomes": [{"line": 1, "outcome": outcome} for outcome in outcomes],
        "rulesContext": {
            "method": method,
            "path": f"/databases/(default)/documents/{path}",
            "time": time,
            "request": {"mapValue": {"fields": {"auth": auth}}},
            "resource": {"mapValue": {"fields": {}}} if exists else {"nullValue": None},
        },
    }


def test_a_write_judged_as_create_and_update_is_one_write() -> None:
    made = [record("create", "a/1", [True]), record("update", "a/1", [True, True])]
    changed = [
        record("create", "a/1", [False], allowed=False, exists=True, time="2026-01-02T03:04:06Z"),
        record("update", "a/1", [False, True], exists=True, time="2026-01-02T03:04:06Z"),
    ]
    requests = read_log(made + changed)
    assert [(r.method, r.path, r.allowed, r.uid) for r in requests] == [
        ("create", "a/1", True, "ann"),
        ("update", "a/1", True, "ann"),
    ]
    assert count(requests) == Operations(writes=2)


def test_a_query_judged_in_several_ways_is_one_read() -> None:
    requests = read_log([record("list", "a/*", [True]), record("list", "a/*", [True, True])])
    assert len(requests) == 1
    assert count(requests) == Operations(reads=1)


def test_two_reads_within_a_millisecond_are_two_reads() -> None:
    requests = read_log([record("get", "a/1", [True]), record("get", "a/1", [True])])
    assert count(requests) == Operations(reads=2)


def test_nothing_of_a_refused_batch_is_counted() -> None:
    batch = [
        record("delete", "a/1", [True], exists=True),
        record("update", "a/2", [True, False], allowed=False, exists=True),
    ]
    other = record("delete", "a/3", [True], exists=True, time="2026-01-02T03:04:07Z")
    requests = read_log([*batch, other])
    assert count(requests) == Operations(deletes=1)
    assert count(requests).total == 1


def test_a_dead_suite_is_not_found_and_its_file_goes(tmp_path: Path) -> None:
    started = started_at(os.getpid())
    assert started is not None
    addresses = Addresses.at(Ports.standard())
    dead = State("0" * 32, os.getpid(), started + 1, "hidane", True, addresses)
    dead.write(tmp_path)
    assert state_path(tmp_path).stat().st_mode & 0o777 == 0o600
    assert running(tmp_path) is None
    assert stop_running(tmp_path) is False
    assert not state_path(tmp_path).exists()

    State("0" * 32, os.getpid(), started, "hidane", True, addresses).write(tmp_path)
    assert running(tmp_path) == addresses


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"mark": 1}'])
def test_a_broken_state_file_counts_as_none(tmp_path: Path, content: str) -> None:
    state_path(tmp_path).parent.mkdir()
    state_path(tmp_path).write_text(content)
    assert running(tmp_path) is None
    assert stop_running(tmp_path) is False
    assert not state_path(tmp_path).exists()


def test_descendants_reach_below_children() -> None:
    assert os.getpid() in descendants([os.getppid()])
    assert os.getpid() not in descendants([os.getpid()])
