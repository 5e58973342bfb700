/**
 * When a link that broke is repaired, how, and which offer is a repair: decisions without I/O.
 *
 * Only the link's original offerer makes repair offers, through the database, while both sessions
 * are unchanged. The same decisions are taken in Python; `tests/vectors/repair.json` holds both to
 * them.
 */

import type { LinkState, Side } from "./linkState.js";
import { REPAIR_SECONDS } from "./negotiation.js";
import { parseJson } from "./schema.js";

/** When each attempt begins, counted from the break; each lasts till the next. */
export const REPAIR_ATTEMPT_SECONDS = [0, 5, 10, 20, 35] as const;
/** The first attempt waits a random part of this: links that break together don't come at once. */
export const REPAIR_JITTER_SECONDS = 0.5;

/** A connection of its own, or an ICE restart on the one that exists (browsers only). */
export type Mode = "fresh" | "restart";

/**
 * When attempt number `attempt`, from 0, begins: seconds after the break; 60 for those that there
 * are not: by then it is over.
 */
export function repairDelay(attempt: number): number {
  return REPAIR_ATTEMPT_SECONDS[attempt] ?? REPAIR_SECONDS;
}

/**
 * What the offerer of a broken link does now.
 *
 * @param elapsedSeconds since the break.
 * @param made how many attempts have begun.
 * @param canRestart both sides can restart ICE, no renegotiation is in flight, and the old
 *   connection is not closed.
 */
export function repairStep(
  elapsedSeconds: number,
  made: number,
  canRestart = false,
): Mode | "wait" | "give-up" {
  if (elapsedSeconds >= REPAIR_SECONDS) return "give-up";
  if (elapsedSeconds < repairDelay(made)) return "wait";
  return made === 0 && canRestart ? "restart" : "fresh";
}

/** What is known of a link, to tell whether an offer is its repair. */
export interface Standing {
  /** Peer id of the other side. */
  readonly remote: string;
  readonly remoteSession: string;
  /** Our own session. */
  readonly session: string;
  /** Which one we were when the link was made. */
  readonly side: Side;
  readonly state: LinkState;
  /** Id of the call document that the link was made by. */
  readonly document: string;
}

/** An offer that came. */
export interface Offered {
  readonly from: string;
  readonly fromSession: string;
  /** Empty in a one-off call that nobody has answered. */
  readonly toSession: string;
  /** JSON text, opened if it was sealed. */
  readonly metadata: string | null;
}

/** What says of an offer that it repairs a link. */
export interface Mark {
  readonly mode: Mode;
  /** Id of the call document that the link was made by; empty: not said. */
  readonly document: string;
}

/**
 * Read the mark of a repair.
 *
 * @param metadata of a call, as JSON text.
 * @returns null if the call is no repair.
 */
export function repairMark(metadata: string | null): Mark | null {
  if (metadata === null) return null;
  let content: unknown;
  try {
    content = parseJson(metadata);
  } catch {
    return null;
  }
  if (typeof content !== "object" || content === null) return null;
  const { repair, link } = content as Readonly<Record<string, unknown>>;
  if (repair !== "fresh" && repair !== "restart") return null;
  return { mode: repair, document: typeof link === "string" ? link : "" };
}

/**
 * Whether an offer repairs this link.
 *
 * Only the link's original answerer takes one, from the peer and session it is linked to, in the
 * session of its own that it was linked in; it may not have noticed yet that the link is broken.
 */
export function takesRepair(offered: Offered, link: Standing): boolean {
  const mark = repairMark(offered.metadata);
  return (
    mark !== null &&
    link.side === "answerer" &&
    (link.state === "open" || link.state === "reconnecting") &&
    offered.from === link.remote &&
    offered.fromSession === link.remoteSession &&
    (offered.toSession === "" || offered.toSession === link.session) &&
    (!mark.document || !link.document || mark.document === link.document)
  );
}
