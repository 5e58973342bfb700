/**
 * Ringing: a call that connects only if the one who is called accepts it.
 *
 * A ring is always a direct offer to one peer of a room. Every way it can go settles what the caller
 * awaits: accepted, rejected, busy, cancelled, unanswered, answered elsewhere, gone.
 */

import { Call, type CallOptions, type Media } from "./call.js";
import { NoAnswer } from "./errors.js";
import { calleeStep } from "./negotiation.js";
import type { Peer } from "./roomSchema.js";
import {
  decodeId,
  directId,
  LEASE_SLACK_SECONDS,
  RING_SECONDS,
  type CallFields,
} from "./schema.js";
import type { Session } from "./session.js";
import type { CallDocument } from "./signaling.js";
import { deferred, type Waiting } from "./waiting.js";

/** What a ring needs of the room that it is in. */
interface RingRoom {
  readonly session: Session;
  /** Everybody who is in, by peer id. */
  readonly peers: ReadonlyMap<string, Peer>;
  readonly callsPath: string;
  document: (path: string) => CallDocument;
  nextAttempt: (peer: string) => number;
  /** A connected call belongs to the room from now on. */
  hold: (call: Call) => void;
  /** End a call that waits, with a reason. */
  dismiss: (call: Call, reason: string) => void;
}

/** How to let it ring. */
export interface RingOptions extends CallOptions {
  /** How long it rings; default: 30. */
  readonly timeoutSeconds?: number | undefined;
  /** Any JSON value, for the other side to read before it answers. */
  readonly metadata?: unknown;
}

/** A call that rings here: accept or reject it; {@link stopped} settles if it ends without. */
export class Ring {
  /** Peer id of who calls. */
  readonly caller: string;
  /** What the caller said with it. */
  metadata: unknown = null;
  readonly #stopped = deferred<string>();
  readonly #expiry: ReturnType<typeof setTimeout>;

  /** @internal */
  constructor(
    private readonly room: RingRoom,
    private readonly document: CallDocument,
    private readonly call: CallFields,
  ) {
    this.caller = call.from;
    // A caller that dies without a word deletes nothing: its lease ends the ringing.
    const lease = Math.max(0, call.leaseUntil - room.session.now());
    this.#expiry = setTimeout(() => {
      this.settle("no-answer");
    }, lease * 1000);
  }

  /** Open what the caller said with it. @internal */
  async open(): Promise<void> {
    try {
      const text = await this.document.metadata(this.call);
      this.metadata = text === null ? null : (JSON.parse(text) as unknown);
    } catch {
      // Sealed with something else, or no JSON: it rings all the same, with nothing said.
    }
  }

  /** Whether a document at its path is still this ring. @internal */
  isOf(call: CallFields): boolean {
    return call.fromSession === this.call.fromSession;
  }

  /** Whether it can still be accepted. */
  get ringing(): boolean {
    return !this.#stopped.settled();
  }

  /**
   * Take the call.
   *
   * @returns a connected call; close it in the end.
   * @throws NoAnswer if the caller has stopped meanwhile.
   * @throws PathUnreachable if no connection opens.
   */
  async accept(options: CallOptions = {}): Promise<Call> {
    if (!this.ringing) throw new NoAnswer("It no longer rings.");
    this.settle("accepted");
    const call = new Call(this.room.session, this.document, "answerer", "", options);
    options.onCall?.(call);
    try {
      await call.take(this.call, options.signal);
    } catch (error) {
      await call.close("failed");
      throw error;
    }
    this.room.hold(call);
    return call;
  }

  /** Say no; the caller is told the reason: `rejected` or `busy`. */
  async reject(reason: "rejected" | "busy" = "rejected"): Promise<void> {
    if (!this.ringing) return;
    this.settle(reason);
    // The caller may be gone already, and its document with it.
    await this.document.end(reason).catch(() => undefined);
  }

  /**
   * Wait until it no longer rings: `accepted`, `rejected`, `busy`, `cancelled`,
   * `answered-elsewhere`, `no-answer`…
   */
  async stopped(): Promise<string> {
    return await this.#stopped.promise;
  }

  /** What the document says now; null: it is gone. @internal */
  update(call: CallFields | null): void {
    const step = calleeStep(call, this.room.session.peer);
    if (step.step === "over") this.settle(step.reason);
  }

  /** It rings no longer. @internal */
  settle(reason: string): void {
    clearTimeout(this.#expiry);
    this.#stopped.resolve(reason);
  }
}

/**
 * Call one peer of the room and wait until it is connected.
 *
 * @param peer id of a peer that is in the room.
 * @throws NoAnswer if there is no such peer, or it doesn't answer in time.
 * @throws Rejected (or {@link Busy}) if it says no.
 * @throws PathUnreachable if no connection opens.
 */
export async function ring(room: RingRoom, peer: string, options: RingOptions = {}): Promise<Call> {
  const call = await place(room, peer, options);
  try {
    await call.answered(options.timeoutSeconds ?? RING_SECONDS, options.signal);
  } catch (error) {
    await call.close("cancelled");
    throw error;
  }
  room.hold(call);
  return call;
}

/** Let it ring, without waiting for an answer. */
async function place(room: RingRoom, peer: string, options: RingOptions): Promise<Call> {
  const target = room.peers.get(peer);
  if (!target) throw new NoAnswer(`'${decodeId(peer)}' is not in the room.`);
  const attempt = room.nextAttempt(peer);
  const path = `${room.callsPath}/${directId(room.session.peer, peer, attempt)}`;
  const document = room.document(path);
  const call = new Call(room.session, document, "offerer", "", options);
  options.onCall?.(call);
  try {
    await call.place(
      {
        kind: "ring",
        leaseSeconds: (options.timeoutSeconds ?? RING_SECONDS) + LEASE_SLACK_SECONDS,
        to: peer,
        toSession: target.session,
        attempt,
        ...(options.metadata !== undefined && { metadata: options.metadata }),
      },
      options.signal,
    );
  } catch (error) {
    await call.close("failed");
    throw error;
  }
  return call;
}

/** How to call several at once. */
export interface RingFirstOptions extends Waiting {
  readonly media?: Media | undefined;
  readonly timeoutSeconds?: number | undefined;
  readonly metadata?: unknown;
}

/**
 * Call several peers at once; the first to accept gets the call, the others learn that.
 *
 * @throws NoAnswer (or another error) if none of them accepts: why the last one didn't.
 */
export async function ringFirst(
  room: RingRoom,
  peers: readonly string[],
  options: RingFirstOptions = {},
): Promise<Call> {
  const seconds = options.timeoutSeconds ?? RING_SECONDS;
  const placed = new Set<Call>();
  let over = "";
  const attempts = peers.map(async (peer) => {
    const call = await place(room, peer, options);
    placed.add(call);
    // Somebody else accepted while this was being written.
    if (over) room.dismiss(call, over);
    await call.answered(seconds, options.signal);
    return call;
  });
  const dismissOthers = (winner: Call | null): void => {
    over = winner ? "answered-elsewhere" : "cancelled";
    for (const call of placed) if (call !== winner) room.dismiss(call, over);
  };
  try {
    const winner = await Promise.any(attempts);
    dismissOthers(winner);
    room.hold(winner);
    return winner;
  } catch (error) {
    dismissOthers(null);
    const reasons = error instanceof AggregateError ? (error.errors as unknown[]) : [error];
    const last = reasons.at(-1);
    throw last instanceof Error ? last : new NoAnswer("There was nobody to call.");
  }
}
