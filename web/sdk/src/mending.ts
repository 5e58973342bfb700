/**
 * Repairing links through the database: attempt after attempt on one side, answers on the other.
 *
 * When to try is decided in `repair.ts`; what a repair does to a link, in {@link Link}. Whatever was
 * written is deleted when the link is open again or given up.
 *
 * A room lets a call's link be repaired by setting `call.link.mend`: for the offerer
 * {@link offerRepairs}, for the answerer `(link) => link.settled()`; direct offers that come are
 * looked at with {@link offered}, {@link repairMark}, {@link takesRepair} and {@link standing}, and
 * answered with {@link takeRepair}.
 */

import { Call } from "./call.js";
import { FireRTCError, PeerGone, SealBroken } from "./errors.js";
import type { Link, Mend } from "./link.js";
import { UNREACHABLE_SECONDS } from "./negotiation.js";
import {
  REPAIR_JITTER_SECONDS,
  repairDelay,
  repairMark,
  repairStep,
  takesRepair,
  type Mode,
  type Offered,
  type Standing,
} from "./repair.js";
import { LEASE_SLACK_SECONDS, type CallFields } from "./schema.js";
import type { CallDocument, Terms } from "./signaling.js";
import { within } from "./waiting.js";

const LISTEN_AGAIN_SECONDS = 1;
/** How long an attempt that succeeded has to tidy up. */
const FINISH_SECONDS = 5;

/** One offer to repair a link. */
export interface Attempt {
  /** Where it is written. */
  readonly document: CallDocument;
  /** With the `metadata` that {@link mark} gives. */
  readonly terms: Terms;
}

/** What says in the metadata which link an offer repairs, and how. */
export function mark(call: Call, mode: Mode): { repair: Mode; link: string } {
  return { repair: mode, link: nameOf(call) };
}

/** What is known of a call's link, to tell whether an offer is its repair. */
export function standing(call: Call): Standing {
  const { link, remote, remoteSession, session } = call;
  return {
    ...{ remote, remoteSession, session: session.session },
    ...{ side: link.side, state: link.state, document: nameOf(call) },
  };
}

function nameOf({ document }: Call): string {
  return document.path.slice(document.path.lastIndexOf("/") + 1);
}

/** What an offer says that came, as far as repairs go. */
export async function offered(document: CallDocument, fields: CallFields): Promise<Offered> {
  const { from, fromSession, toSession } = fields;
  let metadata: string | null = null;
  try {
    metadata = await document.metadata(fields);
  } catch (error) {
    if (!(error instanceof SealBroken)) throw error;
  }
  return { from, fromSession, toSession, metadata };
}

/** An attempt under way. */
interface Running {
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

async function end(running: Running | null): Promise<void> {
  running?.abort.abort();
  await running?.done;
}

/** Wait for something, but only so long, and however it ends. */
async function atMost(promise: Promise<unknown>, seconds: number): Promise<void> {
  await within(promise, seconds, () => new PeerGone("late")).catch(() => undefined);
}

/** Whether ICE can be restarted on the connection in use: both can, and it is in a state for it. */
function canRestart({ can, carrier, parts }: Link): boolean {
  const { isOpen, connection } = carrier;
  const { signalingState } = connection.pc;
  return (
    isOpen && can.has("restart") && !parts?.renegotiation.inFlight && signalingState === "stable"
  );
}

/** Whether a link is being repaired still. */
function isBroken({ link }: Call): boolean {
  return link.state === "reconnecting";
}

/**
 * Make offers until one opens a path for a call's link, or in vain. Done with nothing left in the
 * database.
 *
 * @param next the next offer to make, of that mode; null: there is nobody to make it to any more.
 */
export async function offerRepairs(
  call: Call,
  next: (mode: Mode) => Attempt | null,
): Promise<void> {
  const { link } = call;
  const began = performance.now();
  const elapsed = (): number => (performance.now() - began) / 1000;
  const settled = link.settled();
  let made = 0;
  let running: (Running & { readonly mode: Mode }) | null = null;
  await atMost(settled, Math.random() * REPAIR_JITTER_SECONDS);
  while (isBroken(call)) {
    const step = repairStep(elapsed(), made, canRestart(link));
    if (step === "give-up") break;
    if (step !== "wait") {
      await end(running);
      running = null;
      const attempt = next(step);
      if (!attempt) break;
      made += 1;
      const abort = new AbortController();
      running = { abort, mode: step, done: offer(call, attempt, step, abort.signal) };
    }
    await atMost(settled, Math.max(0, repairDelay(made) - elapsed()));
  }
  // It came back by an attempt, which deletes its document; or else by itself.
  if (running && link.state === "open" && (link.parts?.hasMoved || running.mode === "restart")) {
    await atMost(running.done, FINISH_SECONDS);
  }
  await end(running);
}

/** Make one offer; whatever goes wrong, there is the next. */
async function offer(
  call: Call,
  { document, terms }: Attempt,
  mode: Mode,
  signal: AbortSignal,
): Promise<void> {
  const { link } = call;
  const repair = new Call(call.session, document, "offerer", "", {}, undefined, { link, mode });
  call.repairs.add(repair);
  repair.expect(call.remote, call.remoteSession);
  try {
    await repair.place(terms, signal);
    await repair.answered(UNREACHABLE_SECONDS, signal);
    await atMost(link.settled(), UNREACHABLE_SECONDS);
  } catch (error) {
    if (!(error instanceof FireRTCError)) reportError(error);
  }
  await repair.close("repaired");
  call.repairs.delete(repair);
}

/**
 * Answer an offer that repairs a call's link ({@link takesRepair}).
 *
 * @param signal gives up: a later offer has come.
 */
export async function takeRepair(
  call: Call,
  document: CallDocument,
  fields: CallFields,
  signal?: AbortSignal,
): Promise<void> {
  const { link } = call;
  const mode = repairMark((await offered(document, fields)).metadata)?.mode ?? "fresh";
  // What can't be restarted is offered afresh in a while.
  if (mode === "restart" && !canRestart(link)) return;
  const repair = new Call(call.session, document, "answerer", "", {}, undefined, { link, mode });
  call.repairs.add(repair);
  try {
    await repair.take(fields, signal);
  } catch (error) {
    // The offerer tries again.
    if (!(error instanceof FireRTCError)) reportError(error);
  }
  await repair.close("repaired");
  call.repairs.delete(repair);
}

// One-off calls.

/** What repairs a one-off call's link, at the place where it was made. */
export function oneOffMend(call: Call): Mend {
  let attempt = 0;
  const leaseSeconds = UNREACHABLE_SECONDS + LEASE_SLACK_SECONDS;
  return async (link) => {
    if (link.side === "answerer") await answerAtCode(call);
    else {
      await offerRepairs(call, (mode) => {
        attempt += 1;
        const metadata = { repair: mode };
        return {
          document: call.document,
          terms: { kind: "open", leaseSeconds, attempt, metadata },
        };
      });
    }
  };
}

/** Listen at the code for offers that repair the link, and take them. */
async function answerAtCode(call: Call): Promise<void> {
  const { document, link } = call;
  const settled = link.settled().catch(() => undefined); // it has ended
  let taking: Running | null = null;
  let latest = -1;
  while (isBroken(call)) {
    const listener = document.listen();
    try {
      for (;;) {
        const fields = await Promise.race([
          listener.next(),
          settled.then(() => "settled" as const),
        ]);
        if (fields === "settled") break;
        const there = document.parse(fields);
        if (!there || there.answer || there.ended || there.attempt <= latest) continue;
        if (!takesRepair(await offered(document, there), standing(call))) continue;
        latest = there.attempt;
        await end(taking);
        const abort = new AbortController();
        taking = { abort, done: takeRepair(call, document, there, abort.signal) };
      }
    } catch (error) {
      // Somebody else answered, or the database was away: the next offer comes.
      if (!(error instanceof FireRTCError)) throw error;
      await atMost(settled, LISTEN_AGAIN_SECONDS);
    } finally {
      listener.close();
    }
  }
  if (taking && link.state === "open") await atMost(taking.done, FINISH_SECONDS);
  await end(taking);
}
