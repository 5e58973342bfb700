"""What two sides of a file transfer say to one another, and in which order; no I/O.

On one reliable channel labelled ``firertc.files``: JSON texts and pieces of files as binary
messages (docs/protocol.md, section 9). :class:`Outgoing` and :class:`Incoming` hold one side each:
they are given what arrives, say what it means and refuse what is out of turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from . import paths
from .errors import FireRTCError, ProtocolError
from .paths import System
from .transfer_frames import (
    Accept,
    Bad,
    Cancel,
    Complete,
    Data,
    Decline,
    End,
    Entry,
    File,
    Got,
    Have,
    Offer,
    Received,
    Said,
    parse,
)

AGAIN_MOST = 1
"""How often a file that did not arrive whole is sent again."""


class TransferError(FireRTCError):
    """A transfer failed: a file can't be read, written or kept as it was sent."""

    code = "transfer-failed"


class Stage(Enum):
    """Where a side of a transfer stands."""

    OFFERING = "offering"
    """Nothing is decided."""
    MOVING = "moving"
    """Files travel."""
    CONFIRMING = "confirming"
    """All is sent; the last word is missing."""
    OVER = "over"


@dataclass
class Outgoing:
    """The sender's side.

    Whoever does the I/O sends :attr:`offer`, hands everything that arrives to :meth:`take`, and
    after the acceptance sends file after file as :meth:`next` names them.
    """

    offer: Offer
    stage: Stage = Stage.OFFERING
    have: dict[int, Have] = field(default_factory=dict)
    """What the receiver holds of which file."""
    _waiting: list[int] = field(default_factory=list)
    _open: set[int] = field(default_factory=set)
    """Sent, and neither got nor bad."""
    _again: dict[int, int] = field(default_factory=dict)

    def take(self, message: str | bytes) -> Said | None:
        """What the receiver says.

        :raises ProtocolError: if it makes no sense, or not now.
        :raises TransferError: if a file did not arrive whole twice.
        """
        said = parse(message)
        count = len(self.offer.files)
        match said:
            case None:
                return None
            case Accept() if self.stage is Stage.OFFERING:
                indices = [*said.skip, *(held.index for held in said.have)]
                if any(index >= count for index in indices):
                    raise ProtocolError("The receiver speaks of a file that was not offered.")
                self.have = {held.index: held for held in said.have}
                self._waiting = [index for index in range(count) if index not in said.skip]
                self.stage = Stage.MOVING
            case Decline() if self.stage is Stage.OFFERING:
                self.stage = Stage.OVER
            case Got(index) if index in self._open:
                self._open.discard(index)
            case Bad(index) if index in self._open:
                self._open.discard(index)
                tries = self._again[index] = self._again.get(index, 0) + 1
                if tries > AGAIN_MOST:
                    raise TransferError(f"{self.offer.files[index].path} did not arrive whole.")
                self.have.pop(index, None)
                self._waiting.append(index)
            case Received() if self.stage is Stage.CONFIRMING:
                self.stage = Stage.OVER
            case Cancel():
                self.stage = Stage.OVER
            case _:
                raise ProtocolError("The receiver said something out of turn.")
        return said

    def next(self) -> int | None:
        """The next file to send; it counts as being sent from now on.

        :returns: its index; None: nothing for now.
        """
        if self.stage is not Stage.MOVING or not self._waiting:
            return None
        index = self._waiting.pop(0)
        self._open.add(index)
        return index

    @property
    def is_through(self) -> bool:
        """Whether every file was sent and taken: time to say so with :meth:`complete`."""
        return self.stage is Stage.MOVING and not self._waiting and not self._open

    def complete(self) -> Complete:
        """The sender's last word."""
        self.stage = Stage.CONFIRMING
        return Complete()


@dataclass
class Incoming:
    """The receiver's side.

    Whoever does the I/O hands everything that arrives to :meth:`take`, and tells what was decided:
    :meth:`accept` (or a decline), :meth:`finished` after each file.
    """

    system: System = "posix"
    stage: Stage = Stage.OFFERING
    offer: Offer | None = None
    current: File | None = None
    """The file that comes."""
    taken: int = 0
    """Bytes of it that are there."""
    _wanted: set[int] = field(default_factory=set)
    _have: dict[int, int] = field(default_factory=dict)

    def take(self, message: str | bytes) -> Said | None:
        """What the sender says.

        :raises ProtocolError: if it makes no sense, not now, or names a file by a path that can't
            be had (:func:`firertc.paths.path_problem`).
        """
        said = parse(message)
        match said:
            case None:
                return None
            case Cancel():
                self.stage = Stage.OVER
            case Offer() if self.stage is Stage.OFFERING and self.offer is None:
                check_paths([entry.path for entry in said.files], self.system)
                self.offer = said
            case File() if self.stage is Stage.MOVING and self.current is None:
                if said.index not in self._wanted:
                    raise ProtocolError("The sender begins a file that is not wanted.")
                if said.offset not in (0, self._have.get(said.index, 0)):
                    raise ProtocolError("The sender goes on where nothing ended.")
                self.current, self.taken = said, said.offset
            case Data(content) if self.current is not None:
                self.taken += len(content)
                size = self._entry(self.current.index).size
                if size is not None and self.taken > size:
                    raise ProtocolError("The sender sends more than it offered.")
            case End() if self.current is not None and said.index == self.current.index:
                size = self._entry(said.index).size
                if said.size != self.taken or (size is not None and said.size != size):
                    raise ProtocolError("The sender ends a file before its end.")
                self.current = None
            case Complete() if self.stage is Stage.MOVING and not self._wanted:
                self.stage = Stage.OVER
            case _:
                raise ProtocolError("The sender said something out of turn.")
        return said

    def _entry(self, index: int) -> Entry:
        if self.offer is None:
            raise ProtocolError("Nothing was offered.")
        return self.offer.files[index]

    def accept(self, skip: Sequence[int] = (), have: Sequence[Have] = ()) -> Accept:
        """Take the offer."""
        count = len(self.offer.files) if self.offer is not None else 0
        self._wanted = set(range(count)) - set(skip)
        self._have = {held.index: held.size for held in have}
        self.stage = Stage.MOVING
        return Accept(frozenset(skip), tuple(have))

    def finished(self, index: int, problem: str = "") -> Got | Bad:
        """A file has come to its end, and is whole unless there is a problem."""
        self._have.pop(index, None)
        if problem:
            return Bad(index, problem)
        self._wanted.discard(index)
        return Got(index)


def check_paths(names: Sequence[str], system: System = "posix") -> None:
    """Refuse paths that can't be had, or not together.

    :raises ProtocolError: naming the first of them.
    """
    for name in names:
        problem = paths.path_problem(name, system)
        if problem is not None:
            raise ProtocolError(f"The name {name[:120]!r} is refused: {paths.explain(problem)}.")
    pair = paths.clash(names)
    if pair is not None:
        raise ProtocolError(f"The names {pair[0]!r} and {pair[1]!r} fall together.")
