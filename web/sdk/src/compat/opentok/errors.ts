/** OpenTok's names and codes for what goes wrong. */

import {
  ConfigError,
  Denied,
  FireRTCError,
  MediaDenied,
  MediaError,
  MediaNotFound,
  MediaUnreadable,
  RoomFull,
  RoomLocked,
  Unreachable,
} from "../../index.js";

import { Dispatcher } from "./events.js";

/** By name, the code. */
export const CODES = {
  OT_AUTHENTICATION_ERROR: 1004,
  OT_INVALID_SESSION_ID: 1005,
  OT_CONNECT_FAILED: 1006,
  OT_CONNECT_REJECTED: 1007,
  OT_NOT_CONNECTED: 1010,
  OT_INVALID_PARAMETER: 1011,
  OT_CONNECTION_LIMIT_EXCEEDED: 1027,
  OT_UNABLE_TO_PUBLISH: 1500,
  OT_USER_MEDIA_ACCESS_DENIED: 1500,
  OT_HARDWARE_UNAVAILABLE: 1500,
  OT_NO_DEVICES_FOUND: 1500,
  OT_UNABLE_TO_SUBSCRIBE: 1501,
  OT_UNABLE_TO_FORCE_DISCONNECT: 1520,
  OT_UNABLE_TO_FORCE_UNPUBLISH: 1530,
  OT_UNABLE_TO_FORCE_MUTE: 1540,
  OT_BAD_SIGNAL: 400,
  OT_PERMISSION_DENIED: 403,
  OT_NO_SUCH_CONNECTION: 404,
  OT_SIGNAL_TOO_LONG: 413,
  OT_SIGNAL_FAILED: 500,
} as const;

/** What OpenTok calls it. */
export type ErrorName = keyof typeof CODES;

/** What completion handlers get. */
export class OTError extends Error {
  /** OpenTok's number. */
  readonly code: number;

  constructor(
    override readonly name: ErrorName,
    message: string,
    cause?: unknown,
  ) {
    super(message, { cause });
    this.code = CODES[name];
  }
}

/** Told how it went: nothing, or what went wrong. */
export type Completion = (error?: OTError) => void;

/** Why one could not connect. */
export function connectError(error: unknown): OTError {
  const { message } = error as Error;
  if (error instanceof OTError) return error;
  if (error instanceof RoomFull) {
    return new OTError("OT_CONNECTION_LIMIT_EXCEEDED", message, error);
  }
  if (error instanceof RoomLocked) return new OTError("OT_CONNECT_REJECTED", message, error);
  if (error instanceof Denied) return new OTError("OT_AUTHENTICATION_ERROR", message, error);
  if (error instanceof ConfigError) return new OTError("OT_INVALID_SESSION_ID", message, error);
  return new OTError("OT_CONNECT_FAILED", message, error);
}

/** Why there is no picture or sound to publish. */
export function mediaError(error: unknown): OTError {
  const { message } = error as Error;
  if (error instanceof OTError) return error;
  if (error instanceof MediaDenied) {
    return new OTError("OT_USER_MEDIA_ACCESS_DENIED", message, error);
  }
  if (error instanceof MediaNotFound) return new OTError("OT_NO_DEVICES_FOUND", message, error);
  if (error instanceof MediaUnreadable) {
    return new OTError("OT_HARDWARE_UNAVAILABLE", message, error);
  }
  if (error instanceof MediaError) return new OTError("OT_UNABLE_TO_PUBLISH", message, error);
  return failed("OT_UNABLE_TO_PUBLISH")(error);
}

/** Anything else, under the name of what was wanted. */
export function failed(name: ErrorName): (error: unknown) => OTError {
  return (error) => {
    if (error instanceof OTError) return error;
    const known = error instanceof FireRTCError && !(error instanceof Unreachable);
    const message = error instanceof Error ? error.message : String(error);
    return new OTError(
      known && error instanceof Denied ? "OT_PERMISSION_DENIED" : name,
      message,
      error,
    );
  };
}

/** Tells of everything that goes wrong, as `exception`. */
export const exceptions = new Dispatcher();

/** Let a completion handler know how something went; nobody waits for it. */
export function complete(
  work: Promise<unknown>,
  name: (error: unknown) => OTError,
  completion: Completion | undefined,
): void {
  work.then(
    () => completion?.(),
    (error: unknown) => {
      const told = name(error);
      exceptions.dispatch("exception", {
        ...{ code: told.code, title: told.name, message: told.message },
      });
      completion?.(told);
    },
  );
}
