"""Sessions: their modes, their ids and whose they are."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from .exceptions import OpenTokException

SESSION_ID_CHARS: Final = 128
"""A session is a room of that name, and a room's id has at most 128 bytes."""
_VERSION: Final = "1_"
_NONCE_BYTES: Final = 16


class Roles(Enum):
    """What the holder of a token may do."""

    subscriber = "subscriber"
    """Receive."""
    publisher = "publisher"
    """Send and receive."""
    publisheronly = "publisheronly"
    """Send. Nothing but the page's own code keeps it from receiving."""
    moderator = "moderator"
    """Send and receive, lock the session, and remove others."""


class MediaModes(Enum):
    """Which way the media goes."""

    routed = "disabled"
    """By a media server: not there."""
    relayed = "enabled"
    """From peer to peer."""


class ArchiveModes(Enum):
    """Whether a session is archived."""

    manual = "manual"
    """Only when it is asked for, which a client does by recording."""
    always = "always"
    """From its beginning: not there."""


@dataclass(frozen=True)
class Session:
    """A session, which is a room that the first to connect creates. Nothing is written for it."""

    generator: Callable[..., str] = field(repr=False, compare=False)
    """Makes tokens for it."""
    session_id: str = ""
    """Its id, for ``OT.initSession`` and :meth:`OpenTok.generate_token`."""
    location: str | None = None
    """The address it was wished near to; it is peer to peer, so near to nothing."""
    media_mode: MediaModes = MediaModes.relayed
    archive_mode: ArchiveModes = ArchiveModes.manual

    def generate_token(self, **options: Any) -> str:
        """As :meth:`OpenTok.generate_token`, for this session."""
        return self.generator(self.session_id, **options)


def new_session_id(api_key: str) -> str:
    """An id that says whose session it is, and can't be guessed."""
    text = f"{api_key}~{secrets.token_urlsafe(_NONCE_BYTES)}"
    return _VERSION + base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def check_session_id(session_id: object, api_key: str) -> str:
    """Check that a session is this key's.

    :raises OpenTokException: if it isn't, or is none.
    """
    if not isinstance(session_id, str) or not 0 < len(session_id) <= SESSION_ID_CHARS:
        raise OpenTokException(
            "Cannot use this session_id: it is what create_session gave, a text of at most "
            f"{SESSION_ID_CHARS} characters."
        )
    encoded = session_id.removeprefix(_VERSION)
    try:
        text = base64.b64decode(encoded + "=" * (-len(encoded) % 4), "-_", validate=True).decode()
    except ValueError:
        text = ""
    owner, separator, _ = text.rpartition("~")
    if not session_id.startswith(_VERSION) or not separator:
        raise OpenTokException(
            "Cannot use this session_id: create_session did not make it. OpenTok's own sessions "
            "stay with OpenTok; make new ones."
        )
    if owner != api_key:
        raise OpenTokException("Cannot use this session_id: it belongs to another key.")
    return session_id
