/** What a person is told. */

import { FireRTCError, InsecureContext, MediaError, type LinkEnd } from "firertc";

/** Why a page does nothing where it was not loaded safely. */
export const INSECURE =
  "Browsers give camera, microphone and encryption only to pages from HTTPS or localhost: " +
  "open this page at an address that begins with https.";

/** The reason of a goodbye from a page that is closed, or loaded anew. */
export const AWAY = "away";

/** What is wrong, in words for a person. */
export function problemText(error: unknown): string {
  if (!(error instanceof FireRTCError)) {
    return "Something went wrong in this page. Reload it and try again.";
  }
  switch (error.code) {
    case "code-unknown":
      return error.message;
    case "answered-elsewhere":
      return "Somebody else came with this code first. Ask for a new one.";
    case "no-answer":
      return "Nobody came in time. Start a new call and share its code.";
    case "key-refused":
    case "bad-config":
      return `This page is not set up: ${error.message}`;
    case "path-unreachable":
      return (
        "The other side is there, but no connection opens: a firewall may stand between. " +
        "Try another network."
      );
    case "unreachable":
    case "database-unreachable":
    case "functions-unreachable":
      return `The service does not answer. Check the network and try again. (${error.code})`;
  }
  return error.message;
}

/** Whether the call could be made without camera and microphone. */
export function canDoWithout(error: unknown): boolean {
  return error instanceof MediaError && !(error instanceof InsecureContext);
}

/** Whether the same once more could help; another code is entered in the form. */
export function canTryAgain(error: unknown): boolean {
  if (!(error instanceof FireRTCError)) return true;
  return !["insecure-context", "code-unknown", "answered-elsewhere"].includes(error.code);
}

/** How a call ended, in words. */
export function endText(end: LinkEnd): string {
  switch (end.reason) {
    case "hangup":
      return end.byRemote ? "The other side hung up." : "You hung up.";
    case AWAY:
      return "The other side closed its page.";
    case "gone":
      return "The other side fell silent: it may have lost its network.";
    case "protocol-error":
      return "The other side sent something that makes no sense.";
  }
  return "The connection broke. Start a new call.";
}
