/**
 * What is said on a link's control channel: messages, numbering and acknowledgement, without I/O.
 *
 * The control channel is a data channel negotiated out of band (id 0, label `firertc`, ordered and
 * reliable). Every frame is one JSON object with a type `t` (docs/protocol.md, section 7). What the
 * other side sends is checked here.
 */

import { ConfigError, ProtocolError } from "./errors.js";
import { strictJson } from "./schema.js";

export const LABEL = "firertc";
export const CHANNEL_ID = 0;
/**
 * A message with its frame stays under the 64 KiB that RFC 8841, section 6.1 assumes of a silent
 * peer.
 */
export const BODY_BYTES = 60_000;
export const FRAME_CHARS = 256 * 1024;

/** User data, numbered from 1 in each direction. */
export interface Message {
  readonly t: "message";
  readonly n: number;
  readonly body: unknown;
}

/** What the two sides of a link say to each other. */
export type Frame =
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
  return JSON.stringify(frame);
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
    content = JSON.parse(text);
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
    case "message":
      if (!("body" in content)) throw bad();
      return { t: type, n: number("n"), body: content["body"] };
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
      return { t: type, reason: words("reason").slice(0, 64) };
  }
  return null;
}

/** Messages sent and not yet acknowledged, in order. */
export class Outbox {
  /** Number of the newest message. */
  last = 0;
  readonly waiting: Message[] = [];

  /**
   * Number a message.
   *
   * @throws ConfigError if it is no JSON value, or its JSON is over 60,000 bytes.
   */
  add(body: unknown): Message {
    const size = new TextEncoder().encode(strictJson(body, "message")).length;
    if (size > BODY_BYTES) {
      throw new ConfigError(
        `The message has ${String(size)} bytes of JSON, ${String(BODY_BYTES)} at most: cut it.`,
      );
    }
    const message: Message = { t: "message", n: ++this.last, body };
    this.waiting.push(message);
    return message;
  }

  /** The other side has everything up to this number. */
  acknowledge(number: number): void {
    while (this.waiting[0] && this.waiting[0].n <= number) this.waiting.shift();
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
