/**
 * A room: who is there, and calls between them.
 *
 * Presence is a lease in the peer's document; a clean leave deletes it. In a room that connects
 * nobody (`connect: "none"`) peers ring one another; in one that connects all, the mesh links every
 * pair.
 */

import type { Call, Media } from "./call.js";
import { Broadcasts } from "./broadcast.js";
import { SERVER_TIME, timestamp, type Change, type Fields, type Snapshot } from "./database.js";
import {
  DatabaseUnreachable,
  FireRTCError,
  PeerGone,
  PermissionDenied,
  Removed,
  RoomClosed,
  RoomLocked,
  SessionExpired,
} from "./errors.js";
import type { Link } from "./link.js";
import { Membership, type RoomEvents } from "./membership.js";
import { Mesh } from "./mesh.js";
import { eldest, Presence, readCard, told } from "./presence.js";
import { Ring } from "./ringing.js";
import {
  ANYONE,
  decodeId,
  DEFAULT_ROOM,
  encodeId,
  newShard,
  PROTOCOL_VERSION,
  readCall,
  REMOVAL_LEASE_SECONDS,
  REMOVAL_REASON_CHARS,
  ROOM_ID_BYTES,
  ROOM_LEASE_SECONDS,
  roomPath,
  type CallFields,
  type Peer,
} from "./schema.js";
import { checkRoomSeal, stretchRoom, type RoomSeal } from "./sealing.js";
import type { Session } from "./session.js";
import { deferred, within, type Waiting } from "./waiting.js";

const CAPACITY = 50;
const PATIENCE_SECONDS = 25;
const LEAVE_SECONDS = 5;

/** Who is linked to whom. */
export type Connect = "all" | "none";

/** How to go into a room. */
export interface RoomOptions extends Waiting {
  /** For a room that doesn't exist yet: who is linked to whom; default: nobody. */
  readonly connect?: Connect | undefined;
  /** What to say of oneself: any JSON value of at most 8,192 characters. */
  readonly data?: unknown;
  /** Asked once for each link of a room that connects all, what it carries. */
  readonly media?: (() => Media) | undefined;
  /** Which of `audio`, `video`, `screen` one sends, for others to see. */
  readonly sends?: Readonly<Record<string, boolean>> | undefined;
  /** Seals a room that doesn't exist yet, opens a sealed one. */
  readonly passphrase?: string | undefined;
  /** Given the room before it is entered, to listen to its events. */
  readonly onRoom?: ((room: Room) => void) | undefined;
}

/** What can be seen of a room without going in. */
export interface RoomView {
  readonly exists: boolean;
  readonly connect: Connect;
  readonly capacity: number;
  readonly locked: boolean;
  readonly sealed: boolean;
  /** Who is in; null if the room is locked. */
  readonly peers: readonly Peer[] | null;
}

/**
 * Given the asking peer's id and a request's body, returns the reply's, or a promise of it. It may
 * throw {@link RequestRefused} with a code of its own.
 */
export type RoomRequestHandler = (peer: string, body: unknown) => unknown;

/** A room that this client is in. Made by {@link Room.enter}; leave it in the end. */
export class Room extends Membership {
  /** Whether rings are turned away as busy. */
  busy = false;
  /** Why the room was left, if that was not our wish. */
  over: FireRTCError | null = null;

  #presence: Presence;
  #mesh: Mesh | null = null;
  #locked = false;
  #lockWatch: (() => void) | null = null;
  readonly #broadcasts: Broadcasts;
  readonly #rings = new Map<string, Ring>();
  readonly #ends: (() => void)[] = [];
  #seeing: Promise<void> = Promise.resolve();
  #lapsing: ReturnType<typeof setInterval> | undefined;
  #written = false;
  #inside = false;
  #seated = false;
  #takenOver = false;
  #left: Promise<void> | null = null;
  readonly #wanted = new Set<keyof RoomEvents>();

  private constructor(
    session: Session,
    id: string,
    /** Who is linked to whom. */
    public connect: Connect,
    options: RoomOptions,
  ) {
    super(session, id);
    this.#presence = new Presence(this, options.data ?? null, options.sends ?? {});
    this.#broadcasts = new Broadcasts(this, (error) => {
      this.#blind(error);
    });
    this.on("link", (link) => {
      this.#forward(link);
    });
  }

  // Going in.

  /**
   * Go into a room, making it if there is none: two hops, three into a crowd.
   *
   * @throws RoomLocked if it takes no newcomer.
   * @throws Removed if a moderator put us out.
   * @throws PassphraseNeeded, {@link WrongPassphrase} if it is sealed.
   * @throws PermissionDenied if the rules refuse it for another reason.
   */
  static async enter(
    session: Session,
    name: string = DEFAULT_ROOM,
    options: RoomOptions = {},
  ): Promise<Room> {
    const id = encodeId(name, ROOM_ID_BYTES, "room");
    const room = new Room(session, id, session.connect ?? options.connect ?? "none", options);
    options.onRoom?.(room);
    try {
      await room.#comeIn(options);
    } catch (error) {
      await room.leave();
      throw error;
    }
    return room;
  }

  /** See who is in a room without going in: two reads and one for each further peer. */
  static async look(session: Session, name: string = DEFAULT_ROOM): Promise<RoomView> {
    const path = roomPath(session.realm, encodeId(name, ROOM_ID_BYTES, "room"));
    const refused = (error: unknown): null => {
      if (error instanceof PermissionDenied) return null;
      throw error;
    };
    const [fields, cards] = await Promise.all([
      session.database.get(path),
      session.database.query({ collection: `${path}/peers` }).catch(refused),
    ]);
    const peers = cards && (await readCards(cards, session, null));
    return {
      exists: fields !== null,
      connect: fields?.["connect"] === "all" ? "all" : "none",
      capacity: Number(fields?.["capacity"] ?? session.capacity ?? CAPACITY),
      locked: fields?.["locked"] === true,
      sealed: fields?.["sealed"] != null,
      peers: peers && [...peers.values()],
    };
  }

  async #comeIn(options: RoomOptions): Promise<void> {
    const { session } = this;
    const { database } = session;
    const media = options.media ?? ((): Media => ({}));
    const sealing = options.passphrase
      ? stretchRoom(options.passphrase, session.config.project, session.realm, this.id)
      : Promise.resolve(null);
    sealing.catch(() => undefined);
    if (this.connect === "all") this.#mesh = new Mesh(this, media);
    const first = this.#watch();
    const late = (): Error =>
      new DatabaseUnreachable("The room does not answer. Check the network.");
    const [fields, peers, offers, seal] = await within(
      Promise.all([database.get(this.path), first, this.#standingOffers(), sealing]),
      PATIENCE_SECONDS,
      late,
      options.signal,
    );
    this.seal = seal;
    if (fields) this.#read(fields, seal);
    if (peers instanceof FireRTCError) throw peers;
    this.#mesh?.found(offers);
    await this.#seePeers(peers);
    const changes = await this.#changes(fields, media);
    this.#written = true;
    try {
      await database.commit(changes, options.signal);
    } catch (error) {
      if (!(error instanceof PermissionDenied)) throw error;
      await this.#comeInAgain(error);
    }
    this.#mesh?.written();
    this.#inside = true;
    this.#presence.keep();
    this.#lapsing = setInterval(() => {
      this.#lapse();
    }, 60_000);
    for (const event of this.#wanted) this.#listenFor(event);
  }

  /** Watch peers and calls; the first peers, or why they can't be seen. */
  async #watch(): Promise<Snapshot | FireRTCError> {
    const { database, peer } = this.session;
    const first = deferred<Snapshot | FireRTCError>();
    this.#ends.push(
      database.watch(
        { collection: this.peersPath },
        (snapshot) => {
          if (!first.settled()) first.resolve(snapshot);
          else this.#seeing = this.#seeing.then(() => this.#seePeers(snapshot)).catch(reportError);
        },
        (error) => {
          if (first.settled()) this.#blind(error);
          else first.resolve(error);
        },
      ),
      database.watch(
        { collection: this.callsPath, field: "to", value: peer },
        (snapshot) => {
          this.#seeCalls(snapshot);
        },
        (error) => {
          this.#blind(error);
        },
      ),
    );
    return await first.promise;
  }

  /** The offers that wait for whoever comes, if we are to be linked to all. */
  async #standingOffers(): Promise<CallFields[]> {
    if (!this.#mesh) return [];
    try {
      const asked = { collection: this.callsPath, field: "to", value: ANYONE };
      const found = await this.session.database.query(asked);
      return [...found].flatMap(([path, fields]) => parsed(path, fields) ?? []);
    } catch (error) {
      if (error instanceof PermissionDenied) return [];
      throw error;
    }
  }

  async #changes(fields: Fields | null, media: () => Media): Promise<Change[]> {
    const card = await this.#presence.card(this.#role(fields));
    const changes: Change[] = [{ change: "set", path: this.#presence.path, fields: card }];
    if (!fields) changes.unshift({ change: "set", path: this.path, fields: this.#fields() });
    if (this.connect === "all") {
      if (!this.#mesh) {
        this.#mesh = new Mesh(this, media);
        this.#mesh.found(await this.#standingOffers());
      }
      changes.push(...(await this.#mesh.prepare()));
    } else if (this.#mesh) {
      await this.#mesh.close();
      this.#mesh = null;
    }
    return changes;
  }

  /** What the room's document says of it, to whoever comes in. */
  #read(fields: Fields, seal: RoomSeal | null): void {
    this.connect = fields["connect"] === "all" ? "all" : "none";
    const lease = fields["leaseUntil"] as { toMillis?: () => number } | undefined;
    if (lease?.toMillis) this.#presence.roomLease = lease.toMillis() / 1000;
    if (fields["locked"] === true) {
      throw new RoomLocked("The room is locked: it takes no newcomer. Ask somebody inside.");
    }
    checkRoomSeal(seal, fields["sealed"]);
  }

  #role(fields: Fields | null): string {
    if (this.session.keyed) return this.session.role;
    return !fields || fields["createdBy"] === this.session.peer ? "moderator" : "publisher";
  }

  #fields(): Fields {
    const { session } = this;
    return {
      v: PROTOCOL_VERSION,
      connect: this.connect,
      capacity: session.capacity ?? CAPACITY,
      locked: false,
      listed: false,
      createdBy: session.peer,
      createdAt: SERVER_TIME,
      leaseUntil: timestamp(session.now() + ROOM_LEASE_SECONDS),
      shard: newShard(),
      ...(this.seal && { sealed: this.seal.fields() }),
    };
  }

  /** A refused commit doesn't say why: somebody took an offer, made the room, or locked it. */
  async #comeInAgain(refusal: FireRTCError): Promise<void> {
    const { database, session } = this.session;
    const [fields, mine] = await Promise.all([
      database.get(this.path),
      database.get(this.#presence.path),
    ]);
    // Our own success, whose reply was lost.
    if (mine?.["session"] === session) return;
    const removed = await this.#removal();
    if (removed) throw removed;
    if (!fields) throw refusal;
    this.#read(fields, this.seal);
    const extra = (await this.#mesh?.refused()) ?? [];
    const card = await this.#presence.card(this.#role(fields));
    await database.commit([{ change: "set", path: this.#presence.path, fields: card }, ...extra]);
  }

  /** Why we were put out; null if we weren't. */
  async #removal(): Promise<Removed | null> {
    const path = `${this.path}/removed/${this.session.peer}`;
    const fields = await this.session.database.get(path).catch(() => null);
    if (!fields) return null;
    const reason = typeof fields["reason"] === "string" ? fields["reason"] : "";
    return new Removed("A moderator put this peer out of the room.", reason);
  }

  // Who is there.

  /** Whether it takes no newcomer: exactly so only if somebody listens to `locked`. */
  get locked(): boolean {
    return this.#locked;
  }

  /** Who was here first, of those who still are. */
  get eldest(): Peer | null {
    return eldest(this.peers.values());
  }

  /** The links that stand, by the other side's peer id: those of the mesh, or of rings. */
  get links(): ReadonlyMap<string, Link> {
    const calls = this.#mesh ? [...this.#mesh.links.values()] : [...this.calls];
    return new Map(calls.map((call) => [call.remote, call.link]));
  }

  /** The link to a peer, if there is one. */
  link(peer: string): Link | null {
    return this.links.get(peer) ?? null;
  }

  // What is said.

  /**
   * Say something to those we are linked to: any JSON value of at most 60,000 bytes.
   *
   * @param to peer ids; default: all.
   * @returns ids of the peers it was sent to; others are not linked.
   */
  send(body: unknown, to?: string | readonly string[]): string[] {
    const { links } = this;
    const chosen = to === undefined ? [...links.keys()] : typeof to === "string" ? [to] : to;
    return chosen.filter((peer) => {
      const link = links.get(peer);
      if (!link) return false;
      try {
        link.send(body);
        return true;
      } catch (error) {
        // It ended this very moment.
        if (error instanceof PeerGone) return false;
        throw error;
      }
    });
  }

  /**
   * Ask a peer we are linked to, answered by its {@link onRequest}.
   *
   * @param body any JSON value of at most 60,000 bytes, or bytes.
   * @returns the reply's body.
   * @throws PeerGone if we are not linked to it.
   * @throws NoReply if none comes in time.
   * @throws RequestRefused if it has no handler, or that failed.
   */
  async request(
    peer: string,
    body: unknown,
    seconds?: number,
    signal?: AbortSignal,
  ): Promise<unknown> {
    const link = this.link(peer);
    if (!link) throw new PeerGone(`There is no link to '${decodeId(peer)}': it can't be asked.`);
    return await link.request(body, seconds, signal);
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

  /** Say something through the database, to those who listen to `broadcast`: one write each. */
  async broadcast(body: unknown, to?: string | readonly string[]): Promise<void> {
    await this.#broadcasts.send(body, to);
  }

  /** Say something else of oneself; everybody sees it. */
  async setData(data: unknown): Promise<void> {
    await this.#presence.set(data);
  }

  // What is sent.

  readonly #added = new Set<MediaStreamTrack>();

  /** Send one more track to everybody, and to those who come. */
  async addTrack(track: MediaStreamTrack): Promise<void> {
    this.#added.add(track);
    await Promise.all([...this.links.values()].map((link) => this.#send(link, track)));
  }

  /** Send no more of a track. */
  async removeTrack(track: MediaStreamTrack): Promise<void> {
    this.#added.delete(track);
    await Promise.all([...this.links.values()].map((link) => link.removeTrack(track)));
  }

  /**
   * Send another track of the same kind in place of the one that is sent.
   *
   * @returns false if none of its kind is sent to anybody.
   */
  async replaceTrack(track: MediaStreamTrack): Promise<boolean> {
    for (const old of [...this.#added]) if (old.kind === track.kind) this.#added.delete(old);
    this.#added.add(track);
    const links = [...this.links.values()];
    const replaced = await Promise.all(links.map((link) => link.replaceTrack(track)));
    if (!replaced.includes(true)) return false;
    // To whom nothing of this kind went so far.
    await Promise.all(links.map((link) => this.#send(link, track)));
    return true;
  }

  async #send(link: Link, track: MediaStreamTrack): Promise<void> {
    if (link.connection.sends(track)) return;
    // The link ended, or is being mended: then its connection carries the track.
    await link.addTrack(track).catch((error: unknown) => {
      if (!(error instanceof PeerGone)) throw error;
    });
  }

  // Moderators.

  /** Let nobody else in, or let them in again. */
  async lock(locked = true): Promise<void> {
    const fields = { locked };
    await this.session.database.commit([{ change: "update", path: this.path, fields }]);
    this.#noteLock(locked);
  }

  /** Put somebody out; who has a public key may come back under another id: lock the room, too. */
  async remove(peer: string, reason = ""): Promise<void> {
    const { session } = this;
    const fields = {
      by: session.peer,
      reason: reason.slice(0, REMOVAL_REASON_CHARS),
      at: SERVER_TIME,
      leaseUntil: timestamp(session.now() + REMOVAL_LEASE_SECONDS),
      shard: newShard(),
    };
    await session.database.commit([
      { change: "set", path: `${this.path}/removed/${peer}`, fields },
      { change: "delete", path: `${this.peersPath}/${peer}` },
    ]);
  }

  #noteLock(locked: boolean): void {
    if (locked === this.#locked) return;
    this.#locked = locked;
    this.tell(locked ? "locked" : "unlocked", undefined);
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
    await this.#mesh?.close();
    await this.repaired();
    if (!this.#written || this.#takenOver) return;
    const me = this.peers.get(this.session.peer);
    if (me?.role === "moderator" && this.others.length === 0) paths.push(this.path);
    const late = (): Error => new DatabaseUnreachable("late");
    const deletes = paths.map((path) => ({ change: "delete", path }) as const);
    // Unreachable: the lease ends our presence.
    await within(this.session.database.commit(deletes), LEAVE_SECONDS, late).catch(() => undefined);
  }

  /** Stop listening and renewing; paths of what is ours. */
  #stop(): string[] {
    this.#presence.stop();
    clearInterval(this.#lapsing);
    for (const end of this.#ends.splice(0)) end();
    this.#lockWatch?.();
    for (const ring of this.#rings.values()) ring.settle("left");
    return [this.#presence.path, ...this.#broadcasts.close()];
  }

  /** Leave from a page that is being closed: nothing can be waited for. */
  abandon(): void {
    if (this.#left) return;
    this.#left = Promise.resolve();
    const paths = this.#stop();
    for (const call of this.calls) call.abandon();
    paths.push(...(this.#mesh?.abandon() ?? []));
    if (!this.#written || this.#takenOver) return;
    this.session.database.deleteOnExit(paths, this.session.token);
  }

  #end(error: FireRTCError): void {
    if (this.#left) return;
    this.over = error;
    if (error instanceof Removed) this.tell("removed", error.reason);
    else this.tell("lost", error);
    void this.leave();
  }

  /** Something can no longer be listened to. */
  #blind(error: FireRTCError): void {
    if (this.#left) return;
    const explain = async (): Promise<void> => {
      const removed = error instanceof PermissionDenied ? await this.#removal() : null;
      if (removed) this.#end(removed);
      else if (!this.#left) this.tell("lost", error);
    };
    void explain();
  }

  // What the listeners see.

  async #seePeers({ changed, removed }: Snapshot): Promise<void> {
    for (const path of removed) this.#setPeer(path.slice(path.lastIndexOf("/") + 1), undefined);
    const now = this.session.now();
    for (const [id, peer] of await readCards(changed, this.session, this.seal)) {
      const ghost = peer.leaseUntil < now && !peer.isSelf;
      this.#setPeer(id, ghost ? undefined : peer);
    }
    if (!this.#mesh || this.#left) return;
    for (const peer of this.peers.values()) if (!peer.isSelf) this.#mesh.see(peer);
  }

  #setPeer(id: string, after: Peer | undefined): void {
    const before = this.peers.get(id);
    if (after) this.peers.set(id, after);
    else this.peers.delete(id);
    const what = told(before, after);
    if (id === this.session.peer) {
      this.#seeSelf(after, what);
      return;
    }
    if (before && (what === "left" || what === "replaced")) {
      this.#mesh?.lose(id);
      for (const call of this.calls) if (call.remote === id) void call.close("left");
      this.tell("left", before);
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
      void this.#broadcasts.handOn();
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
      const removed = await this.#removal();
      if (removed) throw removed;
      const fields = await database.get(this.path);
      if (!fields) throw new RoomClosed("The room was closed, or ran empty while we slept.");
      this.#read(fields, this.seal);
      const card = await this.#presence.card(this.#role(fields));
      await database.commit([{ change: "set", path: this.#presence.path, fields: card }]);
    } catch (error) {
      this.#end(error instanceof FireRTCError ? error : new FireRTCError(String(error)));
    }
  }

  /** Whose lease is over is gone, where no sweep says so. */
  #lapse(): void {
    const now = this.session.now();
    for (const peer of [...this.peers.values()]) {
      if (!peer.isSelf && peer.leaseUntil < now) this.#setPeer(peer.id, undefined);
    }
  }

  #seeCalls({ changed, removed }: Snapshot): void {
    for (const path of removed) {
      this.#rings.get(path)?.update(null);
      this.#rings.delete(path);
    }
    for (const [path, fields] of changed) {
      const call = parsed(path, fields);
      if (!call) continue;
      const ring = this.#rings.get(path);
      if (ring?.ringing) ring.update(call);
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
    const ring = await Ring.of(this, call);
    this.#rings.set(call.path, ring);
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

  /** Not before somebody listens: a link keeps its channels till then. */
  #forwardChannels(link: Link): void {
    if (this.#forwarding.has(link)) return;
    this.#forwarding.add(link);
    link.on("channel", (channel) => {
      this.tell("channel", { peer: link.remote, channel });
    });
  }

  readonly #forwarding = new WeakSet<Link>();

  #listenFor(event: keyof RoomEvents): void {
    if (this.#left) return;
    if (event === "channel") for (const link of this.links.values()) this.#forwardChannels(link);
    if (event === "broadcast") this.#broadcasts.listen();
    if ((event === "locked" || event === "unlocked") && !this.#lockWatch) void this.#watchLock();
  }

  async #watchLock(): Promise<void> {
    const listener = this.session.database.listen(this.path);
    this.#lockWatch = () => {
      listener.close();
    };
    try {
      for (;;) {
        const fields = await listener.next();
        if (fields) this.#noteLock(fields["locked"] === true);
      }
    } catch (error) {
      if (!this.#left && error instanceof PermissionDenied) this.#blind(error);
    }
  }

  #forward(link: Link): void {
    const peer = link.remote;
    link.on("track", (track) => {
      this.tell("track", { peer, track });
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
    if (this.#wanted.has("channel")) this.#forwardChannels(link);
    this.#answer(link);
    for (const track of link.tracks) this.tell("track", { peer, track });
    for (const track of this.#added) void this.#send(link, track);
  }

  /** The call that a link belongs to. @internal */
  callOf(peer: string): Call | null {
    return this.#mesh?.links.get(peer) ?? null;
  }
}

function parsed(path: string, fields: Fields): CallFields | null {
  try {
    return readCall(path, fields);
  } catch {
    // The rules let nothing malformed in; what an owner's tool wrote is no call.
    return null;
  }
}

async function readCards(
  documents: ReadonlyMap<string, Fields>,
  session: Session,
  seal: RoomSeal | null,
): Promise<Map<string, Peer>> {
  const peers = new Map<string, Peer>();
  for (const [path, fields] of documents) {
    // As above: what is malformed is no peer.
    const peer = await readCard(path, fields, session.peer, seal).catch(() => null);
    if (peer) peers.set(peer.id, peer);
  }
  return peers;
}
