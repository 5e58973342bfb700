/** Receiving files on a channel that the other side opened. */

import type { Channel, Data } from "./channel.js";
import { ChannelClosed, Rejected } from "./errors.js";
import { because, conduct, lost, Stopped, type TransferOptions } from "./sending.js";
import type { Sink } from "./sinks.js";
import { Incoming } from "./transfer.js";
import { encode, type Have, type Offer, type Text } from "./transferFrames.js";

/** How long the sender may take to hear that all is here. */
const CONFIRM_SECONDS = 10;

export interface ReceiveOptions extends TransferOptions {
  /** Shown what is offered; says whether to take it. */
  readonly decide: (offer: Offer) => Promise<boolean> | boolean;
}

/**
 * Receive what the other side offers on a channel labelled `firertc.files`.
 *
 * @param channel one that a link's event `channel` gave.
 * @param sink such as {@link BrowserSink}.
 * @param options its `signal` stops the transfer, and says so to the other side.
 * @returns what was offered, all of which is here.
 * @throws Rejected if it was declined.
 * @throws Stopped if the other side ends the transfer.
 * @throws PeerGone if it is lost: what has come is kept.
 * @throws ProtocolError if the other side says what makes no sense, or names files by paths that
 *   can't be had.
 * @throws TransferError if a file can't be kept ({@link DiskFull}).
 */
export async function receiveFiles(
  channel: Channel,
  sink: Sink,
  options: ReceiveOptions,
): Promise<Offer> {
  const receiving = new Receiving(channel, sink, options);
  try {
    return await conduct(channel, receiving.run(), options.signal, () => {
      receiving.stop();
    });
  } catch (error) {
    throw error instanceof ChannelClosed ? await lost(channel.link) : error;
  } finally {
    await sink.close();
  }
}

class Receiving {
  readonly #side = new Incoming();
  readonly #messages: AsyncIterator<Data, void>;
  /** The next message, if it is being waited for. */
  #coming: Promise<Data> | null = null;
  #offer: Offer = { t: "offer", transfer: "", files: [] };
  #total: number | null = 0;
  #over = false;
  #index = 0;
  #done = 0;
  #moved = 0;

  constructor(
    readonly channel: Channel,
    readonly sink: Sink,
    readonly options: ReceiveOptions,
  ) {
    this.#messages = channel[Symbol.asyncIterator]();
  }

  /** Nothing more is taken. */
  stop(): void {
    this.#over = true;
  }

  async run(): Promise<Offer> {
    for (;;) {
      const said = this.#side.take(await this.#next());
      if (this.#over) throw new ChannelClosed("It was stopped.");
      switch (said?.t) {
        case "offer":
          await this.#answer(said);
          break;
        case "cancel":
          throw stopped(said.reason);
        case "file":
          this.#index = said.index;
          await this.sink.begin(said.index, said.offset);
          this.#report(said.offset, 0);
          break;
        case "data":
          await this.sink.write(said.content);
          this.#report(said.content.length, said.content.length);
          break;
        case "end":
          await this.#end(said.index, said.size, said.sha256);
          break;
        case "complete":
          await this.#say({ t: "received" });
          // All is here, whether the sender hears of it or not.
          await this.channel.flush(CONFIRM_SECONDS).catch(() => undefined);
          return this.#offer;
      }
    }
  }

  async #say(said: Text): Promise<void> {
    await this.channel.send(encode(said));
  }

  async #next(): Promise<Data> {
    const coming = this.#coming ?? this.#read();
    this.#coming = null;
    return await coming;
  }

  async #read(): Promise<Data> {
    const { done, value } = await this.#messages.next();
    if (done) throw new ChannelClosed("The channel closed in the middle of a transfer.");
    return value;
  }

  async #answer(offer: Offer): Promise<void> {
    this.#offer = offer;
    const sizes = offer.files.map(({ size }) => size ?? NaN);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    this.#total = Number.isNaN(total) ? null : total;
    if (!(await this.#decided(offer))) {
      await this.#say({ t: "decline", reason: "declined" });
      await this.channel.flush(CONFIRM_SECONDS).catch(() => undefined);
      throw new Rejected("Declined.");
    }
    const have: Have[] = await this.sink.have(offer);
    await this.#say(this.#side.accept([], have));
  }

  /** Ask; the sender may give up meanwhile. */
  async #decided(offer: Offer): Promise<boolean> {
    const deciding = Promise.resolve(this.options.decide(offer));
    this.#coming = this.#read();
    // Whichever comes second may fail while nobody waits for it.
    for (const one of [deciding, this.#coming]) one.catch(() => undefined);
    const first = await Promise.race([deciding, this.#coming.then(() => null)]);
    if (first !== null) return first;
    const said = this.#side.take(await this.#next());
    throw stopped(said?.t === "cancel" ? said.reason : "");
  }

  async #end(index: number, size: number, sha256: string): Promise<void> {
    const problem = await this.sink.end(index, sha256);
    const answer = this.#side.finished(index, problem);
    if (problem) this.#done -= size;
    else this.options.onFile?.(this.#offer.files[index]?.path ?? "", index);
    await this.#say(answer);
  }

  #report(done: number, moved: number): void {
    this.#done += done;
    this.#moved += moved;
    const path = this.#offer.files[this.#index]?.path ?? "";
    this.options.onProgress?.({
      index: this.#index,
      path,
      bytes: this.#done,
      total: this.#total,
      moved: this.#moved,
    });
  }
}

function stopped(reason: string): Stopped {
  return new Stopped(`The sender ended the transfer${because(reason)}.`);
}
