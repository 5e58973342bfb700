"""What is raised, by OpenTok's names."""

from __future__ import annotations


class OpenTokException(Exception):
    """Base of all of them: an argument that makes no sense, or one of those below."""


class RequestError(OpenTokException):
    """The database did not do what was asked."""


class AuthError(OpenTokException):
    """The key, its secret or the owner's credentials are refused."""


class NotFoundError(OpenTokException):
    """There is no such session, or nobody of that connection in it."""


class NotAvailable(OpenTokException):
    """OpenTok has this, FireRTC does not; the text says why, and what there is instead."""


class ArchiveError(OpenTokException):
    """Archives can't be had."""


class ArchiveStreamModeError(ArchiveError):
    """Streams of archives can't be chosen."""


class SignalingError(OpenTokException):
    """A signal can't be sent."""


class GetStreamError(OpenTokException):
    """A stream can't be looked at."""


class ForceDisconnectError(OpenTokException):
    """Somebody can't be removed."""


class SipDialError(OpenTokException):
    """A telephone can't be called."""


class SetStreamClassError(OpenTokException):
    """Layout classes can't be set."""


class BroadcastError(OpenTokException):
    """A broadcast can't be had."""


class BroadcastStreamModeError(BroadcastError):
    """Streams of broadcasts can't be chosen."""


class BroadcastHLSOptionsError(BroadcastError):
    """HLS can't be set up."""


class BroadcastOptionsError(BroadcastError):
    """A broadcast can't be set up."""


class DTMFError(OpenTokException):
    """Tones can't be sent."""


class InvalidWebSocketOptionsError(OpenTokException):
    """Sound can't be sent to a WebSocket."""


class InvalidMediaModeError(OpenTokException):
    """The media mode isn't there, or doesn't go with the rest."""


class CaptioningAlreadyInProgressError(OpenTokException):
    """Captions are being made already."""
