/**
 * One-off calls: two people share a code, one waits at it and the other comes.
 *
 * Whoever has no code yet makes one, writes the offer and waits, be it the caller or the one to be
 * called; whoever comes with the code reads the offer and answers it: one read, one hop, connected.
 */

import type { Carrier } from "./carrier.js";
import { Connection, type Kind } from "./connection.js";
import type { Change } from "./database.js";
import { isComplete } from "./descriptions.js";
import {
  AnsweredElsewhere,
  Busy,
  CallError,
  Cancelled,
  NoAnswer,
  PeerGone,
  Rejected,
} from "./errors.js";
import { Link, type LinkEnd, type Mend, type Side } from "./link.js";
import type { Listener } from "./listener.js";
import { NEXT_STATES, offererStep, UNREACHABLE_SECONDS, type CallState } from "./negotiation.js";
import type { Mode } from "./repair.js";
import type { Resumption } from "./resuming.js";
import {
  LEASE_SLACK_SECONDS,
  oneOffPath,
  STANDING_OFFER_SECONDS,
  type CallFields,
} from "./schema.js";
import { newCode, normalizeCode, stretch, type Seal } from "./sealing.js";
import type { Session } from "./session.js";
import { CallDocument, unknownCode, type Part, type Terms } from "./signaling.js";
import { Timing } from "./timing.js";
import { check, sleep, within, type Waiting } from "./waiting.js";

/** How long one waits at a code. */
export const WAIT_SECONDS = 600;
/** The longest wait: an older offer's addresses are no longer good. */
export const WAIT_MOST_SECONDS = STANDING_OFFER_SECONDS;

/** What a call carries. */
export interface Media {
  /** Tracks to send; default: none. */
  readonly sending?: readonly MediaStreamTrack[] | undefined;
  /** The kinds wanted from the other side; default: both. */
  readonly receiving?: readonly Kind[] | undefined;
  /** What tracks that are sent are called, for the other side to see ({@link Link.nameOf}). */
  readonly names?: ReadonlyMap<MediaStreamTrack, string> | undefined;
  /** For this call and its repairs, in place of the session's. */
  readonly iceServers?: readonly RTCIceServer[] | undefined;
}

/** How to make a call. */
export interface CallOptions extends Waiting {
  readonly media?: Media | undefined;
  /** Told of every state. */
  readonly onState?: ((state: CallState) => void) | undefined;
  /** Given the call before it connects, to hear of its tracks. */
  readonly onCall?: ((call: Call) => void) | undefined;
}

/** How a call repairs a link. @internal */
export interface Repairing {
  readonly link: Link;
  readonly mode: Mode;
}

/** After an ICE restart: late candidates still go out for so long. */
const RESTART_SECONDS = 1;

/** How to wait at a code. */
export interface WaitOptions extends CallOptions {
  /** One that was made before, to wait at again; default: a new one. */
  readonly code?: string | undefined;
  /** How long the offer is good for; default: 600. */
  readonly waitSeconds?: number | undefined;
  /** Told the code once the offer is written and somebody can come. */
  readonly onCode?: ((code: string) => void) | undefined;
}

/**
 * One side of a call that is being made, or stands. It ends when it is closed, and leaves nothing
 * in the database.
 */
export class Call {
  state: CallState = "new";
  /** Every state so far, in order. */
  readonly states: CallState[] = ["new"];
  readonly timing: Timing;
  readonly link: Link;
  /** Its session, once known. */
  remoteSession = "";
  /** Loads, while the link opens, what is needed when it stands. @internal */
  prepare: () => void;
  /** Repairs of the link that are being made. @internal */
  readonly repairs = new Set<Call>();

  /** Told of every state. */
  onState: ((state: CallState) => void) | undefined;
  /** Whether there may be a document that we have to delete. */
  #ours = false;
  /** Whether our description has all our candidates. */
  #complete = true;
  readonly #repairing: Mode | null;
  /** What a repair brings the link; else what the link ran on first. */
  readonly #carrier: Carrier;
  #expected: readonly [peer: string, session: string | null] | null = null;

  /** @param repairing a link that broke: the call then only brings it another path. */
  constructor(
    readonly session: Session,
    readonly document: CallDocument,
    side: Side,
    /** The code that was shared. */
    readonly code: string,
    options: CallOptions,
    timing = new Timing(),
    repairing?: Repairing,
  ) {
    this.timing = timing;
    this.prepare = () => {
      this.link.prepare();
    };
    this.onState = options.onState;
    this.#repairing = repairing?.mode ?? null;
    const { iceServers } = session;
    if (!repairing) {
      const { media } = options;
      const own = { ...media, iceServers, ownIceServers: media?.iceServers };
      this.link = new Link(new Connection(own), side);
      this.#carrier = this.link.carrier;
    } else {
      const { link, mode } = repairing;
      this.link = link;
      this.#carrier =
        mode === "restart"
          ? link.carrier
          : link.carry(new Connection({ iceServers, like: link.connection }));
    }
  }

  /** The connection that is being made, or that the link runs on. */
  get connection(): Connection {
    return this.#repairing ? this.#carrier.connection : this.link.connection;
  }

  /** Peer id of the other side, once known. */
  get remote(): string {
    return this.link.remote;
  }

  /** What a page keeps to go on with a call by code: see {@link Client.resume}. */
  get resumption(): Resumption {
    const { code, remote, link, session } = this;
    return { code, side: link.side, remote, resume: session.resume };
  }

  /** Take an answer of this peer only, and in this session; null: in any. @internal */
  expect(peer: string, session: string | null): void {
    this.#expected = [peer, session];
  }

  #know(peer: string, session: string): void {
    const [wanted, within] = this.#expected ?? [peer, session];
    if (wanted !== peer || (within ?? session) !== session) {
      throw new AnsweredElsewhere("Somebody else answered in the other side's place.");
    }
    this.link.remote = peer;
    this.remoteSession = session;
  }

  /** Wait until what is being made is open. */
  async #opened(signal?: AbortSignal): Promise<void> {
    if (!this.#repairing) await this.link.opened(undefined, signal);
    else if (this.#repairing === "fresh") await this.#carrier.opened(UNREACHABLE_SECONDS, signal);
    else {
      const late = (): Error => new PeerGone("The restart opened no path.");
      await within(this.link.settled(), UNREACHABLE_SECONDS, late, signal);
      if (!this.#complete) await sleep(RESTART_SECONDS);
    }
  }

  // The waiting side.

  /** Make the offer, to be written with others in one commit; then {@link placed}. */
  async prepareOffer(terms: Terms): Promise<Change[]> {
    const { connection } = this;
    const restarts = this.#repairing === "restart";
    const offer = await (restarts ? connection.restartOffer() : connection.offer());
    this.timing.mark("offer");
    this.#complete = offer.complete;
    this.#ours = true;
    return await this.document.offerChanges(terms, offer.sdp);
  }

  /** The offer is written. */
  placed(): void {
    this.prepare();
    this.timing.mark("offer written");
    this.#enter("waiting");
    if (!this.#complete) this.#trickle("offer", null);
  }

  /**
   * Make the offer and write it.
   *
   * @throws PermissionDenied if the rules refuse it.
   */
  async place(terms: Terms, signal?: AbortSignal): Promise<void> {
    const changes = await this.prepareOffer(terms);
    check(signal);
    await this.document.publish(changes, signal);
    this.placed();
  }

  /**
   * Wait for the answer, take it, and wait until the link is open; then nothing is left in the
   * database.
   *
   * @param seconds for the answer to come; the link has 20 s more.
   * @throws NoAnswer if nobody answers in time.
   * @throws Rejected (or {@link Busy}) if the other side said no.
   * @throws PathUnreachable if the link doesn't open.
   */
  async answered(seconds = WAIT_SECONDS, signal?: AbortSignal): Promise<void> {
    const listener = this.document.listen();
    try {
      const again = this.code ? " Try again with a new code." : "";
      const late = (): Error =>
        new NoAnswer(`Nobody answered within ${String(Math.round(seconds))} s.${again}`);
      const call = await within(this.#firstAnswer(listener), seconds, late, signal);
      this.#know(call.to, call.toSession);
      this.timing.mark("answer read");
      this.#enter("connecting");
      const answer = await this.document.description("answer", call);
      await this.connection.accept(answer);
      await this.connection.addCandidates(await this.document.candidates("answer", call));
      await this.#open(isComplete(answer) ? null : listener, "answer", signal);
    } finally {
      listener.close();
    }
    await this.#connected();
  }

  async #firstAnswer(listener: Listener): Promise<CallFields> {
    for (;;) {
      const call = this.document.parse(await listener.next());
      const step = offererStep(call, this.session.peer);
      if (step.step === "over") throw ended(step.reason);
      if (step.step === "accept" && call) return call;
    }
  }

  // The side that comes.

  /**
   * Answer an offer that was read, and wait until the link is open.
   *
   * @throws AnsweredElsewhere if somebody else was faster.
   * @throws NoAnswer if the caller has given up.
   * @throws PathUnreachable if the link doesn't open.
   */
  async take(call: CallFields, signal?: AbortSignal): Promise<void> {
    const change = await this.prepareAnswer(call);
    await this.document.answer(change, signal);
    await this.follow(call, signal);
  }

  /**
   * Make the answer, to be written with others in one commit; then {@link follow}.
   *
   * @throws DocumentMalformed if the offer can't be used.
   */
  async prepareAnswer(call: CallFields): Promise<Change> {
    this.#know(call.from, call.fromSession);
    if (this.#repairing === "restart") this.connection.restart();
    const answer = await this.connection.answer(await this.document.description("offer", call));
    // Kept until the description was there.
    await this.connection.addCandidates(await this.document.candidates("offer", call));
    this.timing.mark("answer");
    this.#complete = answer.complete;
    return await this.document.answerChange(call, answer.sdp);
  }

  /**
   * The answer is written: wait until the link is open.
   *
   * @throws PathUnreachable if it doesn't open.
   */
  async follow(call: CallFields, signal?: AbortSignal): Promise<void> {
    this.#ours = true;
    this.timing.mark("answer written");
    this.prepare();
    this.#enter("connecting");
    if (!this.#complete) this.#trickle("answer", call);
    const offer = await this.document.description("offer", call);
    const more = !isComplete(offer) && !(await this.#hasEnded("offer", call));
    const listener = more ? this.document.listen() : null;
    try {
      await this.#open(listener, "offer", signal);
    } finally {
      listener?.close();
    }
    // The offerer deletes the document.
    this.#ours = false;
    await this.#connected();
  }

  async #hasEnded(part: Part, call: CallFields): Promise<boolean> {
    const last = (await this.document.candidates(part, call)).at(-1);
    return last !== undefined && (JSON.parse(last) as { candidate?: unknown }).candidate === "";
  }

  // Both.

  /** Wait for the link while the other side's candidates come in. */
  async #open(listener: Listener | null, part: Part, signal?: AbortSignal): Promise<void> {
    const opening = this.#opened(signal);
    if (!listener) {
      await opening;
      return;
    }
    const follow = async (): Promise<void> => {
      for (;;) {
        const call = this.document.parse(await listener.next());
        if (!call) return;
        await this.connection.addCandidates(await this.document.candidates(part, call));
      }
    };
    // A document that is gone is no failure: the other side has connected, or will time out.
    const following = follow().then(() => opening);
    following.catch(() => undefined);
    await Promise.race([opening, following]);
  }

  #trickle(part: Part, call: CallFields | null): void {
    this.connection.trickle((texts) => {
      // Refused or unreachable: the link opens without them, or its opening times out.
      this.document.addCandidates(part, texts, call).catch(() => undefined);
    });
  }

  async #connected(): Promise<void> {
    this.timing.mark("open");
    this.#enter("connected");
    this.connection.stopTrickling();
    if (this.#ours) {
      this.#ours = false;
      await this.document.discard();
      this.timing.mark("document deleted");
    }
  }

  #enter(state: CallState): void {
    if (state === this.state) return;
    // It was hung up while something was awaited: the end stays the end.
    if (this.state === "ended") throw new Cancelled("The call was hung up.");
    if (!NEXT_STATES[this.state].includes(state)) {
      throw new RangeError(`a call can't go from ${this.state} to ${state}`);
    }
    this.state = state;
    this.states.push(state);
    this.onState?.(state);
  }

  /** Somebody else deletes the document, in a commit of several; whether there was any. */
  disown(): boolean {
    const ours = this.#ours;
    this.#ours = false;
    return ours;
  }

  /** Wait until the link ends, and say how. */
  async closed(): Promise<LinkEnd> {
    return await this.link.closed();
  }

  /** Hang up, or give up: whatever state it is in, and leave nothing in the database. */
  async close(reason = "hangup"): Promise<void> {
    if (this.state === "ended") return;
    this.#enter("ended");
    this.connection.stopTrickling();
    if (!this.#repairing) await this.link.hangUp(reason);
    else if (this.#repairing === "fresh") this.link.giveUp(this.#carrier);
    else await this.connection.rollBack().catch(() => undefined); // it may be closed
    if (this.#ours) {
      this.#ours = false;
      await this.document.discard();
    }
  }

  /**
   * Hang up from a page that is being closed (`pagehide`): tells the other side and deletes the
   * document without waiting for either.
   */
  abandon(reason = "hangup"): void {
    if (this.state === "ended") return;
    this.#enter("ended");
    for (const repair of this.repairs) repair.abandon(reason);
    if (!this.#repairing) this.link.abandon(reason);
    if (this.#ours) this.document.discardOnExit();
    this.#ours = false;
  }
}

const REASONS: Readonly<Record<string, () => CallError>> = {
  rejected: () => new Rejected("The other side rejected the call."),
  busy: () => new Busy("The other side is in another call."),
  cancelled: () => new Cancelled("The caller gave up."),
  "answered-elsewhere": () => new AnsweredElsewhere("Somebody else answered this call first."),
  gone: () => new PeerGone("The call's document was deleted before anybody answered."),
  "no-answer": () => new NoAnswer("Nobody answered in time."),
};

/** The error for a call that ended before it connected. */
export function ended(reason: string): CallError {
  return (
    REASONS[reason]?.() ?? new CallError(`The call ended: ${JSON.stringify(reason.slice(0, 64))}.`)
  );
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
