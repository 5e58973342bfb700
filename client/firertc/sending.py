"""Sending files over a link."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Protocol

from .errors import CallError, Cancelled, ChannelClosed, PeerGone, Rejected
from .link import Link
from .manifest import Manifest, Source, collect
from .paths import explain, path_problem
from .transfer import Outgoing, Stage, TransferError
from .transfer_frames import (
    LABEL,
    PIECE_BYTES,
    Accept,
    Cancel,
    Data,
    Decline,
    End,
    File,
    Got,
    Offer,
    Received,
    Said,
    encode,
)

CANCEL_SECONDS = 0.7
"""How long telling the other side that it is over may take."""
PREFIX_BYTES = 1024 * 1024
AHEAD_BYTES = 5 * PIECE_BYTES
"""Of a file that are read and hashed at a time, in a thread: going there costs more than a piece's
hash."""

Read = Callable[[int], Awaitable[bytes]]
"""Reads at most so many bytes of a stream; none: it has ended."""


class TextOrBytes(Protocol):
    """What a transfer needs of a :class:`firertc.channel.Channel`."""

    async def send(self, data: str | bytes) -> None:
        """Send a message; waits while too much is on its way."""

    async def flush(self, timeout: float = 10.0) -> None:
        """Wait until all has been taken."""

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """What arrives."""


@dataclass(frozen=True)
class Progress:
    """How far a transfer is."""

    index: int
    """Of the file that travels."""
    path: str
    bytes: int
    """Of all files, that travelled or need not."""
    total: int | None
    """Of all files; None: not known before."""
    moved: int
    """Bytes that travelled in this attempt."""


class Stopped(Cancelled):
    """The other side ended the transfer."""

    code = "transfer-stopped"


def nothing(_: object) -> None:
    """Nobody wants to know."""


async def send_files(
    link: Link,
    paths: Sequence[Path | str],
    *,
    stream: Read | None = None,
    name: str = "stream",
    on_accept: Callable[[], None] = lambda: None,
    on_progress: Callable[[Progress], None] = nothing,
    on_file: Callable[[str], None] = nothing,
) -> None:
    """Offer files and folders to the other side of a link, send what it takes, and return when it
    has confirmed all of it.

    :param paths: files and folders; these with all that is in them.
    :param stream: a stream to send as well, under this ``name``.
    :param on_accept: told that the other side wants them.
    :param on_file: told each path that has arrived whole.
    :raises ConfigError: if something can't be read, or is too much.
    :raises Rejected: if the other side declines.
    :raises Stopped: if it ends the transfer.
    :raises PeerGone: if it is lost; what it has is kept there, and sent no second time.
    :raises TransferError: if a file changes, or doesn't arrive whole.
    """
    manifest = collect(paths, stream=name if stream is not None else None)
    await send_manifest(
        link,
        manifest,
        stream=stream,
        on_accept=on_accept,
        on_progress=on_progress,
        on_file=on_file,
    )


async def send_manifest(
    link: Link,
    manifest: Manifest,
    *,
    stream: Read | None = None,
    on_accept: Callable[[], None] = lambda: None,
    on_progress: Callable[[Progress], None] = nothing,
    on_file: Callable[[str], None] = nothing,
) -> None:
    """Like :func:`send_files`, with what :func:`firertc.manifest.collect` found."""
    channel = await link.open_channel(LABEL)
    sending = Sending(channel, manifest, stream, on_accept, on_progress, on_file)
    try:
        await sending.run()
        await channel.close()
    except ChannelClosed:
        raise await lost(link) from None


async def lost(link: Link) -> CallError:
    """Why a channel closed in the middle: the other side hung up, or vanished."""
    try:
        async with asyncio.timeout(CANCEL_SECONDS):
            end = await link.closed()
    except TimeoutError:
        return Stopped("The other side ended the transfer.")
    if end.by_remote and end.reason not in ("gone", "failed", "left", "replaced"):
        return Stopped("The other side ended the transfer.")
    return PeerGone("The other side was lost.")


class Sending:
    """One transfer on one channel; :func:`send_files` for short."""

    def __init__(
        self,
        channel: TextOrBytes,
        manifest: Manifest,
        stream: Read | None = None,
        on_accept: Callable[[], None] = lambda: None,
        on_progress: Callable[[Progress], None] = nothing,
        on_file: Callable[[str], None] = nothing,
    ) -> None:
        self._channel = channel
        self._manifest = manifest
        self._stream = stream
        self._on_accept = on_accept
        self._on_progress = on_progress
        self._on_file = on_file
        entries = tuple(source.entry for source in manifest.sources)
        self._side = Outgoing(Offer(secrets.token_urlsafe(12), entries))
        self._changed = asyncio.Event()
        self._done = 0
        self._moved = 0

    async def run(self) -> None:
        """Carry it to its end; see :func:`send_files` for what is raised.

        :raises ChannelClosed: if the channel closes before that.
        """
        await self._say(self._side.offer)
        hearing = asyncio.create_task(self._hear())
        moving = asyncio.create_task(self._move())
        try:
            await asyncio.wait({hearing, moving}, return_when=asyncio.FIRST_COMPLETED)
            if moving.done() and not hearing.done() and moving.exception() is None:
                await hearing
            for task in (hearing, moving):
                # What we heard says more than that sending failed.
                if task.done():
                    task.result()
        except (Rejected, Stopped, ChannelClosed, PeerGone):
            raise
        except BaseException as error:
            await cancel(self._channel, error)
            raise
        finally:
            for task in (hearing, moving):
                task.cancel()
            await asyncio.gather(hearing, moving, return_exceptions=True)

    async def _say(self, said: Said) -> None:
        await self._channel.send(encode(said))

    async def _hear(self) -> None:
        async for message in self._channel:
            said = self._side.take(message)
            self._changed.set()
            match said:
                case Accept(skip):
                    sizes = (self._manifest.sources[index].entry.size or 0 for index in skip)
                    self._done += sum(sizes)
                    self._on_accept()
                case Decline(reason):
                    raise Rejected(f"The other side declined{_because(reason)}.")
                case Cancel(reason):
                    raise Stopped(f"The other side ended the transfer{_because(reason)}.")
                case Got(index):
                    self._on_file(self._manifest.sources[index].entry.path)
                case Received():
                    return
                case _:
                    pass
        raise ChannelClosed("The channel closed in the middle of a transfer.")

    async def _move(self) -> None:
        while self._side.stage in (Stage.OFFERING, Stage.MOVING):
            self._changed.clear()
            index = self._side.next()
            if index is not None:
                source = self._manifest.sources[index]
                await (self._send_file if source.path else self._send_stream)(index, source)
            elif self._side.is_through:
                await self._say(self._side.complete())
            else:
                await self._changed.wait()

    async def _send_file(self, index: int, source: Source) -> None:
        path, entry = source.path, source.entry
        if path is None or entry.size is None:
            raise TransferError(f"{entry.path} is no file.")
        have = self._side.have.get(index)
        try:
            with path.open("rb", buffering=0) as file:
                digest = hashlib.sha256()
                offset = 0
                if have is not None and have.size <= entry.size:
                    offset, digest = await asyncio.to_thread(_prefix, file, have.size, have.sha256)
                await self._say(File(index, offset))
                self._report(index, offset, 0)
                size = offset
                reading = asyncio.create_task(_read(file, digest, entry.size - size))
                try:
                    while content := await reading:
                        size += len(content)
                        reading = asyncio.create_task(_read(file, digest, entry.size - size))
                        for begin in range(0, len(content), PIECE_BYTES):
                            piece = content[begin : begin + PIECE_BYTES]
                            await self._say(Data(piece))
                            self._report(index, len(piece), len(piece))
                finally:
                    # Not cancelled: its thread still reads from the file.
                    await asyncio.gather(reading, return_exceptions=True)
        except OSError as error:
            raise TransferError(f"{path} can't be read: {error.strerror}.") from None
        if size != entry.size:
            raise TransferError(f"{path} changed while it was being sent. Send it again.")
        await self._say(End(index, size, digest.hexdigest()))

    async def _send_stream(self, index: int, source: Source) -> None:
        if self._stream is None or self._side.have.get(index) is not None:
            raise TransferError("A stream can't be sent a second time.")
        digest = hashlib.sha256()
        size = 0
        await self._say(File(index))
        while piece := await self._stream(PIECE_BYTES):
            digest.update(piece)
            size += len(piece)
            await self._say(Data(piece))
            self._report(index, len(piece), len(piece))
        self._stream = None
        await self._say(End(index, size, digest.hexdigest()))

    def _report(self, index: int, done: int, moved: int) -> None:
        self._done += done
        self._moved += moved
        path = self._manifest.sources[index].entry.path
        self._on_progress(Progress(index, path, self._done, self._manifest.size, self._moved))


async def cancel(channel: TextOrBytes, error: BaseException) -> None:
    """Tell the other side that it is over, and why, as far as it is its business."""
    if isinstance(error, asyncio.CancelledError):
        reason = "stopped"
    elif isinstance(error, TransferError):
        reason = error.code
    else:
        reason = "failed"
    with contextlib.suppress(CallError, TimeoutError):
        async with asyncio.timeout(CANCEL_SECONDS):
            await channel.send(encode(Cancel(reason)))
            await channel.flush(CANCEL_SECONDS)


def _because(reason: str) -> str:
    words = {
        "declined": "",
        "": "",
        "stopped": ": it was stopped there",
        "disk-full": ": its disk is full",
        "transfer-failed": ": a file failed there",
        "failed": ": it failed there",
    }
    return words.get(reason, f": {reason!r}")


def check_name(name: str) -> str:
    """A name to offer a stream under.

    :raises TransferError: if it can't be one.
    """
    problem = path_problem(name)
    if problem is not None:
        raise TransferError(f"The name {name!r} can't be sent: {explain(problem)}.")
    return name


async def _read(file: FileIO, digest: hashlib._Hash, left: int) -> bytes:
    def read() -> bytes:
        content = file.read(min(AHEAD_BYTES, left)) if left else b""
        digest.update(content or b"")
        return content or b""

    return await asyncio.to_thread(read)


def _prefix(file: FileIO, size: int, sha256: str) -> tuple[int, hashlib._Hash]:
    """Go on after a prefix, if it is the one that the other side holds; else from the beginning."""
    digest = hashlib.sha256()
    left = size
    while left and (piece := file.read(min(left, PREFIX_BYTES))):
        digest.update(piece)
        left -= len(piece)
    if not left and digest.hexdigest() == sha256:
        return size, digest
    file.seek(0)
    return 0, hashlib.sha256()
