"""Everything that FireRTC raises, in one tree.

* :exc:`FireRTCError` — base of all; carries ``code`` and the exit code of the command line
    * :exc:`ConfigError` — a setting is missing, malformed or contradicts another
        * :exc:`TooMuch` — more waits to be sent than is kept
    * :exc:`MediaError` — a source or a recording can't be had
        * :exc:`MediaNotFound` — no such file, URL or device
        * :exc:`MediaUnreadable` — it is there, but nothing here can decode it
        * :exc:`MediaKindMissing` — it has no audio (or no video), and that was asked for
        * :exc:`RecordingFailed` — the recording can't be written where it was asked for
    * :exc:`Denied` — the service said no
        * :exc:`KeyRefused` — unknown, disabled or foreign key; origin or program not allowed
        * :exc:`PeerIdUnavailable` — the peer id is malformed or somebody holds it
        * :exc:`RoomLocked` — the room takes no newcomer
        * :exc:`RoomFull` — the room is at its capacity
        * :exc:`Removed` — a moderator put this peer out of the room
        * :exc:`RoomClosed` — the room is no longer there
        * :exc:`PassphraseNeeded` — the room is sealed, and no passphrase was given
        * :exc:`WrongPassphrase` — the room is sealed with another passphrase
        * :exc:`SessionExpired` — the session is over and could not be renewed
        * :exc:`PermissionDenied` — the rules refused a read or a write
    * :exc:`Unknown` — there is no such key or room (owner's commands)
    * :exc:`CallError` — a call did not come about, or ended
        * :exc:`CodeUnknown` — nobody waits at this code: mistyped, used or expired
        * :exc:`NoAnswer` — it rang, nobody answered in time
        * :exc:`Rejected` — the other side said no
        * :exc:`Busy` — the other side is in another call
        * :exc:`Cancelled` — the caller gave up before an answer
        * :exc:`AnsweredElsewhere` — somebody else answered first
        * :exc:`PeerGone` — the other side vanished in the middle
        * :exc:`NoReply` — a request was not answered in time
        * :exc:`RequestRefused` — the other side answered a request with an error
        * :exc:`ChannelClosed` — a data channel is closed: nothing more can be sent on it
    * :exc:`Unreachable` — something that must answer does not
        * :exc:`DatabaseUnreachable` — Firestore does not answer
        * :exc:`FunctionsUnreachable` — the functions do not answer, or are not deployed
        * :exc:`PathUnreachable` — both sides signalled, but no network path opened
    * :exc:`ProtocolError` — the other side (or a stranger) wrote something that makes no sense
        * :exc:`SealBroken` — a sealed field does not open: wrong code, or somebody changed it
        * :exc:`DocumentMalformed` — a document lacks a field, or has it with the wrong type
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "EXIT_DENIED",
    "EXIT_FAILED",
    "EXIT_NO_ANSWER",
    "EXIT_REJECTED",
    "EXIT_UNREACHABLE",
    "EXIT_USAGE",
    "AnsweredElsewhere",
    "Busy",
    "CallError",
    "Cancelled",
    "ChannelClosed",
    "CodeUnknown",
    "ConfigError",
    "DatabaseUnreachable",
    "Denied",
    "DocumentMalformed",
    "FireRTCError",
    "FunctionsUnreachable",
    "KeyRefused",
    "MediaError",
    "MediaKindMissing",
    "MediaNotFound",
    "MediaUnreadable",
    "NoAnswer",
    "NoReply",
    "PassphraseNeeded",
    "PathUnreachable",
    "PeerGone",
    "PeerIdUnavailable",
    "PermissionDenied",
    "ProtocolError",
    "RecordingFailed",
    "Rejected",
    "Removed",
    "RequestRefused",
    "RoomClosed",
    "RoomFull",
    "RoomLocked",
    "SealBroken",
    "SessionExpired",
    "TooMuch",
    "Unknown",
    "Unreachable",
    "WrongPassphrase",
]

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NO_ANSWER = 3
EXIT_REJECTED = 4
EXIT_DENIED = 5
EXIT_UNREACHABLE = 6


class FireRTCError(Exception):
    """Base class of every error raised on purpose by this package.

    The text says what is wrong and what to do about it; it never holds a secret.
    """

    code: ClassVar[str] = "failed"
    """Stable name of the error, the same in Python, in the web SDK and in ``--json`` events."""

    exit_code: ClassVar[int] = EXIT_FAILED
    """What the command line exits with."""


class ConfigError(FireRTCError):
    """A setting is missing, malformed or contradicts another."""

    code = "bad-config"
    exit_code = EXIT_USAGE


class TooMuch(ConfigError):
    """More waits to be sent than is kept: wait until the other side has taken some of it."""

    code = "too-much"


class MediaError(FireRTCError):
    """A media source or a recording can't be had."""

    code = "media-failed"


class MediaNotFound(MediaError):
    """There is no such file, URL or device."""

    code = "media-not-found"


class MediaUnreadable(MediaError):
    """The file is there, but can't be opened or decoded."""

    code = "media-unreadable"


class MediaKindMissing(MediaError):
    """The source has no audio (or no video), and that was asked for."""

    code = "media-kind-missing"


class RecordingFailed(MediaError):
    """The recording can't be written where it was asked for."""

    code = "recording-failed"


class Denied(FireRTCError):
    """The service said no."""

    code = "denied"
    exit_code = EXIT_DENIED


class KeyRefused(Denied):
    """The key is unknown, disabled, foreign to the realm, or not for this origin or program."""

    code = "key-refused"


class PeerIdUnavailable(Denied):
    """The peer id is malformed, or somebody holds it."""

    code = "unavailable-id"


class RoomLocked(Denied):
    """The room is locked and takes no newcomer."""

    code = "room-locked"


class RoomFull(Denied):
    """The room is at its capacity."""

    code = "room-full"


class Removed(Denied):
    """A moderator put this peer out of the room.

    :param reason: what the moderator said; may be empty.
    """

    code = "removed"

    def __init__(self, reason: str = "") -> None:
        said = f": {reason}" if reason else "."
        super().__init__(f"A moderator put you out of the room{said}")
        self.reason = reason


class RoomClosed(Denied):
    """The room is no longer there: its owner closed it."""

    code = "room-closed"


class PassphraseNeeded(Denied):
    """The room is sealed, and no passphrase was given."""

    code = "passphrase-needed"


class WrongPassphrase(Denied):
    """The room is sealed with another passphrase."""

    code = "wrong-passphrase"


class SessionExpired(Denied):
    """The session is over and could not be renewed: join again."""

    code = "session-expired"


class PermissionDenied(Denied):
    """The security rules refused a read or a write."""

    code = "permission-denied"


class Unknown(FireRTCError):
    """There is no such key or room in this project."""

    code = "not-found"


class CallError(FireRTCError):
    """A call did not come about, or ended before it should."""

    code = "call-failed"


class CodeUnknown(CallError):
    """Nobody waits at this code: it is mistyped, used up or expired."""

    code = "code-unknown"
    exit_code = EXIT_NO_ANSWER


class NoAnswer(CallError):
    """It rang and nobody answered in time."""

    code = "no-answer"
    exit_code = EXIT_NO_ANSWER


class Rejected(CallError):
    """The other side said no."""

    code = "rejected"
    exit_code = EXIT_REJECTED


class Busy(Rejected):
    """The other side is in another call."""

    code = "busy"


class Cancelled(CallError):
    """The caller gave up before an answer."""

    code = "cancelled"


class AnsweredElsewhere(CallError):
    """Somebody else answered this call first."""

    code = "answered-elsewhere"
    exit_code = EXIT_NO_ANSWER


class PeerGone(CallError):
    """The other side vanished in the middle of a call."""

    code = "peer-gone"
    exit_code = EXIT_UNREACHABLE


class NoReply(CallError):
    """A request was not answered in time."""

    code = "no-reply"
    exit_code = EXIT_NO_ANSWER


class RequestRefused(CallError):
    """The other side answered a request with an error.

    :param reason: its code: ``no-handler``, ``failed``, or one of the application's own.
    :param text: what it said, for people.
    """

    code = "request-refused"

    def __init__(self, reason: str, text: str = "") -> None:
        super().__init__(text or f"The other side refused the request: {reason!r}.")
        self.reason = reason
        self.text = text


class ChannelClosed(CallError):
    """A data channel is closed: nothing more can be sent on it."""

    code = "channel-closed"


class Unreachable(FireRTCError):
    """Something that must answer does not."""

    code = "unreachable"
    exit_code = EXIT_UNREACHABLE


class DatabaseUnreachable(Unreachable):
    """Firestore does not answer."""

    code = "database-unreachable"


class FunctionsUnreachable(Unreachable):
    """The functions do not answer, or are not deployed."""

    code = "functions-unreachable"


class PathUnreachable(Unreachable):
    """Both sides signalled, but no network path between them opened."""

    code = "path-unreachable"


class ProtocolError(FireRTCError):
    """The other side, or a stranger, wrote something that makes no sense."""

    code = "protocol-error"


class SealBroken(ProtocolError):
    """A sealed field does not open: the code is wrong, or somebody changed the field."""

    code = "seal-broken"


class DocumentMalformed(ProtocolError):
    """A document lacks a field, or has it with the wrong type or size."""

    code = "document-malformed"
