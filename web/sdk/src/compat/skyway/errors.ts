/** Skyway's numbers for what went wrong, and its reasons for what the system does. */

import {
  DatabaseUnreachable,
  FireRTCError,
  KeyRefused,
  Removed,
  RoomClosed,
  RoomFull,
  RoomLocked,
  SessionExpired,
  Unreachable,
} from "../../index.js";

/** What `readyStateChange` tells with the state -1. */
export interface ReadyError {
  readonly status: number | null;
  readonly content: Error;
  readonly errorCode: number;
}

/** What went wrong, with Skyway's number. */
export class SkywayError extends Error {
  override readonly name = "SkywayError";

  constructor(
    /** Skyway's number; null: it has none. */
    readonly errorCode: number | null,
    error: Error,
  ) {
    super(error.message, { cause: error });
  }
}

/** `readyStateChange`'s error codes by what `join` answers. */
const CODES: Readonly<Record<string, number>> = {
  "unknown-key": 4001,
  "disabled-key": 4001,
  "bad-request": 4001,
  "programs-not-allowed": 4002,
  "origin-not-allowed": 4003,
  "forged-token": 4004,
  "expired-token": 4004,
  "token-required": 4004,
  "wrong-room": 4005,
  "room-full": 4020,
};

/** The number of an error at the door; null: it came later, and `systemAction` tells of it. */
export function codeOf(error: unknown): number | null {
  if (!(error instanceof FireRTCError)) return -2;
  const code = typeof error.cause === "string" ? CODES[error.cause] : undefined;
  if (code !== undefined) return code;
  if (error instanceof RoomLocked) return null;
  if (error instanceof RoomFull) return 4020;
  if (error instanceof KeyRefused || error.code === "bad-config") return 4001;
  if (error instanceof SessionExpired) return 4004;
  if (error instanceof DatabaseUnreachable) return 4021;
  if (error instanceof Unreachable) return -1;
  return null;
}

/** The reason that `systemAction` gives. */
export function reasonOf(error: FireRTCError): string {
  if (error instanceof RoomLocked) return "locked";
  if (error instanceof RoomClosed) return "roomclose";
  if (error instanceof SessionExpired) return "duplicatedLogin";
  if (error instanceof Removed) return "keyFailed";
  return error.cause === "expired-token" ? "expired" : "serverError";
}
