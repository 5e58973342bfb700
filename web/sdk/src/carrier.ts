/**
 * A connection as a link uses it: the frames of its control channel, its tracks and channels.
 *
 * A link has one carrier, and during a repair a second one that comes.
 */

import type { Connection } from "./connection.js";
import { decode, encode, type Frame } from "./control.js";
import { PathUnreachable, ProtocolError } from "./errors.js";
import { deferred, within } from "./waiting.js";

/** Who is told of what happens on a carrier. */
export interface CarrierUser {
  /** Its control channel is open. */
  opened: (carrier: Carrier) => void;
  /** A frame came; null: one of a type this version doesn't know, or something on a channel. */
  heard: (carrier: Carrier, frame: Frame | null) => void;
  /** What came is no frame. */
  brokeProtocol: () => void;
  /** It carries no more: its control channel was closed, or its connection failed. */
  fell: (carrier: Carrier, how: "closed" | "failed") => void;
  /** The other side sends a track in its section of that number. */
  track: (carrier: Carrier, section: number, track: MediaStreamTrack) => void;
  /** The other side opened a data channel. */
  channel: (carrier: Carrier, channel: RTCDataChannel) => void;
}

/** One connection, from before it is open. */
export class Carrier {
  /** Whether nobody wants to hear of it any more. */
  dropped = false;
  readonly #opened = deferred<undefined>();
  #fallen = false;

  /**
   * @param connection nobody else listens to it.
   * @param user told of what happens; no more once it is dropped.
   */
  constructor(
    readonly connection: Connection,
    readonly user: CarrierUser,
  ) {
    const { pc } = connection;
    connection.onChannel = (channel) => {
      this.#wire(channel);
    };
    pc.addEventListener("track", ({ track, transceiver }) => {
      if (!this.dropped) user.track(this, pc.getTransceivers().indexOf(transceiver), track);
    });
    pc.addEventListener("datachannel", ({ channel }) => {
      if (!this.dropped) user.channel(this, channel);
    });
    pc.addEventListener("connectionstatechange", () => {
      if (pc.connectionState === "failed") this.#fall("failed");
    });
  }

  /** Whether its control channel is open. */
  get isOpen(): boolean {
    return this.connection.channel?.readyState === "open";
  }

  /** Whether it may still carry something. */
  get isAlive(): boolean {
    return this.isOpen && !this.#fallen && !this.dropped;
  }

  /**
   * Wait until its control channel is open.
   *
   * @throws PathUnreachable if it doesn't open in time, or can't.
   */
  async opened(seconds: number, signal?: AbortSignal): Promise<void> {
    const late = (): Error => new PathUnreachable(`No path opened in ${String(seconds)} s.`);
    await within(this.#opened.promise, seconds, late, signal);
  }

  /** Send a frame; nothing happens if the control channel is not open. */
  send(frame: Frame): void {
    if (this.isOpen) this.connection.channel?.send(encode(frame));
  }

  /** Something came on another channel of the connection. */
  hear(): void {
    this.#fallen = false;
    if (!this.dropped) this.user.heard(this, null);
  }

  /** Close the connection; nothing is told of it any more. */
  drop(): void {
    this.dropped = true;
    this.#opened.reject(new PathUnreachable("The connection was given up."));
    this.connection.close();
  }

  #wire(channel: RTCDataChannel): void {
    channel.addEventListener("open", () => {
      if (this.dropped) return;
      this.#opened.resolve(undefined);
      this.user.opened(this);
    });
    channel.addEventListener("message", ({ data }) => {
      if (!this.dropped) this.#onText(data);
    });
    channel.addEventListener("close", () => {
      this.#fall("closed");
    });
  }

  #onText(text: unknown): void {
    let frame: Frame | null;
    try {
      frame = decode(text);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.user.brokeProtocol();
      return;
    }
    // Failed, and restarted: it carries again.
    this.#fallen = false;
    this.user.heard(this, frame);
  }

  #fall(how: "closed" | "failed"): void {
    if (this.#fallen || this.dropped) return;
    this.#fallen = true;
    this.#opened.reject(new PathUnreachable("The connection failed."));
    this.user.fell(this, how);
  }
}
