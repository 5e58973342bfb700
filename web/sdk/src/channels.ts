/** The data channels of the application on one link, over all its connections. */

import type { Carrier } from "./carrier.js";
import { byteLength, Channel, readOpening, type Delivery } from "./channel.js";
import { ConfigError, PeerGone } from "./errors.js";
import type { LinkBase } from "./linkState.js";
import { strictJson } from "./schema.js";
import { within } from "./waiting.js";

const LABEL_BYTES = 1_024;
/** Of the subprotocol and metadata of a channel, as JSON: they travel in one packet's message. */
const OPENING_BYTES = 16_384;
/** Open at one time, of each side. */
const CHANNELS_MOST = 256;
const OPEN_SECONDS = 20;
/** A data channel that closes goes before or after its connection: so long until it is known. */
const LOST_SECONDS = 0.5;

/** How to open a channel. */
export interface ChannelOptions {
  /** With this (the default) and without bounds it is reliable, also over a repair. */
  readonly ordered?: boolean | undefined;
  /** How often a lost packet is sent again. */
  readonly maxRetransmits?: number | undefined;
  /** How long it is tried, in milliseconds. */
  readonly maxPacketLifeTime?: number | undefined;
  /** The application's subprotocol. */
  readonly protocol?: string | undefined;
  /** Any JSON value, for the other side to read. */
  readonly metadata?: unknown;
  /** Gives up when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** Opens channels, takes those that the other side opens, and carries them over repairs. */
export class Channels {
  /** By opener and the opener's number. */
  readonly #known = new Map<string, Channel>();
  #last = 0;
  /** The numbers of all that the other side ever opened. */
  readonly #theirs = new Set<number>();
  readonly #wires = new Map<Carrier, Map<string, RTCDataChannel>>();

  constructor(
    readonly link: LinkBase,
    /** Given each channel that the other side opens. */
    readonly onChannel: (channel: Channel) => void,
  ) {}

  /** Open a channel and wait until it is open: see {@link Link.openChannel}. */
  async open(label: string, options: ChannelOptions): Promise<Channel> {
    const { state } = this.link;
    if (state !== "open" && state !== "reconnecting") {
      throw new PeerGone("No channel can be opened: the link is not open.");
    }
    const { protocol = "", metadata = null, signal } = options;
    const delivery = deliveryOf(options);
    check(byteLength(label), LABEL_BYTES, "label");
    check(byteLength(strictJson([protocol, metadata], "metadata")), OPENING_BYTES, "metadata");
    if (this.#count(true) >= CHANNELS_MOST) {
      throw new ConfigError(`${String(CHANNELS_MOST)} channels are open: close one.`);
    }
    const opening = { id: ++this.#last, protocol, metadata };
    const channel = new Channel(this.link, label, opening, delivery, true, this);
    this.#known.set(keyOf(channel), channel);
    this.#openOn(this.link.carrier, channel);
    const late = (): Error => new PeerGone("The other side doesn't take the channel.");
    try {
      await within(channel.opened(), OPEN_SECONDS + this.link.repairSeconds, late, signal);
    } catch (error) {
      channel.finish();
      throw error;
    }
    return channel;
  }

  #count(mine: boolean): number {
    return [...this.#known.values()].filter((channel) => channel.mine === mine).length;
  }

  /** This is the carrier now: open on it what we have open. */
  move(carrier: Carrier): void {
    for (const [key, channel] of [...this.#known]) {
      const wire = this.#wires.get(carrier)?.get(key);
      if (wire?.readyState === "open") channel.backTo(wire);
      else if (channel.mine) this.#openOn(carrier, channel);
    }
  }

  /** That carrier is no more. */
  drop(carrier: Carrier): void {
    this.#wires.delete(carrier);
  }

  /** The other side opened a data channel. */
  take(carrier: Carrier, wire: RTCDataChannel): void {
    const opening = readOpening(wire.protocol);
    let channel = opening && this.#known.get(`theirs ${String(opening.id)}`);
    if (opening && !channel && !this.#theirs.has(opening.id)) {
      if (this.#count(false) < CHANNELS_MOST) {
        const { ordered, maxRetransmits, maxPacketLifeTime } = wire;
        const delivery = { ordered, maxRetransmits, maxPacketLifeTime };
        channel = new Channel(this.link, wire.label, opening, delivery, false, this);
        this.#theirs.add(opening.id);
        this.#known.set(keyOf(channel), channel);
        this.#put(carrier, channel, wire);
        this.onChannel(channel);
        return;
      }
    }
    if (channel) this.#put(carrier, channel, wire);
    else wire.close();
  }

  /**
   * The data channel under a channel was closed: by the other side, or with the connection. Closed
   * without a word while the link lives on that connection: the other side closed it. If the link
   * has moved, its opener opens it again on the new one.
   */
  lost(channel: Channel, wire: RTCDataChannel): void {
    const on = [...this.#wires].find(([, wires]) => wires.get(keyOf(channel)) === wire);
    this.#judge(channel, on?.[0], 0);
  }

  /** Look again a little later, when the link has stood without the channel for so many seconds. */
  #judge(channel: Channel, carrier: Carrier | undefined, waited: number): void {
    setTimeout(() => {
      const { state } = this.link;
      if (channel.attached || channel.state === "closed" || state === "closed") return;
      const here = carrier?.isAlive && carrier === this.link.carrier;
      if (state === "open" && (here || waited >= OPEN_SECONDS)) channel.finish();
      else this.#judge(channel, carrier, state === "open" ? waited + LOST_SECONDS : 0);
    }, LOST_SECONDS * 1000);
  }

  /** A channel is closed. */
  forget(channel: Channel): void {
    this.#known.delete(keyOf(channel));
  }

  /** The link has ended. */
  close(): void {
    const gone = new PeerGone("The link ended.");
    for (const channel of [...this.#known.values()]) channel.finish(gone, false);
    this.#wires.clear();
  }

  #openOn(carrier: Carrier, channel: Channel): void {
    if (!carrier.isAlive) return;
    const { ordered, maxRetransmits, maxPacketLifeTime } = channel.delivery;
    const wire = carrier.connection.pc.createDataChannel(channel.label, {
      ordered,
      ...(maxRetransmits !== null && { maxRetransmits }),
      ...(maxPacketLifeTime !== null && { maxPacketLifeTime }),
      protocol: JSON.stringify(channel.opening),
    });
    this.#put(carrier, channel, wire);
  }

  #put(carrier: Carrier, channel: Channel, wire: RTCDataChannel): void {
    const wires = this.#wires.get(carrier) ?? new Map<string, RTCDataChannel>();
    this.#wires.set(carrier, wires.set(keyOf(channel), wire));
    // What comes here is a sign of life, too: pings queue up behind what is sent.
    wire.addEventListener("message", () => {
      carrier.hear();
    });
    channel.attach(wire);
  }
}

function keyOf({ mine, opening }: Channel): string {
  return `${mine ? "mine" : "theirs"} ${String(opening.id)}`;
}

function check(size: number, most: number, what: string): void {
  if (size > most) {
    throw new ConfigError(
      `The channel's ${what} has ${String(size)} bytes, ${String(most)} at most: shorten it.`,
    );
  }
}

function deliveryOf(options: ChannelOptions): Delivery {
  const { ordered = true, maxRetransmits = null, maxPacketLifeTime = null } = options;
  if (maxRetransmits !== null && maxPacketLifeTime !== null) {
    throw new ConfigError("Give maxRetransmits or maxPacketLifeTime, not both.");
  }
  const bound = maxRetransmits ?? maxPacketLifeTime ?? 0;
  if (!Number.isInteger(bound) || bound < 0 || bound > 65_535) {
    throw new ConfigError("A channel's bounds are numbers from 0 to 65,535.");
  }
  return { ordered, maxRetransmits, maxPacketLifeTime };
}
