"""Credentials in the style of Skylink: room, start and duration, signed with the key's secret.

A server makes them in two lines of any language: base64 of HMAC-SHA1 (RFC 2104) over
``{room}_{duration}_{startDateTime}``. SHA-1 is what the original takes; its collisions don't break
an HMAC (RFC 6151, section 2.3, says so even of MD5).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote

from errors import Refused
from keys import Key

LEEWAY_SECONDS: Final = 30
"""How far the clock of the server that makes credentials may be off."""
TEXT_CHARS: Final = 512
"""The longest text of a field; a room's name is bounded as an id."""
HOURS_MOST: Final = 24 * 366
"""A bound that keeps the end a date; the original names none."""

_FIELDS: Final = ("room", "startDateTime", "duration", "credentials")


@dataclass(frozen=True)
class Credentials:
    """Credentials of the right form; whether they are genuine, :func:`check_credentials` says."""

    room: str
    """Name of the room, as it was signed."""

    start: str
    """The text of ``startDateTime``: it is signed as it is."""

    duration: str
    """The text of ``duration``, in hours; likewise."""

    starts_at: float
    """Unix seconds."""

    ends_at: float
    """Unix seconds."""

    signature: bytes = field(repr=False)
    """What ``credentials`` says."""


def read_credentials(value: Any, room: str | None) -> Credentials:
    """Check the form of ``credentials`` in a request.

    Args:
        value: an object with ``startDateTime`` (ISO 8601; without an offset it is UTC),
            ``duration`` (hours, a number or its text), ``credentials`` (base64, which may be
            percent-encoded as for a URL) and, where it isn't the request's, ``room``.
        room: name of the room that the request is about.

    Raises:
        Refused: ``bad-request``.
    """
    if not isinstance(value, Mapping):
        raise Refused(
            "bad-request",
            "'credentials' must be an object with startDateTime, duration and credentials.",
        )
    unknown = sorted(str(name)[:64] for name in value if name not in _FIELDS)
    if unknown:
        raise Refused("bad-request", f"'credentials' has no field {unknown[0]!r}.")
    room = _text(value, "room") if value.get("room") is not None else room
    if not room:
        raise Refused("bad-request", "'credentials' are for one room: send 'room', its name, too.")
    start, signature = _text(value, "startDateTime"), _text(value, "credentials")
    duration = _duration(value.get("duration"))
    try:
        begins = datetime.fromisoformat(start)
        starts_at = (begins if begins.tzinfo else begins.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise Refused(
            "bad-request",
            "'startDateTime' must be a date and time as in 2026-01-31T09:00:00Z (ISO 8601).",
        ) from None
    hours = float(duration)
    if not 0 < hours <= HOURS_MOST:
        raise Refused("bad-request", f"'duration' must be hours, above 0 and up to {HOURS_MOST}.")
    try:
        digest = base64.b64decode(unquote(signature), validate=True)
    except ValueError:
        raise Refused(
            "bad-request", "'credentials' must hold base64 text in 'credentials'."
        ) from None
    return Credentials(
        room=room,
        start=start,
        duration=duration,
        starts_at=starts_at,
        ends_at=starts_at + hours * 3600,
        signature=digest,
    )


def check_credentials(credentials: Credentials, key: Key, now: int) -> None:
    """Check that credentials are the key's and hold now.

    Args:
        credentials: of the right form.
        key: the key whose secret must have signed them.
        now: Unix seconds.

    Raises:
        Refused: ``forged-token`` or ``expired-token``.
    """
    expected = sign(credentials.room, credentials.duration, credentials.start, key.secret)
    if not hmac.compare_digest(expected, credentials.signature):
        raise Refused(
            "forged-token",
            "The credentials are not this key's for this room, start and duration. They are the "
            "base64 of HMAC-SHA1 over room_duration_startDateTime, each text exactly as it is "
            "sent, with the secret of the key that is sent.",
        )
    if now < credentials.starts_at - LEEWAY_SECONDS:
        raise Refused(
            "expired-token",
            f"The credentials begin {credentials.starts_at - now:.0f} s from now. If that is a "
            "mistake: startDateTime without 'Z' or an offset is UTC, and the clock of the server "
            "that made it may be ahead; set it by NTP.",
        )
    if now >= credentials.ends_at + LEEWAY_SECONDS:
        raise Refused(
            "expired-token",
            f"The credentials ended {now - credentials.ends_at:.0f} s ago. Ask your server for "
            "new ones. If they were made just now: duration is in hours, and the clock of the "
            "server that made them may be behind; set it by NTP.",
        )


def sign(room: str, duration: str, start: str, secret: str) -> bytes:
    """What a server that holds the secret signs; base64 of it is sent."""
    text = f"{room}_{duration}_{start}"
    return hmac.new(secret.encode(), text.encode("utf-8", "replace"), hashlib.sha1).digest()


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name)
    if not isinstance(text, str) or not text or len(text) > TEXT_CHARS:
        raise Refused(
            "bad-request",
            f"'{name}' of 'credentials' must be text of 1 to {TEXT_CHARS} characters.",
        )
    return text


def _duration(value: Any) -> str:
    """The duration as it was written into the signed text: JavaScript writes 2.0 as ``2``."""
    if isinstance(value, str) and len(value) <= TEXT_CHARS:
        try:
            if math.isfinite(float(value)):
                return value
        except ValueError:
            pass
    elif isinstance(value, int | float) and not isinstance(value, bool):
        try:
            if math.isfinite(float(value)):
                return str(int(value)) if value == int(value) else repr(value)
        except OverflowError:
            pass
    raise Refused("bad-request", "'duration' must be a number of hours.")
