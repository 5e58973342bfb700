/** Skapi's error: a text, and a code in capitals. */

import { ConfigError, FireRTCError } from "../../index.js";

/** What went wrong: `INVALID_REQUEST`, `INVALID_PARAMETER`, or FireRTC's code in Skapi's style. */
export class SkapiError extends Error {
  override readonly name = "SkapiError";

  constructor(
    message: string,
    /** `REJECTED`, `BUSY`, `NO_ANSWER`, `CANCELLED`, `PATH_UNREACHABLE`, `MEDIA_DENIED`… */
    readonly code: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A request at the wrong time. */
export function badRequest(message: string): SkapiError {
  return new SkapiError(message, "INVALID_REQUEST");
}

/** An argument that is none. */
export function badParameter(message: string): SkapiError {
  return new SkapiError(message, "INVALID_PARAMETER");
}

/** Any error as Skapi's. */
export function skapiError(error: unknown): SkapiError {
  if (error instanceof SkapiError) return error;
  const message = error instanceof Error ? error.message : String(error);
  let code = "ERROR";
  if (error instanceof ConfigError) code = "INVALID_PARAMETER";
  else if (error instanceof FireRTCError) code = error.code.replaceAll("-", "_").toUpperCase();
  return new SkapiError(message, code, { cause: error });
}
