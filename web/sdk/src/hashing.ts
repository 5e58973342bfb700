/**
 * SHA-256 of what travels, here or in a worker: of 200 MB it takes a second and more, in which a
 * page draws nothing.
 *
 * The browser's own (`crypto.subtle`) wants a whole file at once.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";

import { TransferError } from "./transfer.js";
import { Changes, deferred, type Deferred } from "./waiting.js";

/** What waits for a worker at most: more is read once it has caught up. */
const BEHIND_BYTES = 8 * 1024 * 1024;

/** A SHA-256 that is being made. */
export interface Digest {
  /** Add to it; awaited, it takes no more than it can keep up with. The content is not kept. */
  update(content: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Of all so far, in lower-case hex; more may be added. */
  hex(): Promise<string>;
  /** It is needed no longer. */
  close(): void;
}

/** Begins one. */
export type NewDigest = () => Digest;

/** On the thread that asks. */
export const hashHere: NewDigest = () => {
  const digest = sha256.create();
  return {
    update: async (content) => {
      await Promise.resolve(digest.update(content));
    },
    hex: async () => await Promise.resolve(bytesToHex(digest.clone().digest())),
    close: () => undefined,
  };
};

/** What is said to the worker, of the digest with this number. */
export type Asked =
  | { readonly t: "add"; readonly id: number; readonly content: Uint8Array<ArrayBuffer> }
  | { readonly t: "hex" | "close"; readonly id: number };

/** What it answers: so many bytes are in it; or what was asked for. */
export type Answered =
  | { readonly t: "added"; readonly id: number; readonly bytes: number }
  | { readonly t: "hex"; readonly id: number; readonly hex: string };

/**
 * In a worker, which runs `firertc/hashingWorker`.
 *
 * ```ts
 * const worker = new Worker(new URL("./hashing.js", import.meta.url), { type: "module" });
 * await sendFiles(link, files, { digest: hashIn(worker) });
 * ```
 *
 * @param worker serves as many digests as are wanted; whoever made it ends it.
 */
export function hashIn(worker: Worker): NewDigest {
  const made = new Map<number, Distant>();
  let count = 0;
  worker.addEventListener("message", ({ data }: MessageEvent<Answered>) => {
    made.get(data.id)?.hear(data);
  });
  worker.addEventListener("error", () => {
    for (const digest of made.values()) digest.fail();
  });
  return () => {
    const id = ++count;
    const say = (asked: Asked): void => {
      worker.postMessage(asked);
      if (asked.t === "close") made.delete(id);
    };
    const digest = new Distant(id, say);
    made.set(id, digest);
    return digest;
  };
}

class Distant implements Digest {
  #behind = 0;
  #error: Error | null = null;
  readonly #asked: Deferred<string>[] = [];
  readonly #changes = new Changes();

  constructor(
    private readonly id: number,
    private readonly say: (asked: Asked) => void,
  ) {}

  hear(said: Answered): void {
    if (said.t === "hex") this.#asked.shift()?.resolve(said.hex);
    else {
      this.#behind -= said.bytes;
      this.#changes.tell();
    }
  }

  fail(): void {
    this.#error = new TransferError("What hashes the files failed. Reload the page.");
    for (const asked of this.#asked.splice(0)) asked.reject(this.#error);
    this.#changes.tell();
  }

  async update(content: Uint8Array<ArrayBuffer>): Promise<void> {
    const { id } = this;
    this.#behind += content.length;
    this.say({ t: "add", id, content });
    while (this.#behind > BEHIND_BYTES && !this.#error) await this.#changes.next();
    if (this.#error) throw this.#error;
  }

  async hex(): Promise<string> {
    if (this.#error) throw this.#error;
    const asked = deferred<string>();
    this.#asked.push(asked);
    this.say({ t: "hex", id: this.id });
    return await asked.promise;
  }

  close(): void {
    this.say({ t: "close", id: this.id });
  }
}
