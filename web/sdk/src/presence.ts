/**
 * Presence: the card that a peer shows to the others in its room, and the lease it stands on.
 *
 * A peer is in a room as long as its document is. The document carries a lease of 15 minutes,
 * renewed every 6; who leaves deletes it, and who crashes is gone with its lease.
 */

import { SERVER_TIME, timestamp, type Fields } from "./database.js";
import { DocumentMalformed } from "./errors.js";
import type { Membership } from "./membership.js";
import { readPeer, type Peer } from "./roomSchema.js";
import {
  DATA_CHARS,
  jsonText,
  newShard,
  PEER_LEASE_RENEW_SECONDS,
  PEER_LEASE_SECONDS,
  ROOM_LEASE_SECONDS,
} from "./schema.js";
import type { Context, Seal } from "./sealing.js";

/** What this program can do beyond the protocol's least. */
const CAN = ["trickle", "restart", "rollback", "renegotiate", "files"] as const;
/** Browsers slow the timers of tabs that nobody looks at: then the lease is looked at on return. */
const LOOK_SECONDS = 30;

/** What there is to tell of a peer whose document has changed. */
export type Told = "joined" | "left" | "replaced" | "updated" | "nothing";

/** `replaced`: the same peer in another session; `nothing`: it only renewed its lease. */
export function told(before: Peer | undefined, after: Peer | undefined): Told {
  if (!before) return after ? "joined" : "nothing";
  if (!after) return "left";
  if (before.session !== after.session) return "replaced";
  const shown = ({ data, media, can, role }: Peer): string =>
    JSON.stringify([data, Object.entries(media).sort(), can, role]);
  return shown(before) === shown(after) ? "nothing" : "updated";
}

/** Who was here first: the earliest to come, of two at the same moment the lower id. */
export function eldest(peers: Iterable<Peer>): Peer | null {
  let first: Peer | null = null;
  for (const peer of peers) {
    if (
      !first ||
      peer.joinedAt < first.joinedAt ||
      (peer.joinedAt === first.joinedAt && peer.id < first.id)
    ) {
      first = peer;
    }
  }
  return first;
}

/**
 * A peer's document as read; its `data` is null if it is sealed and doesn't open.
 *
 * @param me our own peer id.
 * @throws DocumentMalformed if it makes no sense.
 */
export async function readCard(
  path: string,
  fields: Fields,
  me: string,
  seal: Seal | null,
): Promise<Peer> {
  const text = fields["data"];
  if (typeof text !== "string") throw new DocumentMalformed(`${path}: 'data' must be text.`);
  let data: unknown = null;
  if (text) {
    try {
      const session = fields["session"];
      if (typeof session !== "string") throw new TypeError("no session");
      data = JSON.parse(seal ? await seal.open(text, contextOf(path, session)) : text);
    } catch {
      if (!seal) throw new DocumentMalformed(`${path}: 'data' is no JSON.`);
    }
  }
  return readPeer(path, fields, data, me);
}

function contextOf(path: string, fromSession: string): Context {
  const from = path.slice(path.lastIndexOf("/") + 1);
  return { path, name: "data", from, fromSession, to: "", toSession: "" };
}

/** That we are in a room. */
export class Presence {
  /** Of our document. */
  readonly path: string;
  /** When the room's own lease ends, as far as we know: Unix seconds, the server's. */
  roomLease: number;

  #renewed = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  readonly #look = (): void => {
    void this.#renew();
  };

  /** @throws ConfigError if the data is too long or no JSON value. */
  constructor(
    private readonly room: Membership,
    private data: unknown,
    private readonly sends: Readonly<Record<string, boolean>>,
  ) {
    // Refused here, not in the middle of coming in.
    if (data !== null) jsonText(data, DATA_CHARS, "peer's data");
    this.path = `${room.peersPath}/${room.session.peer}`;
    this.roomLease = room.session.now() + ROOM_LEASE_SECONDS;
  }

  /** All the fields of our document, as of now. */
  async card(role: string): Promise<Fields> {
    const { session } = this.room;
    this.#renewed = session.now();
    return {
      session: session.session,
      data: await this.#text(this.data),
      media: this.sends,
      role,
      can: CAN,
      joinedAt: SERVER_TIME,
      leaseUntil: timestamp(session.now() + PEER_LEASE_SECONDS),
      shard: newShard(),
    };
  }

  async #text(data: unknown): Promise<string> {
    if (data === null) return "";
    const text = jsonText(data, DATA_CHARS, "peer's data");
    const { seal, session } = this.room;
    return seal ? await seal.close(text, contextOf(this.path, session.session)) : text;
  }

  /** Say something else of oneself. */
  async set(data: unknown): Promise<void> {
    const fields = { data: await this.#text(data) };
    await this.room.session.database.commit([{ change: "update", path: this.path, fields }]);
    this.data = data;
  }

  /** Prolong our presence, and the room's life when half of it is over, until {@link stop}. */
  keep(): void {
    this.#timer = setInterval(this.#look, LOOK_SECONDS * 1000);
    globalThis.addEventListener("online", this.#look);
    globalThis.document.addEventListener("visibilitychange", this.#look);
  }

  /** Renew no more. */
  stop(): void {
    clearInterval(this.#timer);
    globalThis.removeEventListener("online", this.#look);
    globalThis.document.removeEventListener("visibilitychange", this.#look);
  }

  async #renew(): Promise<void> {
    const { session, path } = this.room;
    const now = session.now();
    const roomLease = now + ROOM_LEASE_SECONDS;
    if (this.roomLease - now < ROOM_LEASE_SECONDS / 2) {
      this.roomLease = roomLease;
      const fields = { leaseUntil: timestamp(roomLease) };
      // Refused if another member prolonged it further: then that is done.
      await session.database.commit([{ change: "update", path, fields }]).catch(() => undefined);
    }
    if (now - this.#renewed < PEER_LEASE_RENEW_SECONDS) return;
    const before = this.#renewed;
    this.#renewed = now;
    const fields = { leaseUntil: timestamp(now + PEER_LEASE_SECONDS) };
    await session.database.commit([{ change: "update", path: this.path, fields }]).catch(() => {
      // Unreachable for now: the next look tries again.
      this.#renewed = before;
    });
  }
}
