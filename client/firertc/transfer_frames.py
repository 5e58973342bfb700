"""What two sides of a file transfer say to one another: texts and pieces, read and written; no I/O.

The format is docs/protocol.md, section 9.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from .errors import ProtocolError
from .schema import parse_json

LABEL = "firertc.files"
"""Of the channel."""
ENTRIES_MOST = 10_000
"""Files of one transfer."""
PIECE_BYTES = 196_593
"""Of a file in one message: three whole frames of a reliable channel."""
PIECE_MOST_BYTES = 256_000
"""The longest piece that is taken."""
TEXT_MOST_CHARACTERS = 16 * 1024 * 1024
"""The longest text that is read: an offer of as many files as there may be."""
REASON_CHARACTERS = 200
NUMBER_MOST = 2**53 - 1
"""The highest integer that every JSON reader has (RFC 8259, section 6)."""

_HASH = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Entry:
    """One file that is offered."""

    path: str
    """Relative, parts joined with ``/``."""
    size: int | None = None
    """Bytes; None: not known before (a stream)."""
    modified: int | None = None
    """When it was last changed: milliseconds since 1970."""


@dataclass(frozen=True)
class Have:
    """The beginning of a file that the receiver holds from before."""

    index: int
    size: int
    sha256: str
    """Of those bytes, hexadecimal."""


@dataclass(frozen=True)
class Offer:
    """Sender: these files."""

    transfer: str
    """Names this transfer."""
    files: tuple[Entry, ...]


@dataclass(frozen=True)
class Accept:
    """Receiver: send them."""

    skip: frozenset[int] = frozenset()
    """Not these."""
    have: tuple[Have, ...] = ()


@dataclass(frozen=True)
class Decline:
    """Receiver: no."""

    reason: str = ""


@dataclass(frozen=True)
class File:
    """Sender: pieces of this file follow, from this byte on."""

    index: int
    offset: int = 0


@dataclass(frozen=True)
class End:
    """Sender: that was the file."""

    index: int
    size: int
    sha256: str
    """Of the whole file."""


@dataclass(frozen=True)
class Got:
    """Receiver: the file is there, and whole."""

    index: int


@dataclass(frozen=True)
class Bad:
    """Receiver: the file did not arrive as it was sent."""

    index: int
    reason: str = ""


@dataclass(frozen=True)
class Complete:
    """Sender: nothing more comes."""


@dataclass(frozen=True)
class Received:
    """Receiver: all is here. Only then has the sender succeeded."""


@dataclass(frozen=True)
class Cancel:
    """Either: it is over."""

    reason: str = ""


@dataclass(frozen=True)
class Data:
    """A piece of the file that was announced."""

    content: bytes


Said: TypeAlias = (
    Offer | Accept | Decline | File | End | Got | Bad | Complete | Received | Cancel | Data
)


def encode(said: Said) -> str | bytes:
    """The message for the channel."""
    match said:
        case Data(content):
            return content
        case Offer(transfer, files):
            body: dict[str, Any] = {"transfer": transfer, "files": [_entry(e) for e in files]}
        case Accept(skip, have):
            body = {
                "skip": sorted(skip),
                "have": [{"index": h.index, "size": h.size, "sha256": h.sha256} for h in have],
            }
        case Decline(reason) | Cancel(reason):
            body = {"reason": reason[:REASON_CHARACTERS]}
        case File(index, offset):
            body = {"index": index, "offset": offset}
        case End(index, size, sha256):
            body = {"index": index, "size": size, "sha256": sha256}
        case Bad(index, reason):
            body = {"index": index, "reason": reason[:REASON_CHARACTERS]}
        case Got(index):
            body = {"index": index}
        case _:
            body = {}
    kind = type(said).__name__.lower()
    return json.dumps({"t": kind, **body}, ensure_ascii=False, separators=(",", ":"))


def _entry(entry: Entry) -> dict[str, Any]:
    known = {} if entry.modified is None else {"modified": entry.modified}
    return {"path": entry.path, "size": entry.size, **known}


def parse(message: str | bytes) -> Said | None:
    """What a message says.

    :returns: None for a type that this version doesn't know: a later one may.
    :raises ProtocolError: if it makes no sense.
    """
    if isinstance(message, bytes):
        if not 0 < len(message) <= PIECE_MOST_BYTES:
            raise ProtocolError(f"A piece of a file has {len(message)} bytes.")
        return Data(message)
    try:
        if len(message) > TEXT_MOST_CHARACTERS:
            raise ValueError("too long")
        content = parse_json(message)
    except ValueError:
        raise ProtocolError("The other side sent a text that is no message.") from None
    if not isinstance(content, dict) or not isinstance(content.get("t"), str):
        raise ProtocolError("The other side sent a text that is no message.")
    read = _READERS.get(content["t"])
    return None if read is None else read(content)


def _number(content: Mapping[str, Any], name: str, most: int = NUMBER_MOST) -> int:
    value = content.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ProtocolError(f"{name!r} of a transfer's message is no number from 0 to {most}.")
    return value


def _index(content: Mapping[str, Any]) -> int:
    return _number(content, "index", ENTRIES_MOST - 1)


def _reason(content: Mapping[str, Any]) -> str:
    value = content.get("reason", "")
    return value[:REASON_CHARACTERS] if isinstance(value, str) else ""


def _hash(content: Mapping[str, Any]) -> str:
    value = content.get("sha256")
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise ProtocolError("'sha256' of a transfer's message is no hash in lower-case hex.")
    return value


def _list(content: Mapping[str, Any], name: str) -> list[Any]:
    value = content.get(name, [])
    if not isinstance(value, list) or len(value) > ENTRIES_MOST:
        raise ProtocolError(f"{name!r} is no list of at most {ENTRIES_MOST}.")
    return value


def _objects(content: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    value = _list(content, name)
    if not all(isinstance(item, dict) for item in value):
        raise ProtocolError(f"{name!r} is no list of objects.")
    return value


def _read_offer(content: Mapping[str, Any]) -> Offer:
    transfer = content.get("transfer")
    if not isinstance(transfer, str) or not _ID.fullmatch(transfer):
        raise ProtocolError("An offer of files has no id.")
    files = _objects(content, "files")
    if not files:
        raise ProtocolError("An offer of files names none.")
    return Offer(transfer, tuple(map(_read_entry, files)))


def _read_entry(content: Mapping[str, Any]) -> Entry:
    path = content.get("path")
    if not isinstance(path, str):
        raise ProtocolError("A file that is offered has no path.")
    size = None if content.get("size") is None else _number(content, "size")
    modified = content.get("modified")
    if not isinstance(modified, int | float) or isinstance(modified, bool):
        return Entry(path, size)
    return Entry(path, size, int(modified) if abs(modified) <= NUMBER_MOST else None)


def _read_accept(content: Mapping[str, Any]) -> Accept:
    skip = [_index({"index": index}) for index in _list(content, "skip")]
    have = [
        Have(_index(item), _number(item, "size"), _hash(item)) for item in _objects(content, "have")
    ]
    return Accept(frozenset(skip), tuple(have))


_READERS: Mapping[str, Any] = {
    "offer": _read_offer,
    "accept": _read_accept,
    "decline": lambda c: Decline(_reason(c)),
    "file": lambda c: File(_index(c), _number(c, "offset")),
    "end": lambda c: End(_index(c), _number(c, "size"), _hash(c)),
    "got": lambda c: Got(_index(c)),
    "bad": lambda c: Bad(_index(c), _reason(c)),
    "complete": lambda _: Complete(),
    "received": lambda _: Received(),
    "cancel": lambda c: Cancel(_reason(c)),
}
