/** Where received files go. */

import { hashHere, type Digest, type NewDigest } from "./hashing.js";
import { openStore, type Store } from "./stores.js";
import { TransferError } from "./transfer.js";
import type { Entry, Have, Offer } from "./transferFrames.js";
import { Turns } from "./waiting.js";

/** Of a file, kept at once: what a reload can lose. */
const PART_BYTES = 4 * 1024 * 1024;

/** There is no room to keep what comes. */
export class DiskFull extends TransferError {
  override readonly code = "disk-full";
}

/** Where files go. */
export interface Sink {
  /** What is here of what is offered. */
  have(offer: Offer): Promise<Have[]>;
  /** A file begins, from this byte on. */
  begin(index: number, offset: number): Promise<void>;
  /** A piece of it. */
  write(content: Uint8Array<ArrayBuffer>): Promise<void>;
  /** It has ended; returns what is wrong with it, or nothing. */
  end(index: number, sha256: string): Promise<string>;
  /** Keep what is there. */
  close(): Promise<void>;
}

/** A file that arrived whole. Its `content` is no copy: it reads from where it is kept. */
export interface ReceivedFile {
  readonly index: number;
  readonly path: string;
  readonly modified: number | undefined;
  readonly content: Blob;
}

/**
 * Keeps files in the browser until they are whole, then hands them on. A page that is loaded anew
 * goes on with what was kept.
 */
export class BrowserSink implements Sink {
  #offer: Offer | null = null;
  #key = "";
  #kept: Blob[] = [];
  #digest: Digest | null = null;
  #buffer = new Uint8Array(PART_BYTES);
  #filled = 0;
  /** It may be closed while a piece is written. */
  readonly #turns = new Turns();

  constructor(
    readonly store: Store,
    /** Given each file that is whole; awaited before the sender hears of it. */
    readonly onFile: (file: ReceivedFile) => Promise<void> | void,
    /** Where what comes is hashed: `hashIn` a worker a page stays smooth. */
    readonly newDigest: NewDigest = hashHere,
  ) {}

  /**
   * @param name of the transfer: what a reload interrupts goes on under the same; such as its code.
   */
  static async open(
    name: string,
    onFile: BrowserSink["onFile"],
    newDigest?: NewDigest,
  ): Promise<BrowserSink> {
    return new BrowserSink(await openStore(name), onFile, newDigest);
  }

  async have(offer: Offer): Promise<Have[]> {
    this.#offer = offer;
    const held: Have[] = [];
    for (const [index, entry] of offer.files.entries()) {
      // A stream is sent from its beginning only.
      if (entry.size === null) continue;
      const parts = await this.store.parts(keyOf(entry));
      const size = sizeOf(parts);
      if (size > 0 && size <= entry.size) {
        const digest = await this.#digestOf(parts);
        held.push({ index, size, sha256: await digest.hex() });
        digest.close();
      }
    }
    return held;
  }

  async begin(index: number, offset: number): Promise<void> {
    const entry = this.#entry(index);
    this.#key = keyOf(entry);
    this.#filled = 0;
    this.#kept = offset > 0 ? [...(await this.store.parts(this.#key))] : [];
    if (sizeOf(this.#kept) !== offset) {
      throw new TransferError(`What was kept of ${entry.path} is gone. Receive it again.`);
    }
    if (offset === 0) await this.store.remove(this.#key);
    this.#digest?.close();
    this.#digest = await this.#digestOf(this.#kept);
  }

  async write(content: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.#turns.take(() => this.#write(content));
  }

  async #write(content: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.#digest?.update(content);
    for (let at = 0; at < content.length;) {
      const piece = content.subarray(at, at + PART_BYTES - this.#filled);
      this.#buffer.set(piece, this.#filled);
      this.#filled += piece.length;
      at += piece.length;
      if (this.#filled === PART_BYTES) await this.#keep();
    }
  }

  async #keep(): Promise<void> {
    if (this.#filled === 0) return;
    const content = this.#buffer.slice(0, this.#filled);
    try {
      this.#kept.push(await this.store.add(this.#key, this.#kept.length, content));
    } catch (error) {
      throw full(error) ?? error;
    }
    this.#filled = 0;
  }

  async end(index: number, hash: string): Promise<string> {
    return await this.#turns.take(() => this.#end(index, hash));
  }

  async #end(index: number, hash: string): Promise<string> {
    await this.#keep();
    if ((await this.#digest?.hex()) !== hash) {
      await this.store.remove(this.#key);
      return "hash";
    }
    const { path, modified } = this.#entry(index);
    // Without a type a browser looks into it, and gives it an ending of its own.
    const content = new Blob(this.#kept, { type: "application/octet-stream" });
    try {
      await this.onFile({ index, path, modified, content });
    } catch (error) {
      throw full(error) ?? error;
    }
    return "";
  }

  async close(): Promise<void> {
    // What has come of the last part is worth keeping, too; a full disk is said elsewhere.
    await this.#turns.take(() => this.#keep()).catch(() => undefined);
    this.#filled = 0;
    this.#digest?.close();
    this.#digest = null;
  }

  async #digestOf(parts: readonly Blob[]): Promise<Digest> {
    const digest = this.newDigest();
    for (const part of parts) await digest.update(new Uint8Array(await part.arrayBuffer()));
    return digest;
  }

  #entry(index: number): Entry {
    const entry = this.#offer?.files[index];
    if (!entry) throw new TransferError("Nothing was offered.");
    return entry;
  }
}

/** A copy of a file into a folder that a person chose, under a name that is free there. */
export async function saveInto(
  folder: FileSystemDirectoryHandle,
  { path, content }: Pick<ReceivedFile, "path" | "content">,
): Promise<string> {
  const parts = path.split("/");
  const last = parts.pop() ?? "";
  let at = folder;
  for (const part of parts) at = await at.getDirectoryHandle(part, { create: true });
  const name = await freeName(at, last);
  const writable = await (await at.getFileHandle(name, { create: true })).createWritable();
  // It closes when all is written, and throws away what is not.
  await content.stream().pipeTo(writable);
  return [...parts, name].join("/");
}

async function freeName(folder: FileSystemDirectoryHandle, name: string): Promise<string> {
  const dot = name.lastIndexOf(".");
  const [stem, ending] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
  for (let number = 0; ; number++) {
    const free = number ? `${stem} (${String(number)})${ending}` : name;
    if (!(await isThere(folder, free))) return free;
  }
}

async function isThere(folder: FileSystemDirectoryHandle, name: string): Promise<boolean> {
  try {
    await folder.getFileHandle(name);
    return true;
  } catch (error) {
    // A folder has this name: it is taken, too.
    if (error instanceof DOMException && error.name === "TypeMismatchError") return true;
    if (error instanceof DOMException && error.name === "NotFoundError") return false;
    throw error;
  }
}

/** By what the same file is found again. */
function keyOf({ path, size, modified }: Entry): string {
  return JSON.stringify([path, size, modified ?? null]);
}

const sizeOf = (parts: readonly Blob[]): number => parts.reduce((sum, { size }) => sum + size, 0);

function full(error: unknown): DiskFull | null {
  const isFull = error instanceof DOMException && error.name === "QuotaExceededError";
  return isFull
    ? new DiskFull("There is no room for what comes: make some, and receive it again.")
    : null;
}
