"""The command line without a network: what it imports, its exit codes, where settings come from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from firertc import errors
from firertc.cli import COMMANDS, cli, main
from firertc.cli.tables import moment, printable, remaining, show_rows
from firertc.config import ENVIRONMENT, load_config
from firertc.owner import key_limits, origin_pattern
from firertc.schema import timestamp

FIRERTC = Path(sys.executable).with_name("firertc")
HEAVY = {"aiortc", "av", "google", "grpc", "httpx", "rich", "segno", "numpy", "cryptography"}
VECTORS = json.loads(
    (Path(__file__).resolve().parents[1] / "vectors" / "origins.json").read_text("utf-8")
)

VARIABLES = [variable for variables in ENVIRONMENT.values() for variable in variables]


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to be in, with no setting in the environment."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    yield tmp_path


# ---- what is imported -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["keys", "--help"],
        ["keys", "create", "--help"],
        ["rooms", "--help"],
        ["sweep", "--help"],
        ["config", "--help"],
    ],
    ids=" ".join,
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import json, sys\n"
        "before = set(sys.modules)\n"  # an installation may make the namespace "google" at once
        "from firertc.cli import main\n"
        "try:\n main(sys.argv[1:])\n"
        "except SystemExit as end:\n"
        " print(json.dumps({'exit': end.code, 'modules': sorted({*sys.modules} - before)}))\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60
    )
    assert answer.returncode == 0, answer.stderr
    end = json.loads(answer.stdout.splitlines()[-1])
    assert end["exit"] == 0
    assert "firertc.cli" in end["modules"]
    assert not {name.partition(".")[0] for name in end["modules"]} & HEAVY


def test_help_lists_every_command_and_each_is_there() -> None:
    shown = CliRunner().invoke(cli, ["--help"]).stdout
    for name, (_, text) in COMMANDS.items():
        assert name in shown
        assert text.split()[0] in shown
        command = cli.get_command(click.Context(cli), name)
        assert isinstance(command, click.Command), name
        assert command.help, name
    assert cli.get_command(click.Context(cli), "nothing") is None


# ---- exit codes -------------------------------------------------------------------------------


def test_exit_codes_are_these() -> None:
    # Scripts depend on them, and the help of the command lists them.
    expected = {
        errors.FireRTCError: 1,
        errors.MediaNotFound: 1,
        errors.ProtocolError: 1,
        errors.ConfigError: 2,
        errors.CodeUnknown: 3,
        errors.NoAnswer: 3,
        errors.AnsweredElsewhere: 3,
        errors.Rejected: 4,
        errors.Busy: 4,
        errors.KeyRefused: 5,
        errors.RoomLocked: 5,
        errors.SessionExpired: 5,
        errors.PermissionDenied: 5,
        errors.DatabaseUnreachable: 6,
        errors.FunctionsUnreachable: 6,
        errors.PathUnreachable: 6,
        errors.PeerGone: 6,
    }
    assert {kind: kind.exit_code for kind in expected} == expected
    classes = [getattr(errors, name) for name in errors.__all__ if not name.startswith("EXIT_")]
    codes = [kind.code for kind in classes]
    assert len(set(codes)) == len(codes), "a code says which error it is"


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (["nothing"], 2, "No such command"),
        (["call", "--nothing"], 2, "No such option"),
        (["config"], 2, "firertc: No Firebase project is set"),
        (["keys", "create"], 2, "Missing argument 'REALM'"),
        (["keys", "list"], 2, "firertc: No Firebase project is set"),
        (["rooms", "show", "x", "--project", "demo-x"], 2, "firertc: Which realm"),
        (["sweep", "--project", "demo-x"], 6, "firertc up"),
        (["keys", "list", "--project", "demo-x"], 6, "firertc up"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_use(
    nowhere: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    exit_code: int,
    words: str,
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == exit_code
    shown = capsys.readouterr()
    assert words in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


# ---- where settings come from -----------------------------------------------------------------


def write_suite(folder: Path, supervisor: int, **environment: str) -> Path:
    """What a running suite leaves for others to find."""
    path = folder / ".firertc" / "suite.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"supervisor": supervisor, "environment": environment}))
    return path


def shown_config(*arguments: str, expect: int = 0) -> Mapping[str, Mapping[str, str]]:
    """What ``firertc config --json`` says."""
    answer = CliRunner().invoke(cli, ["config", "--json", *arguments])
    assert answer.exit_code == expect, answer.output
    shown: Mapping[str, Mapping[str, str]] = json.loads(answer.stdout)
    return shown


def test_precedence(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = nowhere / "project" / "inside"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    suite = write_suite(
        nowhere / "project",
        os.getpid(),
        FIRERTC_PROJECT="demo-p",
        FIRERTC_REALM="of-suite",
        FIRERTC_KEY="of-suite",
        FIRESTORE_EMULATOR_HOST="127.0.0.1:1",
    )
    assert shown_config()["project"] == {"value": "demo-p", "source": f"running suite, {suite}"}
    assert shown_config()["region"]["source"] == "default"

    file = nowhere / "project" / "firertc.toml"
    file.write_text('realm = "of-file"\nregion = "of-file"\n')
    assert shown_config()["realm"] == {"value": "of-file", "source": str(file)}
    assert shown_config()["key"]["value"] == "of-suite"

    monkeypatch.setenv("FIRERTC_REALM", "of-environment")
    realm = shown_config()["realm"]
    assert realm == {"value": "of-environment", "source": "environment, FIRERTC_REALM"}
    assert shown_config()["region"]["value"] == "of-file"

    realm = shown_config("--realm", "of-option")["realm"]
    assert realm == {"value": "of-option", "source": "option"}

    # Another project than the suite's has nothing to do with the suite.
    other = shown_config("--project", "another")
    assert other["firestore_emulator"]["value"] == ""
    assert other["key"]["value"] == ""


def test_a_suite_that_ended_does_not_count(nowhere: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait(30)
    write_suite(nowhere, process.pid, FIRERTC_PROJECT="demo-p")
    with pytest.raises(errors.ConfigError, match="firertc up"):
        load_config()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("realm = ", "can't be read"),
        ('colour = "red"', "unknown setting 'colour'"),
        ("realm = 7", "must be text"),
        ('firestore_emulator = "http://x"', "must be host:port"),
        ('functions_url = "x"', "must begin with http"),
        ("ice_servers = [7]", "must be a list of servers"),
    ],
)
def test_a_broken_project_file(nowhere: Path, text: str, words: str) -> None:
    (nowhere / "firertc.toml").write_text(text)
    with pytest.raises(errors.ConfigError, match=words):
        load_config({"project": "p"})


def test_config_as_a_process(nowhere: Path) -> None:
    answer = subprocess.run(
        [FIRERTC, "config", "--project", "p"], capture_output=True, text=True, timeout=60
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[0].split() == ["project", "p", "(option)"]


# ---- the owner's decisions --------------------------------------------------------------------


@pytest.mark.parametrize("case", VECTORS["valid"], ids=lambda case: case["pattern"])
def test_valid_origin_patterns(case: Mapping[str, str]) -> None:
    assert origin_pattern(case["pattern"]) == case["written"]
    assert origin_pattern(case["written"]) == case["written"]


@pytest.mark.parametrize("case", VECTORS["invalid"], ids=lambda case: repr(case["pattern"]))
def test_invalid_origin_patterns(case: Mapping[str, str]) -> None:
    with pytest.raises(errors.ConfigError) as refused:
        origin_pattern(case["pattern"])
    assert str(refused.value).isprintable(), "it goes to a terminal"


def test_limits() -> None:
    given = ["role=subscriber", "tokenRequired=true", "sessionSeconds=600"]
    assert key_limits([*given, "connect=none", "capacity=2", "capacity=3"]) == {
        "role": "subscriber",
        "tokenRequired": True,
        "sessionSeconds": 600,
        "connect": "none",
        "capacity": 3,
    }
    assert key_limits([]) == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "role",
        "role=",
        "role=owner",
        "colour=red",
        "=",
        "capacity=1",
        "capacity=1001",
        "capacity=²",
        "capacity=1e2",
        "capacity=-5",
        "capacity=" + "9" * 5000,
        "sessionSeconds=59",
        "sessionSeconds=3601",
        "tokenRequired=yes",
        "connect=some",
        "Role=publisher",
    ],
)
def test_bad_limits(text: str) -> None:
    with pytest.raises(errors.ConfigError) as refused:
        key_limits([text])
    assert len(str(refused.value)) < 300


# ---- what is shown ----------------------------------------------------------------------------


def test_text_of_strangers_commands_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert printable("naïve ☎ 7") == "naïve ☎ 7"
    assert (
        printable("\x1b[2J\r\n\t\x07\x9b\x7f\u202e")
        == "\\x1b[2J\\x0d\\x0a\\x09\\x07\\x9b\\x7f\\u{202e}"
    )
    show_rows(("A", "B"), [("one\ttwo", "[red]three")])
    assert capsys.readouterr().out == "A\tB\none\\x09two\t[red]three\n"


def test_a_table_on_a_terminal() -> None:
    import pty

    code = (
        "from firertc.cli.tables import show_rows\n"
        "show_rows(('NAME', 'X'), [('[bold]\\x1b[31m', 'y')])\n"
    )
    leader, follower = pty.openpty()
    try:
        environment = {**os.environ, "TERM": "dumb", "COLUMNS": "60", "PYTHONIOENCODING": "utf-8"}
        subprocess.run(
            [sys.executable, "-c", code], stdout=follower, env=environment, timeout=60, check=True
        )
        shown = os.read(leader, 65_536).decode()
    finally:
        os.close(leader)
        os.close(follower)
    assert "[bold]\\x1b[31m" in shown
    assert "│" in shown
    assert "\x1b" not in shown


def test_times() -> None:
    now = timestamp(1_000_000_000)
    assert moment(now) == "2001-09-09T01:46:40+00:00"
    assert moment(None) is None
    assert [remaining(timestamp(1_000_000_000 + s), now) for s in (-1, 0, 59, 60, 7260)] == [
        "over",
        "0 s",
        "59 s",
        "1 min",
        "2 h 1 min",
    ]
    assert remaining(None, now) == "?"
