/** What becomes of our calls in a room: two listeners for all of them, not one for each. */

import type { Database, Fields, Snapshot } from "./database.js";
import type { FireRTCError } from "./errors.js";
import { Listener } from "./listener.js";

/** A call's document waited for: one path holds one call after the other. */
interface Follower {
  readonly listener: Listener;
  readonly fromSession: string;
  readonly attempt: number;
  /** Whether the call was seen: what is said before is of an older one. */
  seen: boolean;
}

/** The calls to us, which the room listens to, and those from us, once there is one. */
export class Following {
  readonly #documents = new Map<string, Fields>();
  readonly #followers = new Map<string, Set<Follower>>();
  #stop: (() => void) | null = null;

  /**
   * @param calls path of the room's calls.
   * @param peer our id.
   */
  constructor(
    private readonly database: Database,
    private readonly calls: string,
    private readonly peer: string,
  ) {}

  /** Calls to us have changed, or those from us. */
  see({ changed, removed }: Snapshot): void {
    for (const path of removed) {
      this.#documents.delete(path);
      for (const follower of this.#followers.get(path) ?? []) {
        if (follower.seen) follower.listener.deliver(null);
      }
    }
    for (const [path, fields] of changed) {
      this.#documents.set(path, fields);
      for (const follower of this.#followers.get(path) ?? []) tell(follower, fields);
    }
  }

  /** Follow one call of ours, from when it is seen; close the listener when done. */
  listen(path: string, fromSession: string, attempt: number): Listener {
    const followers = this.#followers.get(path) ?? new Set<Follower>();
    this.#followers.set(path, followers);
    const listener = new Listener(() => {
      followers.delete(follower);
      if (followers.size === 0 && this.#followers.get(path) === followers) {
        this.#followers.delete(path);
      }
    });
    const follower: Follower = { listener, fromSession, attempt, seen: false };
    followers.add(follower);
    const known = this.#documents.get(path);
    if (known) tell(follower, known);
    if (path.startsWith(`${this.calls}/${this.peer}~`)) this.#begin(); // else it is to us
    return listener;
  }

  #begin(): void {
    const mine = { collection: this.calls, field: "from", value: this.peer };
    this.#stop ??= this.database.watch(mine, this.see.bind(this), (error: FireRTCError) => {
      this.#stop = null; // the next call asks anew
      for (const followers of this.#followers.values()) {
        for (const { listener } of followers) listener.fail(error);
      }
    });
  }

  /** Listen no more. */
  close(): void {
    this.#stop?.();
    this.#stop = () => undefined;
    for (const followers of [...this.#followers.values()]) {
      for (const { listener } of [...followers]) listener.close();
    }
  }
}

function tell(follower: Follower, fields: Fields): void {
  follower.seen ||=
    fields["fromSession"] === follower.fromSession && fields["attempt"] === follower.attempt;
  if (follower.seen) follower.listener.deliver(fields);
}
