/** What Firestore's errors mean. */

import { DatabaseUnreachable, FireRTCError, PermissionDenied } from "./errors.js";

const REFUSED = new Set([
  "permission-denied",
  "already-exists",
  "not-found",
  "failed-precondition",
  "unauthenticated",
]);
const SILENT = new Set([
  "unavailable",
  "deadline-exceeded",
  "internal",
  "aborted",
  "cancelled",
  "resource-exhausted",
  // No reply at all.
  "unknown",
]);

function wordOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === "string" ? code.replace("firestore/", "") : "";
}

/** Whether the same request may succeed in a moment. */
export function isPassing(error: unknown): boolean {
  return !(error instanceof FireRTCError) && SILENT.has(wordOf(error));
}

/** The error for what could not be done. */
export function translate(what: string, error: unknown): FireRTCError {
  if (error instanceof FireRTCError) return error;
  const word = wordOf(error);
  if (REFUSED.has(word)) {
    return new PermissionDenied(`Could not ${what}: the security rules refuse it.`);
  }
  if (SILENT.has(word)) {
    return new DatabaseUnreachable(
      `Could not ${what}: Firestore does not answer (${word}). Check the network.`,
    );
  }
  return new FireRTCError(`Could not ${what}: ${String(error)}`);
}
