/**
 * A call by code whose page was loaded anew goes on: both sides meet at the code once more.
 *
 * Whoever made the offer first makes it again, and the other side listens for it; so it is all the
 * same which of the two was loaded anew, or whether both were. What a repair keeps, a page that was
 * loaded anew has lost (its keys and its session): the call gets another link.
 */

import { Call, type CallOptions, type Resumption } from "./call.js";
import type { Config } from "./config.js";
import { FireRTCError, NoAnswer } from "./errors.js";
import { offered } from "./mending.js";
import { mendLater } from "./oneOff.js";
import { repairMark } from "./repair.js";
import { LEASE_SLACK_SECONDS, oneOffPath, type CallFields } from "./schema.js";
import { normalizeCode, stretch, type Seal } from "./sealing.js";
import type { JoinOptions, Session } from "./session.js";
import { CallDocument } from "./signaling.js";
import { Timing } from "./timing.js";
import { check, sleep, within } from "./waiting.js";

/** How long both sides wait for one another. */
export const BACK_SECONDS = 20;
/** How long one attempt to connect may take before the next. */
const ATTEMPT_SECONDS = 8;
const AGAIN_SECONDS = 0.5;

export type { Resumption };

/** What joins anew: the client. */
interface Joining {
  readonly config: Config;
  join(options: JoinOptions): Promise<Session>;
}

/** How to go on with a call. */
export interface ResumeOptions extends CallOptions {
  /** How long to wait for the other side; default: 20. */
  readonly waitSeconds?: number | undefined;
}

/**
 * Meet the other side of a call at its code again.
 *
 * @param lost the call, where its page is still there; else what was kept of it.
 * @returns a connected call; close it in the end.
 * @throws NoAnswer if the other side isn't there in time.
 */
export async function resumeCall(
  client: Joining,
  lost: Call | Resumption,
  options: ResumeOptions,
): Promise<Call> {
  const before = "link" in lost ? lost : null;
  const kept = "link" in lost ? lost.resumption : lost;
  const { waitSeconds = BACK_SECONDS, signal } = options;
  const until = performance.now() + waitSeconds * 1000;
  const left = (): number => (until - performance.now()) / 1000;
  const code = await normalizeCode(kept.code);
  const seal = before?.document.seal ?? (await stretch(code, client.config.project));
  const session = before?.session ?? (await joinAgain(client, kept, seal, signal));
  const meet = kept.side === "offerer" ? offer : answer;
  for (;;) {
    const document = new CallDocument(session, oneOffPath(session.realm, seal.call), seal);
    const call = new Call(session, document, kept.side, code, options, new Timing());
    call.expect(kept.remote, null);
    mendLater(call);
    options.onCall?.(call);
    try {
      await meet(call, kept.remote, left, signal);
      return call;
    } catch (error) {
      const hungUp = call.state === "ended";
      await call.close("failed");
      check(signal);
      if (!(error instanceof FireRTCError) || hungUp) throw error;
      if (left() < AGAIN_SECONDS) throw gone(error);
    }
    await sleep(AGAIN_SECONDS);
  }
}

async function joinAgain(
  client: Joining,
  { side, resume }: Resumption,
  { call }: Seal,
  signal?: AbortSignal,
): Promise<Session> {
  return await client.join({ ...(side === "offerer" && { call }), resume, signal });
}

type Left = () => number;

async function offer(call: Call, _: string, left: Left, signal?: AbortSignal): Promise<void> {
  await call.place({ kind: "open", leaseSeconds: left() + LEASE_SLACK_SECONDS }, signal);
  await call.answered(left(), signal);
}

async function answer(call: Call, remote: string, left: Left, signal?: AbortSignal): Promise<void> {
  const listener = call.document.listen();
  let fields: CallFields | null;
  try {
    do fields = call.document.parse(await within(listener.next(), left(), gone, signal));
    while (!fields || !(await isOffer(call, fields, remote)));
  } finally {
    listener.close();
  }
  // It may have been loaded anew once more: then there is another offer soon.
  const soon = AbortSignal.timeout(ATTEMPT_SECONDS * 1000);
  await call.take(fields, signal ? AbortSignal.any([signal, soon]) : soon);
}

/** Whether somebody came back, and wants no mere repair of the link that this page has lost. */
async function isOffer(call: Call, fields: CallFields, remote: string): Promise<boolean> {
  return (
    fields.from === remote &&
    !fields.answer &&
    !fields.ended &&
    fields.leaseUntil > call.session.now() &&
    repairMark((await offered(call.document, fields)).metadata) === null
  );
}

function gone(cause?: FireRTCError): NoAnswer {
  return new NoAnswer("The other side did not come back to the call.", cause && { cause });
}
