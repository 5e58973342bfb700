/** Requests on a link: asked on one side, answered by a function of the other side's program. */

import type { Message, Role } from "./control.js";
import { ConfigError, NoReply, PeerGone, RequestRefused } from "./errors.js";
import { deferred, within, type Deferred } from "./waiting.js";

/** Requests of the other side worked on at one time; more are answered `busy`. */
const HANDLED_MOST = 64;

/**
 * Given a request's body, returns the reply's, or a promise of it. It may throw
 * {@link RequestRefused} with a code of its own.
 */
export type RequestHandler = (body: unknown) => unknown;

/** Asks, and has what is asked answered. */
export class Requests {
  handler: RequestHandler | null = null;
  #last = 0;
  readonly #asked = new Map<number, Deferred<unknown>>();
  #handling = 0;

  /** @param say sends a numbered message. */
  constructor(readonly say: (body: unknown, role: Role) => void) {}

  /** Ask and wait for the reply: see {@link Link.request}. */
  async ask(body: unknown, seconds: number, signal?: AbortSignal): Promise<unknown> {
    const ask = ++this.#last;
    const reply = deferred<unknown>();
    this.#asked.set(ask, reply);
    const late = (): Error => new NoReply(`No reply within ${String(seconds)} s.`);
    try {
      this.say(body, { ask });
      return await within(reply.promise, seconds, late, signal);
    } finally {
      this.#asked.delete(ask);
    }
  }

  /**
   * Take a message that is a request or a reply.
   *
   * @returns whether it is one.
   */
  take({ ask, reply, error, body }: Message): boolean {
    if (ask !== undefined) {
      void this.#answer(ask, body);
      return true;
    }
    if (reply === undefined) return false;
    // Else it came too late.
    const waiting = this.#asked.get(reply);
    if (error === undefined) waiting?.resolve(body);
    else waiting?.reject(new RequestRefused(error, typeof body === "string" ? body : ""));
    return true;
  }

  async #answer(ask: number, body: unknown): Promise<void> {
    this.#handling += 1;
    const [said, role] = await this.#handle(body);
    this.#handling -= 1;
    try {
      this.say(said, { reply: ask, ...role });
    } catch (error) {
      // What the handler returned is no JSON value, or too long; or the link has ended.
      if (error instanceof PeerGone) return;
      if (!(error instanceof ConfigError)) throw error;
      reportError(error);
      this.say(null, { reply: ask, error: "failed" });
    }
  }

  async #handle(body: unknown): Promise<[body: unknown, role: Role]> {
    const { handler } = this;
    if (!handler) return ["Nobody answers requests here.", { error: "no-handler" }];
    if (this.#handling > HANDLED_MOST) return ["Too many requests at once.", { error: "busy" }];
    try {
      return [(await handler(body)) ?? null, {}];
    } catch (error) {
      if (error instanceof RequestRefused) return [error.text, { error: error.reason }];
      // The other side learns that it failed, not why; the page's own console does.
      reportError(error);
      return [null, { error: "failed" }];
    }
  }

  /** The link has ended: nobody waits. */
  close(): void {
    for (const reply of this.#asked.values()) {
      reply.reject(new PeerGone("The link ended before the reply came."));
    }
  }
}
