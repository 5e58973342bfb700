"""What is said on a link's control channel: messages, numbering and acknowledgement, without I/O.

The control channel is a data channel negotiated out of band (id 0, label ``firertc``, ordered and
reliable). Every message is one JSON object with a type ``t`` (docs/protocol.md, section 8). What
the other side sends is checked here.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import ConfigError, ProtocolError
from .schema import JSON_DEPTH, compact_json, parse_json

LABEL = "firertc"
CHANNEL_ID = 0
BODY_BYTES = 60_000
"""A message with its frame stays under the 64 KiB that RFC 8841, section 6.1 assumes of a silent
peer."""
FRAME_BYTES = 256 * 1024


@dataclass(frozen=True)
class Ping:
    """Are you there? Answered with :class:`Pong`."""

    number: int


@dataclass(frozen=True)
class Pong:
    """The answer to the ping of this number."""

    number: int


@dataclass(frozen=True)
class Message:
    """User data, numbered from 1 in each direction."""

    number: int
    body: Any


@dataclass(frozen=True)
class Ack:
    """Every message up to this number has arrived."""

    number: int


@dataclass(frozen=True)
class Description:
    """An offer or answer for the connection that this channel runs on."""

    kind: str
    """``offer`` or ``answer``."""
    generation: int
    sdp: str


@dataclass(frozen=True)
class Want:
    """The answerer asks the offerer to offer room for these: ``audio``, ``video``."""

    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Mute:
    """Which of the sender's kinds of media are silent on purpose."""

    kinds: Mapping[str, bool]


@dataclass(frozen=True)
class Bye:
    """The sender hangs up; nothing follows."""

    reason: str


Frame = Ping | Pong | Message | Ack | Description | Want | Mute | Bye


def encode(frame: Frame) -> str:
    """The text of a frame."""
    match frame:
        case Ping(number):
            content: dict[str, Any] = {"t": "ping", "n": number}
        case Pong(number):
            content = {"t": "pong", "n": number}
        case Message(number, body):
            content = {"t": "message", "n": number, "body": body}
        case Ack(number):
            content = {"t": "ack", "n": number}
        case Description(kind, generation, sdp):
            content = {"t": kind, "g": generation, "sdp": sdp}
        case Want(kinds):
            content = {"t": "want", "kinds": list(kinds)}
        case Mute(kinds):
            content = {"t": "mute", "kinds": dict(kinds)}
        case Bye(reason):
            content = {"t": "bye", "reason": reason}
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def decode(text: str | bytes) -> Frame | None:
    """The frame of a text.

    :returns: None for a type this version doesn't know: a later version may.
    :raises ProtocolError: if it is no frame at all.
    """
    if not isinstance(text, str) or len(text) > FRAME_BYTES:
        raise ProtocolError("The other side sent something on the control channel that is no text.")
    try:
        content = parse_json(text, JSON_DEPTH + 1)  # a message's body stands in a frame
    except ValueError:
        raise ProtocolError("The other side sent something that is no JSON.") from None
    if not isinstance(content, dict):
        raise ProtocolError("The other side sent JSON that is no object.")
    try:
        return _decode(content)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ProtocolError(
            f"The other side sent a malformed {str(content.get('t'))[:20]!r}."
        ) from None


def _decode(content: dict[str, Any]) -> Frame | None:
    match content.get("t"):
        case "ping":
            return Ping(_number(content["n"]))
        case "pong":
            return Pong(_number(content["n"]))
        case "message":
            return Message(_number(content["n"]), content["body"])
        case "ack":
            return Ack(_number(content["n"]))
        case "offer" | "answer" as kind:
            return Description(kind, _number(content["g"]), _text(content["sdp"]))
        case "want":
            kinds = content["kinds"]
            return Want(tuple(kind for kind in kinds if kind in ("audio", "video"))[:8])
        case "mute":
            return Mute({_text(k): v is True for k, v in list(content["kinds"].items())[:8]})
        case "bye":
            return Bye(_text(content["reason"])[:64])
    return None


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("no number")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


@dataclass
class Outbox:
    """Messages sent and not yet acknowledged, in order."""

    last: int = 0
    """Number of the newest message."""
    waiting: deque[Message] = field(default_factory=deque)

    def add(self, body: Any) -> Message:
        """Number a message.

        :raises ConfigError: if it is no JSON value, or its JSON is over 60,000 bytes.
        """
        size = len(compact_json(body, what="message").encode())
        if size > BODY_BYTES:
            raise ConfigError(
                f"The message has {size} bytes of JSON, {BODY_BYTES} at most: cut it."
            )
        self.last += 1
        message = Message(self.last, body)
        self.waiting.append(message)
        return message

    def acknowledge(self, number: int) -> None:
        """The other side has everything up to this number."""
        while self.waiting and self.waiting[0].number <= number:
            self.waiting.popleft()


@dataclass
class Inbox:
    """Messages received: each is handed on once, in order, however often it was sent."""

    last: int = 0
    """Number of the newest message handed on."""

    def take(self, message: Message) -> bool:
        """Whether this message is the next one and is to be handed on."""
        if message.number != self.last + 1:
            return False
        self.last = message.number
        return True
