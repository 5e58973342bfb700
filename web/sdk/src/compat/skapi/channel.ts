/** A data channel as `RTCDataChannel` has it, on a channel that outlasts its connection. */

import type { Channel, ChannelOptions, Link } from "../../index.js";

import { badParameter, badRequest } from "./errors.js";

/** How a channel delivers: a preset's name, or as `createDataChannel` takes it. */
export type ChannelSettings = string | DataChannelInit;

/** As `createDataChannel` takes it; the protocol is the channel's name, too. */
export interface DataChannelInit {
  readonly ordered?: boolean;
  readonly maxPacketLifeTime?: number;
  readonly maxRetransmits?: number;
  readonly protocol?: string;
}

/** Those of conversations and files are reliable: what is sent arrives, whole and in order. */
const PRESETS: Readonly<Record<string, DataChannelInit>> = {
  default: {},
  "text-chat": {},
  "file-transfer": {},
  "video-chat": {},
  "voice-chat": {},
  gaming: { ordered: false, maxPacketLifeTime: 100 },
};

/** What happens on a channel, as a call's callback is told of it. */
interface ChannelEvent {
  readonly type: string;
  readonly target: DataChannel;
  /** Milliseconds since the page was opened. */
  readonly timeStamp: number;
  readonly [field: string]: unknown;
}

type Tell = (event: ChannelEvent) => void;

/** What a channel's opener says of it. */
interface Delivery {
  readonly ordered: boolean;
  readonly maxPacketLifeTime: number | null;
  readonly maxRetransmits: number | null;
}

/**
 * The channels that are wanted, by their names.
 *
 * @param wanted default: one, `default`.
 * @throws SkapiError if two have one name, or a preset is unknown.
 */
export function channelsWanted(wanted: unknown): ReadonlyMap<string, ChannelOptions> {
  const list: unknown[] = Array.isArray(wanted) ? wanted : [wanted ?? "default"];
  const channels = new Map<string, ChannelOptions>();
  for (const settings of list) {
    const [name, init] = named(settings);
    if (channels.has(name)) {
      throw badRequest(`Data channel with the protocol "${name}" already exists.`);
    }
    const { ordered = true, maxPacketLifeTime, maxRetransmits } = init;
    const metadata: Delivery = {
      ordered,
      maxPacketLifeTime: maxPacketLifeTime ?? null,
      maxRetransmits: maxRetransmits ?? null,
    };
    channels.set(name, { ordered, maxPacketLifeTime, maxRetransmits, protocol: name, metadata });
  }
  return channels;
}

function named(settings: unknown): [string, DataChannelInit] {
  if (typeof settings === "string") {
    const preset = Object.hasOwn(PRESETS, settings) && PRESETS[settings];
    if (preset) return [settings, preset];
    const known = Object.keys(PRESETS).join('", "');
    throw badParameter(`There is no channel preset "${settings}": take one of "${known}".`);
  }
  if (typeof settings !== "object" || settings === null) {
    throw badParameter('"channels" must have names of presets, or settings.');
  }
  const init = settings as DataChannelInit;
  return [init.protocol ?? "default", init];
}

type Handler = ((event: Event) => void) | null;

/** A data channel of a call, as `RTCDataChannel` has it. */
export class DataChannel extends EventTarget {
  onopen: Handler = null;
  onmessage: Handler = null;
  onbufferedamountlow: Handler = null;
  onerror: Handler = null;
  onclose: Handler = null;

  readonly label: string;
  readonly protocol: string;
  readonly ordered: boolean;
  readonly maxPacketLifeTime: number | null;
  readonly maxRetransmits: number | null;
  /** Channels are told apart by their names. */
  readonly id = null;
  readonly negotiated = false;
  /** How bytes come. */
  binaryType: BinaryType = "arraybuffer";

  readonly #channel: Channel;
  readonly #tell: Tell;
  #closing = false;

  /** @internal */
  constructor(channel: Channel, tell: Tell) {
    super();
    this.#channel = channel;
    this.#tell = tell;
    this.label = channel.label;
    this.protocol = channel.protocol || channel.label;
    const said = channel.metadata as Partial<Delivery> | null;
    this.ordered = said?.ordered ?? channel.reliable;
    this.maxPacketLifeTime = said?.maxPacketLifeTime ?? null;
    this.maxRetransmits = said?.maxRetransmits ?? null;
  }

  /** Open one. @internal */
  static async open(
    link: Link,
    name: string,
    options: ChannelOptions,
    tell: Tell,
  ): Promise<DataChannel> {
    return new DataChannel(await link.openChannel(name, options), tell);
  }

  /** Whether it can be used. */
  get readyState(): RTCDataChannelState {
    const { state } = this.#channel;
    return this.#closing && state !== "closed" ? "closing" : state;
  }

  /** Bytes that wait. */
  get bufferedAmount(): number {
    return this.#channel.bufferedAmount;
  }

  /** Bytes at which `bufferedamountlow` comes. */
  get bufferedAmountLowThreshold(): number {
    return this.#channel.bufferedAmountLowThreshold;
  }

  set bufferedAmountLowThreshold(bytes: number) {
    this.#channel.bufferedAmountLowThreshold = bytes;
  }

  /**
   * Send text or bytes.
   *
   * @throws DOMException if it is closed.
   */
  send(data: string | Blob | ArrayBuffer | ArrayBufferView): void {
    if (this.readyState !== "open") {
      throw new DOMException(`The channel "${this.label}" is not open.`, "InvalidStateError");
    }
    this.#channel.send(data).catch((error: unknown) => {
      if (this.readyState === "open") this.#fail(error as Error);
    });
  }

  /** Close it, when the other side has what was sent. */
  close(): void {
    this.#closing = true;
    void this.#channel.close();
  }

  /** Tell of what happens from now on; what came before was kept. @internal */
  begin(): void {
    const { ordered, maxRetransmits, protocol, label, id } = this;
    const of = { label, id };
    this.#emit(new Event("open"), {
      ...of,
      readyState: this.readyState,
      ordered,
      maxRetransmits,
      protocol,
    });
    this.#channel.on("message", (content) => {
      const data =
        this.binaryType === "blob" && typeof content !== "string" ? new Blob([content]) : content;
      const { readyState, bufferedAmount } = this;
      const event = new MessageEvent("message", { data, origin: location.origin });
      const { lastEventId, origin } = event;
      this.#emit(event, { data, lastEventId, origin, readyState, bufferedAmount });
    });
    this.#channel.on("bufferedAmountLow", () => {
      const { bufferedAmount, bufferedAmountLowThreshold } = this;
      const event = new Event("bufferedamountlow");
      this.#emit(event, { bufferedAmount, bufferedAmountLowThreshold });
    });
    const closed = (): void => {
      this.#emit(new Event("close"), { readyState: this.readyState, ...of });
    };
    this.#channel.on("closed", closed);
    // It may have closed while nobody listened.
    if (this.#channel.state === "closed") closed();
  }

  #fail(error: Error): void {
    const { readyState, label } = this;
    const event = new ErrorEvent("error", { error, message: error.message });
    const said = { error: error.message, errorCode: "data-channel-failure", readyState, label };
    this.#emit(event, said);
  }

  #emit(event: Event, said: Readonly<Record<string, unknown>>): void {
    const { type, timeStamp } = event;
    this.#tell({ type, target: this, timeStamp, ...said });
    const handlers: Readonly<Record<string, Handler>> = {
      open: this.onopen,
      message: this.onmessage,
      bufferedamountlow: this.onbufferedamountlow,
      error: this.onerror,
      close: this.onclose,
    };
    // Called first, as those that were set before others were added.
    handlers[type]?.call(this, event);
    this.dispatchEvent(event);
  }
}
