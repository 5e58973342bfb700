"""Transfers between two folders, over channels in memory: what is kept, and what goes on."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from firertc.errors import ChannelClosed, ConfigError, Rejected
from firertc.manifest import collect
from firertc.partial import DiskFull, PartialFile, free_name, place
from firertc.receiving import receive_files
from firertc.sending import Progress, Sending, Stopped
from firertc.sinks import WRITE_BYTES, Existing, Plan, StreamSink
from firertc.transfer import TransferError
from firertc.transfer_frames import PIECE_BYTES


class End:
    """One end of a channel in memory that can be cut after so many messages."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[str | bytes | None] = asyncio.Queue(8)
        self.other: End = self
        self.left = 1_000_000

    async def send(self, data: str | bytes) -> None:
        self.left -= 1
        if self.left < 0:
            self.cut()
            raise ChannelClosed("cut")
        await self.other.arrived.put(data)

    async def flush(self, timeout: float = 10.0) -> None:
        while not self.other.arrived.empty():
            await asyncio.sleep(0)

    def cut(self) -> None:
        for end in (self, self.other):
            while end.arrived.full():
                end.arrived.get_nowait()
            end.arrived.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        while (message := await self.arrived.get()) is not None:
            yield message


def pair() -> tuple[End, End]:
    one, other = End(), End()
    one.other, other.other = other, one
    return one, other


async def yes(plan: Plan) -> Existing:
    return "rename"


class Both:
    """Both sides of one attempt."""

    def __init__(self, wanted: list[Path], into: Path, *, messages: int = 1_000_000) -> None:
        self.here, self.there = pair()
        self.here.left = messages
        self.moved = 0
        self.sending = Sending(self.here, collect(wanted), on_progress=self._note)
        self.into = into

    def _note(self, progress: Progress) -> None:
        self.moved = progress.moved

    async def run(self, answer: Existing | None = "rename") -> list[BaseException | None]:
        async def decide(plan: Plan) -> Existing | None:
            return answer

        results = await asyncio.gather(
            self.sending.run(),
            receive_files(self.there, self.into, decide=decide),
            return_exceptions=True,
        )
        return [result if isinstance(result, BaseException) else None for result in results]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


@pytest.fixture
def there(tmp_path: Path) -> Path:
    (tmp_path / "there").mkdir()
    return tmp_path / "there"


async def test_goes_on_where_it_was_cut(here: Path, there: Path) -> None:
    content = os.urandom(PIECE_BYTES * 20 + 7)
    (here / "a").write_bytes(content)
    cut = Both([here / "a"], there, messages=12)
    assert all(isinstance(error, ChannelClosed) for error in await cut.run())
    kept = (there / "a.part").stat().st_size
    assert 0 < kept < len(content)
    again = Both([here / "a"], there)
    assert await again.run() == [None, None]
    assert again.moved == len(content) - kept
    assert (there / "a").read_bytes() == content
    assert not (there / "a.part").exists()


async def test_a_part_of_another_file_is_of_no_use(here: Path, there: Path) -> None:
    content = os.urandom(PIECE_BYTES * 3)
    (here / "a").write_bytes(content)
    (there / "a.part").write_bytes(bytes(PIECE_BYTES))
    both = Both([here / "a"], there)
    assert await both.run() == [None, None]
    assert both.moved == len(content)
    assert (there / "a").read_bytes() == content


async def test_a_longer_part_is_of_no_use(here: Path, there: Path) -> None:
    (here / "a").write_bytes(b"short")
    (there / "a.part").write_bytes(b"short and more")
    assert await Both([here / "a"], there).run() == [None, None]
    assert (there / "a").read_bytes() == b"short"


async def test_a_file_that_changes_while_it_is_sent(here: Path, there: Path) -> None:
    (here / "a").write_bytes(bytes(PIECE_BYTES * 2))
    both = Both([here / "a"], there)
    (here / "a").write_bytes(b"less")
    ours, theirs = await both.run()
    assert isinstance(ours, TransferError) and "changed" in str(ours)
    assert isinstance(theirs, Stopped)


async def test_a_disk_that_is_full(
    here: Path, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "a").write_bytes(bytes(WRITE_BYTES * 3))
    write = PartialFile.write

    def full(self: PartialFile, *pieces: bytes) -> None:
        if self.size >= WRITE_BYTES:
            # What a write to a full disk raises (there is no small disk to be had in a test).
            self._file.close()
            self._file = open("/dev/full", "r+b", buffering=0)  # noqa: SIM115
        write(self, *pieces)

    monkeypatch.setattr(PartialFile, "write", full)
    ours, theirs = await Both([here / "a"], there).run()
    assert isinstance(theirs, DiskFull) and "No space is left" in str(theirs)
    assert isinstance(ours, Stopped) and "disk is full" in str(ours)
    assert (there / "a.part").stat().st_size > WRITE_BYTES - PIECE_BYTES


async def test_declined(here: Path, there: Path) -> None:
    (here / "a").write_bytes(b"x")
    ours, theirs = await Both([here / "a"], there).run(None)
    assert isinstance(ours, Rejected) and isinstance(theirs, Rejected)
    assert list(there.iterdir()) == []


@pytest.mark.parametrize("answer", ["overwrite", "rename", "skip"])
async def test_a_name_that_is_taken(here: Path, there: Path, answer: Existing) -> None:
    (here / "a.txt").write_bytes(b"new")
    (here / "b.txt").write_bytes(b"b")
    (there / "a.txt").write_bytes(b"old one")
    both = Both([here / "a.txt", here / "b.txt"], there)
    assert await both.run(answer) == [None, None]
    found = {path.name: path.read_bytes() for path in there.iterdir()}
    expected = {
        "overwrite": {"a.txt": b"new"},
        "rename": {"a.txt": b"old one", "a (1).txt": b"new"},
        "skip": {"a.txt": b"old one"},
    }[answer]
    assert found == {**expected, "b.txt": b"b"}


async def test_a_name_that_is_taken_in_the_middle(here: Path, there: Path) -> None:
    target = there / "a"
    file = PartialFile(target, 0)
    file.write(b"received")
    target.write_bytes(b"somebody else's")
    assert file.finish(None, overwrite=False) == there / "a (1)"
    assert target.read_bytes() == b"somebody else's"
    assert (there / "a (1)").read_bytes() == b"received"


async def test_a_stream_goes_on_after_a_cut(here: Path) -> None:
    content = os.urandom(PIECE_BYTES * 20)
    (here / "a").write_bytes(content)
    written = bytearray()

    async def write(piece: bytes) -> None:
        written.extend(piece)

    sink = StreamSink(write)
    for messages in (10, 1_000_000):
        one, other = pair()
        one.left = messages
        results = await asyncio.gather(
            Sending(one, collect([here / "a"])).run(),
            receive_files(other, sink, decide=yes),
            return_exceptions=True,
        )
    assert not any(isinstance(result, BaseException) for result in results)
    assert hashlib.sha256(written).digest() == hashlib.sha256(content).digest()


def test_links_inside_the_folder(tmp_path: Path, there: Path) -> None:
    (tmp_path / "outside").mkdir()
    (there / "inside").mkdir()
    (there / "out").symlink_to(tmp_path / "outside")
    (there / "in").symlink_to(there / "inside")
    (there / "dangling").symlink_to(tmp_path / "nothing")
    assert place(there, "in/a") == there / "in/a"
    for path in ("out/a", "out/deep/a", "dangling/a"):
        with pytest.raises(TransferError, match="refused"):
            place(there, path)
    (there / "file").write_bytes(b"")
    with pytest.raises(TransferError, match="no folder"):
        place(there, "file/a")
    with pytest.raises(TransferError, match="is a folder"):
        place(there, "inside")


def test_a_part_that_is_a_link(tmp_path: Path, there: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (there / "a.part").symlink_to(tmp_path / "precious")
    with pytest.raises(TransferError, match="can't be written"):
        PartialFile(there / "a", 0)
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_free_names(there: Path) -> None:
    for name in ("a.txt", "a (1).txt"):
        (there / name).write_bytes(b"")
    assert free_name(there / "a.txt").name == "a (2).txt"


def test_what_cannot_be_sent(here: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        collect([here / "nothing"])
    with pytest.raises(ConfigError, match="no file to send"):
        collect([here])
    (here / "one").mkdir()
    (here / "one/a").write_bytes(b"")
    (here / "a").write_bytes(b"")
    with pytest.raises(ConfigError, match="would be one file"):
        collect([here / "a", here / "one/a"])
    (here / "x\ny").write_bytes(b"")
    with pytest.raises(ConfigError, match="control characters"):
        collect([here / "x\ny"])
