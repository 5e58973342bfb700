/**
 * What two sides of a file transfer say to one another: texts and pieces, read and written; no I/O.
 *
 * The format is docs/protocol.md, section 9.
 */

import { ProtocolError } from "./errors.js";

/** Of the channel. */
export const LABEL = "firertc.files";
/** Files of one transfer. */
export const ENTRIES_MOST = 10_000;
/** Of a file in one message: three whole frames of a reliable channel. */
export const PIECE_BYTES = 196_593;
/** The longest piece that is taken. */
export const PIECE_MOST_BYTES = 256_000;
/** The longest text that is read: an offer of as many files as there may be. */
export const TEXT_MOST_CHARACTERS = 16 * 1024 * 1024;
export const REASON_CHARACTERS = 200;

const HASH = /^[0-9a-f]{64}$/;
const ID = /^[A-Za-z0-9_-]{1,64}$/;

/** One file that is offered. */
export interface Entry {
  /** Relative, parts joined with `/`. */
  readonly path: string;
  /** Bytes; null: not known before (a stream). */
  readonly size: number | null;
  /** When it was last changed: milliseconds since 1970. */
  readonly modified?: number;
}

/** The beginning of a file that the receiver holds from before. */
export interface Have {
  readonly index: number;
  readonly size: number;
  /** Of those bytes, hexadecimal. */
  readonly sha256: string;
}

/** Sender: these files. `transfer` names this transfer. */
export interface Offer {
  readonly t: "offer";
  readonly transfer: string;
  readonly files: readonly Entry[];
}

/** Receiver: send them, but those to skip. */
export interface Accept {
  readonly t: "accept";
  readonly skip: readonly number[];
  readonly have: readonly Have[];
}

/** Either: no (receiver only), or it is over. */
export interface Over {
  readonly t: "decline" | "cancel";
  readonly reason: string;
}

/** Sender: pieces of this file follow, from this byte on. */
export interface Begin {
  readonly t: "file";
  readonly index: number;
  readonly offset: number;
}

/** Sender: that was the file; the hash is of all of it. */
export interface End {
  readonly t: "end";
  readonly index: number;
  readonly size: number;
  readonly sha256: string;
}

/** Receiver: the file is there, and whole. */
export interface Got {
  readonly t: "got";
  readonly index: number;
}

/** Receiver: the file did not arrive as it was sent. */
export interface Bad {
  readonly t: "bad";
  readonly index: number;
  readonly reason: string;
}

/** Sender: nothing more comes. Receiver: all is here; only then has the sender succeeded. */
export interface Last {
  readonly t: "complete" | "received";
}

/** A piece of the file that was announced. */
export interface Piece {
  readonly t: "data";
  readonly content: Uint8Array<ArrayBuffer>;
}

/** What is written as a text. */
export type Text = Offer | Accept | Over | Begin | End | Got | Bad | Last;
export type Said = Text | Piece;

/** The message for the channel. */
export function encode(said: Text): string {
  return JSON.stringify("reason" in said ? { ...said, reason: cut(said.reason) } : said);
}

type Content = Readonly<Record<string, unknown>>;

/**
 * What a message says.
 *
 * @returns null for a type that this version doesn't know: a later one may.
 * @throws ProtocolError if it makes no sense.
 */
export function parse(message: string | ArrayBuffer): Said | null {
  if (typeof message !== "string") {
    if (message.byteLength < 1 || message.byteLength > PIECE_MOST_BYTES) {
      throw new ProtocolError(`A piece of a file has ${String(message.byteLength)} bytes.`);
    }
    return { t: "data", content: new Uint8Array(message) };
  }
  const content = message.length > TEXT_MOST_CHARACTERS ? null : parseJson(message);
  if (!isObject(content) || typeof content["t"] !== "string") {
    throw new ProtocolError("The other side sent a text that is no message.");
  }
  return readers.get(content["t"])?.(content) ?? null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Content {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const cut = (reason: string): string => Array.from(reason).slice(0, REASON_CHARACTERS).join("");

function numberOf(content: Content, name: string, most = Number.MAX_SAFE_INTEGER): number {
  const value = content[name];
  if (!Number.isSafeInteger(value) || Number(value) < 0 || Number(value) > most) {
    throw new ProtocolError(
      `"${name}" of a transfer's message is no number from 0 to ${String(most)}.`,
    );
  }
  return Number(value);
}

const indexOf = (content: Content): number => numberOf(content, "index", ENTRIES_MOST - 1);

function reasonOf(content: Content): string {
  const value = content["reason"];
  return typeof value === "string" ? cut(value.slice(0, 2 * REASON_CHARACTERS)) : "";
}

function hashOf(content: Content): string {
  const value = content["sha256"];
  if (typeof value !== "string" || !HASH.test(value)) {
    throw new ProtocolError('"sha256" of a transfer\'s message is no hash in lower-case hex.');
  }
  return value;
}

function listOf(content: Content, name: string): readonly unknown[] {
  const value = content[name] ?? [];
  if (!Array.isArray(value) || value.length > ENTRIES_MOST) {
    throw new ProtocolError(`"${name}" is no list of at most ${String(ENTRIES_MOST)}.`);
  }
  return value;
}

function objectsOf(content: Content, name: string): readonly Content[] {
  const value = listOf(content, name);
  if (!value.every(isObject)) throw new ProtocolError(`"${name}" is no list of objects.`);
  return value;
}

function readOffer(content: Content): Offer {
  const transfer = content["transfer"];
  if (typeof transfer !== "string" || !ID.test(transfer)) {
    throw new ProtocolError("An offer of files has no id.");
  }
  const files = objectsOf(content, "files").map(readEntry);
  if (files.length === 0) throw new ProtocolError("An offer of files names none.");
  return { t: "offer", transfer, files };
}

function readEntry(content: Content): Entry {
  const { path, modified } = content;
  if (typeof path !== "string") throw new ProtocolError("A file that is offered has no path.");
  const size = (content["size"] ?? null) === null ? null : numberOf(content, "size");
  const known = typeof modified === "number" && Math.abs(modified) <= Number.MAX_SAFE_INTEGER;
  return known ? { path, size, modified: Math.trunc(modified) } : { path, size };
}

function readAccept(content: Content): Accept {
  const skip = listOf(content, "skip").map((index) => indexOf({ index }));
  const have = objectsOf(content, "have").map((item) => ({
    index: indexOf(item),
    size: numberOf(item, "size"),
    sha256: hashOf(item),
  }));
  return { t: "accept", skip: [...new Set(skip)].sort((one, other) => one - other), have };
}

const readers = new Map<string, (content: Content) => Said>([
  ["offer", readOffer],
  ["accept", readAccept],
  ["decline", (content) => ({ t: "decline", reason: reasonOf(content) })],
  ["cancel", (content) => ({ t: "cancel", reason: reasonOf(content) })],
  [
    "file",
    (content) => ({ t: "file", index: indexOf(content), offset: numberOf(content, "offset") }),
  ],
  [
    "end",
    (content) => ({
      t: "end",
      index: indexOf(content),
      size: numberOf(content, "size"),
      sha256: hashOf(content),
    }),
  ],
  ["got", (content) => ({ t: "got", index: indexOf(content) })],
  ["bad", (content) => ({ t: "bad", index: indexOf(content), reason: reasonOf(content) })],
  ["complete", () => ({ t: "complete" })],
  ["received", () => ({ t: "received" })],
]);
