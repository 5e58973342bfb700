"""The local suite for real: it starts, its rules deny, and nothing of it is left afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from firertc.errors import ConfigError, FunctionsUnreachable, Unreachable
from firertc.suite import LocalSuite, Operations, Ports, running, seed, user_token
from firertc.suite.addresses import HOST
from firertc.suite.checks import functions_loaded, warm
from firertc.suite.state import state_path
from firertc.suite.supervisor import marked

ROOT = Path(__file__).resolve().parents[2]
FIRERTC = Path(sys.executable).with_name("firertc")

GONE_SECONDS = 10.0
"""The longest that processes may outlive the one that was killed."""

RULES = """
rules_version = '2';
service cloud.firestore {
  match /databases/{database}/documents {
    match /open/{name} { allow read, write: if true; }
    match /mine/{name} { allow read, write: if request.auth.uid == name; }
  }
}
"""

FUNCTIONS = """
from firebase_functions import https_fn

@https_fn.on_call()
def hello(request: https_fn.CallableRequest) -> str:
    return "hello"
"""

MARK = "TEST_OF_THE_SUITE"


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    """A word in the environment of everything that the test starts."""
    word = uuid.uuid4().hex
    monkeypatch.setenv(MARK, word)
    return word


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


Project = Callable[..., Path]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Make a small Firebase project."""

    def make(rules: str = RULES, functions: str = "") -> Path:
        root = tmp_path / "project"
        root.mkdir()
        (root / "firestore.rules").write_text(rules)
        configuration: dict[str, object] = {"firestore": {"rules": "firestore.rules"}}
        if functions:
            source = root / "functions"
            source.mkdir()
            (source / "main.py").write_text(functions)
            (source / "requirements.txt").write_text("firebase-functions\n")
            (source / "venv").symlink_to(ROOT / ".venv")
            configuration["functions"] = {"source": "functions", "runtime": "python311"}
        (root / "firebase.json").write_text(json.dumps(configuration))
        return root

    return make


def carrying(word: str) -> list[int]:
    """The processes, but this one, whose environment has the word."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if f"{MARK}={word}".encode() in environment.split(b"\0"):
                found.append(int(entry.name))
    return found


def in_group(group: int) -> list[int]:
    """The processes of a process group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def require_gone(word: str, within: float) -> None:
    deadline = time.monotonic() + within
    while left := carrying(word):
        if time.monotonic() > deadline:
            names = [Path(f"/proc/{pid}/cmdline").read_bytes()[:80] for pid in left]
            pytest.fail(f"still there after {within} s: {names}")
        time.sleep(0.05)


# ---- the project's own ------------------------------------------------------------------------


def test_everything_answers(suite: LocalSuite) -> None:
    assert suite.engine.name in ("jar", "hidane")
    assert "join" in functions_loaded(suite.addresses)
    assert httpx.get(suite.addresses.hosting, trust_env=False).status_code == 200
    host, _, port = suite.addresses.auth.partition(":")
    socket.create_connection((host, int(port)), timeout=5).close()
    assert suite.environment()["FIRERTC_FUNCTIONS_URL"] == suite.addresses.functions
    assert os.environ["FIRESTORE_EMULATOR_HOST"] == suite.addresses.firestore


def test_functions_listen_where_only_one_is_sent(suite: LocalSuite) -> None:
    warm(suite.addresses, ["join"])
    ports = [
        int(word.removeprefix(b"PORT="))
        for pid in marked(suite.mark)
        for word in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        if word.startswith(b"PORT=")
    ]
    # See workers.cjs; firebase-tools alone takes them from 8081 to 9081.
    assert ports
    assert all(10_000 <= port < 20_000 for port in ports), ports


def test_a_stranger_is_denied_and_it_is_in_the_log(suite: LocalSuite) -> None:
    with suite.recording() as log:
        answer = httpx.get(
            f"http://{suite.addresses.firestore}/v1/projects/{suite.project}"
            "/databases/(default)/documents/keys/demo-key",
            headers={"Authorization": f"Bearer {user_token('stranger')}"},
            trust_env=False,
        )
    assert answer.status_code == 403
    [request] = log.requests("keys/")
    assert (request.method, request.allowed, request.uid) == ("get", False, "stranger")
    assert log.operations("keys/") == Operations()


# ---- rules and the log ------------------------------------------------------------------------


def test_the_log_counts_what_is_billed(project: Project) -> None:
    with LocalSuite(project()) as suite:
        name = f"projects/{suite.project}/databases/(default)/documents"
        with httpx.Client(
            base_url=f"http://{suite.addresses.firestore}/v1/{name}", trust_env=False
        ) as client:
            ann = {"Authorization": f"Bearer {user_token('ann')}"}
            with suite.recording() as log:
                assert client.patch("/open/a", json={"fields": {}}).is_success  # made
                assert client.patch("/open/a", json={"fields": {}}).is_success  # changed
                assert client.get("/open/a").is_success
                assert client.get("/open").is_success
                assert client.patch("/mine/ann", headers=ann, json={"fields": {}}).is_success
                assert client.delete("/open/a").is_success
                refused = client.post(
                    f"http://{suite.addresses.firestore}/v1/{name}:commit",
                    headers=ann,
                    json={
                        "writes": [
                            {"update": {"name": f"{name}/open/b", "fields": {}}},
                            {"update": {"name": f"{name}/mine/bob", "fields": {}}},
                        ]
                    },
                )
                assert refused.status_code == 403
                seed(suite.addresses)  # the owner's writes are not judged
            with suite.recording() as nothing:
                pass
        assert log.operations() == Operations(reads=2, writes=3, deletes=1)
        assert [request.uid for request in log.requests("mine/ann")] == ["ann"]
        assert nothing.requests() == []

        report = json.dumps(suite.rule_coverage())
        assert "request.auth.uid == name" in report
        suite.clear()
        answer = httpx.get(
            f"http://{suite.addresses.firestore}/v1/{name}/open", trust_env=False
        ).json()
        assert answer.get("documents", []) == []


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (RULES.replace("if true;", "if ;"), r"firestore\.rules don't parse"),
        (RULES.replace("/open/{name}", "/{path=**}"), "do they deny by default"),
        ("", r"firestore\.rules don't parse"),
    ],
    ids=["unparsable", "open", "empty"],
)
def test_rules_that_do_not_deny_stop_the_suite(
    project: Project, mark: str, temporary: Path, rules: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=f"(?s)not in force.*{words}"):
        LocalSuite(project(rules)).start()
    require_gone(mark, 0)
    assert not list(temporary.iterdir())


def test_changed_rules_are_taken_when_asked_for(project: Project) -> None:
    root = project()
    rules = root / "firestore.rules"
    with LocalSuite(root) as suite:
        url = (
            f"http://{suite.addresses.firestore}/v1/projects/{suite.project}"
            "/databases/(default)/documents/other/x"
        )
        rules.write_text(RULES.replace("/open/", "/other/"))
        time.sleep(0.5)
        assert httpx.get(url, trust_env=False).status_code == 403
        suite.reload_rules()
        assert httpx.get(url, trust_env=False).status_code == 404
        rules.write_text("nonsense")
        with pytest.raises(ConfigError, match="don't parse"):
            suite.reload_rules()
        assert httpx.get(url, trust_env=False).status_code == 404


# ---- failures ---------------------------------------------------------------------------------


def test_a_taken_port_is_named(project: Project, mark: str) -> None:
    ports = Ports.free()
    with (
        socket.create_server((HOST, ports.firestore)),
        pytest.raises(Unreachable, match=f"(?s)port.*{ports.firestore}"),
    ):
        LocalSuite(project(), ports=ports).start()
    require_gone(mark, 0)


def test_functions_that_can_not_be_loaded_are_shown(project: Project, mark: str) -> None:
    root = project(functions="import a_module_that_does_not_exist\n")
    with pytest.raises(FunctionsUnreachable, match="a_module_that_does_not_exist"):
        LocalSuite(root).start()
    require_gone(mark, 0)


def test_a_suite_must_be_started_to_have_addresses(project: Project) -> None:
    with pytest.raises(Unreachable, match="not been started"):
        LocalSuite(project()).environment()


async def test_a_cancelled_start_leaves_nothing(project: Project, mark: str) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.4), LocalSuite(project()):
            pytest.fail("it can't have started so fast")
    require_gone(mark, 0)


# ---- nothing is left --------------------------------------------------------------------------


def test_stop_ends_every_process(project: Project, mark: str, temporary: Path) -> None:
    suite = LocalSuite(project(functions=FUNCTIONS))
    addresses = suite.start()
    answer = httpx.post(f"{addresses.functions}/hello", json={"data": None}, trust_env=False)
    assert answer.json() == {"result": "hello"}
    groups = {os.getpgid(pid) for pid in carrying(mark)}
    # Supervisor, guard, firebase-tools, the database, and the function's own processes.
    assert len(carrying(mark)) >= 5
    assert len(groups) >= 3
    suite.stop()
    assert carrying(mark) == []
    assert [in_group(group) for group in groups] == [[]] * len(groups)
    assert not list(temporary.iterdir())
    suite.stop()  # harmless


def test_the_guard_ends_all_when_the_supervisor_is_killed(
    project: Project, mark: str, temporary: Path
) -> None:
    suite = LocalSuite(project())
    suite.start()
    supervisor = suite.supervisor_pid
    assert supervisor is not None
    try:
        os.kill(supervisor, signal.SIGKILL)
        deadline = time.monotonic() + GONE_SECONDS
        while suite.alive() and time.monotonic() < deadline:
            time.sleep(0.02)
        require_gone(mark, GONE_SECONDS)
    finally:
        suite.stop()
    assert not list(temporary.iterdir())


@pytest.fixture
def up(project: Project, mark: str, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """``firertc up`` at work, with a function's processes running."""
    root = project(functions=FUNCTIONS)
    with (tmp_path / "up.txt").open("wb") as output:
        process = subprocess.Popen(
            [FIRERTC, "up"], cwd=root, stdout=output, stderr=output, start_new_session=True
        )
        try:
            deadline = time.monotonic() + 60
            while (addresses := running(root)) is None:
                assert process.poll() is None and time.monotonic() < deadline, output_of(tmp_path)
                time.sleep(0.05)
            httpx.post(f"{addresses.functions}/hello", json={"data": None}, trust_env=False)
            assert len(carrying(mark)) >= 6
            yield process
        finally:
            process.kill()
            process.wait()


def output_of(tmp_path: Path) -> str:
    return (tmp_path / "up.txt").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_up(
    up: subprocess.Popen[bytes],
    number: signal.Signals,
    mark: str,
    tmp_path: Path,
    temporary: Path,
) -> None:
    os.killpg(up.pid, number)  # as a terminal does
    code = up.wait(GONE_SECONDS)
    require_gone(mark, GONE_SECONDS)
    assert not state_path(tmp_path / "project").exists()
    assert "Traceback" not in output_of(tmp_path)
    assert code == (-signal.SIGKILL if number is signal.SIGKILL else 0)


def firertc(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FIRERTC, *arguments], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )


def test_up_in_the_background_and_down(project: Project, mark: str) -> None:
    root = project()
    try:
        done = firertc(root, "up", "--detach")
        assert done.returncode == 0, done.stderr
        addresses = running(root)
        assert addresses is not None
        assert addresses.firestore in done.stdout
        assert "demo-key" in done.stdout and "Firestore is" in done.stdout
        assert state_path(root).stat().st_mode & 0o777 == 0o600

        again = firertc(root, "up")
        assert again.returncode == 2
        assert "runs already" in again.stderr and "firertc down" in again.stderr
    finally:
        down = firertc(root, "down")
    assert down.returncode == 0 and "stopped" in down.stdout
    require_gone(mark, 0)
    assert running(root) is None
    assert "No local suite" in firertc(root, "down").stdout


def test_up_outside_a_project_says_so(tmp_path: Path) -> None:
    done = firertc(tmp_path, "up")
    assert done.returncode == 2
    assert "no firebase.json" in done.stderr
    assert "Traceback" not in done.stderr
