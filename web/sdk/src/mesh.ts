/**
 * A room that connects all: every pair of peers ends up with one link.
 *
 * Each waiting peer keeps one standing offer. A newcomer reads who is there and commits, in one go,
 * its own presence and answers to the offers it found; its standing offer follows when those links
 * are open. If that is refused (somebody else took one of them) it goes in first and then makes
 * direct offers. Of two peers the one who came later makes the connection, and until it has opened
 * that one alone tries again: so no two offers cross.
 */

import { Call, type Media } from "./call.js";
import type { Change } from "./database.js";
import { FireRTCError, PathUnreachable } from "./errors.js";
import type { Side } from "./link.js";
import type { Membership } from "./membership.js";
import { ATTEMPT_SECONDS, connects, UNREACHABLE_SECONDS } from "./negotiation.js";
import type { Peer } from "./roomSchema.js";
import {
  decodeId,
  directId,
  LEASE_SLACK_SECONDS,
  STANDING_OFFER_SECONDS,
  standingId,
  type CallFields,
} from "./schema.js";
import { DISCARD_SECONDS, type Terms } from "./signaling.js";
import { cancelled, sleep, within } from "./waiting.js";

/**
 * Standing offers answered in the commit that a newcomer comes in with: rules may evaluate 1,000
 * expressions a request (Firestore's limit); presence takes 291, an answer 202.
 */
const ANSWERS_AT_ONCE = 3;
/** Standing offers answered at all; the rest of a crowd gets direct ones. */
const ANSWERS_MOST = 12;
/** The longest time without a standing offer after coming in, or after one was taken. */
const STANDING_SECONDS = 1;
/** From when a link is open till its document is deleted, with those of others. */
const TIDY_SECONDS = 0.5;
/** Documents deleted in one commit: 1,000 expressions as above. */
const DELETES_AT_ONCE = 5;

/** An answer to a standing offer that was found. */
interface Answer {
  readonly call: Call;
  readonly offer: CallFields;
  readonly change: Change;
  /** Whether it is part of the commit that we come in with. */
  written: boolean;
}

/** A direct offer of somebody's that is being answered. */
interface Taking {
  readonly session: string;
  readonly attempt: number;
  readonly call: Call;
}

/** The links of one peer of a room that connects all; the room tells of them. */
export class Mesh {
  /** Connected calls by the other side's peer id. */
  readonly links = new Map<string, Call>();

  readonly #making = new Map<string, { readonly abort: AbortController; done: Promise<void> }>();
  readonly #taking = new Map<string, Taking>();
  /** Peers whose link could not be repaired, as their documents were then. */
  readonly #givenUp = new Map<string, Peer>();
  #standing: Call | null = null;
  #standingAttempt = -1;
  #answering: Promise<Answer | null>[] = [];
  #answered: Answer[] = [];
  /** Documents of calls that stand: they are to be deleted. */
  readonly #done: string[] = [];
  #tidying: ReturnType<typeof setTimeout> | undefined;
  /** Whether what we came in with is written, and followed. */
  #inside = false;
  #closed = false;

  /** @param media asked for what to carry, once for each connection. */
  constructor(
    private readonly room: Membership,
    private readonly media: () => Media,
  ) {
    room.takeDirect = (fields) => {
      this.#offered(fields);
    };
  }

  // Coming in.

  /**
   * Make answers to the standing offers found, while it is read who is there.
   *
   * @param when we go in; rejected: never.
   */
  found(offers: readonly CallFields[], when?: Promise<unknown>): void {
    const now = this.room.session.now();
    const usable = offers.filter(
      ({ answer, ended, from, leaseUntil }) =>
        !answer && !ended && from !== this.room.session.peer && leaseUntil > now,
    );
    const chosen = usable.slice(0, ANSWERS_MOST);
    this.#answering = chosen.map((offer) => this.#prepareAnswer(offer, when));
  }

  async #prepareAnswer(offer: CallFields, when?: Promise<unknown>): Promise<Answer | null> {
    const call = this.#call(offer.path, "answerer");
    try {
      return { call, offer, change: await call.prepareAnswer(offer, when), written: false };
    } catch {
      // A hostile or broken offer: its peer is tried with a direct one.
      await call.close("failed");
      return null;
    }
  }

  /** Wait until the answers are made. */
  async answered(): Promise<void> {
    await Promise.all(this.#answering);
  }

  /**
   * The writes that a newcomer adds to its presence: its answers to those who are there, or its
   * standing offer if nobody waits; else that one follows when the links are open.
   *
   * @param known whether it is known who is there.
   */
  async prepare(known: boolean): Promise<Change[]> {
    for (const answer of await Promise.all(this.#answering.splice(0))) {
      if (!answer) continue;
      if (!known || this.#isThere(answer)) this.#answered.push(answer);
      // A ghost's: its peer document is gone.
      else await answer.call.close("failed");
    }
    if (this.#answered.length === 0) return await this.#prepareStanding();
    const first = this.#answered.slice(0, ANSWERS_AT_ONCE);
    for (const answer of first) answer.written = true;
    return first.map(({ change }) => change);
  }

  #isThere({ offer }: Answer): boolean {
    return this.room.peers.get(offer.from)?.session === offer.fromSession;
  }

  /** Give up the answers that were refused; what remains to be written with the presence. */
  async refused(): Promise<Change[]> {
    const givenUp = this.#answered.filter(({ written }) => written);
    this.#answered = this.#answered.filter(({ written }) => !written);
    await Promise.all(givenUp.map(({ call }) => call.close("failed")));
    return await this.#prepareStanding();
  }

  /** What was prepared is in the database, and it is known who is there: follow it, and connect to whom it leaves out. */
  written(): void {
    this.#inside = true;
    if (this.#standing) this.#keepStanding(this.#standing);
    else this.#aside(this.#placeStanding());
    for (const answer of this.#answered.splice(0)) {
      if (this.#isThere(answer)) this.#make(answer.offer.from, answer);
      else this.#aside(answer.call.close("failed"));
    }
    // Who is listening may have been told of us before we were told that it is written.
    for (const peer of this.room.peers.values()) if (!peer.isSelf) this.see(peer);
  }

  // The standing offer.

  async #prepareStanding(): Promise<Change[]> {
    await this.#standing?.close("failed");
    const id = standingId(this.room.session.peer, ++this.#standingAttempt);
    const call = this.#call(`${this.room.callsPath}/${id}`, "offerer");
    this.#standing = call;
    return await call.prepareOffer({
      kind: "standing",
      leaseSeconds: STANDING_OFFER_SECONDS + LEASE_SLACK_SECONDS,
      attempt: this.#standingAttempt,
    });
  }

  /** Once our offer is taken or too old, put up a new one. */
  #keepStanding(call: Call): void {
    call.placed();
    const connected = call.connected(STANDING_OFFER_SECONDS).then(
      () => {
        this.#link(call);
      },
      () => call.close("failed"),
    );
    const taken = new Promise<void>((resolve) => {
      call.onState = (state) => {
        if (state !== "waiting") resolve();
      };
    });
    this.#aside(
      taken.then(async () => {
        await Promise.race([connected, sleep(STANDING_SECONDS)]);
        if (this.#standing === call) this.#standing = null;
        await this.#placeStanding();
      }),
    );
  }

  /** Put up a standing offer once those links are open that are being made: first things first. */
  async #placeStanding(): Promise<void> {
    await Promise.resolve();
    const making = [...this.#making.values()].map(({ done }) => done);
    if (making.length > 0) await Promise.race([Promise.all(making), sleep(STANDING_SECONDS)]);
    if (this.#closed || this.#standing) return;
    const changes = await this.#prepareStanding();
    const call = this.#standing as Call | null;
    try {
      await this.room.session.database.commit(changes);
    } catch {
      // Unreachable or put out: the next newcomer makes a direct offer.
      if (this.#standing === call) this.#standing = null;
      await call?.close("failed");
      return;
    }
    if (call) this.#keepStanding(call);
  }

  // Making a connection.

  /** A peer is there: if it falls to us, connect to it. */
  see(peer: Peer): void {
    const mine = this.room.peers.get(this.room.session.peer);
    if (!this.#inside || !mine) return;
    if (this.links.has(peer.id) || this.#making.has(peer.id)) return;
    if (this.#givenUp.get(peer.id) === peer) return;
    this.#givenUp.delete(peer.id);
    const presence = ({ id, joinedAt }: Peer): { peer: string; joinedAt: number } => ({
      peer: id,
      joinedAt,
    });
    if (connects(presence(mine), presence(peer))) this.#make(peer.id, null);
  }

  /** A peer has left: its link goes with it. */
  lose(peer: string): void {
    this.#givenUp.delete(peer);
    this.#making.get(peer)?.abort.abort();
    this.#making.delete(peer);
    const taking = this.#taking.get(peer);
    this.#taking.delete(peer);
    for (const call of [taking?.call, this.links.get(peer)]) {
      if (call) this.#aside(call.close("left"));
    }
  }

  #make(peer: string, first: Answer | null): void {
    if (this.#closed || this.#making.has(peer)) return;
    const abort = new AbortController();
    const entry = { abort, done: Promise.resolve() };
    this.#making.set(peer, entry);
    entry.done = this.#connect(peer, first, abort.signal)
      .catch(() => undefined)
      .finally(() => {
        if (this.#making.get(peer) === entry) this.#making.delete(peer);
      });
  }

  /** Try until it opens: the answered standing offer, then direct ones, at 5 s and 10 s. */
  async #connect(peer: string, first: Answer | null, signal: AbortSignal): Promise<void> {
    const began = performance.now();
    const passed = (): number => (performance.now() - began) / 1000;
    let answer = first && (await this.#write(first)) ? first : null;
    for (const until of [...ATTEMPT_SECONDS, UNREACHABLE_SECONDS]) {
      const left = until - passed();
      if (left <= 0 || !this.room.peers.has(peer)) continue;
      const call = await this.#try(peer, answer, left, signal);
      answer = null;
      if (call) {
        this.#link(call);
        return;
      }
      // Refused at once: no sooner than it would have timed out.
      if (!signal.aborted) await sleep(Math.max(0, until - passed()));
      if (isAborted(signal)) return;
    }
    const there = this.room.peers.get(peer);
    if (!there || this.#closed) return;
    const error = new PathUnreachable(`No connection to '${decodeId(peer)}' opens.`);
    this.room.tell("unreachable", { peer: there, error });
  }

  /** Write an answer that was not in the first commit; whether it stands. */
  async #write(answer: Answer): Promise<boolean> {
    if (answer.written) return true;
    try {
      await answer.call.document.answer(answer.change);
      return true;
    } catch {
      // Somebody else took that offer.
      await answer.call.close("failed");
      return false;
    }
  }

  async #try(
    peer: string,
    answer: Answer | null,
    seconds: number,
    signal: AbortSignal,
  ): Promise<Call | null> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(seconds * 1000)]);
    let call = answer?.call;
    try {
      if (answer) {
        await answer.call.follow(answer.offer, limit);
        return answer.call;
      }
      const there = this.room.peers.get(peer);
      if (!there) throw cancelled();
      const attempt = this.room.nextAttempt(peer);
      const id = directId(this.room.session.peer, peer, attempt);
      call = this.#call(`${this.room.callsPath}/${id}`, "offerer");
      await call.place(directTerms(there, attempt), limit);
      await call.connected(seconds, limit);
      return call;
    } catch {
      await call?.close("failed");
      return null;
    }
  }

  /** A direct offer to us: take it, in place of an older attempt of the same peer's. */
  #offered(fields: CallFields): void {
    if (this.#closed) return;
    const known = this.#taking.get(fields.from);
    if (known) {
      if (known.session === fields.fromSession && known.attempt >= fields.attempt) return;
      if (known.call.state !== "connected") this.#aside(known.call.close("failed"));
    }
    const call = this.#call(fields.path, "answerer");
    const { fromSession: session, attempt } = fields;
    this.#taking.set(fields.from, { session, attempt, call });
    this.#aside(
      call.take(fields).then(
        () => {
          this.#link(call);
        },
        // The peer that offered tries again.
        () => call.close("failed"),
      ),
    );
  }

  // Links.

  #link(call: Call): void {
    if (this.#closed) {
      this.#aside(call.close("left"));
      return;
    }
    const { remote } = call;
    const before = this.links.get(remote);
    this.links.set(remote, call);
    if (before && before !== call) this.#aside(before.close("replaced"));
    this.room.mend(call);
    this.#aside(this.#watch(call));
    this.room.tell("link", call.link);
    if (call.disown()) this.#discard(call.document.paths);
  }

  /** Delete documents of calls that stand: those of a crowd in one go, after what is urgent. */
  #discard(paths: readonly string[]): void {
    this.#done.push(...paths);
    this.#tidying ??= setTimeout(() => {
      this.#aside(this.#tidy());
    }, TIDY_SECONDS * 1000);
  }

  async #tidy(): Promise<void> {
    clearTimeout(this.#tidying);
    this.#tidying = undefined;
    const { database } = this.room.session;
    const commits: Promise<void>[] = [];
    while (this.#done.length > 0) {
      const paths = this.#done.splice(0, DELETES_AT_ONCE);
      commits.push(database.commit(paths.map((path) => ({ change: "delete", path }))));
    }
    // Their leases end those that can't be deleted.
    await within(Promise.allSettled(commits), DISCARD_SECONDS, cancelled).catch(() => undefined);
  }

  async #watch(call: Call): Promise<void> {
    const end = await call.closed();
    await call.close(end.reason);
    const { remote } = call;
    if (this.links.get(remote) !== call) return;
    this.links.delete(remote);
    this.room.tell("unlinked", { link: call.link, end });
    const peer = this.room.peers.get(remote);
    if (!peer || this.#closed) return;
    // Repair was tried for a minute: nothing more until the peer shows a sign of life.
    if (end.reason === "gone" || end.reason === "failed") this.#givenUp.set(remote, peer);
    else if (end.reason === "left") this.see(peer);
  }

  #call(path: string, side: Side): Call {
    // The path of an older call: its document goes before this one's comes.
    if (this.#done.includes(path)) this.#aside(this.#tidy());
    return new Call(this.room.session, this.room.document(path), side, "", { media: this.media() });
  }

  /** What fails here has been dealt with where it failed. */
  #aside(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (!(error instanceof FireRTCError)) reportError(error);
    });
  }

  /** Every call there is, connected or on the way. */
  #all(): Call[] {
    return [
      ...this.links.values(),
      ...[...this.#taking.values()].map(({ call }) => call),
      ...(this.#standing ? [this.#standing] : []),
      ...this.#answered.map(({ call }) => call),
    ];
  }

  /** End every link. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { abort } of this.#making.values()) abort.abort();
    const answers = await Promise.all(this.#answering.splice(0));
    const calls = new Set([...this.#all(), ...answers.flatMap((one) => (one ? [one.call] : []))]);
    await Promise.all([...calls].map((call) => call.close("left")));
    await Promise.all([...this.#making.values()].map(({ done }) => done));
    await this.#tidy();
  }

  /** Leave it to somebody else to delete our documents; their paths. */
  disown(): string[] {
    this.#closed = true;
    const ours = this.#all().filter((call) => call.disown());
    return [...this.#done.splice(0), ...ours.flatMap(({ document }) => document.paths)];
  }

  /** Say goodbye from a page that is being closed. */
  abandon(): void {
    this.#closed = true;
    for (const call of this.#all()) call.abandon();
  }
}

/** Asked anew, after something was awaited. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

function directTerms(peer: Peer, attempt: number): Terms {
  return {
    kind: "direct",
    leaseSeconds: UNREACHABLE_SECONDS + LEASE_SLACK_SECONDS,
    to: peer.id,
    toSession: peer.session,
    attempt,
  };
}
