"""What is wrong gets one line that says so and what to do, the right exit code, and leaves nothing.

The command runs in this process: it is what ``firertc`` runs, without two seconds of imports.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import re
import secrets
import socket
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.cloud.firestore import Client as Owner

from firertc import tokens
from firertc.call import Media
from firertc.cli import main
from firertc.client import Client
from firertc.config import Config
from firertc.errors import (
    KeyRefused,
    PeerIdUnavailable,
    PermissionDenied,
    RoomFull,
    RoomLocked,
    SessionExpired,
)
from firertc.recording import Recorded
from firertc.sealing import new_code
from firertc.session import join
from firertc.suite import LocalSuite, Seeds, add_key, user_token

from .conftest import Left, Run
from .remains import remains

QUIET = Media(receiving=frozenset())


@dataclass
class Ended:
    """How a command ended."""

    code: int
    error: str
    """The one line that it said, without ``firertc:``."""


Command = Callable[..., Ended]


@pytest.fixture
def command(
    environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Command:
    """Run a command to its end."""

    def run(*arguments: str, **variables: str) -> Ended:
        with monkeypatch.context() as patch:
            patch.chdir(tmp_path)
            for name in set(os.environ) - set(environment):
                patch.delenv(name)
            for name, value in (environment | variables).items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main(list(arguments))
        lines = capfd.readouterr().err.strip().splitlines()
        code = ended.value.code
        assert isinstance(code, int)
        if not code:
            return Ended(code, "")
        if lines[0].startswith("Usage: "):
            lines = lines[-1:]  # click adds how to use it
        assert len(lines) == 1, lines
        print(f"{code}: {lines[0]}")
        return Ended(code, lines[0].removeprefix("firertc: "))

    return run


def is_line(ended: Ended, code: int, pattern: str) -> None:
    assert ended.code == code
    assert re.fullmatch(pattern, ended.error), ended.error


# ---- codes -------------------------------------------------------------------------------------


def test_an_unknown_code(command: Command) -> None:
    is_line(
        command("answer", new_code()),
        3,
        r"Nobody waits at this code: it is mistyped, used or expired\. Ask for a new one\.",
    )


@pytest.mark.parametrize(
    ("code", "exit_code", "line"),
    [
        (
            "abandon-ability-abel-about",
            3,
            r"'abel' is not a word that codes are made of\. Did you mean 'label'( or '\w+')?\?",
        ),
        (
            "abandon ability able",
            3,
            r"A code has 4 words joined with '-'; this one has 3\.",
        ),
        (
            "bob",
            2,
            r"'bob' is no code \(four words joined with '-'\)\. To call a peer by its name, say in "
            r"which room: --room NAME\.",
        ),
    ],
)
def test_what_is_no_code(command: Command, code: str, exit_code: int, line: str) -> None:
    is_line(command("call", code), exit_code, line)


async def test_a_used_code(config: Config, client: Client, other: Client) -> None:
    waiting = await client.wait_at_code(QUIET)
    answered = asyncio.create_task(waiting.answered(30))
    coming = await other.come_with_code(waiting.code, QUIET)
    await answered
    async with Client(config) as third:
        with pytest.raises(Exception, match=r"^Nobody waits at this code.*used or expired"):
            await third.come_with_code(waiting.code, QUIET)
    await coming.close()


def test_a_code_that_was_used_by_somebody_else_just_now(
    run: Run, command: Command, left: Left
) -> None:
    """Three terminals and one code: the third learns that it is too late."""
    waiting = run("call", "--json", "--chat")
    code = waiting.code()
    coming = run("answer", code, "--json", "--chat")
    coming.wait_for("connected")
    is_line(command("answer", code), 3, r"Nobody waits at this code: .*")
    coming.no_more()
    assert coming.end() == 0 and waiting.end() == 0


def test_an_expired_code(command: Command, run: Run, realm: Seeds, admin_sync: Owner) -> None:
    waiting = run("call", "--json")
    code = waiting.code()
    [path] = remains(admin_sync, realm.realm)
    past = datetime.now(UTC) - timedelta(seconds=5)
    admin_sync.document(path).update({"leaseUntil": past})
    is_line(command("answer", code), 3, r"Nobody waits at this code: .*")
    waiting.interrupt()
    assert waiting.end() == 130


def test_nobody_comes(command: Command, left: Left) -> None:
    is_line(
        command("call", "--timeout", "1", "--json"),
        3,
        r"Nobody answered within 1 s\. Try again with a new code\.",
    )
    assert left() == []


# ---- keys, rooms, sessions ---------------------------------------------------------------------


def test_a_wrong_key(command: Command) -> None:
    ended = command("call", "--json", FIRERTC_KEY="no-such-key")
    is_line(ended, 5, r".*key.*\(unknown-key\)")


def test_a_disabled_key(command: Command, realm: Seeds, admin_sync: Owner) -> None:
    admin_sync.document(f"keys/{realm.key}").update({"disabled": True})
    is_line(
        command("call", "--json"),
        5,
        r"This key has been disabled by its owner\. Ask for another one, or enable it again\. "
        r"\(disabled-key\)",
    )


def test_a_key_for_web_pages_only(command: Command, realm: Seeds, admin_sync: Owner) -> None:
    admin_sync.document(f"keys/{realm.key}").update({"programs": False})
    is_line(command("call", "--json"), 5, r".*\(programs-not-allowed\)")


def test_a_foreign_key(command: Command, suite: LocalSuite, run: Run) -> None:
    """A key of another realm finds nobody of this one."""
    token = secrets.token_hex(6)
    foreign = add_key(suite.addresses, f"other-{token}", f"key-{token}")
    waiting = run("call", "--json")
    code = waiting.code()
    ended = command("answer", code, FIRERTC_KEY=foreign.key, FIRERTC_REALM=foreign.realm)
    is_line(ended, 3, r"Nobody waits at this code: .*")
    waiting.interrupt()
    assert waiting.end() == 130


async def test_a_foreign_session_is_denied(
    suite: LocalSuite, config: Config, client: Client
) -> None:
    """Even with the id of the call's document in hand."""
    waiting = await client.wait_at_code(QUIET)
    token = secrets.token_hex(6)
    foreign = add_key(suite.addresses, f"other-{token}", f"key-{token}")
    session = await join(dataclasses.replace(config, key=foreign.key))
    async with session:
        with pytest.raises(PermissionDenied, match=r"^Could not read realms/.*rules refuse it\.$"):
            await session.database.get(waiting.document.path)


def test_neither_key_nor_realm(command: Command) -> None:
    is_line(
        command("call", "--json", FIRERTC_KEY="", FIRERTC_REALM=""),
        2,
        r"Neither a key nor a realm is set: set FIRERTC_KEY .* for an open realm\.",
    )


async def test_a_locked_room(client: Client, other: Client, config: Config, realm: Seeds) -> None:
    secret = realm.secret

    def moderator(name: str) -> str:
        return tokens.make_token(realm.key, secret, peer=name, role="moderator")

    async with Client(config, server_token=moderator("mod")) as owner:
        room = await owner.enter("vault", peer="mod")
        await room.lock()
        with pytest.raises(RoomLocked, match=r"^The room is locked") as caught:
            await other.enter("vault", peer="late")
        assert caught.value.exit_code == 5
        await room.lock(False)
        entered = await client.enter("vault", peer="later")
        assert "mod" in entered.peers


async def test_a_full_room(
    client: Client, other: Client, config: Config, admin_sync: Owner
) -> None:
    room = await client.enter("closet", peer="first")
    admin_sync.document(room.path).update({"capacity": 2})
    await other.enter("closet", peer="second")
    async with Client(config) as third:
        with pytest.raises(RoomFull, match=r"\(room-full\)$"):
            await third.enter("closet", peer="third")


async def test_a_name_that_is_taken(client: Client, other: Client) -> None:
    await client.enter("hall", peer="bob")
    with pytest.raises(PeerIdUnavailable, match=r"\(unavailable-id\)$"):
        await other.enter("hall", peer="bob")


async def test_an_expired_session(config: Config) -> None:
    """The token is old and the resume token is no good any more."""
    async with await join(config) as session:
        session.resume = "x" * 40
        session._token = user_token(
            f"{session.realm}:{session.peer}",
            {
                "realm": session.realm,
                "peer": session.peer,
                "session": session.session,
                "role": "publisher",
                "until": 1,
            },
        )
        with pytest.raises(PermissionDenied, match=r"rules refuse it\.$"):
            await session.database.get(f"realms/{session.realm}/calls/{'0' * 32}")
        # What this process knows itself: the session's time is over.
        session._good_until = 1.0
        with pytest.raises(SessionExpired, match=r"\(forged-token\)$") as caught:
            await session.database.get(f"realms/{session.realm}/calls/{'0' * 32}")
        assert caught.value.exit_code == 5


async def test_a_session_whose_key_was_disabled(
    config: Config, realm: Seeds, admin_sync: Owner
) -> None:
    async with await join(config) as session:
        admin_sync.document(f"keys/{realm.key}").update({"disabled": True})
        with pytest.raises(KeyRefused, match=r"\(disabled-key\)$"):
            await session.renew()


# ---- what isn't there --------------------------------------------------------------------------


@pytest.fixture
def nobody() -> Iterator[str]:
    """``host:port`` where nobody listens, and nobody else begins to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def test_the_suite_does_not_run(command: Command, nobody: str) -> None:
    is_line(
        command(
            "call",
            "--json",
            FIRESTORE_EMULATOR_HOST=nobody,
            FIREBASE_AUTH_EMULATOR_HOST=nobody,
            FIRERTC_FUNCTIONS_URL=f"http://{nobody}/demo/us-central1",
        ),
        6,
        r"The function 'join' does not answer \(.*\)\. Is the local suite running\? Start it with "
        r"'firertc up'\.",
    )


def test_auth_does_not_run(command: Command, nobody: str) -> None:
    is_line(
        command("call", "--json", FIREBASE_AUTH_EMULATOR_HOST=nobody),
        6,
        r"Firebase Auth does not answer \(.*\)\. Is the local suite running\? Start it with "
        r"'firertc up'\.",
    )


def test_firestore_does_not_run(
    command: Command, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firertc.database.PATIENCE_SECONDS", 1.0)
    ended = command("answer", new_code(), "--json", FIRESTORE_EMULATOR_HOST=nobody)
    is_line(
        ended,
        6,
        r"Could not read realms/.*: no Firestore emulator answers at 127\.0\.0\.1:\d+\. Is the "
        r"local suite running\? Start it with 'firertc up'\.",
    )


def test_the_functions_are_not_deployed(command: Command, suite: LocalSuite) -> None:
    """The functions emulator answers 404 to what it doesn't know, as the cloud does."""
    url = suite.addresses.functions.replace("us-central1", "europe-west9")
    is_line(
        command("call", "--json", FIRERTC_FUNCTIONS_URL=url),
        6,
        rf"There is no function 'join' at {re.escape(url)} \(HTTP 404\)\. Deploy it with 'firebase "
        r"deploy --only functions', or use an open realm, which needs none\.",
    )


def test_a_realm_that_is_not_open(command: Command) -> None:
    ended = command("call", "--json", FIRERTC_KEY="")
    is_line(
        ended,
        5,
        r"Could not write realms/.*: the security rules refuse it\. Is the realm open\? Otherwise "
        r"its owner gives you a key \(FIRERTC_KEY or --key\)\.",
    )


def test_no_project(command: Command) -> None:
    ended = command(
        "call", "--json", FIRERTC_PROJECT="", GCLOUD_PROJECT="", GOOGLE_CLOUD_PROJECT=""
    )
    is_line(ended, 2, r"No Firebase project is set\. Start the local suite with 'firertc up', .*")


# ---- media -------------------------------------------------------------------------------------


def test_a_file_that_is_not_there(command: Command, left: Left) -> None:
    is_line(command("call", "--play", "gone.mp4", "--json"), 1, r"gone\.mp4: there is no such .*")
    assert left() == []


def test_a_file_that_is_no_film(command: Command, tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("shopping: tea, bread\n" * 100)
    is_line(
        command("call", "--play", "notes.mp4", "--json"),
        1,
        r"notes\.mp4 is no sound or video that can be decoded, or is damaged",
    )


def test_a_file_without_the_kind(command: Command, tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "tone.wav"), "wb") as tone:
        tone.setnchannels(1)
        tone.setsampwidth(2)
        tone.setframerate(8000)
        tone.writeframes(bytes(16000))
    is_line(
        command("call", "--play", "tone.wav", "--no-audio", "--json"),
        1,
        r"tone\.wav has sound only, and that is left out: remove --no-audio .*",
    )


@pytest.mark.parametrize("where", ["nowhere/got.mp4", "got.docx"])
def test_a_recording_that_can_not_be_written(command: Command, left: Left, where: str) -> None:
    ended = command("call", "--record", where, "--json")
    assert ended.code in (1, 2)
    assert where in ended.error
    assert left() == []


def test_a_recording_onto_a_folder(command: Command, tmp_path: Path) -> None:
    (tmp_path / "got.mp4").mkdir()
    ended = command("call", "--record", "got.mp4", "--json")
    is_line(ended, 1, r".*got\.mp4.*")


def test_nothing_to_play_or_record(command: Command, clip: Recorded) -> None:
    ended = command("call", "--play", str(clip.path), "--no-audio", "--no-video")
    is_line(ended, 2, r"Error: --no-audio and --no-video leave nothing to play or record\.")


@pytest.mark.parametrize("name", ["", "x" * 200, "a\ud800"])
def test_a_name_that_is_no_id(command: Command, name: str) -> None:
    ended = command("call", name, "--room", "hall", "--as", "ann", "--json")
    assert ended.code == 2
    assert "The peer name" in ended.error or "A peer needs a name" in ended.error
