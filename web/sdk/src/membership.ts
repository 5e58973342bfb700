/**
 * What it is to be in a room: who is there, which calls are ours, what number the next one has.
 * Rings and the mesh work on this; the room fills it.
 */

import type { Call } from "./call.js";
import type { Channel } from "./channel.js";
import type { FireRTCError } from "./errors.js";
import { Emitter } from "./events.js";
import { Following } from "./following.js";
import type { Link, LinkEnd } from "./link.js";
import { mark, offered, offerRepairs, standing, takeRepair, type Attempt } from "./mending.js";
import { UNREACHABLE_SECONDS } from "./negotiation.js";
import { repairMark, takesRepair, type Mode } from "./repair.js";
import type { Ring } from "./ringing.js";
import type { Peer } from "./roomSchema.js";
import type { RoomSeal } from "./roomSeal.js";
import { directId, LEASE_SLACK_SECONDS, roomPath, type CallFields } from "./schema.js";
import type { Session } from "./session.js";
import { CallDocument } from "./signaling.js";
import { sleep } from "./waiting.js";

/** How long a ring that was answered elsewhere stays readable: the others learn why it stopped. */
const ELSEWHERE_SECONDS = 2;

/** What a room tells of; peers are named by their ids. */
export interface RoomEvents {
  /** Somebody other than us came in. */
  joined: Peer;
  /** Somebody is no longer in; its `left` is why. */
  left: Peer;
  /** Somebody says something else of itself; we ourselves, too (`isSelf`). */
  updated: Peer;
  /** Somebody calls. */
  ring: Ring;
  /** A link has opened: the room's own, or a ring's. */
  link: Link;
  unlinked: { readonly link: Link; readonly end: LinkEnd };
  /** No link opened within 20 s. */
  unreachable: { readonly peer: Peer; readonly error: FireRTCError };
  /** The link to a peer broke and is being repaired. */
  reconnecting: string;
  /** It is open again; what was said meanwhile arrives. */
  reconnected: string;
  /** Somebody linked to us said something; kept until somebody listens to this, or to the link. */
  message: { readonly peer: string; readonly body: unknown };
  /** Somebody linked to us opened a channel; kept until somebody listens to this, or to the link. */
  channel: { readonly peer: string; readonly channel: Channel };
  /** Somebody linked to us sends a track, or no longer does; its name: see {@link Link.nameOf}. */
  track: { readonly peer: string; readonly track: MediaStreamTrack };
  trackRemoved: { readonly peer: string; readonly track: MediaStreamTrack };
  mute: { readonly peer: string; readonly kinds: Readonly<Record<string, boolean>> };
  /** Something said through the database; listened for once somebody listens to it: 2 reads. */
  broadcast: { readonly peer: string; readonly body: unknown; readonly isPrivate: boolean };
  /** A moderator put us out, and why; the room is being left. */
  removed: string;
  /** By a moderator; listened for once somebody listens to either: 1 read. */
  locked: undefined;
  unlocked: undefined;
  /** The room can no longer be listened to. What is linked stays linked. */
  lost: FireRTCError;
}

/** A peer's place in a room. */
export class Membership extends Emitter<RoomEvents> {
  /** Everybody who is in, us included, by peer id. */
  readonly peers = new Map<string, Peer>();
  readonly path: string;
  readonly peersPath: string;
  readonly callsPath: string;
  /** Seals what is written in the room; null: it is not sealed. */
  seal: RoomSeal | null = null;

  /** What becomes of our calls. @internal */
  readonly following: Following;
  protected readonly calls = new Set<Call>();
  readonly #attempts = new Map<string, number>();
  readonly #dismissing = new Set<Promise<void>>();
  /** Calls whose links are repaired in the room. */
  readonly #linked = new Set<Call>();
  /** The repair of theirs that is being answered. */
  readonly #taking = new Map<Call, AbortController>();
  /** Repairs under way: they delete what they wrote. */
  readonly #repairing = new Set<Promise<void>>();

  constructor(
    readonly session: Session,
    /** The room's document id. */
    readonly id: string,
  ) {
    super();
    this.path = roomPath(session.realm, id);
    this.peersPath = `${this.path}/peers`;
    this.callsPath = `${this.path}/calls`;
    this.following = new Following(session.database, this.callsPath, session.peer);
  }

  /** Ids of everybody else who is in. */
  get others(): string[] {
    return [...this.peers.keys()].filter((peer) => peer !== this.session.peer);
  }

  /** The document of a call in the room. @internal */
  document(path: string): CallDocument {
    return new CallDocument(this.session, path, this.seal, this.following);
  }

  /** Tell who listens. @internal */
  tell<Name extends keyof RoomEvents>(event: Name, value: RoomEvents[Name]): void {
    this.emit(event, value);
  }

  /** The number of the next direct offer to a peer. @internal */
  nextAttempt(peer: string): number {
    const next = (this.#attempts.get(peer) ?? -1) + 1;
    this.#attempts.set(peer, next);
    return next;
  }

  /** A connected call belongs to the room: leaving ends it. @internal */
  hold(call: Call): void {
    const { link } = call;
    this.calls.add(call);
    void call.closed().then((end) => {
      this.calls.delete(call);
      this.tell("unlinked", { link, end });
    });
    this.mend(call);
    this.tell("link", link);
  }

  /** Let a call's link be repaired in the room while it and its peer are in. @internal */
  mend(call: Call): void {
    if (this.#linked.has(call)) return;
    this.#linked.add(call);
    const { link } = call;
    link.mend = async () => {
      // Of the answerer the other side offers: see `offered`.
      if (link.side === "answerer") await link.settled();
      else await this.#repair(offerRepairs(call, (mode) => this.#attempt(call, mode)));
    };
    link.on("closed", () => {
      this.#linked.delete(call);
      this.#taking.get(call)?.abort();
    });
  }

  /** The next offer that repairs a link; null: its peer has left, or came in anew. */
  #attempt(call: Call, mode: Mode): Attempt | null {
    const { remote: to, remoteSession: toSession, session } = call;
    if (this.peers.get(to)?.session !== toSession) return null;
    const attempt = this.nextAttempt(to);
    const path = `${this.callsPath}/${directId(session.peer, to, attempt)}`;
    return {
      document: this.document(path),
      terms: {
        ...{ kind: "direct", to, toSession, attempt, metadata: mark(call, mode) },
        leaseSeconds: UNREACHABLE_SECONDS + LEASE_SLACK_SECONDS,
      },
    };
  }

  /** A direct offer to us: the repair of a link, or a new one. @internal */
  async offered(fields: CallFields): Promise<void> {
    const document = this.document(fields.path);
    const offer = await offered(document, fields);
    if (!repairMark(offer.metadata)) {
      this.takeDirect(fields);
      return;
    }
    const fitting = [...this.#linked].filter((call) => takesRepair(offer, standing(call)));
    // Of several the broken one.
    const call = fitting.find(({ link }) => link.state === "reconnecting") ?? fitting[0];
    if (!call) return;
    this.#taking.get(call)?.abort();
    const abort = new AbortController();
    this.#taking.set(call, abort);
    await this.#repair(takeRepair(call, document, fields, abort.signal));
    if (this.#taking.get(call) === abort) this.#taking.delete(call);
  }

  async #repair(work: Promise<void>): Promise<void> {
    this.#repairing.add(work);
    await work.finally(() => this.#repairing.delete(work));
  }

  /** Wait until the repairs of links that have ended have tidied up. */
  protected async repaired(): Promise<void> {
    await Promise.allSettled(this.#repairing);
  }

  /** Given a direct offer to us that repairs nothing. @internal */
  takeDirect: (fields: CallFields) => void = () => undefined;

  /** End a call that waits, leaving the reason readable for 2 s. @internal */
  dismiss(call: Call, reason: string): void {
    const work = (async (): Promise<void> => {
      // The document may be gone already.
      await call.document.end(reason).catch(() => undefined);
      if (reason === "answered-elsewhere") await sleep(ELSEWHERE_SECONDS);
      await call.close(reason);
    })();
    this.#dismissing.add(work);
    void work.finally(() => this.#dismissing.delete(work));
  }

  /** End the calls that belong to the room. */
  protected async endCalls(): Promise<void> {
    await Promise.all([...this.calls].map((call) => call.close()));
    await Promise.all(this.#dismissing);
  }
}
