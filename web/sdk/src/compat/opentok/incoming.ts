/** One stream of somebody else's, for all who show it on this page: asked for once. */

import { PathUnreachable, type Link } from "../../index.js";

import { OTError } from "./errors.js";
import type { Subscriber } from "./subscriber.js";
import { granted, type Granted, type Stream, type Wish } from "./stream.js";

const ARRIVAL_SECONDS = 10;

/** What comes of one stream. */
export class Incoming {
  readonly subscribers = new Set<Subscriber>();
  #granted: Granted = { audio: null, video: null };
  #asking: Promise<void> = Promise.resolve();
  #arrivals: (() => void)[] = [];
  #ended = false;

  constructor(
    readonly stream: Stream,
    /** What it comes on. */
    readonly link: Link,
  ) {}

  /** Ask for what the subscribers want, and wait until it is there. */
  async update(): Promise<void> {
    const mine = this.#asking.then(() => this.#ask());
    this.#asking = mine.catch(() => undefined);
    await mine;
  }

  async #ask(): Promise<void> {
    const wants = [...this.subscribers].map(({ wants }) => wants);
    const wish: Wish = {
      opentok: "subscribe",
      stream: this.stream.streamId,
      audio: wants.some(({ audio }) => audio),
      video: wants.some(({ video }) => video),
    };
    this.#granted = granted(await this.link.request(wish));
    this.carry();
    await this.#arrived();
  }

  /** Until everything that was granted has come. */
  async #arrived(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new PathUnreachable("The stream was granted, but does not come."));
      }, ARRIVAL_SECONDS * 1000);
    });
    try {
      while (!this.#complete) {
        const next = new Promise<void>((resolve) => this.#arrivals.push(resolve));
        await Promise.race([next, late]);
      }
    } finally {
      clearTimeout(timer);
    }
    if (this.#over) {
      throw new OTError("OT_UNABLE_TO_SUBSCRIBE", "The stream has ended.");
    }
  }

  get #complete(): boolean {
    const received = this.link.connection.received();
    const { audio, video } = this.#granted;
    const missing = [audio, video].some((section) => section !== null && !received.has(section));
    return !missing || this.#over;
  }

  get #over(): boolean {
    return this.#ended || this.link.state === "closed";
  }

  /** The stream is no more: whoever waits for it hears that. */
  end(): void {
    this.#ended = true;
    this.carry();
  }

  /** Give the subscribers the tracks that have come. */
  carry(): void {
    const received = this.link.connection.received();
    const track = (section: number | null): MediaStreamTrack | null =>
      section === null ? null : (received.get(section) ?? null);
    for (const subscriber of this.subscribers) {
      subscriber.carry(track(this.#granted.audio), track(this.#granted.video));
    }
    for (const arrival of this.#arrivals.splice(0)) arrival();
  }
}
