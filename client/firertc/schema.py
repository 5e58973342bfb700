"""Paths, fields, ids and sizes: the one place on this side that spells them.

The form of every document is in docs/protocol.md; ``firestore.rules`` enforces it. What is read
from the database was written by somebody else: :func:`read_call` and its like check it and raise
:exc:`DocumentMalformed`.
"""

from __future__ import annotations

import json
import re
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, cast

from .errors import ConfigError, DocumentMalformed

PROTOCOL_VERSION = 1

REALM_ID_BYTES = 32
PEER_ID_BYTES = 80
"""``{realm}:{peer}`` must fit the 128 characters of a Firebase uid."""
ROOM_ID_BYTES = 128

SDP_CHARS = 65_536
SEALED_CHARS = 98_304
METADATA_CHARS = 4_096
DATA_CHARS = 8_192
CANDIDATES_MAX = 40
CANDIDATES_CHARS = 24_000
REASON_CHARS = 64
REMOVAL_REASON_CHARS = 256
BODY_CHARS = 16_384
"""Of a message through the database."""
JSON_DEPTH = 64
"""How deep free-form data may be nested: what parses here must not overflow where it is shown."""

SHARDS = 8
DIRECT_SLOTS = 4
STANDING_SLOTS = 2
MESSAGE_SLOTS = 16

PEER_LEASE_SECONDS = 15 * 60
PEER_LEASE_RENEW_SECONDS = 6 * 60
STANDING_OFFER_SECONDS = 30 * 60
"""A standing offer's maximum age: NAT mappings and TURN credentials don't live longer."""
RING_SECONDS = 30
ROOM_LEASE_SECONDS = 12 * 3600
MESSAGE_LEASE_SECONDS = 9 * 60
LEASE_SLACK_SECONDS = 30
"""A lease outlives what it covers by this much."""

DEFAULT_ROOM = "main"
"""The room of those who name none."""

ANYONE = "*"
"""``to`` of a call that whoever comes may answer."""

CallKind = Literal["open", "standing", "direct", "ring"]

_ID = re.compile(r"[A-Za-z0-9_%-]+")
_SESSION = re.compile(r"[A-Za-z0-9_-]{16,32}")
_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


def encode_id(name: str, *, limit: int = PEER_ID_BYTES, what: str = "peer") -> str:
    """Make a document id from a name: what a peer or a room is known by in every event.

    :param name: any text of at least one character.
    :param limit: how many bytes the id may have; default: a peer's.
    :param what: what it is the name of, for the error: ``"room"``, ``"peer"``.
    :raises ConfigError: if the name is empty or its id too long.
    """
    if not name:
        raise ConfigError(f"A {what} needs a name of at least one character.")
    try:
        raw = name.encode("utf-8")
    except UnicodeEncodeError:
        raise ConfigError(f"The {what} name holds bytes that are no UTF-8 text.") from None
    encoded = "".join(chr(byte) if byte in _SAFE else f"%{byte:02X}" for byte in raw)
    if len(encoded) >= 4 and encoded.startswith("__") and encoded.endswith("__"):
        encoded = "%5F" + encoded[1:]
    if len(encoded) > limit:
        raise ConfigError(
            f"The {what} name is too long: {len(encoded)} bytes as a document id, "
            f"{limit} at most. Choose a shorter one."
        )
    return encoded


def decode_id(document_id: str) -> str:
    """The name that :func:`encode_id` made this id from (for display)."""
    raw = re.sub(
        rb"%([0-9A-F]{2})", lambda m: bytes([int(m.group(1), 16)]), document_id.encode("utf-8")
    )
    return raw.decode("utf-8", "replace")


def new_session() -> str:
    """A random session id for an open realm: its prefix tells it from those that ``join`` makes."""
    return f"open-{secrets.token_urlsafe(16)}"


def new_room_name() -> str:
    """A name that nobody else uses: a random UUID (RFC 9562, version 4)."""
    return str(uuid.uuid4())


def new_shard() -> int:
    """A random shard: spreads the index the sweep reads over eight ranges."""
    return secrets.randbelow(SHARDS)


# Paths: relative to the database's documents.


def one_off_path(realm: str, call: str) -> str:
    """Path of a one-off call."""
    return f"realms/{realm}/calls/{call}"


def caller_path(realm: str, peer: str) -> str:
    """Path of the document that names the one-off call a peer may create."""
    return f"realms/{realm}/callers/{peer}"


def room_path(realm: str, room: str) -> str:
    """Path of a room."""
    return f"realms/{realm}/rooms/{room}"


def peers_path(realm: str, room: str) -> str:
    """Path of a room's collection of peers."""
    return f"{room_path(realm, room)}/peers"


def calls_path(realm: str, room: str) -> str:
    """Path of a room's collection of calls."""
    return f"{room_path(realm, room)}/calls"


def standing_id(peer: str, attempt: int) -> str:
    """Id of a peer's standing offer number ``attempt``."""
    return f"{peer}~s{attempt % STANDING_SLOTS}"


def direct_id(sender: str, receiver: str, attempt: int) -> str:
    """Id of the direct or ring call number ``attempt`` between two peers."""
    return f"{sender}~{receiver}~{attempt % DIRECT_SLOTS}"


def message_id(sender: str, number: int) -> str:
    """Id of a peer's message number ``number`` through the database."""
    return f"{sender}~m{number % MESSAGE_SLOTS}"


# Documents.


@dataclass(frozen=True)
class Ended:
    """Who ended a call, and why."""

    by: str
    """Peer id."""
    reason: str
    """``rejected``, ``busy``, ``answered-elsewhere``, ``failed``…"""


@dataclass(frozen=True)
class Call:
    """A call document as read."""

    path: str
    kind: CallKind
    sender: str
    """Field ``from``."""
    sender_session: str
    receiver: str
    """Field ``to``: a peer id or ``*``."""
    receiver_session: str
    attempt: int
    offer: Mapping[str, str]
    """``{type, sdp}`` or ``{type, sealed}``."""
    answer: Mapping[str, str] | None
    offer_candidates: tuple[str, ...]
    answer_candidates: tuple[str, ...]
    metadata: str | None
    """JSON, or sealed JSON."""
    ended: Ended | None
    lease_until: datetime

    @property
    def open(self) -> bool:
        """Nobody has answered, and whoever comes may."""
        return self.receiver == ANYONE and self.answer is None and self.ended is None


def read_call(path: str, fields: Mapping[str, Any]) -> Call:
    """Check a call document that somebody else wrote.

    :param path: from ``realms/`` on.
    :param fields: as decoded from Firestore.
    :raises DocumentMalformed: says which field and why.
    """
    if _get(path, fields, "v", int) != PROTOCOL_VERSION:
        raise DocumentMalformed(
            f"{path}: protocol version {fields['v']!r}; this program speaks {PROTOCOL_VERSION}."
        )
    kind = _get(path, fields, "kind", str)
    if kind not in ("open", "standing", "direct", "ring"):
        raise DocumentMalformed(f"{path}: unknown kind of call.")
    answer = fields.get("answer")
    ended = fields.get("ended")
    metadata = fields.get("metadata")
    if metadata is not None and (
        not isinstance(metadata, str) or len(metadata) > 2 * METADATA_CHARS
    ):
        raise DocumentMalformed(f"{path}: metadata must be text of at most {METADATA_CHARS}.")
    return Call(
        path=path,
        kind=cast("CallKind", kind),
        sender=read_id(path, fields, "from"),
        sender_session=read_session(path, fields, "fromSession"),
        receiver=ANYONE if fields.get("to") == ANYONE else read_id(path, fields, "to"),
        receiver_session=_get(path, fields, "toSession", str),
        attempt=_get(path, fields, "attempt", int),
        offer=_description(path, fields.get("offer"), "offer"),
        answer=None if answer is None else _description(path, answer, "answer"),
        offer_candidates=_candidates(path, fields, "offerCandidates"),
        answer_candidates=_candidates(path, fields, "answerCandidates"),
        metadata=metadata,
        ended=None if ended is None else _ended(path, ended),
        lease_until=_get(path, fields, "leaseUntil", datetime),
    )


def read_id(path: str, fields: Mapping[str, Any], name: str) -> str:
    """A field that must hold a document id.

    :raises DocumentMalformed: if it doesn't.
    """
    value = _get(path, fields, name, str)
    if not _ID.fullmatch(value) or len(value) > ROOM_ID_BYTES:
        raise DocumentMalformed(f"{path}: field {name!r} is no valid id.")
    return cast("str", value)


def _get(path: str, fields: Mapping[str, Any], name: str, kind: type) -> Any:
    value = fields.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        found = "missing" if value is None else f"a {type(value).__name__}"
        raise DocumentMalformed(f"{path}: field {name!r} must be a {kind.__name__}, it is {found}.")
    return value


def read_session(path: str, fields: Mapping[str, Any], name: str) -> str:
    """A field that must hold a session id.

    :raises DocumentMalformed: if it doesn't.
    """
    value = _get(path, fields, name, str)
    if not _SESSION.fullmatch(value):
        raise DocumentMalformed(f"{path}: field {name!r} is no session id.")
    return cast("str", value)


def _description(path: str, value: Any, name: str) -> Mapping[str, str]:
    if not isinstance(value, Mapping) or value.get("type") != name:
        raise DocumentMalformed(f"{path}: field {name!r} must be a map with type {name!r}.")
    for form, limit in (("sdp", SDP_CHARS), ("sealed", SEALED_CHARS)):
        text = value.get(form)
        if isinstance(text, str):
            if len(text) > limit:
                raise DocumentMalformed(
                    f"{path}: {name}.{form} has {len(text)} characters, {limit} at most."
                )
            return {"type": name, form: text}
    raise DocumentMalformed(f"{path}: field {name!r} has neither 'sdp' nor 'sealed' text.")


def _candidates(path: str, fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = fields.get(name, [])
    if not isinstance(value, list) or len(value) > CANDIDATES_MAX:
        raise DocumentMalformed(f"{path}: {name!r} must be a list of at most {CANDIDATES_MAX}.")
    if not all(isinstance(entry, str) for entry in value):
        raise DocumentMalformed(f"{path}: every entry of {name!r} must be text.")
    if sum(map(len, value)) > CANDIDATES_CHARS:
        raise DocumentMalformed(f"{path}: {name!r} has over {CANDIDATES_CHARS} characters.")
    return tuple(value)


def _ended(path: str, value: Any) -> Ended:
    if not isinstance(value, Mapping):
        raise DocumentMalformed(f"{path}: field 'ended' must be a map.")
    return Ended(by=read_id(path, value, "by"), reason=_get(path, value, "reason", str)[:64])


@dataclass(frozen=True)
class Peer:
    """A peer document as read: somebody who is in a room."""

    id: str
    session: str
    role: str
    joined_at: datetime
    lease_until: datetime
    data: Any = None
    """What the peer says of itself: any JSON value."""
    media: Mapping[str, bool] = field(default_factory=dict)
    can: tuple[str, ...] = ()
    is_self: bool = False
    """Whether this is us."""
    left: str = ""
    """Why it is no longer in: ``left`` by itself (or put out by a moderator other than us),
    ``removed`` by us, ``gone`` with its lease, ``replaced`` by the same peer in another session;
    empty while it is in."""


def read_peer(path: str, fields: Mapping[str, Any]) -> Peer:
    """Check a peer document that somebody else wrote.

    :raises DocumentMalformed: says which field and why.
    """
    text = _get(path, fields, "data", str)
    try:
        data = parse_json(text) if text else None
    except ValueError:
        raise DocumentMalformed(f"{path}: field 'data' is no JSON.") from None
    media = fields.get("media", {})
    can = fields.get("can", [])
    if not isinstance(media, Mapping) or not isinstance(can, list):
        raise DocumentMalformed(f"{path}: 'media' must be a map and 'can' a list.")
    return Peer(
        id=path.rsplit("/", 1)[1],
        session=read_session(path, fields, "session"),
        role=_get(path, fields, "role", str),
        joined_at=_get(path, fields, "joinedAt", datetime),
        lease_until=_get(path, fields, "leaseUntil", datetime),
        data=data,
        media={str(kind): on is True for kind, on in media.items()},
        can=tuple(str(word) for word in can),
    )


def timestamp(unix_seconds: float) -> datetime:
    """A Firestore timestamp from Unix seconds."""
    return datetime.fromtimestamp(unix_seconds, UTC)


def parse_json(text: str, depth: int = JSON_DEPTH) -> Any:
    """JSON that somebody else wrote.

    :param depth: how deep it may be nested.
    :raises ValueError: if it is none, or so deeply nested that it can only be meant badly.
    """
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        value = None
        shallow = False
    else:
        shallow = _is_shallow(value, depth)
    if not shallow:
        raise ValueError(f"nested more than {depth} deep")
    return value


def _is_shallow(value: Any, depth: int = JSON_DEPTH) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list | tuple):
        return True
    return depth > 0 and all(_is_shallow(inner, depth - 1) for inner in value)


def _no_constant(name: str) -> None:
    # Python's parser takes NaN and Infinity, which no other side could read.
    raise ValueError(f"{name} is no JSON")


def compact_json(value: Any, *, what: str) -> str:
    """Free-form data as JSON text.

    :raises ConfigError: if it is no JSON value.
    """
    try:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        text.encode("utf-8")  # refuses halves of surrogate pairs, as Firestore does
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"The {what} must be a JSON value: {error}.") from None
    if not _is_shallow(value):
        raise ConfigError(f"The {what} is nested more than {JSON_DEPTH} deep: make it flatter.")
    return text


def json_text(value: Any, *, limit: int, what: str) -> str:
    """Free-form data as bounded JSON text.

    :raises ConfigError: if it is no JSON value or too long.
    """
    text = compact_json(value, what=what)
    if len(text) > limit:
        raise ConfigError(f"The {what} has {len(text)} characters of JSON, {limit} at most.")
    return text


def check_chars(text: str, limit: int, what: str) -> str:
    """A text that must not be longer than ``limit`` characters; sealing makes it longer.

    :raises ConfigError: if it is.
    """
    if len(text) > limit:
        raise ConfigError(f"The {what} has {len(text)} characters, {limit} at most.")
    return text
