/** A link's heart: a ping every second, the round trip, and how long the other side is silent. */

import type { Frame } from "./control.js";
import { PING_SECONDS, pulse, type Pulse } from "./negotiation.js";

const PINGS_KEPT = 10;
/** How often the silence is looked at: one of 4 s is noticed within 4.5. */
const LOOK_SECONDS = PING_SECONDS / 2;

/** Pings, and judges the silence. */
export class Heartbeat {
  #heard = performance.now();
  #timer: ReturnType<typeof setInterval> | undefined;
  #unwatch: () => void = () => undefined;
  /** Number of the last ping. */
  pinged = 0;
  readonly #sent = new Map<number, number>();

  /**
   * @param send sends a frame.
   * @param judge told twice a beat what the silence means.
   * @param onRoundTrip told the round trip of each ping, in seconds.
   */
  constructor(
    readonly send: (frame: Frame) => void,
    readonly judge: (pulse: Pulse) => void,
    readonly onRoundTrip: (seconds: number) => void,
  ) {}

  /** Something came. */
  hear(): void {
    this.#heard = performance.now();
  }

  /** The answer to one of our pings came. */
  take(n: number): void {
    const sent = this.#sent.get(n);
    if (sent === undefined) return;
    this.#sent.delete(n);
    this.onRoundTrip((performance.now() - sent) / 1000);
  }

  /** Beat until {@link stop}. */
  start(): void {
    let looked = performance.now();
    let pinged = looked;
    this.hear();
    this.ping();
    this.#unwatch = watchNetwork(() => {
      this.ping();
    });
    this.#timer = setInterval(() => {
      const now = performance.now();
      const late = (now - looked) / 1000 - LOOK_SECONDS;
      looked = now;
      // This page itself stood still (a laptop slept): the silence was ours.
      if (late > PING_SECONDS) this.#heard += late * 1000;
      if (late > PING_SECONDS || now - pinged >= (PING_SECONDS - LOOK_SECONDS / 2) * 1000) {
        pinged = now;
        this.ping();
      }
      this.judge(pulse((now - this.#heard) / 1000));
    }, LOOK_SECONDS * 1000);
  }

  /** Ask the other side for an answer. */
  ping(): void {
    this.pinged += 1;
    this.#sent.set(this.pinged, performance.now());
    this.#sent.delete(this.pinged - PINGS_KEPT);
    this.send({ t: "ping", n: this.pinged });
  }

  /** Beat no more. */
  stop(): void {
    clearInterval(this.#timer);
    this.#unwatch();
  }
}

/** What of a browser says that its network may have changed, or that the page runs again. */
function watchNetwork(probe: () => void): () => void {
  const page = typeof document === "undefined" ? undefined : document;
  const { connection } = navigator as { connection?: EventTarget };
  const watched: [EventTarget | undefined, string][] = [
    [typeof window === "undefined" ? undefined : window, "online"],
    [page, "visibilitychange"],
    [connection, "change"],
  ];
  for (const [target, event] of watched) target?.addEventListener(event, probe);
  return () => {
    for (const [target, event] of watched) target?.removeEventListener(event, probe);
  };
}
