"""The server side of OpenTok: sessions, tokens and moderation, by a key of this project.

::

    opentok = OpenTok(api_key, api_secret)
    session = opentok.create_session()
    token = opentok.generate_token(session.session_id, role=Roles.moderator)

``api_key`` is a key and ``api_secret`` its secret, as ``firertc keys create`` prints them. Sessions
and tokens are made without asking anybody; ``join`` honours the tokens. Moderation goes to the
database with the owner's credentials (see :mod:`firertc.owner`). What needs a media server says
that it isn't there: :exc:`NotAvailable`.
"""

from .client import Client, OpenTok
from .exceptions import (
    ArchiveError,
    ArchiveStreamModeError,
    AuthError,
    BroadcastError,
    BroadcastHLSOptionsError,
    BroadcastOptionsError,
    BroadcastStreamModeError,
    CaptioningAlreadyInProgressError,
    DTMFError,
    ForceDisconnectError,
    GetStreamError,
    InvalidMediaModeError,
    InvalidWebSocketOptionsError,
    NotAvailable,
    NotFoundError,
    OpenTokException,
    RequestError,
    SetStreamClassError,
    SignalingError,
    SipDialError,
)
from .session import ArchiveModes, MediaModes, Roles, Session

__all__ = [
    "ArchiveError",
    "ArchiveModes",
    "ArchiveStreamModeError",
    "AuthError",
    "BroadcastError",
    "BroadcastHLSOptionsError",
    "BroadcastOptionsError",
    "BroadcastStreamModeError",
    "CaptioningAlreadyInProgressError",
    "Client",
    "DTMFError",
    "ForceDisconnectError",
    "GetStreamError",
    "InvalidMediaModeError",
    "InvalidWebSocketOptionsError",
    "MediaModes",
    "NotAvailable",
    "NotFoundError",
    "OpenTok",
    "OpenTokException",
    "RequestError",
    "Roles",
    "Session",
    "SetStreamClassError",
    "SignalingError",
    "SipDialError",
]
