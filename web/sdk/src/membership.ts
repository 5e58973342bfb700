/**
 * What it is to be in a room: who is there, which calls are ours, what number the next one has.
 * Rings and the mesh work on this; the room fills it.
 */

import type { Call } from "./call.js";
import type { FireRTCError } from "./errors.js";
import { Emitter } from "./events.js";
import type { Link, LinkEnd } from "./link.js";
import type { Ring } from "./ringing.js";
import { roomPath, type CallFields, type Peer } from "./schema.js";
import type { RoomSeal } from "./sealing.js";
import type { Session } from "./session.js";
import { sleep } from "./waiting.js";

/** How long a ring that was answered elsewhere stays readable: the others learn why it stopped. */
const ELSEWHERE_SECONDS = 2;

/** What a room tells of; peers are named by their ids. */
export interface RoomEvents {
  /** Somebody other than us came in. */
  joined: Peer;
  left: Peer;
  /** Somebody says something else of itself; we ourselves, too (`isSelf`). */
  updated: Peer;
  /** Somebody calls. */
  ring: Ring;
  /** In a room that connects all, a link has opened. */
  link: Link;
  unlinked: { readonly link: Link; readonly end: LinkEnd };
  /** No link opened within 20 s. */
  unreachable: { readonly peer: Peer; readonly error: FireRTCError };
  /** A link has broken and is being mended. */
  reconnecting: string;
  reconnected: string;
  /** Somebody linked to us said something. */
  message: { readonly peer: string; readonly body: unknown };
  track: { readonly peer: string; readonly track: MediaStreamTrack };
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

  protected readonly calls = new Set<Call>();
  readonly #attempts = new Map<string, number>();
  readonly #dismissing = new Set<Promise<void>>();

  constructor(
    readonly session: Session,
    /** The room's document id. */
    readonly id: string,
  ) {
    super();
    this.path = roomPath(session.realm, id);
    this.peersPath = `${this.path}/peers`;
    this.callsPath = `${this.path}/calls`;
  }

  /** Ids of everybody else who is in. */
  get others(): string[] {
    return [...this.peers.keys()].filter((peer) => peer !== this.session.peer);
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
    this.calls.add(call);
    void call.closed().then(() => this.calls.delete(call));
    this.mend(call);
  }

  /** Let a call's link be repaired in the room while it and its peer are in. @internal */
  mend: (call: Call) => void = () => undefined;

  /** A direct offer to us: the repair of a link, or a new one. @internal */
  offered(fields: CallFields): void {
    this.takeDirect(fields);
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
