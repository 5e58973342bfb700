/** Parts of the SDK that come when they are needed: code that a page loads while a link opens. */

import { Unreachable } from "./errors.js";
import { sleep, within } from "./waiting.js";

/** What could not be loaded is tried again after this, and waited for so long. */
const AGAIN_SECONDS = 1;
const LOAD_SECONDS = 20;

/**
 * Load code, over and over until it is there.
 *
 * @param isOver whether nobody needs it any more.
 * @throws Unreachable if it is over and it has not come.
 */
export async function insist<T>(load: () => Promise<T>, isOver: () => boolean): Promise<T> {
  for (;;) {
    try {
      return await load();
    } catch (cause) {
      if (isOver()) throw notLoaded(cause);
      await sleep(AGAIN_SECONDS);
    }
  }
}

function notLoaded(cause?: unknown): Unreachable {
  return new Unreachable("A part of FireRTC can't be loaded. Check the network.", { cause });
}

/** One that comes, and what waits for it. */
export class Part<T> {
  /** Null: it has not come yet. */
  now: T | null = null;
  #coming: Promise<T> | null = null;
  readonly #waiting: ((part: T) => void)[] = [];

  /** @param load done when it is there. */
  constructor(readonly load: () => Promise<T>) {}

  /** Begin to load it. */
  prepare(): Promise<T> {
    this.#coming ??= this.load().then((part) => {
      this.now = part;
      for (const tell of this.#waiting.splice(0)) tell(part);
      return part;
    });
    this.#coming.catch(() => undefined); // told to who needs it
    return this.#coming;
  }

  /**
   * Have it, loaded if need be.
   *
   * @throws Unreachable if it can't be loaded.
   */
  async get(): Promise<T> {
    return await within(this.prepare(), LOAD_SECONDS, notLoaded);
  }

  /** Tell it something, in order, when it is there. */
  tell(tell: (part: T) => void): void {
    if (this.now) tell(this.now);
    else this.#waiting.push(tell);
  }
}

/** What a data channel tells of that nobody may miss. */
const WIRE_EVENTS = ["message", "close"] as const;

/** Have a part take a data channel; what comes on it before the part is there is handed on then. */
export function handWire<T>(part: Part<T>, wire: RTCDataChannel, take: (part: T) => void): void {
  if (part.now) {
    take(part.now);
    return;
  }
  const events: Event[] = [];
  const keep = (event: Event): void => {
    events.push(event);
  };
  wire.binaryType = "arraybuffer";
  for (const name of WIRE_EVENTS) wire.addEventListener(name, keep);
  part.tell((now) => {
    for (const name of WIRE_EVENTS) wire.removeEventListener(name, keep);
    take(now);
    for (const event of events) wire.dispatchEvent(event);
  });
}
