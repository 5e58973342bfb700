/** PeerJS's DataConnection: values to another peer, written as `serialization` says. */

import type { Call, Channel } from "../../index.js";

import { BaseConnection, type Introduction, type Owner } from "./connection.js";
import {
  BaseConnectionErrorType,
  ConnectionType,
  DataConnectionErrorType,
  type EventsWithError,
} from "./errors.js";
import { SERIALIZERS, type Serializer, type Wire } from "./serialization.js";
import { util } from "./util.js";

/** What a data connection tells of. */
export interface DataConnectionEvents extends EventsWithError<
  `${DataConnectionErrorType}` | `${BaseConnectionErrorType}`
> {
  open: () => void;
  data: (data: unknown) => void;
  close: () => void;
  iceStateChanged: (state: RTCIceConnectionState) => void;
}

/** A connection that carries values. */
export class DataConnection extends BaseConnection<
  `${DataConnectionErrorType}`,
  DataConnectionEvents
> {
  readonly type = ConnectionType.Data;
  readonly serialization: string;
  readonly reliable: boolean;
  /** Bytes that wait to be sent. */
  bufferSize = 0;

  readonly #serializer: Serializer;
  #channel: Channel | null = null;
  #sending: Promise<void> = Promise.resolve();

  /** @internal */
  constructor(peer: string, provider: Owner, introduction: Introduction) {
    super(peer, provider, introduction);
    this.serialization = introduction.serialization ?? "binary";
    this.reliable = introduction.reliable ?? false;
    const serializer = SERIALIZERS[this.serialization];
    if (!serializer) {
      const known = Object.keys(SERIALIZERS).join(", ");
      throw new TypeError(`There is no serialization '${this.serialization}': there are ${known}.`);
    }
    this.#serializer = serializer;
  }

  /** The channel of the caller's side. @internal */
  async openChannel(call: Call): Promise<void> {
    this.#take(await call.link.openChannel(this.label, { protocol: this.serialization }));
  }

  override prepare(call: Call): void {
    super.prepare(call);
    call.link.on("channel", (channel) => {
      if (channel.label === this.label && !this.#channel) this.#take(channel);
    });
  }

  #take(channel: Channel): void {
    if (this.ended) {
      void channel.close();
      return;
    }
    this.#channel = channel;
    this.open = true;
    this.emit("open");
    channel.on("message", (message) => {
      this.#receive(message);
    });
    channel.on("closed", () => {
      this.close();
    });
  }

  #receive(message: Wire): void {
    let value: unknown;
    try {
      value = this.#serializer.decode(message);
    } catch (error) {
      const why = `Not readable: ${error instanceof Error ? error.message : String(error)}`;
      this.emitError(BaseConnectionErrorType.NegotiationFailed, why);
      return;
    }
    this.emit("data", value);
  }

  /**
   * Send a value. What can't be written as the connection's serialization says is an `error`.
   *
   * @param chunked of no use here: messages of any size are cut and rejoined.
   */
  send(data: unknown, chunked = false): void {
    if (!this.open || !this.#channel) {
      this.emitError(
        DataConnectionErrorType.NotOpenYet,
        "Connection is not open. You should listen for the `open` event before sending messages.",
      );
      return;
    }
    const channel = this.#channel;
    // In order, though some values take a while to be written.
    const encoded = new Promise<Wire>((resolve) => {
      resolve(this.#serializer.encode(data));
    });
    this.#sending = this.#sending
      .then(async () => {
        let message: Wire;
        try {
          message = await encoded;
        } catch (error) {
          // As in PeerJS and in Python, the connection goes on without this value.
          this.emitError(BaseConnectionErrorType.NegotiationFailed, error as Error);
          return;
        }
        const size = typeof message === "string" ? message.length : message.byteLength;
        if (this.serialization === "json" && size >= util.chunkedMTU && !chunked) {
          this.emitError(DataConnectionErrorType.MessageToBig, "Message too big for JSON channel");
          return;
        }
        this.bufferSize += size;
        await channel.send(message).finally(() => {
          this.bufferSize -= size;
        });
      })
      .catch((error: unknown) => {
        if (this.open) this.fail(error instanceof Error ? error : new Error(String(error)));
      });
  }

  /** @param options `flush`: first send what waits. */
  override close(options: { readonly flush?: boolean } = {}): void {
    if (options.flush && this.open) {
      void this.#sending.then(() => {
        this.close();
      });
      return;
    }
    super.close();
  }
}
