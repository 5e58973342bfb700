/** One side of a call: it offers or answers, exchanges candidates, and stands on a link. */

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
import { Link, type LinkEnd, type Side } from "./link.js";
import type { Listener } from "./listener.js";
import { NEXT_STATES, offererStep, UNREACHABLE_SECONDS, type CallState } from "./negotiation.js";
import type { Mode } from "./repair.js";
import type { CallFields } from "./schema.js";
import type { Session } from "./session.js";
import { CallDocument, type Part, type Terms } from "./signaling.js";
import { Timing } from "./timing.js";
import { check, sleep, within, type Waiting } from "./waiting.js";

/** How long one waits at a code. */
export const WAIT_SECONDS = 600;

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

/**
 * What a page keeps to go on with a call by code after it was loaded anew: JSON, secret, for
 * `sessionStorage`.
 */
export interface Resumption {
  readonly code: string;
  /** Which one we were when the call was made. */
  readonly side: Side;
  /** Peer id of the other side: nobody else is let in. */
  readonly remote: string;
  /** Resume token of our session: we are the same peer again. */
  readonly resume: string;
}

/** How a call repairs a link. @internal */
export interface Repairing {
  readonly link: Link;
  readonly mode: Mode;
}

/** After an ICE restart: late candidates still go out for so long. */
const RESTART_SECONDS = 1;

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
  #discarding: Promise<void> | null = null;
  /** Whether our description has all our candidates. */
  #complete = true;
  readonly #repairing: Mode | null;
  /** What a repair brings the link; else what the link ran on first. */
  readonly #carrier: Carrier;
  /** The offer's late candidates are being taken. */
  #taking: Promise<void> = Promise.resolve();
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
   * Wait for the answer, take it, and wait until the link is open; then the document is deleted.
   *
   * @param seconds for the answer to come; the link has 20 s more.
   * @throws NoAnswer if nobody answers in time.
   * @throws Rejected (or {@link Busy}) if the other side said no.
   * @throws PathUnreachable if the link doesn't open.
   */
  async answered(seconds = WAIT_SECONDS, signal?: AbortSignal): Promise<void> {
    await this.connected(seconds, signal);
    // Beside the call: a database that is away for a while must not hold it up.
    if (this.disown()) this.#discarding = this.#discard();
  }

  async #discard(): Promise<void> {
    await this.document.discard();
    this.#discarding = null;
    this.timing.mark("document deleted");
  }

  /** The same, but the document stays: for who {@link disown}s and deletes several. @internal */
  async connected(seconds: number, signal?: AbortSignal): Promise<void> {
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
    this.#connected();
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
   * @param when it is wanted; what can be done before is.
   * @throws DocumentMalformed if the offer can't be used.
   */
  async prepareAnswer(call: CallFields, when?: Promise<unknown>): Promise<Change> {
    this.#know(call.from, call.fromSession);
    if (this.#repairing === "restart") this.connection.restart();
    const offer = await this.document.description("offer", call);
    // Kept until the description was there; the answer need not wait for them.
    const candidates = this.document.candidates("offer", call);
    candidates.catch(() => undefined); // told by `follow`
    if (when) this.prepare(); // there is time
    const answer = await this.connection.answer(offer, when);
    this.#taking = candidates.then((texts) => this.connection.addCandidates(texts));
    this.#taking.catch(() => undefined); // told by `follow`
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
    await this.#taking;
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
    this.#connected();
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

  #connected(): void {
    this.timing.mark("open");
    this.#enter("connected");
    this.connection.stopTrickling();
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
    if (this.disown()) await this.document.discard();
    await this.#discarding;
  }

  /**
   * Hang up from a page that is being closed (`pagehide`): tells the other side and deletes the
   * document without waiting for either.
   */
  abandon(reason = "hangup"): void {
    if (this.state === "ended") return;
    this.#enter("ended");
    // First of all: closing connections takes its time, and the browser gives a page little of it.
    if (this.disown() || this.#discarding) this.document.discardOnExit();
    for (const repair of this.repairs) repair.abandon(reason);
    if (!this.#repairing) this.link.abandon(reason);
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
