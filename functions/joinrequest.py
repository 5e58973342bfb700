"""What ``join`` is asked for, checked for types, sizes and forms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import schema
from credentials import Credentials, read_credentials
from errors import Refused

TOKEN_CHARS: Final = 16384
"""The longest token read; a server-made one carries at most 8,192 characters of data."""
NAME_CHARS: Final = 512
"""The longest key or name read at all; ids have tighter limits of their own."""
CLIENT_CHARS: Final = 64

_FIELDS: Final = {
    "key": NAME_CHARS,
    "room": NAME_CHARS,
    "peer": NAME_CHARS,
    "call": NAME_CHARS,
    "resume": TOKEN_CHARS,
    "session": NAME_CHARS,
    "token": TOKEN_CHARS,
}
_KNOWN: Final = {*_FIELDS, "client", "credentials", "find"}


@dataclass(frozen=True)
class JoinRequest:
    """A request whose fields have the right types and forms; absent ones are ``None``."""

    key: str
    """The key."""

    room: str | None = None
    """Document id of the room to be bound to."""

    peer: str | None = None
    """Document id of the peer name wanted."""

    call: str | None = None
    """Id of a one-off call to be allowed to create."""

    resume: str | None = field(default=None, repr=False)
    """Resume token of an earlier join."""

    session: str | None = None
    """The session to keep."""

    token: str | None = field(default=None, repr=False)
    """Server-made token."""

    credentials: Credentials | None = None
    """Signed room, start and duration, in place of a token."""

    find: bool = False
    """Whether to tell what there is in the room."""

    client: str = ""
    """``name version`` of the software, for logs."""


def read_request(data: Any) -> JoinRequest:
    """Check the ``data`` of a request.

    Raises:
        Refused: ``bad-request``, ``invalid-room`` or ``invalid-peer-id``.
    """
    if not isinstance(data, Mapping):
        raise Refused("bad-request", 'Send an object: {"data": {"key": "…"}}.')
    unknown = sorted(str(name)[:64] for name in data if name not in _KNOWN)
    if unknown:
        raise Refused("bad-request", f"There is no field {unknown[0]!r}; see docs/protocol.md.")
    text = {name: _text(data, name, limit) for name, limit in _FIELDS.items()}
    key = text["key"]
    if not key:
        raise Refused("bad-request", "The field 'key' is missing: whose realm is to be joined?")
    call, session = text["call"], text["session"]
    if call is not None and schema.CALL_PATTERN.fullmatch(call) is None:
        raise Refused("bad-request", "'call' must be 32 hex digits, lower case.")
    if session is not None and schema.SESSION_PATTERN.fullmatch(session) is None:
        raise Refused("bad-request", "'session' must be the one that an earlier join gave out.")
    if session is not None and text["resume"] is None:
        raise Refused("bad-request", "'session' can only be kept with its resume token.")
    credentials = None
    if data.get("credentials") is not None:
        if text["token"] is not None:
            raise Refused("bad-request", "Send either 'token' or 'credentials'.")
        credentials = read_credentials(data["credentials"], text["room"])
        room_id(credentials.room)
    return JoinRequest(
        key=key,
        room=None if text["room"] is None else room_id(text["room"]),
        peer=None if text["peer"] is None else peer_id(text["peer"]),
        call=call,
        resume=text["resume"],
        session=session,
        token=text["token"],
        credentials=credentials,
        find=_flag(data, "find"),
        client=_client(data.get("client")),
    )


def room_id(name: str) -> str:
    """Document id of a room name.

    Raises:
        Refused: ``invalid-room`` if it is empty or too long.
    """
    encoded = _encoded(name)
    if not encoded or len(encoded) > schema.ROOM_ID_BYTES:
        raise Refused(
            "invalid-room",
            f"A room name needs 1 to {schema.ROOM_ID_BYTES} characters; others than letters, "
            "digits, '-' and '_' count three for each byte of UTF-8.",
        )
    return encoded


def peer_id(name: str) -> str:
    """Document id of a peer name.

    Raises:
        Refused: ``invalid-peer-id`` if it is empty or too long.
    """
    encoded = _encoded(name)
    if not encoded or len(encoded) > schema.PEER_ID_BYTES:
        raise Refused(
            "invalid-peer-id",
            f"A peer name needs 1 to {schema.PEER_ID_BYTES} characters; others than letters, "
            "digits, '-' and '_' count three for each byte of UTF-8.",
        )
    return encoded


def _encoded(name: str) -> str:
    try:
        return schema.encode_id(name)
    except UnicodeEncodeError:
        return ""


def _text(data: Mapping[str, Any], name: str, limit: int) -> str | None:
    value = data.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Refused("bad-request", f"'{name}' must be a string.")
    if len(value) > limit:
        raise Refused(_too_long(name), f"'{name}' is longer than {limit} characters.")
    return value


def _flag(data: Mapping[str, Any], name: str) -> bool:
    value = data.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise Refused("bad-request", f"'{name}' must be true or false.")


def _too_long(name: str) -> str:
    return {"room": "invalid-room", "peer": "invalid-peer-id"}.get(name, "bad-request")


def _client(value: Any) -> str:
    """Name and version of the client's software, fit for a log line."""
    if value is None:
        return ""
    if not isinstance(value, Mapping):
        raise Refused("bad-request", "'client' must be an object with a name and a version.")
    parts = [_text(value, name, CLIENT_CHARS) or "" for name in ("name", "version")]
    return re.sub(r"[^\x20-\x7e]", "?", " ".join(part for part in parts if part))
