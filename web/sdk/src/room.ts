/**
 * A room: who is there, and calls between them.
 *
 * Presence is a lease in the peer's document; a clean leave deletes it. In a room that connects
 * nobody (`connect: "none"`) peers ring one another; in one that connects all, the mesh links every
 * pair.
 */

import type { Call, Media } from "./call.js";
import { SERVER_TIME, timestamp, type Change, type Fields, type Snapshot } from "./database.js";
import {
  ConfigError,
  DatabaseUnreachable,
  FireRTCError,
  PeerGone,
  PermissionDenied,
} from "./errors.js";
import { CAPACITY, look, type Connect, type RoomView } from "./looking.js";
import { Mesh } from "./mesh.js";
import { removal, remove } from "./moderation.js";
import { ring, ringFirst, type RingFirstOptions, type RingOptions } from "./ringing.js";
import { stretchRoom, type RoomSeal } from "./roomSeal.js";
import {
  ANYONE,
  decodeId,
  DEFAULT_ROOM,
  encodeId,
  newShard,
  PROTOCOL_VERSION,
  ROOM_ID_BYTES,
  ROOM_LEASE_SECONDS,
  type CallFields,
} from "./schema.js";
import type { Found, Session } from "./session.js";
import { parsedCall, Stay } from "./stay.js";
import { cancelled, deferred, within, type Waiting } from "./waiting.js";

const PATIENCE_SECONDS = 25;
/** So long a room may be prepared; then what was read is read again. */
const PREPARED_SECONDS = 300;

const late = (): Error => new DatabaseUnreachable("The room does not answer. Check the network.");

/** What is known on the way into a room. */
interface Way {
  readonly options: RoomOptions;
  readonly media: () => Media;
  readonly sealing: Promise<RoomSeal | null>;
  /** Who is in, or why that can't be seen. */
  readonly first: Promise<Snapshot | FireRTCError>;
  /** The room's; null: there is none. */
  fields: Fields | null;
}

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

/** A room that this client is in. Made by {@link Room.enter}; leave it in the end. */
export class Room extends Stay {
  /** Goes in, if that was prepared. */
  #prepared: (() => Promise<void>) | null = null;

  private constructor(session: Session, id: string, options: RoomOptions) {
    const connect = session.connect ?? options.connect ?? "none";
    super(session, id, connect, options.data ?? null, options.sends ?? {});
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
    const room = Room.#make(session, name, options);
    await room.#orLeave(async () => {
      await room.#comeIn(await room.#approach(options));
    });
    return room;
  }

  /**
   * Get all ready to go into a room with {@link comeIn}: then that takes one hop. Meanwhile `peers`
   * says who is in, and `joined` and `left` tell of it; those who are in don't see us.
   *
   * @throws what {@link enter} throws.
   */
  static async prepare(
    session: Session,
    name: string = DEFAULT_ROOM,
    options: RoomOptions = {},
  ): Promise<Room> {
    const room = Room.#make(session, name, options);
    await room.#orLeave(() => room.#prepare(options));
    return room;
  }

  static #make(session: Session, name: string, options: RoomOptions): Room {
    const room = new Room(session, encodeId(name, ROOM_ID_BYTES, "room"), options);
    options.onRoom?.(room);
    return room;
  }

  /**
   * Go into a room that was prepared.
   *
   * @throws ConfigError if it was not, or we went in already.
   * @throws what {@link enter} throws: then it is left.
   */
  async comeIn(): Promise<void> {
    const going = this.#prepared;
    this.#prepared = null;
    if (!going) throw new ConfigError("Prepare the room to go in, and go in once.");
    await this.#orLeave(going);
  }

  async #orLeave(going: () => Promise<void>): Promise<void> {
    try {
      await going();
    } catch (error) {
      await this.leave();
      throw error;
    }
  }

  /** See who is in a room without going in; see {@link look}. */
  static async look(session: Session, name?: string, passphrase?: string): Promise<RoomView> {
    return await look(session, name, passphrase);
  }

  async #prepare(options: RoomOptions): Promise<void> {
    const { session } = this;
    const go = deferred<undefined>();
    this.ends.push(() => {
      this.#prepared = null;
      go.reject(cancelled());
    });
    const way = await this.#approach(options, go.promise);
    await session.signedIn;
    session.database.warm();
    await this.#seen(way);
    const until = session.now() + PREPARED_SECONDS;
    let fresh = true;
    const changed = (): void => {
      fresh = false;
    };
    const ends = [this.on("joined", changed), this.on("left", changed)];
    this.#prepared = async () => {
      for (const end of ends) end();
      if (fresh && session.now() < until) go.resolve(undefined);
      else {
        // Who came has answered the offers that we know.
        go.reject(cancelled());
        await this.#read(way, null);
      }
      await this.#comeIn(way);
    };
  }

  /** See what there is: in the end all is known that one must know to come in. */
  async #approach(options: RoomOptions, when?: Promise<unknown>): Promise<Way> {
    const { session } = this;
    const media = options.media ?? ((): Media => ({}));
    const sealing = options.passphrase
      ? stretchRoom(options.passphrase, session.config.project, session.realm, this.id)
      : Promise.resolve(null);
    sealing.catch(() => undefined);
    const found = session.found();
    if ((found?.room?.["connect"] ?? this.connect) === "all") this.mesh = new Mesh(this, media);
    const admitted = deferred<undefined>();
    const first = this.#watch(admitted.promise);
    const way: Way = { options, media, sealing, first, fields: null };
    await this.#read(way, found, when);
    admitted.resolve(undefined);
    return way;
  }

  /** Read the room's document, and answer the offers that wait there. */
  async #read(way: Way, found: Found | null, when?: Promise<unknown>): Promise<void> {
    const { database } = this.session;
    const offered = found ? Promise.resolve(this.#parse(found.offers)) : this.#standingOffers();
    const answering = Promise.all([offered, way.sealing]).then(([offers, seal]) => {
      this.seal = seal;
      this.mesh?.found(offers, when);
    });
    const room = found ? found.room : database.get(this.path);
    const { signal } = way.options;
    [way.fields] = await within(Promise.all([room, answering]), PATIENCE_SECONDS, late, signal);
    if (way.fields) this.read(way.fields, this.seal);
  }

  /** Wait until it is known who is in. */
  async #seen({ first, options }: Way): Promise<void> {
    const peers = await within(first, PATIENCE_SECONDS, late, options.signal);
    if (peers instanceof FireRTCError) throw peers;
    await this.seeing;
  }

  async #comeIn(way: Way): Promise<void> {
    const { session } = this;
    const { first, fields, media, options } = way;
    // Listening takes longer to begin than reading: who is in need not be known to come in.
    if (this.mesh) await this.mesh.answered();
    const known = await Promise.race([first, Promise.resolve(null)]);
    if (known instanceof FireRTCError) throw known;
    if (known) await this.seeing;
    const changes = await this.#changes(fields, media, known !== null);
    await session.signedIn;
    this.#refuseIfGone();
    this.written = true;
    try {
      await session.database.commit(changes, options.signal);
    } catch (error) {
      if (!(error instanceof PermissionDenied)) throw error;
      await this.#comeInAgain(error, fields !== null);
    }
    await this.#seen(way);
    this.#refuseIfGone();
    this.mesh?.written();
    this.settle();
  }

  /**
   * Watch peers and calls; the first peers, or why they can't be seen.
   *
   * @param admitted when there is what opens them: what comes sooner waits, for it comes only once.
   */
  async #watch(admitted: Promise<void>): Promise<Snapshot | FireRTCError> {
    const { database, peer } = this.session;
    const first = deferred<Snapshot | FireRTCError>();
    this.seeing = Promise.all([first.promise, admitted]).then(async ([peers]) => {
      if (!(peers instanceof FireRTCError)) await this.seePeers(peers);
    });
    let seeingCalls = admitted;
    this.ends.push(
      database.watch(
        { collection: this.peersPath },
        (snapshot) => {
          if (!first.settled()) first.resolve(snapshot);
          else this.seeing = this.seeing.then(() => this.seePeers(snapshot)).catch(reportError);
        },
        (error) => {
          if (first.settled()) this.blind(error);
          else first.resolve(error);
        },
      ),
      database.watch(
        { collection: this.callsPath, field: "to", value: peer },
        (snapshot) => {
          seeingCalls = seeingCalls
            .then(() => {
              this.seeCalls(snapshot);
            })
            .catch(reportError);
        },
        (error) => {
          this.blind(error);
        },
      ),
      () => {
        first.resolve(cancelled());
      },
    );
    return await first.promise;
  }

  /** The offers that wait for whoever comes, if we are to be linked to all. */
  async #standingOffers(): Promise<CallFields[]> {
    if (!this.mesh) return [];
    try {
      const asked = { collection: this.callsPath, field: "to", value: ANYONE };
      const found = await this.session.database.query(asked);
      return [...found].flatMap(([path, fields]) => parsedCall(path, fields) ?? []);
    } catch (error) {
      if (error instanceof PermissionDenied) return [];
      throw error;
    }
  }

  #parse(offers: Found["offers"]): CallFields[] {
    return offers.flatMap(([id, fields]) => parsedCall(`${this.callsPath}/${id}`, fields) ?? []);
  }

  async #changes(fields: Fields | null, media: () => Media, known: boolean): Promise<Change[]> {
    const card = await this.presence.card(this.role(fields));
    const changes: Change[] = [{ change: "set", path: this.presence.path, fields: card }];
    if (!fields) changes.unshift({ change: "set", path: this.path, fields: this.#fields() });
    if (this.connect === "all") {
      if (!this.mesh) {
        this.mesh = new Mesh(this, media);
        this.mesh.found(await this.#standingOffers());
      }
      changes.push(...(await this.mesh.prepare(known)));
    } else if (this.mesh) {
      await this.mesh.close();
      this.mesh = null;
    }
    return changes;
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

  /** @throws Cancelled if the room was left meanwhile. */
  #refuseIfGone(): void {
    if (this.gone) throw cancelled();
  }

  /**
   * A refused commit doesn't say why: somebody took an offer, made the room, or locked it, or the
   * last one went and the room with it.
   *
   * @param existed whether there was a room when we read.
   */
  async #comeInAgain(refusal: FireRTCError, existed: boolean): Promise<void> {
    const { database, session } = this.session;
    const [fields, mine] = await Promise.all([
      database.get(this.path),
      database.get(this.presence.path),
    ]);
    // Our own success, whose reply was lost.
    if (mine?.["session"] === session) return;
    const removed = await removal(this);
    if (removed) throw removed;
    if (!fields && !existed) throw refusal;
    if (fields) this.read(fields, this.seal);
    const changes = (await this.mesh?.refused()) ?? [];
    const card = await this.presence.card(this.role(fields));
    changes.unshift({ change: "set", path: this.presence.path, fields: card });
    if (!fields) changes.unshift({ change: "set", path: this.path, fields: this.#fields() });
    this.#refuseIfGone();
    await database.commit(changes);
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

  /** Say something through the database, to those who listen to `broadcast`: one write each. */
  async broadcast(body: unknown, to?: string | readonly string[]): Promise<void> {
    await this.broadcasts.send(body, to);
  }

  /** Say something else of oneself; everybody sees it. */
  async setData(data: unknown): Promise<void> {
    await this.presence.set(data);
  }

  // What is sent.

  /**
   * Send one more track to everybody, and to those who come.
   *
   * @param name what they see it called: `camera`, `screen`, at most 64 characters.
   */
  async addTrack(track: MediaStreamTrack, name = ""): Promise<void> {
    await this.shared.add(track, name);
  }

  /** Send no more of a track. */
  async removeTrack(track: MediaStreamTrack): Promise<void> {
    await this.shared.remove(track);
  }

  /**
   * Send another track of the same kind in place of the one that is sent.
   *
   * @returns false if none of its kind is sent to anybody.
   */
  async replaceTrack(track: MediaStreamTrack): Promise<boolean> {
    return await this.shared.replace(track);
  }

  // Rings.

  /**
   * Call one peer of the room and wait until it is connected.
   *
   * @param peer id of a peer that is in the room.
   * @returns a connected call; close it in the end.
   * @throws NoAnswer if there is no such peer, or it doesn't answer in time.
   * @throws Rejected (or {@link Busy}) if it says no.
   * @throws PathUnreachable if no connection opens.
   */
  async ring(peer: string, options: RingOptions = {}): Promise<Call> {
    return await ring(this, peer, options);
  }

  /**
   * Call several peers at once; the first to accept gets the call, the others learn that.
   *
   * @throws NoAnswer (or another error) if none of them accepts: why the last one didn't.
   */
  async ringFirst(peers: readonly string[], options: RingFirstOptions = {}): Promise<Call> {
    return await ringFirst(this, peers, options);
  }

  // Moderators.

  /** Let nobody else in, or let them in again. */
  async lock(locked = true): Promise<void> {
    await this.lockState.set(locked);
  }

  /** Put somebody out; who has a public key may come back under another id: lock the room, too. */
  async remove(peer: string, reason = ""): Promise<void> {
    const session = this.peers.get(peer)?.session ?? "";
    // Noted first: that it has gone may be seen before the commit is known to be done.
    this.putOut.add(session);
    try {
      await remove(this, peer, reason);
    } catch (error) {
      this.putOut.delete(session);
      throw error;
    }
  }
}
