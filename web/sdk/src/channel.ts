/** A data channel of the application's own, that outlasts the connection it runs on. */

import {
  ACK_PIECES,
  ACK_SECONDS,
  cut,
  decode,
  encode,
  FRAME_BYTES,
  isAfter,
  PAYLOAD_BYTES,
  PieceInbox,
  PieceOutbox,
  type Part,
} from "./channelFrames.js";
import { ChannelClosed, ConfigError, PeerGone, ProtocolError } from "./errors.js";
import { Emitter } from "./events.js";
import type { LinkBase } from "./linkState.js";
import { parseJson } from "./schema.js";
import { Changes, Turns, within } from "./waiting.js";

/**
 * No more is given to the connection while it holds this much that it has not sent: the control
 * channel's pings wait behind it.
 */
const BUFFERED_MOST_BYTES = 256 * 1024;
/** How long closing waits for the other side to take what was sent. */
const CLOSE_SECONDS = 10;
const FLUSH_SECONDS = 10;
/** Messages of a channel that is not reliable, kept for who reads late; then the oldest goes. */
const UNREAD_MOST = 1_024;

/** What a message of a channel is when it comes. */
export type Data = string | ArrayBuffer;
/** What a channel sends. */
export type Sendable = string | ArrayBuffer | ArrayBufferView | Blob;
export type ChannelState = "connecting" | "open" | "closed";

/** What a channel's opener says of it, as the data channel's subprotocol. */
export interface Opening {
  /** Counted from 1 by its opener. */
  readonly id: number;
  readonly protocol: string;
  readonly metadata: unknown;
}

/**
 * Read a data channel's subprotocol.
 *
 * @returns null if it is no channel of ours.
 */
export function readOpening(text: string): Opening | null {
  let content: unknown;
  try {
    content = parseJson(text);
  } catch {
    return null;
  }
  if (typeof content !== "object" || content === null) return null;
  const { id, protocol = "", metadata = null } = content as Readonly<Record<string, unknown>>;
  if (!Number.isSafeInteger(id) || Number(id) < 1 || typeof protocol !== "string") return null;
  return { id: Number(id), protocol, metadata };
}

/** How a channel delivers (W3C WebRTC, section 6.2). */
export interface Delivery {
  readonly ordered: boolean;
  /** How often a lost packet is sent again; null: without bound. */
  readonly maxRetransmits: number | null;
  /** How long it is tried, in milliseconds; null: without bound. */
  readonly maxPacketLifeTime: number | null;
}

/** Who is told what becomes of a channel. @internal */
export interface ChannelOwner {
  /** The data channel under it was closed. */
  lost: (channel: Channel, wire: RTCDataChannel) => void;
  /** It is closed. */
  forget: (channel: Channel) => void;
}

/** What a channel tells of. */
export interface ChannelEvents {
  /** Read by listeners, or by `for await (const data of channel)`; kept until then. */
  message: Data;
  /** What waits has come down to {@link Channel.bufferedAmountLowThreshold}. */
  bufferedAmountLow: undefined;
  /** By either side or with the link; null, or why. */
  closed: Error | null;
}

/**
 * A data channel to the other side of a link; made by {@link Link.openChannel}, or given by the
 * link's event `channel`.
 *
 * A reliable one (the default) carries messages of any size, each once and in order, over however
 * many connections the link goes through, and holds the sender back if the reader is slow. Others
 * are as W3C has them: what is lost is lost.
 */
export class Channel extends Emitter<ChannelEvents> {
  state: ChannelState = "connecting";
  /** Bytes. */
  bufferedAmountLowThreshold = 0;
  /** Why it was closed, if it was not by either side's will. */
  error: Error | null = null;
  /** Whether everything arrives, once and in order. */
  readonly reliable: boolean;

  #wire: RTCDataChannel | null = null;
  readonly #outbox = new PieceOutbox();
  readonly #inbox = new PieceInbox();
  readonly #loose: Data[] = [];
  readonly #changes = new Changes();
  readonly #sending = new Turns();
  #unacknowledged = 0;
  #ackTimer: ReturnType<typeof setTimeout> | undefined;
  #closing = false;
  #low = true;

  /** @internal */
  constructor(
    readonly link: LinkBase,
    readonly label: string,
    /** @internal */
    readonly opening: Opening,
    /** @internal */
    readonly delivery: Delivery,
    /** Whether it was opened from here. */
    readonly mine: boolean,
    private readonly owner: ChannelOwner,
  ) {
    super();
    const { ordered, maxRetransmits, maxPacketLifeTime } = delivery;
    this.reliable = ordered && maxRetransmits === null && maxPacketLifeTime === null;
  }

  /** The application's subprotocol. */
  get protocol(): string {
    return this.opening.protocol;
  }

  /** What its opener said with it: any JSON value. */
  get metadata(): unknown {
    return this.opening.metadata;
  }

  /**
   * Bytes that were sent and that the other side has not taken; of a channel that is not reliable,
   * those that have not left.
   */
  get bufferedAmount(): number {
    return this.reliable ? this.#outbox.size : (this.#wire?.bufferedAmount ?? 0);
  }

  // Sending.

  /**
   * Send a message; waits while too much is on its way.
   *
   * @param data of any size on a reliable channel, not to be changed before this is done; else of
   *   at most 65,536 bytes. A channel that is not reliable says nothing while there is no
   *   connection.
   * @throws ConfigError if it is neither text nor bytes, or too long.
   * @throws ChannelClosed if the channel is, or gets, closed.
   */
  async send(data: Sendable): Promise<void> {
    if (!(typeof data === "string" || data instanceof Blob || isBytes(data))) {
      throw new ConfigError("A channel sends text or bytes: turn the value into one.");
    }
    this.#requireOpen();
    await this.#sending.take(async () => {
      await (this.reliable ? this.#sendPieces(data) : this.#sendLoose(data));
    });
  }

  /**
   * Wait until the other side has taken everything sent so far.
   *
   * @throws PeerGone if it doesn't in time.
   * @throws ChannelClosed if the channel closes before.
   */
  async flush(seconds = FLUSH_SECONDS, signal?: AbortSignal): Promise<void> {
    const late = (): Error => new PeerGone("The other side doesn't take what was sent.");
    let over = false;
    const taken = async (): Promise<void> => {
      const last = await this.#sending.take(() => Promise.resolve(this.#outbox.last));
      for (;;) {
        const [first] = this.#outbox.waiting;
        if (over || !first || isAfter(first.number, last)) return;
        this.#requireOpen();
        await this.#changes.next();
      }
    };
    await within(taken(), seconds, late, signal).finally(() => (over = true));
  }

  /** Close, when the other side has taken what was sent, or after 10 s. */
  async close(): Promise<void> {
    if (this.state === "closed" || this.#closing) return;
    if (this.state === "open" && this.reliable) {
      await within(this.#sayLast(), CLOSE_SECONDS, () => new PeerGone("late")).catch(
        () => undefined,
      );
    }
    this.finish();
  }

  async #sayLast(): Promise<void> {
    await this.#sending.take(() => {
      this.#closing = true;
      // The last that was read, too: once it has our end, the other side looks no further.
      if (this.#unacknowledged > 0) this.#acknowledge();
      this.#outbox.end();
      this.#pump();
      return Promise.resolve();
    });
    // Whoever closes at the same time acknowledges by closing.
    while (this.#outbox.waiting.length > 0 && !this.#isClosed()) await this.#changes.next();
  }

  async #sendPieces(data: Sendable): Promise<void> {
    let begun = false;
    for await (const part of partsOf(data)) {
      if (part instanceof Error) {
        // A file that changed or went: half a message would spoil the next.
        if (begun) this.finish(part);
        throw part;
      }
      begun = true;
      this.#requireOpen();
      while (!this.#outbox.hasRoom) {
        await this.#changes.next();
        this.#requireOpen();
      }
      this.#outbox.add(part);
      this.#low = false;
      this.#pump();
    }
  }

  async #sendLoose(data: Sendable): Promise<void> {
    const plain = data instanceof Blob ? await data.arrayBuffer() : data;
    const size = typeof plain === "string" ? byteLength(plain) : plain.byteLength;
    if (size > FRAME_BYTES) {
      throw new ConfigError(
        `The message has ${String(size)} bytes, ${String(FRAME_BYTES)} at most on a channel that ` +
          "is not reliable: cut it.",
      );
    }
    while ((this.#wire?.bufferedAmount ?? 0) > BUFFERED_MOST_BYTES) {
      await this.#changes.next();
      this.#requireOpen();
    }
    if (this.#wire?.readyState !== "open") return;
    if (typeof plain === "string") this.#wire.send(plain);
    else this.#wire.send(bytesOf(plain));
    this.#low = false;
  }

  /** Give the connection as much as it takes. */
  #pump(): void {
    const wire = this.#wire;
    while (wire?.readyState === "open" && wire.bufferedAmount <= BUFFERED_MOST_BYTES) {
      const piece = this.#outbox.next();
      if (!piece) return;
      wire.send(encode(piece));
    }
  }

  #requireOpen(): void {
    if (this.#isClosed() || this.#closing) {
      throw new ChannelClosed(`The channel ${JSON.stringify(this.label)} is closed.`);
    }
  }

  #isClosed(): boolean {
    return this.state === "closed";
  }

  /** Wait until it is no longer connecting. @internal */
  async opened(): Promise<void> {
    while (this.state === "connecting") await this.#changes.next();
    this.#requireOpen();
  }

  // Reading.

  /** Each message, until the channel is closed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Data, void, undefined> {
    for (;;) {
      const data = this.#take();
      if (data !== undefined) {
        if (this.reliable) this.#consumed();
        yield data;
      } else if (this.#isClosed()) return;
      else await this.#changes.next();
    }
  }

  #take(): Data | undefined {
    return this.reliable ? this.#inbox.consume() : this.#loose.shift();
  }

  protected override listened(event: keyof ChannelEvents): void {
    if (event === "message") this.#handOn();
    else super.listened(event);
  }

  #handOn(): void {
    while (this.heard("message")) {
      const data = this.#take();
      if (data === undefined) break;
      this.emit("message", data);
    }
    this.#changes.tell();
    if (this.reliable) this.#consumed();
  }

  /** Some has been read: acknowledge it, a little later. */
  #consumed(): void {
    this.#unacknowledged += 1;
    if (this.#unacknowledged >= ACK_PIECES || this.#inbox.finished) this.#acknowledge();
    else {
      this.#ackTimer ??= setTimeout(() => {
        this.#acknowledge();
      }, ACK_SECONDS * 1000);
    }
  }

  #acknowledge(): void {
    this.#unacknowledged = 0;
    clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
    if (this.#isClosed()) return;
    if (this.#wire?.readyState === "open") {
      this.#wire.send(encode({ kind: "ack", number: this.#inbox.acknowledged }));
    }
    if (this.#inbox.finished && this.#inbox.waiting === 0 && !this.#closing) {
      // The other side closes once it has this.
      this.finish(null, false);
    }
  }

  // The data channel underneath, used by the link.

  /** Run on this data channel from now on. @internal */
  attach(wire: RTCDataChannel): void {
    if (wire === this.#wire || this.#isClosed()) return;
    this.#wire = wire;
    wire.binaryType = "arraybuffer";
    wire.bufferedAmountLowThreshold = BUFFERED_MOST_BYTES / 2;
    wire.addEventListener("open", () => {
      this.#onOpen(wire);
    });
    wire.addEventListener("message", ({ data }) => {
      this.#onMessage(data);
    });
    wire.addEventListener("bufferedamountlow", () => {
      if (wire !== this.#wire) return;
      this.#pump();
      this.#changes.tell();
      if (!this.reliable) this.#tellLow();
    });
    wire.addEventListener("close", () => {
      if (wire !== this.#wire || this.#isClosed()) return;
      this.#wire = null;
      this.#changes.tell();
      this.owner.lost(this, wire);
    });
    if (wire.readyState === "open") this.#onOpen(wire);
  }

  /** Run on a data channel of before again. @internal */
  backTo(wire: RTCDataChannel): void {
    this.#wire = wire;
    this.#onOpen(wire);
  }

  /** Whether it runs on some data channel. @internal */
  get attached(): boolean {
    return this.#wire !== null;
  }

  /** Send again what was not acknowledged. */
  #onOpen(wire: RTCDataChannel): void {
    if (wire !== this.#wire || this.#isClosed()) return;
    this.state = "open";
    this.#outbox.rewind();
    this.#pump();
    if (this.reliable && this.#inbox.last) this.#acknowledge();
    this.#changes.tell();
  }

  #tellLow(): void {
    if (this.#low || this.bufferedAmount > this.bufferedAmountLowThreshold) return;
    this.#low = true;
    this.emit("bufferedAmountLow", undefined);
  }

  #onMessage(data: unknown): void {
    if (this.#isClosed()) return;
    if (!this.reliable) {
      this.#loose.push(data as Data);
      if (this.#loose.length > UNREAD_MOST) this.#loose.shift();
      this.#handOn();
      return;
    }
    try {
      const frame = decode(data);
      if (frame?.kind === "ack") {
        this.#outbox.acknowledge(frame.number);
        this.#changes.tell();
        this.#tellLow();
        this.#pump();
      } else if (frame) {
        this.#inbox.take(frame);
        this.#handOn();
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.finish(error);
    }
  }

  /** It is over. @internal */
  finish(error: Error | null = null, closeWire = true): void {
    if (this.#isClosed()) return;
    this.state = "closed";
    this.error = error;
    clearTimeout(this.#ackTimer);
    this.#changes.tell();
    if (closeWire) this.#wire?.close();
    this.owner.forget(this);
    this.emit("closed", error);
  }
}

function isBytes(data: unknown): data is ArrayBuffer | ArrayBufferView {
  return data instanceof ArrayBuffer || ArrayBuffer.isView(data);
}

function bytesOf(data: ArrayBuffer | ArrayBufferView): Uint8Array<ArrayBuffer> {
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  return new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
}

/** How many bytes a text has as UTF-8. */
export function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** The pieces of a message, of a file read as they are needed; an error if it can't be read. */
async function* partsOf(data: Sendable): AsyncGenerator<Part | Error, void, undefined> {
  if (!(data instanceof Blob)) {
    yield* cut(typeof data === "string" ? data : bytesOf(data));
    return;
  }
  let begin = 0;
  do {
    const end = begin + PAYLOAD_BYTES;
    try {
      const payload = new Uint8Array(await data.slice(begin, end).arrayBuffer());
      yield { kind: "binary", payload, more: end < data.size };
    } catch (error) {
      yield error instanceof Error ? error : new Error(String(error));
      return;
    }
    begin = end;
  } while (begin < data.size);
}
