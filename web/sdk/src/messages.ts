/** The numbered messages of a link, requests among them, over all its connections. */

import { Inbox, Outbox, type Frame, type Message, type Role } from "./control.js";
import { PeerGone } from "./errors.js";
import { Requests } from "./requests.js";
import { Changes, within } from "./waiting.js";

/** Numbers what is said, keeps it until it is confirmed, and hands on what is heard. */
export class Messages {
  readonly requests = new Requests((body, role) => {
    this.say(body, role);
  });
  /** Whether something can be said. */
  isOpen = false;
  /** Whether what is said is sent at once; else when {@link repeat} is called. */
  isFlowing = false;

  readonly #outbox = new Outbox();
  readonly #inbox = new Inbox();
  readonly #acknowledged = new Changes();

  /**
   * @param send sends a frame on the connection in use.
   * @param handOn given each message's body, once and in order.
   */
  constructor(
    readonly send: (frame: Frame) => void,
    readonly handOn: (body: unknown) => void,
  ) {}

  /** Say something. */
  say(body: unknown, role?: Role): void {
    if (!this.isOpen) throw new PeerGone("Nothing can be sent: the link is not open.");
    const message = this.#outbox.add(body, role);
    if (this.isFlowing) this.send(message);
  }

  /** Wait until everything said so far is confirmed. */
  async flush(seconds: number, signal?: AbortSignal): Promise<void> {
    const { last, waiting } = this.#outbox;
    const late = (): Error => new PeerGone("The other side doesn't confirm what was sent.");
    let over = false;
    const confirmed = async (): Promise<void> => {
      while (!over && (waiting[0]?.n ?? Infinity) <= last) {
        if (!this.isOpen) throw new PeerGone("The link ended before everything had arrived.");
        await this.#acknowledged.next();
      }
    };
    await within(confirmed(), seconds, late, signal).finally(() => (over = true));
  }

  /** A message came, or the other side has everything up to one of ours. */
  take(frame: Message | (Frame & { readonly t: "ack" })): void {
    if (frame.t === "ack") {
      this.#outbox.acknowledge(frame.n);
      this.#acknowledged.tell();
      return;
    }
    const fresh = this.#inbox.take(frame);
    this.send({ t: "ack", n: this.#inbox.last });
    if (fresh && !this.requests.take(frame)) this.handOn(frame.body);
  }

  /** Say again what the other side may not have heard. */
  repeat(): void {
    for (const message of this.#outbox.waiting) this.send(message);
  }

  /** The link has ended. */
  end(): void {
    this.isOpen = false;
    this.isFlowing = false;
    this.#acknowledged.tell();
    this.requests.close();
  }
}
