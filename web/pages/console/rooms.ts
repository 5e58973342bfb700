/** The live rooms of a realm, who is in them, and what the owner does about it. */

import { confirmed } from "../shared/dialogs.js";
import { element } from "../shared/screen.js";
import type { Account } from "./account.js";
import { listenPeers, listenRooms, type Peer, type Room, type Stop } from "./live.js";
import { action, nameOf, piece, renew, row } from "./pieces.js";

/** Rooms whose peers are listened to; of others only what they say of themselves is shown. */
const WATCHED_ROOMS = 50;
/** Leases end without a word from the database. */
const LOOK_AGAIN_MILLISECONDS = 5_000;
const DATA_CHARS = 200;

/** Do something to a room; the rest of the request. */
export type Do = (
  name: string,
  fields: Readonly<Record<string, unknown>>,
  done: string,
) => Promise<void>;

/** Shows the rooms of one realm until it is stopped. */
export class Rooms {
  readonly #stops = new Map<string, Stop>();
  readonly #peers = new Map<string, readonly Peer[]>();
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #stopRooms: Stop;
  #rooms: readonly Room[] = [];

  constructor(
    private readonly account: Account,
    private readonly realm: string,
    private readonly perform: Do,
    private readonly failed: (error: Error) => void,
  ) {
    this.#stopRooms = listenRooms(account.firestore, realm, this.#take, failed);
    this.#timer = setInterval(this.#show, LOOK_AGAIN_MILLISECONDS);
  }

  /** Stop listening, and show nothing. */
  stop(): void {
    clearInterval(this.#timer);
    this.#stopRooms();
    for (const stop of this.#stops.values()) stop();
    this.#rooms = [];
    this.#show();
  }

  readonly #take = (rooms: Room[]): void => {
    this.#rooms = rooms;
    const watched = new Set(rooms.slice(0, WATCHED_ROOMS).map(({ id }) => id));
    for (const [id, stop] of this.#stops) {
      if (watched.has(id)) continue;
      stop();
      this.#stops.delete(id);
      this.#peers.delete(id);
    }
    for (const id of watched) {
      if (this.#stops.has(id)) continue;
      const tell = (peers: Peer[]): void => {
        this.#peers.set(id, peers);
        this.#show();
      };
      this.#stops.set(id, listenPeers(this.account.firestore, this.realm, id, tell, this.failed));
    }
    this.#show();
  };

  readonly #show = (): void => {
    const now = this.account.now();
    const live = this.#rooms
      .map((room) => ({ room, peers: this.#peers.get(room.id)?.filter(holds(now)) ?? [] }))
      .filter(({ room, peers }) => peers.length > 0 || room.leaseUntil > now);
    element("no-rooms", "p").hidden = live.length > 0;
    renew(
      element("rooms", "ul"),
      live.map(({ room, peers }) => [room.id, this.#entry(room, peers)]),
    );
  };

  #entry(room: Room, peers: readonly Peer[]): HTMLElement {
    const name = nameOf(room.id);
    const entry = piece("li", "", "card");
    const state = row(
      piece("span", `${String(peers.length)} of ${String(room.capacity ?? "?")} in`),
      ...(room.locked ? [piece("span", "locked", "badge bad")] : []),
      ...(room.sealed ? [piece("span", "sealed", "badge")] : []),
      ...(room.listed ? [piece("span", "listed", "badge")] : []),
      ...(room.connect === "none" ? [piece("span", "rings only", "badge")] : []),
    );
    const list = piece("ul", "", "peers");
    list.append(...peers.map((peer) => this.#peer(room, peer)));
    entry.append(
      piece("h3", name),
      state,
      list,
      row(
        action(room.locked ? "Unlock" : "Lock", name, () => void this.#lock(room)),
        action("Close", name, () => void this.#close(room, peers.length), "danger"),
      ),
    );
    return entry;
  }

  #peer(room: Room, peer: Peer): HTMLElement {
    const name = nameOf(peer.id);
    const entry = document.createElement("li");
    const who = document.createElement("span");
    const since = peer.joinedAt ? new Date(peer.joinedAt).toLocaleTimeString() : "";
    const about = [peer.role, peer.sends.join(" and "), since && `since ${since}`];
    who.append(
      piece("b", name),
      " ",
      piece("span", about.filter(Boolean).join(", "), "small"),
      ...(peer.data && !room.sealed ? [" ", piece("q", peer.data.slice(0, DATA_CHARS))] : []),
    );
    entry.append(
      who,
      action("Put out", name, () => void this.#putOut(room, peer)),
    );
    return entry;
  }

  async #lock(room: Room): Promise<void> {
    const locked = !room.locked;
    const done = locked ? "The room is locked." : "The room is unlocked.";
    await this.perform("lock-room", { realm: this.realm, room: room.id, locked }, done);
  }

  async #close(room: Room, present: number): Promise<void> {
    const agreed = await confirmed({
      title: `Close ${nameOf(room.id)}?`,
      text:
        `Whoever is in it (${String(present)}) finds itself outside, and may make the room anew. ` +
        "To keep people out, lock it, or disable their key.",
      yes: "Close room",
      danger: true,
    });
    if (!agreed) return;
    await this.perform("close-room", { realm: this.realm, room: room.id }, "The room is closed.");
  }

  async #putOut(room: Room, peer: Peer): Promise<void> {
    const agreed = await confirmed({
      title: `Put ${nameOf(peer.id)} out?`,
      text:
        "It can't come back under this id for a day. A person with a public key can come back " +
        "under another: lock the room, too.",
      yes: "Put out",
      danger: true,
    });
    if (!agreed) return;
    await this.perform(
      "remove-peer",
      { realm: this.realm, room: room.id, peer: peer.id },
      "The peer is out.",
    );
  }
}

function holds(now: number): (peer: Peer) => boolean {
  return ({ leaseUntil }) => leaseUntil > now;
}
