/** What moderators do, and what it looks like to those it happens to. */

import { SERVER_TIME, timestamp, type Fields } from "./database.js";
import { FireRTCError, PermissionDenied, Removed, RoomLocked } from "./errors.js";
import type { Membership } from "./membership.js";
import { newShard, REMOVAL_LEASE_SECONDS, REMOVAL_REASON_CHARS } from "./schema.js";

/** Put somebody out: see {@link Room.remove}. */
export async function remove(room: Membership, peer: string, reason: string): Promise<void> {
  const { session } = room;
  const fields = {
    by: session.peer,
    reason: reason.slice(0, REMOVAL_REASON_CHARS),
    at: SERVER_TIME,
    leaseUntil: timestamp(session.now() + REMOVAL_LEASE_SECONDS),
    shard: newShard(),
  };
  await session.database.commit([
    { change: "set", path: `${room.path}/removed/${peer}`, fields },
    { change: "delete", path: `${room.peersPath}/${peer}` },
  ]);
}

/** Why we were put out; null if we weren't. */
export async function removal(room: Membership): Promise<Removed | null> {
  const { database, peer } = room.session;
  const fields = await database.get(`${room.path}/removed/${peer}`).catch(() => null);
  if (!fields) return null;
  const reason = typeof fields["reason"] === "string" ? fields["reason"] : "";
  return new Removed("A moderator put this peer out of the room.", reason);
}

/** @throws RoomLocked if the room's document says that it takes no newcomer. */
export function refuseIfLocked(fields: Fields): void {
  if (fields["locked"] === true) {
    throw new RoomLocked("The room is locked: it takes no newcomer. Ask somebody inside.");
  }
}

/** Whether a room is locked: known exactly only while its document is listened to (1 read). */
export class Lock {
  #locked = false;
  #close: (() => void) | null = null;

  constructor(
    readonly room: Membership,
    /** Told when it can no longer be listened to. */
    readonly blind: (error: FireRTCError) => void,
  ) {}

  get locked(): boolean {
    return this.#locked;
  }

  /** Lock the room, or open it again: see {@link Room.lock}. */
  async set(locked: boolean): Promise<void> {
    const { path, session } = this.room;
    await session.database.commit([{ change: "update", path, fields: { locked } }]);
    this.#note(locked);
  }

  #note(locked: boolean): void {
    if (locked === this.#locked) return;
    this.#locked = locked;
    this.room.tell(locked ? "locked" : "unlocked", undefined);
  }

  /** Listen from now on. */
  watch(): void {
    if (!this.#close) void this.#watch();
  }

  async #watch(): Promise<void> {
    const listener = this.room.session.database.listen(this.room.path);
    this.#close = () => {
      listener.close();
    };
    try {
      for (;;) {
        const fields = await listener.next();
        if (fields) this.#note(fields["locked"] === true);
      }
    } catch (error) {
      if (error instanceof PermissionDenied) this.blind(error);
    }
  }

  /** Listen no longer. */
  close(): void {
    this.#close?.();
  }
}
