"""Receiving files on a channel that the other side opened."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from .errors import ChannelClosed, PeerGone, Rejected
from .partial import PartialFile, held, is_same, place
from .sending import Progress, Stopped, TextOrBytes, cancel, nothing
from .transfer import Incoming, TransferError
from .transfer_frames import (
    Bad,
    Cancel,
    Complete,
    Data,
    Decline,
    End,
    File,
    Have,
    Offer,
    Received,
    Said,
    encode,
)

CONFIRM_SECONDS = 10.0
"""How long the sender may take to hear that all is here."""

Existing = Literal["overwrite", "rename", "skip"]


@dataclass
class Plan:
    """An offer, and what is here already."""

    offer: Offer
    targets: Mapping[int, Path] = field(default_factory=dict)
    """Where each file goes."""
    here: frozenset[int] = frozenset()
    """Files that are here already: same size, same time."""
    existing: tuple[int, ...] = ()
    """Files whose names are taken by others."""

    @property
    def size(self) -> int | None:
        """Bytes in all; None: not known before."""
        sizes = [entry.size for entry in self.offer.files]
        return None if None in sizes else sum(size or 0 for size in sizes)


Decide = Callable[[Plan], Awaitable[Existing | None]]
"""Shown what is offered; returns what to do with files whose names are taken, or None: decline."""


class Sink(Protocol):
    """Where files go."""

    def plan(self, offer: Offer) -> Plan:
        """What is here of what is offered."""

    def have(self, plan: Plan, skip: frozenset[int]) -> list[Have]:
        """What is here of those that are wanted; may block."""

    async def begin(self, index: int, offset: int, existing: Existing) -> None:
        """A file begins."""

    async def write(self, content: bytes) -> None:
        """A piece of it."""

    async def end(self, index: int, sha256: str) -> str:
        """It has ended; returns what is wrong with it, or nothing."""

    async def close(self) -> None:
        """Keep what is there."""


class FolderSink:
    """Keeps files below a folder.

    :param folder: made if it isn't there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._plan: Plan | None = None
        self._file: PartialFile | None = None
        self._existing: Existing = "rename"
        self.written: dict[str, Path] = {}
        """Where each path that was received is."""

    def plan(self, offer: Offer) -> Plan:
        """See :class:`Sink`.

        :raises TransferError: if a path can't be had there.
        """
        targets = {index: place(self._folder, e.path) for index, e in enumerate(offer.files)}
        here = frozenset(i for i, target in targets.items() if is_same(target, offer.files[i]))
        taken = tuple(
            index
            for index, target in targets.items()
            if index not in here and (target.exists() or target.is_symlink())
        )
        self._plan = Plan(offer, targets, here, taken)
        return self._plan

    def have(self, plan: Plan, skip: frozenset[int]) -> list[Have]:
        """See :class:`Sink`."""
        found = []
        for index, target in plan.targets.items():
            if index in skip:
                continue
            known = held(target, plan.offer.files[index])
            if known is not None:
                found.append(Have(index, *known))
        return found

    async def begin(self, index: int, offset: int, existing: Existing) -> None:
        """See :class:`Sink`."""
        if self._plan is None:
            raise TransferError("Nothing was offered.")
        self._existing = existing
        path = self._plan.offer.files[index].path
        # Once more: the folder may have changed since it was looked at.
        target = await asyncio.to_thread(place, self._folder, path)
        self._file = await asyncio.to_thread(PartialFile, target, offset)

    async def write(self, content: bytes) -> None:
        """See :class:`Sink`."""
        if self._file is not None:
            await asyncio.to_thread(self._file.write, content)

    async def end(self, index: int, sha256: str) -> str:
        """See :class:`Sink`."""
        file, self._file = self._file, None
        if file is None or self._plan is None:
            return "failed"
        if file.sha256 != sha256:
            file.empty()
            return "hash"
        entry = self._plan.offer.files[index]
        overwrite = self._existing == "overwrite" and index in self._plan.existing
        self.written[entry.path] = await asyncio.to_thread(
            lambda: file.finish(entry.modified, overwrite=overwrite)
        )
        return ""

    async def close(self) -> None:
        """See :class:`Sink`."""
        if self._file is not None:
            await asyncio.to_thread(self._file.close)
            self._file = None


class StreamSink:
    """Hands one file on as it comes.

    :param write: takes each piece.
    """

    def __init__(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        self._write = write
        self._digest = hashlib.sha256()
        self._size = 0

    def plan(self, offer: Offer) -> Plan:
        """See :class:`Sink`.

        :raises TransferError: if there is more than one file.
        """
        if len(offer.files) != 1:
            raise TransferError(
                f"{len(offer.files)} files are offered, and a stream takes one: receive them into "
                "a folder, or send an archive."
            )
        return Plan(offer)

    def have(self, plan: Plan, skip: frozenset[int]) -> list[Have]:
        """See :class:`Sink`: after a lost connection, what was handed on before."""
        return [Have(0, self._size, self._digest.hexdigest())] if self._size else []

    async def begin(self, index: int, offset: int, existing: Existing) -> None:
        """See :class:`Sink`."""
        if offset != self._size:
            raise TransferError("The beginning has been written, and can't be sent again.")

    async def write(self, content: bytes) -> None:
        """See :class:`Sink`."""
        self._digest.update(content)
        self._size += len(content)
        await self._write(content)

    async def end(self, index: int, sha256: str) -> str:
        """See :class:`Sink`."""
        if self._digest.hexdigest() != sha256:
            raise TransferError("What was received is not what was sent: it is of no use.")
        return ""

    async def close(self) -> None:
        """See :class:`Sink`."""


async def receive_files(
    channel: TextOrBytes,
    into: Path | Sink,
    *,
    decide: Decide,
    on_progress: Callable[[Progress], None] = nothing,
    on_file: Callable[[str], None] = nothing,
) -> Offer:
    """Receive what the other side offers on a channel labelled ``firertc.files``.

    What is interrupted is kept as ``NAME.part``, and goes on the next time.

    :param channel: a :class:`firertc.Channel` that a link's event ``channel`` gave.
    :param into: the folder; nothing is written outside of it.
    :param decide: asked once, with what is offered and what is here already.
    :param on_file: told each path that is here, whole.
    :returns: what was offered, all of which is here.
    :raises Rejected: if it was declined.
    :raises Stopped: if the other side ends the transfer.
    :raises ChannelClosed: if the channel closes before the end; :exc:`PeerGone` with its link.
    :raises ProtocolError: if the other side says what makes no sense, or names files by paths that
        can't be had.
    :raises TransferError: if a file can't be written (:exc:`DiskFull`), or is not what was sent.
    """
    sink = FolderSink(into) if isinstance(into, Path) else into
    receiving = _Receiving(channel, sink, decide, on_progress, on_file)
    try:
        return await receiving.run()
    except (Rejected, Stopped, ChannelClosed, PeerGone):
        raise
    except BaseException as error:
        await cancel(channel, error)
        raise
    finally:
        await sink.close()


class _Receiving:
    def __init__(
        self,
        channel: TextOrBytes,
        sink: Sink,
        decide: Decide,
        on_progress: Callable[[Progress], None],
        on_file: Callable[[str], None],
    ) -> None:
        self._channel = channel
        self._sink = sink
        self._decide = decide
        self._on_progress = on_progress
        self._on_file = on_file
        self._side = Incoming("windows" if os.name == "nt" else "posix")
        self._messages = aiter(channel)
        self._coming: asyncio.Task[str | bytes] | None = None
        """The next message, if it is being waited for."""
        self._offer = Offer("", ())
        self._existing: Existing = "rename"
        self._index = 0
        self._size: int | None = None
        self._done = 0
        self._moved = 0

    async def run(self) -> Offer:
        try:
            while True:
                said = self._side.take(await self._next())
                match said:
                    case Offer():
                        await self._answer(said)
                    case Cancel(reason):
                        raise Stopped(_stopped(reason))
                    case File(index, offset):
                        self._index = index
                        await self._sink.begin(index, offset, self._existing)
                        self._report(offset, 0)
                    case Data(content):
                        await self._sink.write(content)
                        self._report(len(content), len(content))
                    case End():
                        await self._end(said)
                    case Complete():
                        await self._say(Received())
                        with contextlib.suppress(PeerGone, ChannelClosed):
                            # All is here, whether the sender hears of it or not.
                            await self._channel.flush(CONFIRM_SECONDS)
                        return self._offer
                    case _:
                        pass
        finally:
            if self._coming is not None:
                self._coming.cancel()
                await asyncio.gather(self._coming, return_exceptions=True)

    async def _say(self, said: Said) -> None:
        await self._channel.send(encode(said))

    async def _next(self) -> str | bytes:
        """The next message."""
        coming, self._coming = self._coming, None
        return await (coming or self._read())

    async def _read(self) -> str | bytes:
        try:
            return await anext(self._messages)
        except StopAsyncIteration:
            raise ChannelClosed("The channel closed in the middle of a transfer.") from None

    async def _answer(self, offer: Offer) -> None:
        self._offer = offer
        plan = await asyncio.to_thread(self._sink.plan, offer)
        existing = await self._decided(plan)
        if existing is None:
            await self._say(Decline("declined"))
            with contextlib.suppress(PeerGone, ChannelClosed):
                await self._channel.flush(CONFIRM_SECONDS)
            raise Rejected("Declined.")
        self._existing = existing
        skip = plan.here | (frozenset(plan.existing) if existing == "skip" else frozenset())
        have = await asyncio.to_thread(self._sink.have, plan, skip)
        self._done = sum(offer.files[index].size or 0 for index in skip)
        self._size = plan.size
        await self._say(self._side.accept(sorted(skip), have))
        for index in sorted(plan.here):
            self._on_file(offer.files[index].path)

    async def _decided(self, plan: Plan) -> Existing | None:
        """Ask; the sender may give up meanwhile."""
        deciding = asyncio.ensure_future(self._decide(plan))
        self._coming = asyncio.create_task(self._read())
        try:
            await asyncio.wait({deciding, self._coming}, return_when=asyncio.FIRST_COMPLETED)
            if deciding.done():
                return deciding.result()
            said = self._side.take(await self._next())
            reason = said.reason if isinstance(said, Cancel) else ""
            raise Stopped(_stopped(reason))
        finally:
            deciding.cancel()
            await asyncio.gather(deciding, return_exceptions=True)

    async def _end(self, end: End) -> None:
        problem = await self._sink.end(end.index, end.sha256)
        answer = self._side.finished(end.index, problem)
        if isinstance(answer, Bad):
            self._done -= end.size
        else:
            self._on_file(self._offer.files[end.index].path)
        await self._say(answer)

    def _report(self, done: int, moved: int) -> None:
        self._done += done
        self._moved += moved
        path = self._offer.files[self._index].path
        self._on_progress(Progress(self._index, path, self._done, self._size, self._moved))


def _stopped(reason: str) -> str:
    words = {"stopped": ": it was stopped there", "transfer-failed": ": a file failed there"}
    return f"The sender ended the transfer{words.get(reason, f': {reason!r}' if reason else '')}."
