"""``OpenTok(api_key, api_secret)``: what a server asks for, by the names it knows."""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from ...config import Config
from ...errors import ConfigError
from ...tokens import Role, make_token
from .exceptions import (
    ArchiveError,
    AuthError,
    BroadcastError,
    DTMFError,
    ForceDisconnectError,
    GetStreamError,
    InvalidMediaModeError,
    NotAvailable,
    OpenTokException,
    SetStreamClassError,
    SipDialError,
)
from .moderation import Moderation
from .session import (
    ArchiveModes,
    MediaModes,
    Roles,
    Session,
    check_session_id,
    new_session_id,
)

DAY_SECONDS: Final = 24 * 3600
TOKEN_SECONDS: Final = DAY_SECONDS
TOKEN_SECONDS_MOST: Final = 30 * DAY_SECONDS
DATA_CHARS: Final = 1000
LAYOUT_CHARS: Final = 1000
ARCHIVE_NAME_CHARS: Final = 80

_ROLES: Final[Mapping[Roles, Role]] = {
    Roles.subscriber: "subscriber",
    Roles.publisher: "publisher",
    Roles.publisheronly: "publisher",
    Roles.moderator: "moderator",
}
_NO_SERVER: Final = "there is no media server: media goes from peer to peer"


class OpenTok:
    """A project's key and secret, and what can be made with them.

    :param api_key: a key; its realm is where the sessions are.
    :param api_secret: the key's secret. It stays on the server.
    :param api_url: taken and left aside: there is no OpenTok to ask.
    :param timeout: likewise.
    :param app_version: likewise.
    :param config: where the project's database is, for moderation; default: what
        :func:`firertc.load_config` finds.
    :raises AuthError: if they can't be a key and a secret.
    """

    def __init__(
        self,
        api_key: str,
        api_secret: str,
        api_url: str = "",
        timeout: float | None = None,
        app_version: str | None = None,
        *,
        config: Config | None = None,
    ) -> None:
        del api_url, timeout, app_version
        self.api_key = str(api_key)
        self._secret = api_secret
        self._moderation = Moderation(self.api_key, config)
        try:
            make_token(self.api_key, self._secret)
        except ConfigError as error:
            raise AuthError(str(error)) from None

    def __repr__(self) -> str:
        return f"OpenTok({self.api_key!r})"

    # Made without asking anybody.

    def create_session(
        self,
        location: str | None = None,
        media_mode: MediaModes = MediaModes.relayed,
        archive_mode: ArchiveModes = ArchiveModes.manual,
        archive_name: str | None = None,
        archive_resolution: str | None = None,
        e2ee: bool = False,
    ) -> Session:
        """Make a session: an id, and nothing anywhere else.

        :param location: an IPv4 address; checked, and of no effect.
        :param media_mode: ``relayed``.
        :param archive_mode: ``manual``.
        :param archive_name: for archives, so not there.
        :param archive_resolution: likewise.
        :param e2ee: of media through a server, so not there; between peers it is always so.
        :raises InvalidMediaModeError: for ``routed``, or ``e2ee`` (which needs it).
        :raises ArchiveError: for ``always`` and what goes with it.
        :raises OpenTokException: another argument makes no sense.
        """
        if not isinstance(media_mode, MediaModes):
            raise OpenTokException(
                f"Cannot create session, {media_mode!r} is not a valid media mode"
            )
        if not isinstance(archive_mode, ArchiveModes):
            raise OpenTokException(
                f"Cannot create session, {archive_mode!r} is not a valid archive mode"
            )
        if media_mode is MediaModes.routed:
            raise InvalidMediaModeError(
                f"Routed mode is not there yet: {_NO_SERVER}. Use MediaModes.relayed, which goes "
                "well for a handful of people in a session."
            )
        if e2ee:
            raise InvalidMediaModeError(
                "e2ee is about media that goes through a server, and there is none. Between peers "
                "media is always encrypted from end to end."
            )
        if archive_mode is ArchiveModes.always or archive_name or archive_resolution:
            raise ArchiveError(f"Sessions can't be archived: {_NO_SERVER}. {_RECORD}")
        if location is not None:
            try:
                ipaddress.IPv4Address(location)
            except ValueError:
                raise OpenTokException(
                    "Cannot create session, location must be either None or an IPv4 address, not "
                    f"{location!r}"
                ) from None
        return Session(
            self.generate_token, new_session_id(self.api_key), location, media_mode, archive_mode
        )

    def generate_token(
        self,
        session_id: str,
        role: Roles = Roles.publisher,
        expire_time: float | str | datetime | None = None,
        data: str | None = None,
        initial_layout_class_list: Iterable[str] = (),
        use_jwt: bool = True,
    ) -> str:
        """Make a token: who has it may connect to the session.

        :param session_id: from :meth:`create_session` with the same key.
        :param expire_time: Unix seconds or a date (without an offset it is UTC) until when one may
            connect; at most 30 days ahead; default: a day. Who is connected stays beyond it.
        :param data: about the person, at most 1,000 characters; all in the session can read it.
        :param initial_layout_class_list: kept with the token; at most 1,000 characters in all.
        :param use_jwt: True: there is no other form.
        :raises OpenTokException: an argument makes no sense.
        """
        room = check_session_id(session_id, self.api_key)
        if not isinstance(role, Roles):
            raise OpenTokException(f"Cannot generate token, {role!r} is not a valid role")
        if not use_jwt:
            raise NotAvailable(
                "Tokens that begin with T1== are OpenTok's alone. Leave use_jwt as it is: what "
                "holds for the one holds for the other."
            )
        if data is not None and (not isinstance(data, str) or len(data) > DATA_CHARS):
            raise OpenTokException(
                f"Cannot generate token, data must be a string of at most {DATA_CHARS} characters"
            )
        classes = _layout_classes(initial_layout_class_list)
        about = {"role": role.value, "connectionData": data, "initialLayoutClassList": classes}
        return make_token(
            self.api_key,
            self._secret,
            room=room,
            role=_ROLES[role],
            expires_in_seconds=_seconds_left(expire_time),
            data=about,
        )

    # Moderation, with the owner's credentials.

    def force_disconnect(self, session_id: str, connection_id: str) -> None:
        """Remove somebody from a session, and keep that peer out for a day.

        The others close their links to it, and so does its own client. A client that was changed
        not to may keep what it has until it is closed from the other side.

        :param connection_id: its peer id.
        :raises NotFoundError: nobody of that id is there.
        :raises AuthError: the owner's credentials are missing or refused.
        :raises ForceDisconnectError: the id can't be one.
        """
        room = check_session_id(session_id, self.api_key)
        if not isinstance(connection_id, str) or not connection_id:
            raise ForceDisconnectError("Say whom to disconnect: a connection's id.")
        self._moderation.remove(room, connection_id)

    def signal(
        self, session_id: str, payload: Mapping[str, Any], connection_id: str | None = None
    ) -> None:
        """Say something to all in a session, or to one.

        :param payload: ``type``, at most 128 bytes, and ``data``, at most 8 kB.
        :raises NotFoundError: the session is empty, or nobody of that id is there.
        :raises SignalingError: the payload makes no sense.
        :raises AuthError: the owner's credentials are missing or refused.
        """
        room = check_session_id(session_id, self.api_key)
        self._moderation.signal(room, payload, connection_id)

    send_signal = signal

    def mute_stream(self, session_id: str, stream_id: str) -> NoReturn:
        """Not there."""
        raise NotAvailable(f"A stream can't be muted from here: {_NO_SERVER}. {_MODERATOR}")

    def mute_all(self, session_id: str, excluded_stream_ids: Iterable[str] = ()) -> NoReturn:
        """Not there."""
        raise NotAvailable(f"Streams can't be muted from here: {_NO_SERVER}. {_MODERATOR}")

    def disable_force_mute(self, session_id: str) -> NoReturn:
        """Not there."""
        raise NotAvailable(f"Nothing is muted from here: {_NO_SERVER}. {_MODERATOR}")

    def __getattr__(self, name: str) -> Any:
        """What OpenTok has and FireRTC has not, by name."""
        for kind, text, names in _MISSING:
            if name in names:
                return _missing(kind, f"{name}() is not there: {text}")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


Client = OpenTok
"""The other name of it."""

_RECORD: Final = "A client can record: firertc call --record FILE."
_MODERATOR: Final = "A moderator in the session can, where its page listens."

_MISSING: Final[tuple[tuple[type[OpenTokException], str, frozenset[str]], ...]] = (
    (
        ArchiveError,
        f"{_NO_SERVER}. {_RECORD}",
        frozenset(
            {
                *("start_archive", "stop_archive", "get_archive", "delete_archive"),
                *("list_archives", "get_archives", "add_archive_stream"),
                *("remove_archive_stream", "set_archive_layout"),
            }
        ),
    ),
    (
        BroadcastError,
        f"{_NO_SERVER}.",
        frozenset(
            {
                *("start_broadcast", "stop_broadcast", "get_broadcast", "list_broadcasts"),
                *("set_broadcast_layout", "add_broadcast_stream", "remove_broadcast_stream"),
            }
        ),
    ),
    (
        GetStreamError,
        f"{_NO_SERVER} that knows the streams. 'firertc rooms show' lists who is there.",
        frozenset({"get_stream", "list_streams"}),
    ),
    (SetStreamClassError, f"{_NO_SERVER}.", frozenset({"set_stream_class_lists"})),
    (SipDialError, "there is no gateway to telephones.", frozenset({"dial"})),
    (DTMFError, "there is no gateway to telephones.", frozenset({"play_dtmf"})),
    (
        NotAvailable,
        f"{_NO_SERVER}.",
        frozenset(
            {
                *("start_render", "stop_render", "get_render", "list_renders"),
                *("connect_audio_to_websocket", "start_captions", "stop_captions"),
            }
        ),
    ),
)


def _missing(kind: type[OpenTokException], text: str) -> Callable[..., NoReturn]:
    def missing(*_: object, **__: object) -> NoReturn:
        raise kind(text)

    return missing


def _layout_classes(given: Iterable[str]) -> list[str]:
    classes = [given] if isinstance(given, str) else list(given)
    if not all(isinstance(name, str) for name in classes) or len(" ".join(classes)) > LAYOUT_CHARS:
        raise OpenTokException(
            "Cannot generate token, initial_layout_class_list must be strings of at most "
            f"{LAYOUT_CHARS} characters in all"
        )
    return classes


def _seconds_left(expire_time: float | str | datetime | None) -> float:
    """How long from now a token shall be good for.

    :raises OpenTokException: if it is over, or too far.
    """
    if expire_time is None:
        return TOKEN_SECONDS
    now = time.time()
    if isinstance(expire_time, datetime):
        dated = expire_time if expire_time.tzinfo else expire_time.replace(tzinfo=UTC)
        expires = dated.timestamp()
    else:
        try:
            expires = float(expire_time)
        except (TypeError, ValueError, OverflowError):
            expires = math.nan
    if not math.isfinite(expires):
        raise OpenTokException(
            "Cannot generate token, expire_time must be Unix seconds or a datetime, not "
            f"{str(expire_time)[:40]!r}"
        )
    if expires <= now:
        raise OpenTokException(
            f"Cannot generate token, expire_time must be in the future: it was {now - expires:.0f} "
            "s ago. If it was made just now, this machine's clock is wrong."
        )
    if expires > now + TOKEN_SECONDS_MOST:
        milliseconds = " It looks like milliseconds: divide by 1,000." if expires > 1e11 else ""
        raise OpenTokException(
            "Cannot generate token, expire_time must be within 30 days from now, in seconds."
            f"{milliseconds}"
        )
    return expires - now
