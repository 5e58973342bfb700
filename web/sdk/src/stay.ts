/** Being in a room: what its documents tell, what becomes of us, and the way out. */

import { Broadcasts } from "./broadcast.js";
import type { Call } from "./call.js";
import type { Fields, Snapshot } from "./database.js";
import {
  DatabaseUnreachable,
  FireRTCError,
  PermissionDenied,
  Removed,
  RoomClosed,
  SessionExpired,
} from "./errors.js";
import type { Link } from "./link.js";
import { readCards, type Connect } from "./looking.js";
import { Membership, type RoomEvents } from "./membership.js";
import type { Mesh } from "./mesh.js";
import { Lock, refuseIfLocked, removal } from "./moderation.js";
import { eldest, Presence, told } from "./presence.js";
import { Ring } from "./ringing.js";
import type { Peer } from "./roomSchema.js";
import { checkRoomSeal, type RoomSeal } from "./roomSeal.js";
import { readCall, type CallFields } from "./schema.js";
import type { Session } from "./session.js";
import { SharedTracks } from "./shared.js";
import { within } from "./waiting.js";

const LEAVE_SECONDS = 5;
/** What a link keeps until somebody listens. */
const KEPT = ["message", "channel"] as const;

/**
 * Given the asking peer's id and a request's body, returns the reply's, or a promise of it. It may
 * throw {@link RequestRefused} with a code of its own.
 */
export type RoomRequestHandler = (peer: string, body: unknown) => unknown;

/** A peer's stay in a room, from when it is inside: {@link Room} is one. */
export class Stay extends Membership {
  /** Whether rings are turned away as busy. */
  busy = false;
  /** Why the room was left, if that was not our wish. */
  over: FireRTCError | null = null;

  protected readonly presence: Presence;
  protected readonly broadcasts: Broadcasts;
  protected readonly lockState: Lock;
  protected readonly shared = new SharedTracks(() => this.links.values());
  protected mesh: Mesh | null = null;
  /** What ends with the stay: listeners. */
  protected readonly ends: (() => void)[] = [];
  protected seeing: Promise<void> = Promise.resolve();
  /** Whether there may be a document of ours. */
  protected written = false;
  /** Sessions of those whom we removed. */
  protected readonly putOut = new Set<string>();

  readonly #rings = new Map<string, Ring>();
  readonly #wanted = new Set<keyof RoomEvents>();
  #lapsing: ReturnType<typeof setInterval> | undefined;
  #inside = false;
  #seated = false;
  #takenOver = false;
  #left: Promise<void> | null = null;

  protected constructor(
    session: Session,
    id: string,
    /** Who is linked to whom. */
    public connect: Connect,
    data: unknown,
    sends: Readonly<Record<string, boolean>>,
  ) {
    super(session, id);
    const blind = this.blind.bind(this);
    this.presence = new Presence(this, data, sends);
    this.broadcasts = new Broadcasts(this, blind);
    this.lockState = new Lock(this, blind);
    this.on("link", (link) => {
      this.#forward(link);
    });
  }

  /** We are inside: stay. */
  protected settle(): void {
    this.#inside = true;
    this.presence.keep();
    this.#lapsing = setInterval(() => {
      this.#lapse();
    }, 60_000);
    for (const event of this.#wanted) this.#listenFor(event);
  }

  /** What the room's document says of it, to whoever comes in. */
  protected read(fields: Fields, seal: RoomSeal | null): void {
    this.connect = fields["connect"] === "all" ? "all" : "none";
    const lease = fields["leaseUntil"] as { toMillis?: () => number } | undefined;
    if (lease?.toMillis) this.presence.roomLease = lease.toMillis() / 1000;
    refuseIfLocked(fields);
    checkRoomSeal(seal, fields["sealed"]);
  }

  protected role(fields: Fields | null): string {
    if (this.session.keyed) return this.session.role;
    return !fields || fields["createdBy"] === this.session.peer ? "moderator" : "publisher";
  }

  /** Whether it takes no newcomer: exactly so only if somebody listens to `locked`. */
  get locked(): boolean {
    return this.lockState.locked;
  }

  /** Who was here first, of those who still are. */
  get eldest(): Peer | null {
    return eldest(this.peers.values());
  }

  /** The links that stand, by the other side's peer id: those of the mesh, or of rings. */
  get links(): ReadonlyMap<string, Link> {
    const calls = this.mesh ? [...this.mesh.links.values()] : [...this.calls];
    return new Map(calls.map((call) => [call.remote, call.link]));
  }

  /** The link to a peer, if there is one. */
  link(peer: string): Link | null {
    return this.links.get(peer) ?? null;
  }

  /** The call that a link belongs to. @internal */
  callOf(peer: string): Call | null {
    return this.mesh?.links.get(peer) ?? null;
  }
  // Going out.

  /** Go: end the calls, delete what is ours. */
  async leave(): Promise<void> {
    this.#left ??= this.#leave();
    await this.#left;
  }

  async #leave(): Promise<void> {
    const paths = this.#stop();
    await this.endCalls();
    await this.mesh?.close();
    await this.repaired();
    this.following.close();
    if (!this.written || this.#takenOver) return;
    const me = this.peers.get(this.session.peer);
    if (me?.role === "moderator" && this.others.length === 0) paths.push(this.path);
    const late = (): Error => new DatabaseUnreachable("late");
    const deletes = paths.map((path) => ({ change: "delete", path }) as const);
    // Unreachable: the lease ends our presence.
    await within(this.session.database.commit(deletes), LEAVE_SECONDS, late).catch(() => undefined);
  }

  /** Stop listening and renewing; paths of what is ours. */
  #stop(): string[] {
    this.presence.stop();
    clearInterval(this.#lapsing);
    for (const end of this.ends.splice(0)) end();
    this.lockState.close();
    for (const ring of this.#rings.values()) ring.settle("left");
    return [this.presence.path, ...this.broadcasts.close()];
  }

  /** Whether we have left, or are about to. */
  protected get gone(): boolean {
    return this.#left !== null;
  }

  /** Leave from a page that is being closed: nothing can be waited for. */
  abandon(): void {
    if (this.#left) return;
    this.#left = Promise.resolve();
    const paths = [...this.#stop(), ...(this.mesh?.disown() ?? [])];
    // First of all: closing connections takes its time, and the browser gives a page little of it.
    if (this.written && !this.#takenOver) {
      this.session.database.deleteOnExit(paths, this.session.token);
    }
    for (const call of this.calls) call.abandon();
    this.mesh?.abandon();
    this.following.close();
  }

  #end(error: FireRTCError): void {
    if (this.#left) return;
    this.over = error;
    if (error instanceof Removed) this.tell("removed", error.reason);
    else this.tell("lost", error);
    void this.leave();
  }

  /** Something can no longer be listened to. */
  protected blind(error: FireRTCError): void {
    if (this.#left) return;
    const explain = async (): Promise<void> => {
      const removed = error instanceof PermissionDenied ? await removal(this) : null;
      if (removed) this.#end(removed);
      else if (!this.#left) this.tell("lost", error);
    };
    void explain();
  }

  // What the listeners see.

  protected async seePeers({ changed, removed }: Snapshot): Promise<void> {
    for (const path of removed) this.#setPeer(path.slice(path.lastIndexOf("/") + 1), undefined);
    const now = this.session.now();
    for (const [id, peer] of await readCards(changed, this.session, this.seal)) {
      const ghost = peer.leaseUntil < now && !peer.isSelf;
      this.#setPeer(id, ghost ? undefined : peer, ghost);
    }
    if (!this.mesh || this.#left) return;
    for (const peer of this.peers.values()) if (!peer.isSelf) this.mesh.see(peer);
  }

  #setPeer(id: string, after: Peer | undefined, ghost = false): void {
    const before = this.peers.get(id);
    if (after) this.peers.set(id, after);
    else this.peers.delete(id);
    const what = told(before, after);
    if (id === this.session.peer) {
      this.#seeSelf(after, what);
      return;
    }
    if (before && (what === "left" || what === "replaced")) {
      this.mesh?.lose(id);
      for (const call of this.calls) if (call.remote === id) void call.close("left");
      const gone = ghost || before.leaseUntil < this.session.now() ? "gone" : "left";
      const why = this.putOut.has(before.session) ? "removed" : gone;
      this.tell("left", { ...before, left: after ? "replaced" : why });
    }
    if (!after) return;
    if (what === "updated") this.tell("updated", after);
    else if (what !== "nothing") this.tell("joined", after);
  }

  #seeSelf(me: Peer | undefined, what: string): void {
    const ours = me?.session === this.session.session;
    if (!me && this.#seated) {
      this.#seated = false;
      void this.#comeBack();
    } else if (me && !ours && this.#seated) {
      this.#takenOver = true;
      this.#end(new SessionExpired("The same peer came in again, elsewhere: this one is out."));
    } else if (me && ours) {
      const first = !this.#seated;
      this.#seated = true;
      void this.broadcasts.handOn();
      // Now we are seen by all, ourselves among them.
      if (first || what === "updated") this.tell("updated", me);
    }
  }

  /**
   * Our document is gone: a moderator put us out, the owner closed the room, or our lease was over,
   * because this machine slept or was off the network: then we come in again.
   */
  async #comeBack(): Promise<void> {
    if (this.#left) return;
    const { database } = this.session;
    try {
      const removed = await removal(this);
      if (removed) throw removed;
      const fields = await database.get(this.path);
      if (!fields) throw new RoomClosed("The room was closed, or ran empty while we slept.");
      this.read(fields, this.seal);
      const card = await this.presence.card(this.role(fields));
      await database.commit([{ change: "set", path: this.presence.path, fields: card }]);
    } catch (error) {
      this.#end(error instanceof FireRTCError ? error : new FireRTCError(String(error)));
    }
  }

  /** Whose lease is over is gone, where no sweep says so. */
  #lapse(): void {
    const now = this.session.now();
    for (const peer of [...this.peers.values()]) {
      if (!peer.isSelf && peer.leaseUntil < now) this.#setPeer(peer.id, undefined, true);
    }
  }

  protected seeCalls(snapshot: Snapshot): void {
    this.following.see(snapshot);
    const { changed, removed } = snapshot;
    for (const path of removed) {
      this.#rings.get(path)?.update(null);
      this.#rings.delete(path);
    }
    for (const [path, fields] of changed) {
      const call = parsedCall(path, fields);
      if (!call) continue;
      const ring = this.#rings.get(path);
      // Candidates may come behind an answer that is still being made: that is no other ring.
      if (ring?.isOf(call)) ring.update(call);
      else if (!this.#fresh(call)) continue;
      else if (call.kind === "ring") void this.#ring(call);
      else if (call.kind === "direct") void this.offered(call);
    }
  }

  /** Whether this is an offer to us that still waits. */
  #fresh(call: CallFields): boolean {
    const { session } = this;
    return (
      !call.answer &&
      !call.ended &&
      call.toSession === session.session &&
      call.leaseUntil > session.now()
    );
  }

  async #ring(call: CallFields): Promise<void> {
    const ring = new Ring(this, this.document(call.path), call);
    this.#rings.set(call.path, ring);
    await ring.open();
    if (!ring.ringing) return;
    if (this.busy) await ring.reject("busy");
    else this.tell("ring", ring);
  }

  // Who listens, and what the links say.

  override on<Name extends keyof RoomEvents>(
    event: Name,
    listener: (value: RoomEvents[Name]) => void,
  ): () => void {
    const off = super.on(event, listener);
    this.#wanted.add(event);
    if (this.#inside) this.#listenFor(event);
    return off;
  }

  #listenFor(event: keyof RoomEvents): void {
    if (this.#left) return;
    for (const kept of KEPT) {
      if (event === kept) for (const link of this.links.values()) this.#forwardKept(link, kept);
    }
    if (event === "broadcast") this.broadcasts.listen();
    if (event === "locked" || event === "unlocked") this.lockState.watch();
  }

  /** Not before somebody listens: a link keeps these till then. */
  #forwardKept(link: Link, event: (typeof KEPT)[number]): void {
    const told = this.#forwarding.get(link) ?? new Set<string>();
    if (told.has(event)) return;
    this.#forwarding.set(link, told.add(event));
    const peer = link.remote;
    if (event === "channel") {
      link.on("channel", (channel) => {
        this.tell("channel", { peer, channel });
      });
    } else {
      link.on("message", (body) => {
        this.tell("message", { peer, body });
      });
    }
  }

  /** Which of the events that links keep we tell of. */
  readonly #forwarding = new WeakMap<Link, Set<string>>();

  #forward(link: Link): void {
    const peer = link.remote;
    link.on("track", (track) => {
      this.tell("track", { peer, track });
    });
    link.on("trackRemoved", (track) => {
      this.tell("trackRemoved", { peer, track });
    });
    link.on("mute", (kinds) => {
      this.tell("mute", { peer, kinds });
    });
    link.on("reconnecting", () => {
      this.tell("reconnecting", peer);
    });
    link.on("reconnected", () => {
      this.tell("reconnected", peer);
    });
    for (const kept of KEPT) if (this.#wanted.has(kept)) this.#forwardKept(link, kept);
    this.#answer(link);
    for (const track of link.tracks) this.tell("track", { peer, track });
    this.shared.serve(link);
  }

  #onRequest: RoomRequestHandler | null = null;

  /** Answers the others' requests, unless a link has a handler of its own. */
  get onRequest(): RoomRequestHandler | null {
    return this.#onRequest;
  }

  set onRequest(handler: RoomRequestHandler | null) {
    this.#onRequest = handler;
    for (const link of this.links.values()) this.#answer(link);
  }

  #answer(link: Link): void {
    if (link.onRequest && !this.#answering.has(link)) return;
    const handler = this.#onRequest;
    const peer = link.remote;
    link.onRequest = handler && ((body): unknown => handler(peer, body));
    if (handler) this.#answering.add(link);
    else this.#answering.delete(link);
  }

  readonly #answering = new WeakSet<Link>();
}

/** A call of the room's; null if it is none. */
export function parsedCall(path: string, fields: Fields): CallFields | null {
  try {
    return readCall(path, fields);
  } catch {
    // The rules let nothing malformed in; what an owner's tool wrote is no call.
    return null;
  }
}
