/** What a document says, as it changes. */

import type { Fields } from "./documents.js";
import { DatabaseUnreachable } from "./errors.js";
import { deferred, type Deferred } from "./waiting.js";

/** The states of one document as they come; those that nobody has asked for in time are skipped. */
export class Listener {
  #latest: { fields: Fields | null } | null = null;
  #error: Error | null = null;
  #waiting: Deferred<Fields | null> | null = null;
  #stop: (() => void) | null = null;
  #closed = false;

  constructor(private readonly onClose: (self: Listener) => void) {}

  /** The next state; null: there is no such document (any more). */
  async next(): Promise<Fields | null> {
    if (this.#error) throw this.#error;
    if (this.#latest) {
      const { fields } = this.#latest;
      this.#latest = null;
      return fields;
    }
    this.#waiting ??= deferred();
    return await this.#waiting.promise;
  }

  /** End it; who still waits is told that the session ended. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stop?.();
    this.onClose(this);
    this.fail(new DatabaseUnreachable("The listener was closed."));
  }

  /** @internal */
  stopWith(stop: () => void): void {
    this.#stop = stop;
    if (this.#closed) stop();
  }

  /** @internal */
  deliver(fields: Fields | null): void {
    if (this.#waiting) {
      this.#waiting.resolve(fields);
      this.#waiting = null;
    } else {
      this.#latest = { fields };
    }
  }

  /** @internal */
  fail(error: Error): void {
    this.#error = error;
    this.#waiting?.reject(error);
    this.#waiting = null;
  }
}
