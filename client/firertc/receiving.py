"""Receiving files on a channel that the other side opened."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from .errors import ChannelClosed, PeerGone, Rejected
from .sending import Progress, Stopped, TextOrBytes, cancel, nothing
from .sinks import Existing, FolderSink, Plan, Sink
from .transfer import Incoming
from .transfer_frames import (
    Bad,
    Cancel,
    Complete,
    Data,
    Decline,
    End,
    File,
    Offer,
    Received,
    Said,
    encode,
)

CONFIRM_SECONDS = 10.0
"""How long the sender may take to hear that all is here."""

Decide = Callable[[Plan], Awaitable[Existing | None]]
"""Shown what is offered; returns what to do with files whose names are taken, or None: decline."""


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
