/**
 * What a reliable channel of the application says: pieces, their numbers, acknowledgement; no I/O.
 *
 * Every message on the data channel is binary: a byte that says the type, a 32-bit number, the
 * payload (docs/protocol.md, section 8). Messages of any size are cut into pieces and put together
 * again; each piece is taken once, in order, over however many connections it came.
 */

import { ProtocolError } from "./errors.js";

/** What both aiortc and browsers take as one message (RFC 8841, section 6.1). */
export const FRAME_BYTES = 65_536;
const HEADER_BYTES = 5;
export const PAYLOAD_BYTES = FRAME_BYTES - HEADER_BYTES;
/** The longest message that is put together. */
const MESSAGE_BYTES = 256 * 1024 * 1024;
/** How much may be sent without having been consumed on the other side. */
const WINDOW_BYTES = 4 * 1024 * 1024;
/** So many pieces are acknowledged at once… */
export const ACK_PIECES = 8;
/** …or so long after the last. */
export const ACK_SECONDS = 0.02;
/** Set on the type of a piece: more pieces of the same message follow. */
const MORE = 0x80;
const NUMBERS = 2 ** 32;
const KINDS = ["binary", "text", "ack", "fin"] as const;

export type Bytes = Uint8Array<ArrayBuffer>;

/** A part of a message, or the end of what the sender says. */
export interface Piece {
  readonly kind: "binary" | "text" | "fin";
  /** From 1, one higher for each; 0 follows 2³²-1. */
  readonly number: number;
  readonly payload: Bytes;
  /** Whether more pieces of the same message follow. */
  readonly more: boolean;
}

/** Every piece up to this number has been consumed. */
export interface PieceAck {
  readonly kind: "ack";
  readonly number: number;
}

const NOTHING = new Uint8Array(0);

/** The bytes of a frame. */
export function encode(frame: Piece | PieceAck): Bytes {
  const payload = frame.kind === "ack" ? NOTHING : frame.payload;
  const raw = new Uint8Array(HEADER_BYTES + payload.length);
  raw[0] = KINDS.indexOf(frame.kind) | (frame.kind !== "ack" && frame.more ? MORE : 0);
  new DataView(raw.buffer).setUint32(1, frame.number);
  raw.set(payload, HEADER_BYTES);
  return raw;
}

/**
 * The frame of some bytes.
 *
 * @returns null for a type this version doesn't know: a later version may.
 * @throws ProtocolError if it is no frame.
 */
export function decode(data: unknown): Piece | PieceAck | null {
  const size = data instanceof ArrayBuffer ? data.byteLength : 0;
  if (!(data instanceof ArrayBuffer) || size < HEADER_BYTES || size > FRAME_BYTES) {
    throw new ProtocolError("The other side sent something on a channel that is no frame.");
  }
  const view = new DataView(data);
  const type = view.getUint8(0);
  const number = view.getUint32(1);
  const kind = KINDS[type & ~MORE];
  if (!kind) return null;
  if (kind === "ack") return { kind, number };
  if (kind === "fin") return { kind, number, payload: NOTHING, more: false };
  const payload = new Uint8Array(data, HEADER_BYTES);
  return { kind, number, payload, more: (type & MORE) !== 0 };
}

/** The number after this one. */
function follows(number: number): number {
  return (number + 1) % NUMBERS;
}

/** Whether a number comes after another, the shorter way round (RFC 1982). */
export function isAfter(number: number, other: number): boolean {
  const ahead = (number - other + NUMBERS) % NUMBERS;
  return ahead > 0 && ahead < NUMBERS / 2;
}

/** A part of a message that has no number yet. */
export type Part = Omit<Piece, "number">;

/** Cut a message into pieces. */
export function* cut(message: string | Bytes): Generator<Part> {
  const text = typeof message === "string";
  const raw = text ? new TextEncoder().encode(message) : message;
  for (let begin = 0; begin < Math.max(1, raw.length); begin += PAYLOAD_BYTES) {
    const end = begin + PAYLOAD_BYTES;
    // A copy: the caller may write over what it sent.
    const payload = raw.slice(begin, end);
    yield { kind: text ? "text" : "binary", payload, more: end < raw.length };
  }
}

/** Pieces to send, and those sent that were not acknowledged yet, in order. */
export class PieceOutbox {
  /** Number of the newest piece. */
  last = 0;
  /** Bytes not acknowledged. */
  size = 0;
  /** All that are not acknowledged. */
  readonly waiting: Piece[] = [];
  /** How many of those have been sent on the connection in use. */
  #sent = 0;

  /** Whether one more piece may be added. */
  get hasRoom(): boolean {
    return this.size < WINDOW_BYTES;
  }

  /** Number a piece. */
  add(part: Part): Piece {
    this.last = follows(this.last);
    const piece = { ...part, number: this.last };
    this.waiting.push(piece);
    this.size += part.payload.length;
    return piece;
  }

  /** Say that nothing more comes. */
  end(): void {
    this.add({ kind: "fin", payload: NOTHING, more: false });
  }

  /** The next piece to send on the connection in use; undefined: all are sent. */
  next(): Piece | undefined {
    const piece = this.waiting[this.#sent];
    if (piece) this.#sent += 1;
    return piece;
  }

  /** There is another connection: everything is to be sent again. */
  rewind(): void {
    this.#sent = 0;
  }

  /**
   * The other side has consumed everything up to this number.
   *
   * @throws ProtocolError if that was never sent.
   */
  acknowledge(number: number): void {
    if (isAfter(number, this.last)) {
      throw new ProtocolError("The other side acknowledged what was never sent.");
    }
    const kept = this.waiting.findIndex((piece) => isAfter(piece.number, number));
    const gone = this.waiting.splice(0, kept < 0 ? this.waiting.length : kept);
    for (const { payload } of gone) this.size -= payload.length;
    this.#sent = Math.max(0, this.#sent - gone.length);
  }
}

/** Pieces received: put together to messages, each once and in order. */
export class PieceInbox {
  /** Number of the newest piece taken. */
  last = 0;
  /** Whether the other side has said its last. */
  finished = false;
  /** Whole messages that nobody has consumed, each with the number of its last piece. */
  readonly #messages: { readonly number: number; readonly message: string | ArrayBuffer }[] = [];
  #parts: Bytes[] = [];
  #size = 0;

  /** @param most bytes a message may have. */
  constructor(private readonly most = MESSAGE_BYTES) {}

  /** Whole messages that nobody has consumed. */
  get waiting(): number {
    return this.#messages.length;
  }

  /**
   * Take a piece if it is the next one.
   *
   * @throws ProtocolError if a message grows too long, or is no text though it says so.
   */
  take(piece: Piece): boolean {
    if (this.finished || piece.number !== follows(this.last)) return false;
    this.last = piece.number;
    if (piece.kind === "fin") {
      this.finished = true;
      return true;
    }
    this.#parts.push(piece.payload);
    this.#size += piece.payload.length;
    if (this.#size > this.most) {
      this.#parts = [];
      throw new ProtocolError(
        `The other side sent a message of more than ${String(this.most)} bytes.`,
      );
    }
    if (!piece.more) this.#messages.push({ number: piece.number, message: this.#whole(piece) });
    return true;
  }

  #whole({ kind }: Piece): string | ArrayBuffer {
    const raw = new Uint8Array(this.#size);
    let begin = 0;
    for (const part of this.#parts) {
      raw.set(part, begin);
      begin += part.length;
    }
    this.#parts = [];
    this.#size = 0;
    if (kind === "binary") return raw.buffer;
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw);
    } catch {
      throw new ProtocolError("The other side sent a text that is no UTF-8.");
    }
  }

  /** Hand the next message to the application; undefined: there is none. */
  consume(): string | ArrayBuffer | undefined {
    return this.#messages.shift()?.message;
  }

  /**
   * What to acknowledge: all up to the last piece of the first message that waits; of an unfinished
   * message the parts that came, or one longer than the window would never end.
   */
  get acknowledged(): number {
    const first = this.#messages[0];
    return first ? (first.number - 1 + NUMBERS) % NUMBERS : this.last;
  }
}
