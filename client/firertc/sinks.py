"""Where received files go: into a folder, or on as a stream."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from .partial import PartialFile, held, is_same, place
from .transfer import TransferError
from .transfer_frames import Have, Offer

Existing = Literal["overwrite", "rename", "skip"]
WRITE_BYTES = 1_000_000
"""Of a file that are hashed and written at a time, in a thread: going there costs more than a
piece's hash."""


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
        self._pieces: list[bytes] = []
        """Not written yet."""
        self._bytes = 0
        self._writing: asyncio.Future[None] | None = None
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
        self._pieces.append(content)
        self._bytes += len(content)
        if self._bytes >= WRITE_BYTES:
            await self._flush()

    async def _flush(self) -> None:
        """Write what waits."""
        pieces, self._pieces, self._bytes = self._pieces, [], 0
        if self._file is not None and pieces:
            writing = asyncio.to_thread(self._file.write, *pieces)
            self._writing = asyncio.ensure_future(writing)
            # Its thread writes on if the caller is cancelled: closing waits for it.
            await asyncio.shield(self._writing)

    async def end(self, index: int, sha256: str) -> str:
        """See :class:`Sink`."""
        await self._flush()
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
        if self._writing is not None:
            await asyncio.gather(self._writing, return_exceptions=True)
        if self._file is None:
            return
        try:
            # If it can't be written it will be sent again; why all this ends, is known already.
            with contextlib.suppress(TransferError):
                await self._flush()
        finally:
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
