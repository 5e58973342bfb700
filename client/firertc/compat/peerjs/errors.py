"""Errors by PeerJS's types."""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import Final

from pyee.asyncio import AsyncIOEventEmitter

from ...errors import (
    AnsweredElsewhere,
    Cancelled,
    ConfigError,
    FireRTCError,
    KeyRefused,
    NoAnswer,
    PathUnreachable,
    PeerGone,
    PeerIdUnavailable,
    Rejected,
    Unreachable,
)

_LOG: Final = logging.getLogger("firertc.compat.peerjs")


class PeerErrorType(StrEnum):
    """Of a peer."""

    BROWSER_INCOMPATIBLE = "browser-incompatible"
    DISCONNECTED = "disconnected"
    INVALID_ID = "invalid-id"
    INVALID_KEY = "invalid-key"
    NETWORK = "network"
    PEER_UNAVAILABLE = "peer-unavailable"
    SSL_UNAVAILABLE = "ssl-unavailable"
    SERVER_ERROR = "server-error"
    SOCKET_ERROR = "socket-error"
    SOCKET_CLOSED = "socket-closed"
    UNAVAILABLE_ID = "unavailable-id"
    WEBRTC = "webrtc"


class BaseConnectionErrorType(StrEnum):
    """Of every connection."""

    NEGOTIATION_FAILED = "negotiation-failed"
    CONNECTION_CLOSED = "connection-closed"


class DataConnectionErrorType(StrEnum):
    """Of data connections."""

    NOT_OPEN_YET = "not-open-yet"
    MESSAGE_TOO_BIG = "message-too-big"


class PeerError(Exception):
    """What went wrong, with PeerJS's word for it.

    :param type: one of the types above.
    """

    def __init__(self, type: str, text: str) -> None:
        super().__init__(text)
        self.type = str(type)


class Emitter(AsyncIOEventEmitter):
    """Emits errors to who listens; those that nobody hears go to the log ``firertc.compat.peerjs``,
    as PeerJS shows them in the console."""

    def tell(self, type: str, reason: str | BaseException) -> None:
        """Tell of an error."""
        error = PeerError(type, str(reason))
        if isinstance(reason, BaseException):
            error.__cause__ = reason
        if self.listeners("error"):
            self.emit("error", error)
        else:
            _LOG.error("%s: %s", error.type, error)


def type_of(error: BaseException) -> PeerErrorType:
    """The type under which PeerJS tells of what went wrong here."""
    match error:
        case PeerIdUnavailable():
            return PeerErrorType.UNAVAILABLE_ID
        case KeyRefused() | ConfigError():
            return PeerErrorType.INVALID_KEY
        case PathUnreachable():
            return PeerErrorType.WEBRTC
        case Unreachable():
            return PeerErrorType.NETWORK
        case NoAnswer() | Rejected() | PeerGone() | Cancelled() | AnsweredElsewhere():
            return PeerErrorType.PEER_UNAVAILABLE
        case FireRTCError():
            return PeerErrorType.SERVER_ERROR
    return PeerErrorType.SERVER_ERROR
