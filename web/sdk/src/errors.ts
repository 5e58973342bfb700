/**
 * Everything that FireRTC throws, in one tree; the same names and codes as in Python.
 *
 * The text says what is wrong and what to do about it; it never holds a secret.
 */

/** Base class of every error thrown on purpose by this package. */
export class FireRTCError extends Error {
  /** Stable name of the error, the same in Python; minified code can still tell errors apart. */
  readonly code: string = "failed";
  override readonly name = "FireRTCError";
}

/** A setting is missing, malformed or contradicts another. */
export class ConfigError extends FireRTCError {
  override readonly code: string = "bad-config";
}

/** More waits to be sent than is kept: wait until the other side has taken some of it. */
export class TooMuch extends ConfigError {
  override readonly code = "too-much";
}

/** A media source can't be had. */
export class MediaError extends FireRTCError {
  override readonly code: string = "media-failed";
}

/** There is no such device. */
export class MediaNotFound extends MediaError {
  override readonly code = "media-not-found";
}

/** The device is there, but can't be used: another program has it. */
export class MediaUnreadable extends MediaError {
  override readonly code = "media-unreadable";
}

/** The person or the browser forbids the use of camera or microphone (web only). */
export class MediaDenied extends MediaError {
  override readonly code = "media-denied";
}

/** The page was not loaded from HTTPS or localhost: browsers give it no camera (web only). */
export class InsecureContext extends MediaError {
  override readonly code = "insecure-context";
}

/** The service said no. */
export class Denied extends FireRTCError {
  override readonly code: string = "denied";
}

/** The key is unknown, disabled, foreign to the realm, or not for this origin. */
export class KeyRefused extends Denied {
  override readonly code = "key-refused";
}

/** The peer id is malformed, or somebody holds it. */
export class PeerIdUnavailable extends Denied {
  override readonly code = "unavailable-id";
}

/** The room is locked and takes no newcomer. */
export class RoomLocked extends Denied {
  override readonly code = "room-locked";
}

/** The room is at its capacity. */
export class RoomFull extends Denied {
  override readonly code = "room-full";
}

/** A moderator put us out of the room. */
export class Removed extends Denied {
  override readonly code = "removed";

  constructor(
    message: string,
    /** What the moderator said. */
    readonly reason = "",
  ) {
    super(message);
  }
}

/** The room was closed by its owner. */
export class RoomClosed extends Denied {
  override readonly code = "room-closed";
}

/** The room is sealed, and no passphrase was given. */
export class PassphraseNeeded extends Denied {
  override readonly code = "passphrase-needed";
}

/** The room is sealed with another passphrase. */
export class WrongPassphrase extends Denied {
  override readonly code = "wrong-passphrase";
}

/** The session is over and could not be renewed: join again. */
export class SessionExpired extends Denied {
  override readonly code = "session-expired";
}

/** The security rules refused a read or a write. */
export class PermissionDenied extends Denied {
  override readonly code = "permission-denied";
}

/** A call did not come about, or ended before it should. */
export class CallError extends FireRTCError {
  override readonly code: string = "call-failed";
}

/** Nobody waits at this code: it is mistyped, used up or expired. */
export class CodeUnknown extends CallError {
  override readonly code = "code-unknown";
}

/** It rang and nobody answered in time. */
export class NoAnswer extends CallError {
  override readonly code = "no-answer";
}

/** The other side said no. */
export class Rejected extends CallError {
  override readonly code: string = "rejected";
}

/** The other side is in another call. */
export class Busy extends Rejected {
  override readonly code = "busy";
}

/** The caller gave up before an answer; also what an aborted signal leads to. */
export class Cancelled extends CallError {
  override readonly code: string = "cancelled";
}

/** Somebody else answered this call first. */
export class AnsweredElsewhere extends CallError {
  override readonly code = "answered-elsewhere";
}

/** The other side vanished in the middle of a call. */
export class PeerGone extends CallError {
  override readonly code = "peer-gone";
}

/** A request was not answered in time. */
export class NoReply extends CallError {
  override readonly code = "no-reply";
}

/** The other side answered a request with an error. */
export class RequestRefused extends CallError {
  override readonly code = "request-refused";

  constructor(
    /** Its code: `no-handler`, `failed`, `busy`, or one of the application's own. */
    readonly reason: string,
    /** What it said, for people. */
    readonly text = "",
  ) {
    super(text || `The other side refused the request: ${JSON.stringify(reason)}.`);
  }
}

/** A data channel is closed: nothing more can be sent on it. */
export class ChannelClosed extends CallError {
  override readonly code = "channel-closed";
}

/** Something that must answer does not. */
export class Unreachable extends FireRTCError {
  override readonly code: string = "unreachable";
}

/** Firestore does not answer. */
export class DatabaseUnreachable extends Unreachable {
  override readonly code = "database-unreachable";
}

/** The functions do not answer, or are not deployed. */
export class FunctionsUnreachable extends Unreachable {
  override readonly code = "functions-unreachable";
}

/** Both sides signalled, but no network path between them opened. */
export class PathUnreachable extends Unreachable {
  override readonly code = "path-unreachable";
}

/** The other side, or a stranger, wrote something that makes no sense. */
export class ProtocolError extends FireRTCError {
  override readonly code: string = "protocol-error";
}

/** A sealed field does not open: the code is wrong, or somebody changed the field. */
export class SealBroken extends ProtocolError {
  override readonly code = "seal-broken";
}

/** A document lacks a field, or has it with the wrong type or size. */
export class DocumentMalformed extends ProtocolError {
  override readonly code = "document-malformed";
}
