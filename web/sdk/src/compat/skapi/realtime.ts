/**
 * The realtime connection: everybody is a peer of one room, the directory, which connects nobody;
 * the group that one is in is said in one's data, and messages go through the database.
 */

import {
  Client,
  decodeId,
  encodeId,
  type Config,
  type Credentials,
  type Peer,
  type Ring,
  type Room,
  type Session,
} from "../../index.js";

import type { Card } from "./directory.js";
import { badRequest, skapiError } from "./errors.js";
import type { RealtimeCallback } from "./events.js";
import { Groups, type Sender } from "./groups.js";

/** The room that all users of a realm are in. */
const DIRECTORY = "skapi";
/** The longest id that a peer can have (docs/protocol.md, section 1). */
const PEER_ID_BYTES = 80;
/** As Skapi tries: so often, and so far apart. */
const TRIES = 2;
const AGAIN_SECONDS = 3;

/** Who one is. */
export interface Identity {
  /** Name to be known by; default: a random one. */
  readonly user_id?: string | undefined;
  /** Made by the realm's own server, for a user who is logged in there. */
  readonly serverToken?: string | undefined;
  readonly credentials?: Credentials | undefined;
  /** Of an earlier session of the same user. */
  readonly resume?: string | undefined;
}

/** What users send each other. */
interface Said {
  readonly skapi: "message";
  /** Null: to one user. */
  readonly group: string | null;
  readonly content: unknown;
}

/** What it tells of. */
export interface Told {
  message: RealtimeCallback;
  ring: (ring: Ring, sender: Sender) => void;
  /** It is over, not by our wish. */
  lost: () => void;
}

/** Being connected, from `connectRealtime` to `closeRealtime`. */
export class Realtime {
  readonly groups: Groups;
  room: Room | null = null;

  readonly #client: Client;
  #session: Promise<Session> | null = null;
  resume: string | undefined;
  #user: string | undefined;
  /** The room that is being entered, or that we are in. */
  #latest: Room | null = null;
  #closed = false;

  constructor(
    config: Config,
    private readonly identity: Identity,
    private readonly told: Told,
  ) {
    this.#client = new Client(config);
    this.groups = new Groups(told.message);
    this.#user = identity.user_id;
    this.resume = identity.resume;
    addEventListener("pagehide", this.#abandon);
  }

  readonly #abandon = (): void => {
    this.#client.abandon();
  };

  /** Join the realm, if that is not done; one's user id. */
  async join(): Promise<string> {
    return decodeId((await this.#joined()).peer);
  }

  async #joined(): Promise<Session> {
    const { serverToken, credentials } = this.identity;
    this.#session ??= this.#client.join({
      ...{ room: DIRECTORY, peer: this.#user, resume: this.resume, serverToken, credentials },
    });
    try {
      const session = await this.#session;
      this.#user = decodeId(session.peer);
      this.resume = session.resume || undefined;
      return session;
    } catch (error) {
      this.#session = null;
      throw skapiError(error);
    }
  }

  /** Come into the directory. */
  async enter(): Promise<void> {
    const session = await this.#joined();
    this.groups.clear();
    try {
      const room = await this.#client.enter(DIRECTORY, {
        connect: "none",
        data: this.#card(),
        session,
        onRoom: this.#wire.bind(this),
      });
      if (this.#closed) await room.leave();
      else this.room = room;
    } catch (error) {
      throw skapiError(error);
    }
  }

  #card(): Card {
    return { skapi: { group: this.groups.mine } };
  }

  #wire(room: Room): void {
    this.#latest = room;
    const current = (): boolean => !this.#closed && this.#latest === room;
    room.on("joined", (peer) => {
      // Who was there when we came is no news.
      if (current()) this.groups.see(peer, this.room === room);
    });
    room.on("updated", (peer) => {
      if (current() && !peer.isSelf) this.groups.see(peer, this.room === room);
    });
    room.on("left", (peer) => {
      if (current()) this.groups.lose(peer, room.session.now());
    });
    room.on("broadcast", ({ peer, body, isPrivate }) => {
      if (current()) this.#hear(peer, body, isPrivate);
    });
    room.on("ring", (ring) => {
      if (current()) this.told.ring(ring, this.groups.senderOf(ring.caller));
    });
    room.on("removed", (reason) => {
      if (current()) this.#lose(`Skapi: removed from the realm by a moderator. ${reason}`.trim());
    });
    room.on("lost", () => {
      if (!current()) return;
      this.room = this.#latest = null;
      if (room.over) this.#lose(room.over.message);
      else void this.#enterAgain(room);
    });
  }

  #lose(message: string): void {
    this.told.message({ type: "error", message });
    this.told.lost();
  }

  /** It fell silent: try again, as Skapi does. */
  async #enterAgain(room: Room): Promise<void> {
    this.told.message({ type: "error", message: "Skapi: WebSocket unexpected close." });
    await room.leave();
    for (let attempt = 1; attempt <= TRIES && !this.#closed; attempt++) {
      const message = `Reconnecting to WebSocket server...${String(attempt)}`;
      this.told.message({ type: "reconnect", message });
      await new Promise((resolve) => setTimeout(resolve, AGAIN_SECONDS * 1000));
      try {
        this.#session = null;
        await this.enter();
        if (this.room) this.connected();
        return;
      } catch {
        // The next attempt, or the end, tells.
      }
    }
    if (!this.#closed) this.#lose("Skapi: Max reconnection attempts reached.");
  }

  /** Say that the connection stands. */
  connected(): void {
    this.told.message({ type: "success", message: "Connected to WebSocket server." });
  }

  // Groups.

  /** Be in a group, and in no other; null: in none. */
  async joinGroup(group: string | null): Promise<void> {
    const room = this.inside();
    const before = this.groups.mine;
    if (group === before) return;
    this.groups.mine = group;
    try {
      await room.setData(this.#card());
    } catch (error) {
      this.groups.mine = before;
      throw skapiError(error);
    }
    if (group !== null) this.groups.notice("USER_JOINED", room.session.peer, group);
  }

  // Messages.

  /**
   * Say something to the group, or to one user.
   *
   * @throws SkapiError if it is neither.
   */
  async post(content: unknown, recipient: string): Promise<void> {
    const room = this.inside();
    const group = recipient === this.groups.mine ? recipient : null;
    const said: Said = { skapi: "message", group, content };
    try {
      if (group === null) await room.broadcast(said, this.#addressee(room, recipient));
      else await room.broadcast(said);
    } catch (error) {
      throw skapiError(error);
    }
    if (group === null) return;
    const sender = this.groups.senderOf(room.session.peer, group);
    // As JSON brings it to the others.
    const message: unknown = JSON.parse(JSON.stringify(content));
    this.told.message({ type: "message", message, ...sender, code: null });
  }

  #addressee(room: Room, recipient: string): string {
    const peer = recipient.startsWith("cid:")
      ? recipient.slice(4)
      : encodeId(recipient, PEER_ID_BYTES, "user");
    if (room.peers.has(peer)) return peer;
    throw badRequest(
      `User has not joined to the recipient group. Run joinRealtime({ group: "${recipient}" }). ` +
        "Nor is any user of that id connected.",
    );
  }

  #hear(peer: string, body: unknown, isPrivate: boolean): void {
    const said = body as Partial<Said> | null;
    const ours = typeof said === "object" && said?.skapi === "message";
    const sender = this.groups.senderOf(peer);
    if (isPrivate) {
      const message = ours ? said.content : body;
      this.told.message({ type: "private", message, ...sender, code: null });
    } else if (ours && said.group != null && said.group === this.groups.mine) {
      const { content: message, group } = said;
      this.told.message({ type: "message", message, ...sender, sender_rid: group, code: null });
    }
  }

  // Who is there.

  /** Everybody who is connected; without being so oneself: a read for each. */
  async peers(): Promise<readonly Peer[]> {
    if (this.room) return [...this.room.peers.values()];
    try {
      const { peers } = await this.#client.look(DIRECTORY);
      if (peers) return peers;
    } catch (error) {
      throw skapiError(error);
    }
    throw badRequest("The directory is locked.");
  }

  /** One's place in the directory, if there is one. */
  inside(): Room {
    if (this.room) return this.room;
    throw badRequest("Realtime connection is not open. Try reconnecting with connectRealtime().");
  }

  /** Go. */
  async close(): Promise<void> {
    this.#closed = true;
    this.room = null;
    removeEventListener("pagehide", this.#abandon);
    await this.#client.close();
  }
}
