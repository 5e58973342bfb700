"""``firertc send`` and ``firertc receive`` as two people run them, in real processes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from firertc.call import Media
from firertc.channel import Channel
from firertc.client import Client
from firertc.errors import Rejected
from firertc.receiving import receive_files
from firertc.room import Room
from firertc.sending import send_files
from firertc.sinks import Existing, Plan
from firertc.transfer_frames import LABEL, Entry, Offer, encode

from .conftest import Left, Run
from .remains import emptied
from .terminal import FIRERTC, STEP_SECONDS, Terminal

QUIET = Media(receiving=frozenset())
LARGE_BYTES = 120_000_000
FAR_SECONDS = 100.0


def random_file(path: Path, size: int) -> str:
    """Make a file; its SHA-256."""
    digest = hashlib.sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        left = size
        while left:
            piece = os.urandom(min(left, 4_000_000))
            file.write(piece)
            digest.update(piece)
            left -= len(piece)
    return digest.hexdigest()


def hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def command_line(terminal: Terminal) -> str:
    """What ``ps`` shows of it."""
    return Path(f"/proc/{terminal.process.pid}/cmdline").read_text().replace("\0", " ").strip()


def memory(terminal: Terminal) -> int:
    """Bytes of memory that it holds."""
    pages = Path(f"/proc/{terminal.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


@pytest.fixture
def there(tmp_path: Path) -> Path:
    folder = tmp_path / "there"
    folder.mkdir()
    return folder


def test_files_and_folders(run: Run, left: Left, here: Path, there: Path) -> None:
    hashes = {
        "a.bin": random_file(here / "a.bin", 3_000_000),
        "tree/b.bin": random_file(here / "tree/b.bin", 1_000_000),
        "tree/deep/größe 1.bin": random_file(here / "tree/deep/größe 1.bin", 70_000),
        "tree/empty": random_file(here / "tree/empty", 0),
    }
    random_file(here.parent / "secret", 1_000)
    (here / "tree/inner").symlink_to(here / "tree/b.bin")
    (here / "tree/outer").symlink_to(here.parent / "secret")
    os.mkfifo(here / "tree/fifo")
    os.utime(here / "a.bin", (1_600_000_000, 1_600_000_000))
    sender = run("send", str(here / "a.bin"), str(here / "tree"), "--json")
    skipped = {sender.wait_for("skipped")["path"].rpartition("/")[2] for _ in range(2)}
    assert skipped == {"outer", "fifo"}
    code = sender.code()
    assert code not in command_line(sender)
    receiver = run("receive", code, "--into", str(there), "--yes", "--json")
    offer = receiver.wait_for("offer")
    assert {entry["path"] for entry in offer["files"]} == {*hashes, "tree/inner"}
    assert code not in command_line(receiver)
    assert receiver.end() == 0, receiver
    assert sender.end() == 0, sender
    assert sender.events[-2]["event"] == "received"
    for path, sha256 in hashes.items():
        assert hash_of(there / path) == sha256
    assert hash_of(there / "tree/inner") == hashes["tree/b.bin"]
    assert not (there / "tree/inner").is_symlink()
    assert (there / "a.bin").stat().st_mtime == 1_600_000_000
    assert not list(there.rglob("*.part"))
    assert left() == []
    # Again: all is here, nothing travels.
    sender = run("send", str(here / "a.bin"), "--json")
    receiver = run("receive", sender.code(), "--into", str(there), "--yes", "--json")
    assert (receiver.end(), sender.end()) == (0, 0)
    assert not [event for event in receiver.events if event["event"] == "progress"]


def test_nobody_to_ask(run: Run, left: Left, here: Path, there: Path) -> None:
    random_file(here / "a.bin", 1_000)
    sender = run("send", str(here / "a.bin"), "--json")
    receiver = run("receive", "--into", str(there), FIRERTC_CODE=sender.code())
    receiver.no_more()
    assert receiver.end() == 2, receiver
    assert "--yes" in receiver.error
    assert sender.end() == 1, sender
    assert list(there.iterdir()) == []
    assert left() == []


async def test_decline(client: Client, other: Client, here: Path, there: Path) -> None:
    random_file(here / "a.bin", 1_000)

    async def no(plan: Plan) -> None:
        assert [entry.path for entry in plan.offer.files] == ["a.bin"]

    waiting = await client.wait_at_code(QUIET)
    coming, _ = await asyncio.gather(
        other.come_with_code(waiting.code, QUIET), waiting.answered(30)
    )
    channels: asyncio.Queue[object] = asyncio.Queue()
    coming.link.on("channel", channels.put_nowait)
    sending = asyncio.create_task(send_files(waiting.link, [here / "a.bin"]))
    with pytest.raises(Rejected):
        await receive_files(await channels.get(), there, decide=no)  # type: ignore[arg-type]
    with pytest.raises(Rejected, match="declined"):
        await sending
    assert list(there.iterdir()) == []


def test_a_name_that_is_taken(run: Run, here: Path, there: Path) -> None:
    sha256 = random_file(here / "a.txt", 10_000)
    mine = random_file(there / "a.txt", 500)

    def once(*arguments: str) -> tuple[Terminal, Terminal]:
        sender = run("send", str(here / "a.txt"), "--json")
        receiver = run("receive", sender.code(), "--into", str(there), "--yes", *arguments)
        receiver.end()
        sender.end()
        return sender, receiver

    sender, receiver = once()
    assert (sender.process.returncode, receiver.process.returncode) == (1, 2)
    assert "--overwrite" in receiver.error
    assert hash_of(there / "a.txt") == mine
    sender, receiver = once("--rename")
    assert (sender.process.returncode, receiver.process.returncode) == (0, 0)
    assert hash_of(there / "a.txt") == mine
    assert hash_of(there / "a (1).txt") == sha256
    once("--overwrite")
    assert hash_of(there / "a.txt") == sha256


def progressed(terminal: Terminal, share: float) -> None:
    """Wait until so much has travelled."""
    while True:
        event = terminal.wait_for("progress", FAR_SECONDS)
        if event["bytes"] >= share * event["total"]:
            assert event["bytes"] < event["total"], "it was too fast to be cut"
            return


def offset(terminal: Terminal) -> int:
    """Bytes that needed no second journey, as its first progress says."""
    return int(next(event for event in terminal.events if event["event"] == "progress")["bytes"])


@pytest.mark.timeout(300)
def test_the_receiver_is_killed(run: Run, left: Left, here: Path, there: Path) -> None:
    sha256 = random_file(here / "large.bin", LARGE_BYTES)
    sender = run("send", str(here / "large.bin"), "--json")
    code = sender.code()
    receiver = run("receive", code, "--into", str(there), "--yes", "--json")
    progressed(receiver, 0.4)
    receiver.kill()
    kept = (there / "large.bin.part").stat().st_size
    assert kept >= 0.3 * LARGE_BYTES
    again = run("receive", code, "--into", str(there), "--yes", "--json")
    assert again.end(FAR_SECONDS) == 0, again
    assert sender.end() == 0, sender
    assert "lost" in [event["event"] for event in sender.events]
    assert offset(again) >= kept
    assert hash_of(there / "large.bin") == sha256
    assert not list(there.glob("*.part"))
    assert left() == []


@pytest.mark.timeout(300)
def test_the_sender_is_killed(run: Run, left: Left, here: Path, there: Path) -> None:
    sha256 = random_file(here / "large.bin", LARGE_BYTES)
    sender = run("send", str(here / "large.bin"), "--json")
    code = sender.code()
    receiver = run("receive", code, "--into", str(there), "--yes", "--json")
    progressed(sender, 0.4)
    sender.kill()
    again = run("send", str(here / "large.bin"), "--json", FIRERTC_CODE=code)
    assert again.code() == code
    assert receiver.end(FAR_SECONDS) == 0, receiver
    assert again.end() == 0, again
    assert offset(again) >= 0.3 * LARGE_BYTES
    assert len([event for event in receiver.events if event["event"] == "offer"]) == 1
    assert hash_of(there / "large.bin") == sha256
    assert left() == []


def test_a_part_that_is_something_else(run: Run, here: Path, there: Path) -> None:
    sha256 = random_file(here / "a.bin", 2_000_000)
    random_file(there / "a.bin.part", 1_500_000)
    sender = run("send", str(here / "a.bin"), "--json")
    receiver = run("receive", sender.code(), "--into", str(there), "--yes", "--json")
    assert (receiver.end(), sender.end()) == (0, 0)
    assert offset(receiver) == 0
    assert hash_of(there / "a.bin") == sha256
    assert [path.name for path in there.iterdir()] == ["a.bin"]


@pytest.mark.parametrize("who", ["sender", "receiver"])
def test_ctrl_c(run: Run, left: Left, here: Path, there: Path, who: str) -> None:
    random_file(here / "large.bin", LARGE_BYTES)
    sender = run("send", str(here / "large.bin"), "--json")
    receiver = run("receive", sender.code(), "--into", str(there), "--yes", "--json")
    progressed(receiver, 0.05)
    one, other = (sender, receiver) if who == "sender" else (receiver, sender)
    one.interrupt()
    error = other.wait_for("error", 10)
    assert error["code"] == "transfer-stopped"
    assert one.end() == 130, one
    assert other.end() == 1, other
    assert (there / "large.bin.part").stat().st_size > 0
    assert left() == []


def test_standard_input_and_output(run: Run, left: Left, environment: dict[str, str]) -> None:
    sender = run("send", "-", "--name", "x.tar")
    code = sender.wait_for_error_line("code: ").partition("code: ")[2]
    content = os.urandom(3_000_000)
    with subprocess.Popen(
        [str(FIRERTC), "receive", code, "--stdout", "--yes"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as receiver:
        sender.write(content)
        sender.no_more()
        out, err = receiver.communicate(timeout=FAR_SECONDS)
    assert receiver.returncode == 0, err
    assert out == content
    assert sender.end() == 0, sender
    assert sender.out == []
    assert left() == []


def test_one_to_many(run: Run, left: Left, here: Path, tmp_path: Path) -> None:
    sha256 = random_file(here / "a.bin", 2_000_000)
    sender = run("send", str(here / "a.bin"), "--room", "hall", "--to", "2", "--json")
    sender.wait_for("waiting")
    receivers = [
        run("receive", "--room", "hall", "--into", str(tmp_path / name), "--yes", "--json")
        for name in ("one", "two")
    ]
    for receiver in receivers:
        assert receiver.end(FAR_SECONDS) == 0, receiver
    assert sender.end() == 0, sender
    for name in ("one", "two"):
        assert hash_of(tmp_path / name / "a.bin") == sha256
    asyncio.run(emptied(left))


async def test_a_link_that_another_replaces(
    run: Run, client: Client, here: Path, there: Path
) -> None:
    sha256 = random_file(here / "a.bin", 100_000)
    sender = run(
        "send", str(here / "a.bin"), "--room", "hall", "--as", "ann", "--to", "1", "--json"
    )
    await asyncio.to_thread(sender.wait_for, "waiting")
    channels: asyncio.Queue[Channel] = asyncio.Queue()

    async def anything(plan: Plan) -> Existing:
        return "overwrite"

    def register(room: Room) -> None:
        room.on("channel", lambda peer, channel: channels.put_nowait(channel))

    room = await client.enter("hall", connect="all", media=lambda: QUIET, on_event=register)
    async with asyncio.timeout(STEP_SECONDS):
        first = await channels.get()
        # What a newcomer does whose first attempt opened for the other side alone.
        assert room.mesh is not None
        room.mesh._make("ann", None)
        second = await channels.get()
        assert second.link is not first.link
        await receive_files(second, there, decide=anything)
    assert hash_of(there / "a.bin") == sha256
    assert await asyncio.to_thread(sender.end) == 0, sender


EVIL = (
    "../out.txt",
    "/tmp/out.txt",
    "a/../../out.txt",
    "C:out.txt",
    "..\\out.txt",
    "a\0b",
    "link/out.txt",
    "",
)


@pytest.mark.parametrize("path", EVIL)
async def test_evil_paths(client: Client, run: Run, there: Path, tmp_path: Path, path: str) -> None:
    (tmp_path / "outside").mkdir()
    (there / "link").symlink_to(tmp_path / "outside")
    waiting = await client.wait_at_code(QUIET)
    receiver = run("receive", waiting.code, "--into", str(there), "--yes", "--overwrite")
    await waiting.answered(60)
    channel = await waiting.link.open_channel(LABEL)
    await channel.send(encode(Offer("evil", (Entry("good.txt", 3), Entry(path, 3)))))
    reply = json.loads(await anext(channel))
    assert reply["t"] == "cancel"
    assert await asyncio.to_thread(receiver.end) == 1, receiver
    assert "refused" in receiver.error
    await waiting.close()
    assert sorted(item.name for item in there.iterdir()) == ["link"]
    assert list((tmp_path / "outside").iterdir()) == []
    assert not (tmp_path / "out.txt").exists()


async def test_more_than_was_offered(client: Client, run: Run, there: Path) -> None:
    waiting = await client.wait_at_code(QUIET)
    receiver = run("receive", waiting.code, "--into", str(there), "--yes")
    await waiting.answered(60)
    channel = await waiting.link.open_channel(LABEL)
    await channel.send(encode(Offer("evil", (Entry("a.bin", 10),))))
    assert json.loads(await anext(channel))["t"] == "accept"
    await channel.send('{"t":"file","index":0,"offset":0}')
    await channel.send(bytes(11))
    assert json.loads(await anext(channel))["t"] == "cancel"
    assert await asyncio.to_thread(receiver.end) == 1, receiver
    assert "more than it offered" in receiver.error
    await waiting.close()


@pytest.mark.timeout(300)
def test_memory_stays_flat(run: Run, here: Path, there: Path) -> None:
    sha256 = random_file(here / "large.bin", 300_000_000)
    sender = run("send", str(here / "large.bin"), "--json")
    receiver = run("receive", sender.code(), "--into", str(there), "--yes", "--json")
    progressed(receiver, 0.05)
    before = [memory(side) for side in (sender, receiver)]
    progressed(receiver, 0.9)
    after = [memory(side) for side in (sender, receiver)]
    growth = [(late - early) / 1e6 for early, late in zip(before, after, strict=True)]
    print(f"\nmemory grew by {growth[0]:.1f} MB (sender), {growth[1]:.1f} MB (receiver)")
    assert max(growth) < 30
    assert receiver.end(FAR_SECONDS) == 0, receiver
    assert sender.end() == 0, sender
    assert hash_of(there / "large.bin") == sha256


class Asked:
    """``firertc`` at a terminal of its own, where it can ask."""

    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        self._terminal, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [str(FIRERTC), *arguments],
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = ""

    def wait_for(self, words: str) -> None:
        give_up = time.monotonic() + STEP_SECONDS
        while words not in self.shown:
            assert time.monotonic() < give_up, self.shown
            if select.select([self._terminal], [], [], 0.2)[0]:
                try:
                    self.shown += os.read(self._terminal, 65_536).decode("utf-8", "replace")
                except OSError:  # EIO: it has ended
                    assert words in self.shown, self.shown
        self.shown = self.shown.partition(words)[2]

    def say(self, line: str) -> None:
        os.write(self._terminal, line.encode() + b"\n")

    def end(self) -> int:
        return self.process.wait(STEP_SECONDS)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(STEP_SECONDS)
        os.close(self._terminal)


@pytest.fixture
def asked(
    run: Run, environment: dict[str, str], here: Path, there: Path
) -> Iterator[tuple[Terminal, Asked]]:
    """A sender, and a receiver at the question what to do with a name that is taken."""
    random_file(here / "a.txt", 3_000)
    (there / "a.txt").write_bytes(b"mine")
    sender = run("send", str(here / "a.txt"), "--json")
    receiver = Asked(environment, "receive", sender.code(), "--into", str(there))
    try:
        receiver.wait_for("a.txt  3.0 kB  (another of this name is here)")
        receiver.wait_for("or [n]o: ")
        yield sender, receiver
    finally:
        receiver.close()


@pytest.mark.parametrize("answer", ["r", "overwrite", "n"])
def test_asked(asked: tuple[Terminal, Asked], there: Path, answer: str) -> None:
    sender, receiver = asked
    receiver.say("perhaps")
    receiver.wait_for("or [n]o: ")
    receiver.say(answer)
    receiver.wait_for("Declined" if answer == "n" else "received: a.txt")
    expected = 4 if answer == "n" else 0
    assert (receiver.end(), sender.end()) == (expected, expected), sender
    kept = {path.name: path.stat().st_size for path in there.iterdir()}
    assert (
        kept
        == {
            "r": {"a.txt": 4, "a (1).txt": 3_000},
            "overwrite": {"a.txt": 3_000},
            "n": {"a.txt": 4},
        }[answer]
    )


def test_ctrl_c_when_asked(asked: tuple[Terminal, Asked], left: Left) -> None:
    sender, receiver = asked
    receiver.process.send_signal(signal.SIGINT)
    receiver.wait_for("Stopped.")
    assert receiver.end() == 130
    assert sender.wait_for("error")["code"] == "transfer-stopped"
    assert sender.end() == 1
    assert left() == []


def test_the_sender_goes_while_asked(asked: tuple[Terminal, Asked]) -> None:
    sender, receiver = asked
    sender.interrupt()
    assert sender.end() == 130
    receiver.wait_for("The sender ended the transfer")
    assert receiver.end() == 1


def test_the_sender_stays_away(run: Run, left: Left, here: Path, there: Path) -> None:
    random_file(here / "large.bin", LARGE_BYTES)
    sender = run("send", str(here / "large.bin"), "--json")
    code = sender.code()
    receiver = run("receive", code, "--into", str(there), "--yes", "--wait", "3", "--json")
    progressed(receiver, 0.1)
    sender.kill()
    assert receiver.end() == 6, receiver
    assert f"firertc receive {code}" in receiver.error
    assert left() == []
