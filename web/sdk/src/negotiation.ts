/**
 * Who offers, when to try again, when a link is dead, what a call's document means next: decisions
 * without I/O. The same are taken in Python; `tests/vectors` holds both to them.
 */

import { ANYONE, type CallFields } from "./schema.js";

export const PING_SECONDS = 1;
/** Silent for so long: suspect. Probed, nothing is written. */
export const SUSPECT_SECONDS = 2;
/** Silent for so long: dead. */
export const DEAD_SECONDS = 4;
/** A link that hasn't opened by then is tried again with a direct offer. */
export const ATTEMPT_SECONDS = [5, 10] as const;
/** A link that hasn't opened by then never will. */
export const UNREACHABLE_SECONDS = 20;
/** A broken link that isn't back by then ends. */
export const REPAIR_SECONDS = 60;
export const CANDIDATE_BATCH_SECONDS = 0.05;
/** A lone end mark waits: it only helps the other side to give up, and an open link saves it. */
export const END_MARK_SECONDS = 1;
/** Candidates found this soon travel inside the description. */
export const GATHER_GRACE_SECONDS = 0.02;

export type Pulse = "alive" | "suspect" | "dead";

/** What a link's silence means. */
export function pulse(silentSeconds: number): Pulse {
  if (silentSeconds >= DEAD_SECONDS) return "dead";
  return silentSeconds >= SUSPECT_SECONDS ? "suspect" : "alive";
}

/**
 * Whether a broken link is open again, now that something came on the connection in use.
 *
 * On another connection than the one that broke, whatever comes says that the other side has moved
 * there too. The old one may have come back one way only: then a side that took what it hears for a
 * repair would leave the other one waiting. So it takes an answer to what was asked since.
 *
 * @param moved the link has got another connection since it broke.
 * @param pong number of the ping that is answered; null: something else came.
 * @param pingedBefore number of the last ping before the break.
 */
export function endsBreak(moved: boolean, pong: number | null, pingedBefore: number): boolean {
  return moved || (pong !== null && pong > pingedBefore);
}

/** What decides between two peers of a room. */
export interface Presence {
  readonly peer: string;
  /** Unix seconds, the server's. */
  readonly joinedAt: number;
}

/**
 * Whether I make the connection: the one who came later does, or of two at once the greater id.
 */
export function connects(me: Presence, other: Presence): boolean {
  return me.joinedAt === other.joinedAt ? me.peer > other.peer : me.joinedAt > other.joinedAt;
}

/** How many direct offers should have been made for a link that hasn't opened yet. */
export function attemptsDue(secondsSinceFirst: number): number {
  return ATTEMPT_SECONDS.filter((after) => secondsSinceFirst >= after).length;
}

/**
 * Where one side of a call stands: `new` (nothing is written yet), `waiting` (the offer is
 * written), `connecting` (offer and answer are exchanged), `connected` (the control channel is
 * open), `ended`.
 */
export type CallState = "new" | "waiting" | "connecting" | "connected" | "ended";

/** Which state may follow which. */
export const NEXT_STATES: Readonly<Record<CallState, readonly CallState[]>> = {
  new: ["waiting", "connecting", "ended"],
  waiting: ["connecting", "ended"],
  connecting: ["connected", "ended"],
  connected: ["ended"],
  ended: [],
};

/** What a document says to a side that waits. */
export type Step = { step: "wait" } | { step: "accept" } | { step: "over"; reason: string };

const WAIT: Step = { step: "wait" };

/**
 * What the document says to the side that wrote the offer and waits.
 *
 * @param call as last seen; null: it is gone.
 * @param me the offerer's peer id.
 */
export function offererStep(call: CallFields | null, me: string): Step {
  if (call === null) return { step: "over", reason: "gone" };
  if (call.ended) {
    return { step: "over", reason: call.ended.by === me ? "cancelled" : call.ended.reason };
  }
  return call.answer && call.to !== ANYONE ? { step: "accept" } : WAIT;
}

/** What the document says to the side that is rung and hasn't answered. */
export function calleeStep(call: CallFields | null, me: string): Step {
  if (call === null) return { step: "over", reason: "cancelled" };
  if (!call.ended) return WAIT;
  return { step: "over", reason: call.ended.by === me ? "rejected" : call.ended.reason };
}

/**
 * What became of an answer whose write was refused or whose reply was lost. A refusal after a lost
 * reply may be one's own success: so the document is read again.
 *
 * @param call as read again; null: gone, or closed to us.
 */
export function answerOutcome(
  call: CallFields | null,
  me: string,
  session: string,
): "mine" | "elsewhere" | "gone" | "retry" {
  if (call === null) return "gone";
  if (!call.answer) return call.ended ? "gone" : "retry";
  return call.to === me && call.toSession === session ? "mine" : "elsewhere";
}
