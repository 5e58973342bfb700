/**
 * What is said on a link's control channel: messages, numbering and acknowledgement, without I/O.
 *
 * The control channel is a data channel negotiated out of band (id 0, label `firertc`, ordered and
 * reliable). Every frame is one JSON object with a type `t` (docs/protocol.md, section 8). What the
 * other side sends is checked here.
 */

import { ConfigError, ProtocolError, TooMuch } from "./errors.js";
import { JSON_DEPTH, parseJson, strictJson } from "./schema.js";

export const LABEL = "firertc";
export const CHANNEL_ID = 0;
/**
 * A message with its frame stays under the 64 KiB that RFC 8841, section 6.1 assumes of a silent
 * peer.
 */
export const BODY_BYTES = 60_000;
/** The longest message of bytes: base64 makes four of three. */
export const RAW_BYTES = 45_000;
export const FRAME_CHARS = 256 * 1024;
/** How much may wait to be acknowledged, as JSON. */
export const WAITING_BYTES = 16 * 1024 * 1024;
const CAN_MOST = 32;
const WORD_CHARS = 64;
/** As many arguments as a function surely takes. */
const CHUNK_BYTES = 8_192;

/** What a message is beside user data. */
export interface Role {
  /** A request of that number, counted from 1 by its sender. */
  readonly ask?: number;
  /** The reply to the receiver's request of that number. */
  readonly reply?: number;
  /** Why a request got no reply: a code; the body is then a text for people, or null. */
  readonly error?: string;
}

/** User data, numbered from 1 in each direction. */
export interface Message extends Role {
  readonly t: "message";
  readonly n: number;
  /** Any JSON value, or a `Uint8Array`. */
  readonly body: unknown;
}

/** What the two sides of a link say to each other. */
export type Frame =
  /**
   * The first frame on every control channel that opens; `can`: what the sender understands
   * (`restart`, `channels`, `requests`, `files`).
   */
  | { readonly t: "hello"; readonly v: number; readonly can: readonly string[] }
  /** Are you there? Answered with the pong of this number. */
  | { readonly t: "ping" | "pong"; readonly n: number }
  | Message
  /** Every message up to this number has arrived. */
  | { readonly t: "ack"; readonly n: number }
  /** An offer or answer for the connection that this channel runs on. */
  | { readonly t: "offer" | "answer"; readonly g: number; readonly sdp: string }
  /** The answerer asks the offerer to offer room for these: `audio`, `video`. */
  | { readonly t: "want"; readonly kinds: readonly ("audio" | "video")[] }
  /** Which of the sender's kinds of media are silent on purpose. */
  | { readonly t: "mute"; readonly kinds: Readonly<Record<string, boolean>> }
  /** The sender hangs up; nothing follows. */
  | { readonly t: "bye"; readonly reason: string };

/** The text of a frame. */
export function encode(frame: Frame): string {
  if (frame.t !== "message" || !(frame.body instanceof Uint8Array)) return JSON.stringify(frame);
  const { t, n, body, ...role } = frame;
  let binary = "";
  for (let at = 0; at < body.length; at += CHUNK_BYTES) {
    binary += String.fromCharCode(...body.subarray(at, at + CHUNK_BYTES));
  }
  return JSON.stringify({ t, n, bytes: btoa(binary), ...role });
}

/**
 * The frame of a text.
 *
 * @returns null for a type this version doesn't know: a later version may.
 * @throws ProtocolError if it is no frame at all.
 */
export function decode(text: unknown): Frame | null {
  if (typeof text !== "string" || text.length > FRAME_CHARS) {
    throw new ProtocolError(
      "The other side sent something on the control channel that is no text.",
    );
  }
  let content: unknown;
  try {
    content = parseJson(text, JSON_DEPTH + 1); // a message's body stands in a frame
  } catch {
    throw new ProtocolError("The other side sent something that is no JSON.");
  }
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    throw new ProtocolError("The other side sent JSON that is no object.");
  }
  return frameOf(content as Readonly<Record<string, unknown>>);
}

function frameOf(content: Readonly<Record<string, unknown>>): Frame | null {
  const type = content["t"];
  const bad = (): ProtocolError =>
    new ProtocolError(`The other side sent a malformed '${String(type).slice(0, 20)}'.`);
  const number = (name: string): number => {
    const value = content[name];
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw bad();
    return value;
  };
  const words = (name: string): string => {
    const value = content[name];
    if (typeof value !== "string") throw bad();
    return value;
  };
  switch (type) {
    case "ping":
    case "pong":
    case "ack":
      return { t: type, n: number("n") };
    case "hello": {
      const can = content["can"];
      if (!Array.isArray(can)) throw bad();
      const said = can.filter((word) => typeof word === "string").slice(0, CAN_MOST);
      return { t: type, v: number("v"), can: said.map((word) => word.slice(0, WORD_CHARS)) };
    }
    case "message": {
      const { body, bytes, ask, reply, error } = content;
      if (bytes === undefined && !("body" in content)) throw bad();
      const raw = bytes === undefined ? null : bytesOf(bytes);
      if (bytes !== undefined && !raw) throw bad();
      return {
        ...{ t: type, n: number("n"), body: raw ?? body },
        ...(ask != null && { ask: number("ask") }),
        ...(reply != null && { reply: number("reply") }),
        ...(error != null && { error: words("error").slice(0, WORD_CHARS) }),
      };
    }
    case "offer":
    case "answer":
      return { t: type, g: number("g"), sdp: words("sdp") };
    case "want": {
      const kinds = content["kinds"];
      if (!Array.isArray(kinds)) throw bad();
      return { t: type, kinds: kinds.filter((k) => k === "audio" || k === "video").slice(0, 8) };
    }
    case "mute": {
      const kinds = content["kinds"];
      if (typeof kinds !== "object" || kinds === null || Array.isArray(kinds)) throw bad();
      const entries = Object.entries(kinds).slice(0, 8);
      return { t: type, kinds: Object.fromEntries(entries.map(([k, v]) => [k, v === true])) };
    }
    case "bye":
      return { t: type, reason: words("reason").slice(0, WORD_CHARS) };
  }
  return null;
}

function bytesOf(text: unknown): Uint8Array | null {
  // What `atob` takes is more than base64.
  if (typeof text !== "string" || text.length % 4 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) {
    return null;
  }
  const raw = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return raw.length > RAW_BYTES ? null : raw;
}

/** Messages sent and not yet acknowledged, in order. */
export class Outbox {
  /** Number of the newest message. */
  last = 0;
  readonly waiting: Message[] = [];
  /** Bytes of JSON that wait, about. */
  size = 0;
  readonly #sizes: number[] = [];

  /**
   * Number a message.
   *
   * @param body any JSON value, or bytes.
   * @throws ConfigError if it is no JSON value, its JSON is over 60,000 bytes, or it is over 45,000
   *   bytes.
   * @throws TooMuch if 16 MiB wait already.
   */
  add(body: unknown, role: Role = {}): Message {
    const content = body instanceof ArrayBuffer ? new Uint8Array(body) : body;
    const raw = content instanceof Uint8Array;
    const text = raw ? "" : strictJson(content, "message");
    const size = raw ? content.length : new TextEncoder().encode(text).length;
    const most = raw ? RAW_BYTES : BODY_BYTES;
    if (size > most) {
      throw new ConfigError(
        `The message has ${String(size)} bytes${raw ? "" : " of JSON"}, ${String(most)} at most: ` +
          "cut it, or open a channel.",
      );
    }
    if (this.size + size > WAITING_BYTES) {
      throw new TooMuch(
        `${String(this.size)} bytes of messages wait for the other side: wait until some are ` +
          "confirmed (flush), or open a channel.",
      );
    }
    // As it is now: it may be sent again later.
    const kept: unknown = raw ? content.slice() : JSON.parse(text);
    const message: Message = { t: "message", n: ++this.last, body: kept, ...role };
    this.waiting.push(message);
    this.#sizes.push(size);
    this.size += size;
    return message;
  }

  /** The other side has everything up to this number. */
  acknowledge(number: number): void {
    while (this.waiting[0] && this.waiting[0].n <= number) {
      this.waiting.shift();
      this.size -= this.#sizes.shift() ?? 0;
    }
  }
}

/** Messages received: each is handed on once, in order, however often it was sent. */
export class Inbox {
  /** Number of the newest message handed on. */
  last = 0;

  /** Whether this message is the next one and is to be handed on. */
  take(message: Message): boolean {
    if (message.n !== this.last + 1) return false;
    this.last = message.n;
    return true;
  }
}
