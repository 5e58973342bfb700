"""What a reliable channel of the application says: pieces, their numbers, acknowledgement; no I/O.

Every message on the data channel is binary: a byte that says the type, a 32-bit number, the
payload (docs/protocol.md, section 8). Messages of any size are cut into pieces and put together
again; each piece is taken once, in order, over however many connections it came.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from .errors import ProtocolError

FRAME_BYTES = 65_536
"""What both aiortc and browsers take as one message (RFC 8841, section 6.1)."""
HEADER_BYTES = 5
PAYLOAD_BYTES = FRAME_BYTES - HEADER_BYTES
MESSAGE_BYTES = 256 * 1024 * 1024
"""The longest message that is put together."""
WINDOW_BYTES = 4 * 1024 * 1024
"""How much may be sent without having been consumed on the other side."""
ACK_PIECES = 8
"""So many pieces are acknowledged at once…"""
ACK_SECONDS = 0.02
"""…or so long after the last."""
MORE = 0x80
"""Set on the type of a piece: more pieces of the same message follow."""
NUMBERS = 1 << 32


class Kind(IntEnum):
    """The type of a frame."""

    BINARY = 0
    TEXT = 1
    ACK = 2
    FIN = 3


@dataclass(frozen=True)
class Piece:
    """A part of a message, or the end of what the sender says."""

    kind: Kind
    """``BINARY``, ``TEXT`` or ``FIN``."""
    number: int
    """From 1, one higher for each; 0 follows 2³²-1."""
    payload: bytes = b""
    more: bool = False
    """Whether more pieces of the same message follow."""


@dataclass(frozen=True)
class PieceAck:
    """Every piece up to this number has been consumed."""

    number: int


def encode(frame: Piece | PieceAck) -> bytes:
    """The bytes of a frame."""
    if isinstance(frame, PieceAck):
        return bytes((Kind.ACK,)) + frame.number.to_bytes(4, "big")
    kind = frame.kind | (MORE if frame.more else 0)
    return bytes((kind,)) + frame.number.to_bytes(4, "big") + frame.payload


def decode(raw: bytes | str) -> Piece | PieceAck | None:
    """The frame of some bytes.

    :returns: None for a type this version doesn't know: a later version may.
    :raises ProtocolError: if it is no frame.
    """
    if not isinstance(raw, bytes) or not HEADER_BYTES <= len(raw) <= FRAME_BYTES:
        raise ProtocolError("The other side sent something on a channel that is no frame.")
    kind, number, payload = raw[0] & ~MORE, int.from_bytes(raw[1:5], "big"), raw[5:]
    if kind not in Kind.__members__.values():
        return None
    if kind == Kind.ACK:
        return PieceAck(number)
    if kind == Kind.FIN:
        return Piece(Kind.FIN, number)
    return Piece(Kind(kind), number, payload, bool(raw[0] & MORE))


def follows(number: int) -> int:
    """The number after this one."""
    return (number + 1) % NUMBERS


def is_after(number: int, other: int) -> bool:
    """Whether a number comes after another, the shorter way round (RFC 1982)."""
    return 0 < (number - other) % NUMBERS < NUMBERS // 2


def cut(message: str | bytes) -> Iterator[tuple[Kind, bytes, bool]]:
    """Cut a message into pieces.

    :returns: kind, payload and whether more follow, of each.
    """
    kind = Kind.TEXT if isinstance(message, str) else Kind.BINARY
    raw = message.encode() if isinstance(message, str) else message
    view = memoryview(raw)
    for begin in range(0, max(1, len(raw)), PAYLOAD_BYTES):
        end = begin + PAYLOAD_BYTES
        yield kind, bytes(view[begin:end]), end < len(raw)


@dataclass
class PieceOutbox:
    """Pieces to send, and those sent that were not acknowledged yet, in order."""

    last: int = 0
    """Number of the newest piece."""
    size: int = 0
    """Bytes not acknowledged."""
    waiting: deque[Piece] = field(default_factory=deque)
    """All that are not acknowledged."""
    sent: int = 0
    """How many of those have been sent on the connection in use."""

    @property
    def has_room(self) -> bool:
        """Whether one more piece may be added."""
        return self.size < WINDOW_BYTES

    def add(self, kind: Kind, payload: bytes = b"", more: bool = False) -> Piece:
        """Number a piece."""
        self.last = follows(self.last)
        piece = Piece(kind, self.last, payload, more)
        self.waiting.append(piece)
        self.size += len(payload)
        return piece

    def next(self) -> Piece | None:
        """The next piece to send on the connection in use; None: all are sent."""
        if self.sent == len(self.waiting):
            return None
        piece = self.waiting[self.sent]
        self.sent += 1
        return piece

    def rewind(self) -> None:
        """There is another connection: everything is to be sent again."""
        self.sent = 0

    def acknowledge(self, number: int) -> None:
        """The other side has consumed everything up to this number."""
        if is_after(number, self.last):
            raise ProtocolError("The other side acknowledged what was never sent.")
        while self.waiting and not is_after(self.waiting[0].number, number):
            self.size -= len(self.waiting.popleft().payload)
            self.sent = max(0, self.sent - 1)


@dataclass
class PieceInbox:
    """Pieces received: put together to messages, each once and in order."""

    last: int = 0
    """Number of the newest piece taken."""
    messages: deque[tuple[int, str | bytes]] = field(default_factory=deque)
    """Whole messages that nobody has consumed, each with the number of its last piece."""
    finished: bool = False
    """Whether the other side has said its last."""
    most: int = MESSAGE_BYTES
    _parts: list[bytes] = field(default_factory=list)
    _size: int = 0

    def take(self, piece: Piece) -> bool:
        """Take a piece if it is the next one.

        :raises ProtocolError: if a message grows too long, or is no text though it says so.
        """
        if piece.number != follows(self.last) or self.finished:
            return False
        self.last = piece.number
        if piece.kind == Kind.FIN:
            self.finished = True
            return True
        self._parts.append(piece.payload)
        self._size += len(piece.payload)
        if self._size > self.most:
            self._parts.clear()
            raise ProtocolError(f"The other side sent a message of more than {self.most} bytes.")
        if not piece.more:
            raw, self._parts, self._size = b"".join(self._parts), [], 0
            self.messages.append((piece.number, _message(piece.kind, raw)))
        return True

    def consume(self) -> str | bytes:
        """Hand the next message to the application."""
        return self.messages.popleft()[1]

    @property
    def acknowledged(self) -> int:
        """What to acknowledge: all up to the last piece of the first message that waits; of an
        unfinished message the parts that came, or one longer than the window would never end."""
        return (self.messages[0][0] - 1) % NUMBERS if self.messages else self.last


def _message(kind: Kind, raw: bytes) -> str | bytes:
    if kind == Kind.BINARY:
        return raw
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ProtocolError("The other side sent a text that is no UTF-8.") from None
