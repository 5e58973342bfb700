/**
 * Where a page keeps what it receives until it is whole: in the browser's own storage for the page
 * (OPFS), which outlives a reload, else in blobs.
 *
 * No name that a stranger chose is ever a name there.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";

const ROOT = "firertc-files";
/** After so long what nobody came back for is thrown away. */
export const KEPT_SECONDS = 24 * 3600;

/** The beginnings of files, by keys of the caller, each as parts that were written one by one. */
export interface Store {
  /** The parts of a file, first to last; empty: there are none. */
  parts(key: string): Promise<Blob[]>;
  /** Keep one more part at the end of a file; what reads it from there. */
  add(key: string, number: number, content: Uint8Array<ArrayBuffer>): Promise<Blob>;
  /** Throw the parts of a file away. */
  remove(key: string): Promise<void>;
  /** Throw all away. */
  clear(): Promise<void>;
}

/** In memory, or wherever the browser puts blobs: gone with the page. */
export class BlobStore implements Store {
  readonly #files = new Map<string, Blob[]>();

  parts(key: string): Promise<Blob[]> {
    return Promise.resolve(this.#files.get(key) ?? []);
  }

  add(key: string, number: number, content: Uint8Array<ArrayBuffer>): Promise<Blob> {
    const parts = this.#files.get(key) ?? [];
    const part = new Blob([content]);
    this.#files.set(key, [...parts.slice(0, number), part]);
    return Promise.resolve(part);
  }

  remove(key: string): Promise<void> {
    this.#files.delete(key);
    return Promise.resolve();
  }

  clear(): Promise<void> {
    this.#files.clear();
    return Promise.resolve();
  }
}

/** In the origin private file system: one folder for each file, in it one file for each part. */
export class OpfsStore implements Store {
  constructor(
    readonly root: FileSystemDirectoryHandle,
    readonly name: string,
  ) {}

  async parts(key: string): Promise<Blob[]> {
    const mine = await directory(this.root, this.name);
    const folder = mine && (await directory(mine, hashed(key)));
    if (!folder) return [];
    const parts: Blob[] = [];
    try {
      // A part that was being written when the page went is empty, and none follows it.
      for (let number = 0; ; number++) {
        const part = await (await folder.getFileHandle(String(number))).getFile();
        if (part.size === 0) break;
        parts.push(part);
      }
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    return parts;
  }

  async add(key: string, number: number, content: Uint8Array<ArrayBuffer>): Promise<Blob> {
    const mine = await this.root.getDirectoryHandle(this.name, { create: true });
    const folder = await mine.getDirectoryHandle(hashed(key), { create: true });
    const handle = await folder.getFileHandle(String(number), { create: true });
    const writable = await handle.createWritable();
    await writable.write(content);
    await writable.close();
    return await handle.getFile();
  }

  async remove(key: string): Promise<void> {
    const mine = await directory(this.root, this.name);
    await mine?.removeEntry(hashed(key), { recursive: true }).catch(ignoreMissing);
  }

  async clear(): Promise<void> {
    await this.root.removeEntry(this.name, { recursive: true }).catch(ignoreMissing);
  }
}

/**
 * The best store that this browser has.
 *
 * @param name what outlives a reload is found again by this name, for a day. It may be a secret.
 */
export async function openStore(name: string): Promise<Store> {
  // Without a way to write there from a page (Safari before 26) it is of no use.
  if (!("FileSystemFileHandle" in globalThis && "createWritable" in FileSystemFileHandle.prototype))
    return new BlobStore();
  try {
    const top = await navigator.storage.getDirectory();
    const root = await top.getDirectoryHandle(ROOT, { create: true });
    const mine = hashed(name);
    await sweep(root, mine);
    return new OpfsStore(root, mine);
  } catch {
    // Private windows of some browsers have none.
    return new BlobStore();
  }
}

/** Throw away what is older than a day: each transfer's folder says when it was begun. */
async function sweep(root: FileSystemDirectoryHandle, mine: string): Promise<void> {
  const now = Date.now();
  for await (const [name, handle] of root.entries()) {
    if (handle.kind !== "directory" || name === mine) continue;
    const newest = await newestIn(handle);
    if (now - newest > KEPT_SECONDS * 1000) {
      // Another page may do the same.
      await root.removeEntry(name, { recursive: true }).catch(ignoreMissing);
    }
  }
}

/** When something was last written below a folder: milliseconds since 1970; 0: it is empty. */
async function newestIn(folder: FileSystemDirectoryHandle): Promise<number> {
  let newest = 0;
  for await (const handle of folder.values()) {
    const time =
      handle.kind === "directory"
        ? await newestIn(handle)
        : await handle.getFile().then(
            (file) => file.lastModified,
            () => Date.now(),
          );
    newest = Math.max(newest, time);
  }
  return newest;
}

async function directory(
  above: FileSystemDirectoryHandle,
  name: string,
): Promise<FileSystemDirectoryHandle | null> {
  try {
    return await above.getDirectoryHandle(name);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

function hashed(text: string): string {
  return bytesToHex(sha256(utf8ToBytes(text))).slice(0, 32);
}

function isMissing(error: unknown): boolean {
  return error instanceof DOMException && error.name === "NotFoundError";
}

function ignoreMissing(error: unknown): void {
  if (!isMissing(error)) throw error;
}
