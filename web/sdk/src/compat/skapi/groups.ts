/** Who is in which group, and the notices of who joins and leaves one's own. */

import { decodeId, type Peer } from "../../index.js";

import { cidOf, groupOf } from "./directory.js";
import { badParameter } from "./errors.js";
import type { RealtimeCallback } from "./events.js";

/** Who sent something. */
export interface Sender {
  readonly sender: string;
  readonly sender_cid: string;
  readonly sender_rid: string | null;
}

const NOTICES = {
  USER_JOINED: "has joined the message group.",
  USER_LEFT: "has left the message group.",
  USER_DISCONNECTED: "has been disconnected.",
};

/** The groups of all users. */
export class Groups {
  /** The group that we are in. */
  mine: string | null = null;
  readonly #known = new Map<string, string | null>();

  /** @param tell given notices. */
  constructor(private readonly tell: RealtimeCallback) {}

  /** Forget everybody: they are seen again. */
  clear(): void {
    this.#known.clear();
  }

  /**
   * A peer came, or says something else of itself.
   *
   * @param news false: it was there before us.
   */
  see(peer: Peer, news: boolean): void {
    const before = this.#known.get(peer.id) ?? null;
    const after = groupOf(peer);
    this.#known.set(peer.id, after);
    if (before === after || !news) return;
    if (before !== null) this.notice("USER_LEFT", peer.id, before);
    if (after !== null) this.notice("USER_JOINED", peer.id, after);
  }

  /** A peer is gone; or only its lease is over: it did not go by itself. */
  lose(peer: Peer, now: number): void {
    const group = this.#known.get(peer.id) ?? null;
    this.#known.delete(peer.id);
    if (group === null) return;
    this.notice(peer.leaseUntil < now ? "USER_DISCONNECTED" : "USER_LEFT", peer.id, group);
  }

  /** Tell of a peer, if it is about our group. */
  notice(code: keyof typeof NOTICES, peer: string, group: string): void {
    if (group !== this.mine) return;
    const sender = this.senderOf(peer, group);
    const message = `User "${sender.sender}" ${NOTICES[code]}`;
    this.tell({ type: "notice", code, message, ...sender });
  }

  /** Who has this peer id. */
  senderOf(peer: string, group = this.#known.get(peer) ?? null): Sender {
    return { sender: decodeId(peer), sender_cid: cidOf(peer), sender_rid: group };
  }
}

/** A group's name; null: none. */
export function groupName(group: unknown): string | null {
  if (group === null || group === undefined || group === "") return null;
  if (typeof group === "string") return group;
  throw badParameter('"group" must be a string | null.');
}
