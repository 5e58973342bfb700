/**
 * One-off calls: two people share a code, one waits at it and the other comes.
 *
 * Whoever has no code yet makes one, writes the offer and waits, be it the caller or the one to be
 * called; whoever comes with the code reads the offer and answers it: one read, one hop, connected.
 */

import { Call, WAIT_SECONDS, type CallOptions } from "./call.js";
import { AnsweredElsewhere } from "./errors.js";
import type { Mend } from "./link.js";
import { LEASE_SLACK_SECONDS, oneOffPath, STANDING_OFFER_SECONDS } from "./schema.js";
import { newCode, normalizeCode, stretch, type Seal } from "./sealing.js";
import type { Session } from "./session.js";
import { CallDocument, unknownCode } from "./signaling.js";
import { Timing } from "./timing.js";

/** The longest wait: an older offer's addresses are no longer good. */
export const WAIT_MOST_SECONDS = STANDING_OFFER_SECONDS;

/** How to wait at a code. */
export interface WaitOptions extends CallOptions {
  /** One that was made before, to wait at again; default: a new one. */
  readonly code?: string | undefined;
  /** How long the offer is good for; default: 600. */
  readonly waitSeconds?: number | undefined;
  /** Told the code once the offer is written and somebody can come. */
  readonly onCode?: ((code: string) => void) | undefined;
}

/** Let a one-off call's link be repaired; what that takes is loaded while it opens. */
export function mendLater(call: Call): void {
  const { link } = call;
  let mend: Mend | null = null;
  const mending = async (): Promise<typeof import("./mending.js")> => await import("./mending.js");
  call.prepare = () => {
    link.prepare();
    mending().catch(() => undefined); // tried again when it is needed
  };
  link.mend = async () => {
    mend ??= (await link.load(mending)).oneOffMend(call);
    await mend(link);
  };
}

/**
 * Make a code, write the offer under it and return the call that waits there.
 *
 * @param openSession joins, given the seal whose `call` the session must be good for.
 * @param project Firebase project id; part of the code's salt.
 * @returns a call to await with {@link Call.answered}; close it in the end.
 */
export async function waitAtCode(
  openSession: (seal: Seal) => Promise<Session>,
  project: string,
  options: WaitOptions = {},
): Promise<Call> {
  const { signal, waitSeconds = WAIT_SECONDS } = options;
  const timing = new Timing();
  const code = options.code === undefined ? await newCode() : await normalizeCode(options.code);
  const seal = await stretch(code, project);
  timing.mark("code");
  const session = await openSession(seal);
  timing.mark("joined");
  const document = new CallDocument(session, oneOffPath(session.realm, seal.call), seal);
  const call = new Call(session, document, "offerer", code, options, timing);
  mendLater(call);
  options.onCall?.(call);
  try {
    const seconds = Math.min(waitSeconds, WAIT_MOST_SECONDS) + LEASE_SLACK_SECONDS;
    await call.place({ kind: "open", leaseSeconds: seconds }, signal);
  } catch (error) {
    await call.close("failed");
    throw error;
  }
  options.onCode?.(code);
  return call;
}

/**
 * Answer the offer that waits at a code.
 *
 * @returns a connected call; close it in the end.
 * @throws CodeUnknown if nobody waits there.
 * @throws SealBroken if what waits there was not written by somebody who has the code.
 * @throws AnsweredElsewhere if somebody else came first.
 * @throws PathUnreachable if no connection opens.
 */
export async function comeWithCode(
  openSession: () => Promise<Session>,
  project: string,
  code: string,
  options: CallOptions = {},
): Promise<Call> {
  const { signal } = options;
  const timing = new Timing();
  const normal = await normalizeCode(code);
  const [seal, session] = await Promise.all([stretch(normal, project), openSession()]);
  timing.mark("joined");
  const document = new CallDocument(session, oneOffPath(session.realm, seal.call), seal);
  const fields = await document.read(signal);
  timing.mark("offer read");
  if (!fields || fields.ended) throw unknownCode();
  if (fields.answer) throw new AnsweredElsewhere("Somebody else answered this call first.");
  if (fields.leaseUntil < session.now()) throw unknownCode();
  const call = new Call(session, document, "answerer", normal, options, timing);
  mendLater(call);
  options.onCall?.(call);
  try {
    await call.take(fields, signal);
  } catch (error) {
    await call.close("failed");
    throw error;
  }
  return call;
}
