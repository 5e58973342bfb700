"""What is said on a link's control channel: messages, numbering and acknowledgement, without I/O.

The control channel is a data channel negotiated out of band (id 0, label ``firertc``, ordered and
reliable). Every message is one JSON object with a type ``t`` (docs/protocol.md, section 8). What
the other side sends is checked here.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import ConfigError, ProtocolError, TooMuch
from .schema import JSON_DEPTH, compact_json, parse_json

LABEL = "firertc"
CHANNEL_ID = 0
BODY_BYTES = 60_000
"""A message with its frame stays under the 64 KiB that RFC 8841, section 6.1 assumes of a silent
peer."""
RAW_BYTES = 45_000
"""The longest message of bytes: base64 makes four of three."""
FRAME_BYTES = 256 * 1024
WAITING_BYTES = 16 * 1024 * 1024
"""How much may wait to be acknowledged, as JSON."""
HELLO_VERSION = 1
CAN_MOST = 32
REASON_CHARS = 64


@dataclass(frozen=True)
class Hello:
    """The first frame on every control channel that opens."""

    can: tuple[str, ...] = ()
    """What the sender understands: ``restart``, ``channels``, ``requests``, ``files``."""
    version: int = HELLO_VERSION


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
    """Any JSON value, or bytes."""
    ask: int | None = None
    """This is a request of that number, counted from 1 by its sender."""
    reply: int | None = None
    """This is the reply to the receiver's request of that number."""
    error: str | None = None
    """Why a request got no reply: a code; the body is then a text for people, or null."""


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


Frame = Hello | Ping | Pong | Message | Ack | Description | Want | Mute | Bye


def encode(frame: Frame) -> str:
    """The text of a frame."""
    match frame:
        case Hello(can, version):
            content: dict[str, Any] = {"t": "hello", "v": version, "can": list(can)}
        case Ping(number):
            content = {"t": "ping", "n": number}
        case Pong(number):
            content = {"t": "pong", "n": number}
        case Message():
            content = _message(frame)
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


def _message(frame: Message) -> dict[str, Any]:
    content: dict[str, Any] = {"t": "message", "n": frame.number}
    if isinstance(frame.body, bytes):
        content["bytes"] = base64.b64encode(frame.body).decode()
    else:
        content["body"] = frame.body
    for name in ("ask", "reply", "error"):
        if (value := getattr(frame, name)) is not None:
            content[name] = value
    return content


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
            return _read_message(content)
        case "hello":
            can = [word for word in _list(content["can"]) if isinstance(word, str)]
            return Hello(
                tuple(word[:REASON_CHARS] for word in can[:CAN_MOST]), _number(content["v"])
            )
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
            return Bye(_text(content["reason"])[:REASON_CHARS])
    return None


def _read_message(content: dict[str, Any]) -> Message:
    number = _number(content["n"])
    body = _bytes(content["bytes"]) if "bytes" in content else content["body"]
    ask, reply, error = (content.get(name) for name in ("ask", "reply", "error"))
    return Message(
        number,
        body,
        None if ask is None else _number(ask),
        None if reply is None else _number(reply),
        None if error is None else _text(error)[:REASON_CHARS],
    )


def _bytes(value: Any) -> bytes:
    try:
        raw = base64.b64decode(_text(value), validate=True)
    except binascii.Error:
        raise ValueError("no base64") from None
    if len(raw) > RAW_BYTES:
        raise ValueError("too long")
    return raw


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("no list")
    return value


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
    size: int = 0
    """Bytes of JSON that wait, about."""
    _sizes: deque[int] = field(default_factory=deque)

    def add(
        self,
        body: Any,
        *,
        ask: int | None = None,
        reply: int | None = None,
        error: str | None = None,
    ) -> Message:
        """Number a message.

        :param body: bytes, or any JSON value.
        :param ask: it is the request of that number.
        :param reply: it is the reply to the request of that number.
        :param error: why the reply says nothing.
        :raises ConfigError: if it is no JSON value, its JSON is over 60,000 bytes, or it is over
            45,000 bytes.
        :raises TooMuch: if 16 MiB wait already.
        """
        if isinstance(body, bytes):
            size, most, unit = len(body), RAW_BYTES, "bytes"
        else:
            size = len(compact_json(body, what="message").encode())
            most, unit = BODY_BYTES, "bytes of JSON"
        if size > most:
            raise ConfigError(
                f"The message has {size} {unit}, {most} at most: cut it, or open a channel."
            )
        if self.size + size > WAITING_BYTES:
            raise TooMuch(
                f"{self.size} bytes of messages wait for the other side, {WAITING_BYTES} at most: "
                "wait until some are confirmed (flush), or open a channel."
            )
        self.last += 1
        message = Message(self.last, body, ask, reply, error)
        self.waiting.append(message)
        self._sizes.append(size)
        self.size += size
        return message

    def acknowledge(self, number: int) -> None:
        """The other side has everything up to this number."""
        while self.waiting and self.waiting[0].number <= number:
            self.waiting.popleft()
            self.size -= self._sizes.popleft()


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
