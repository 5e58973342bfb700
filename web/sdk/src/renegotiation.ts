/**
 * Changing the tracks of a link that stands: offers and answers on its control channel.
 *
 * Only the link's original offerer offers (aiortc has no rollback, so two must not cross); the
 * other side asks it to.
 */

import type { Carrier } from "./carrier.js";
import type { Kind } from "./connection.js";
import type { Frame } from "./control.js";
import { ConfigError, PeerGone, ProtocolError } from "./errors.js";
import type { LinkBase } from "./linkState.js";
import { Adding, makeRoom, remove, renegotiationOffer } from "./tracks.js";
import { deferred, Turns, within, type Deferred } from "./waiting.js";

const RENEGOTIATION_SECONDS = 10;
/** Wants of the other side that may wait: each costs a negotiation. */
const WANTS_MOST = 32;

/** Offers, answers and wants of one link. */
export class Renegotiation {
  #generation = 0;
  #wants = 0;
  readonly #adding = new Adding();
  readonly #offers = new Turns();
  readonly #wishes = new Turns();
  readonly #answers = new Map<number, Deferred<string | null>>();
  /** Settled when our wish is met, or there is another connection. */
  #met = deferred<undefined>();

  constructor(readonly link: LinkBase) {}

  /** Whether an offer waits for its answer. */
  get inFlight(): boolean {
    return this.#answers.size > 0;
  }

  /** Send one more track: see {@link Link.addTrack}. */
  async add(track: MediaStreamTrack, name: string): Promise<void> {
    const { link } = this;
    await link.settled();
    if (link.connection.sends(track)) {
      throw new ConfigError("That track is sent on this link already.");
    }
    link.connection.name(track, name);
    if (link.side === "offerer") {
      await this.#adding.add(link.connection, track);
      await this.offer();
    } else {
      link.connection.waiting.push(track);
      await this.#wish(track.kind as Kind);
    }
  }

  /** Send a track no longer: see {@link Link.removeTrack}. */
  async remove(track: MediaStreamTrack): Promise<void> {
    const { link } = this;
    await link.settled();
    if (!(await remove(link.connection, track))) return;
    if (link.side === "offerer") await this.offer();
    else await this.#wish();
  }

  /** Negotiate anew: see {@link Link.renegotiate}. */
  async ask(): Promise<void> {
    await this.link.settled();
    await (this.link.side === "offerer" ? this.offer() : this.#wish());
  }

  /** Ask for an offer (answerer only), one wish at a time, and wait until it is answered. */
  async #wish(...kinds: Kind[]): Promise<void> {
    await this.#wishes.take(async () => {
      this.#met = deferred();
      this.link.say({ t: "want", kinds });
      const late = (): Error => new PeerGone("The other side didn't offer what was asked for.");
      await within(this.#met.promise, RENEGOTIATION_SECONDS, late);
      // If the link broke meanwhile, the new connection has it.
      await this.link.settled();
    });
  }

  /** Offer what has changed (offerer only), one at a time. */
  async offer(): Promise<void> {
    await this.#offers.take(async () => {
      await this.link.settled();
      const { connection } = this.link;
      const g = ++this.#generation;
      const answer = deferred<string | null>();
      this.#answers.set(g, answer);
      try {
        const sdp = await renegotiationOffer(connection);
        this.link.say({ t: "offer", g, sdp });
        const late = (): Error => new PeerGone("The other side didn't answer the renegotiation.");
        const said = await within(answer.promise, RENEGOTIATION_SECONDS, late);
        if (said !== null) await connection.accept(said);
        this.link.reconcile();
      } finally {
        this.#answers.delete(g);
      }
    });
  }

  /** The other side offers, answers or wants something. */
  take(frame: Frame & { readonly t: "offer" | "answer" | "want" }): void {
    const { link } = this;
    if (frame.t === "answer") this.#answers.get(frame.g)?.resolve(frame.sdp);
    else if (frame.t === "want" && link.side === "offerer") {
      link.aside(this.#takeWant(frame.kinds));
    } else if (frame.t === "offer" && link.side === "answerer") {
      link.aside(this.#takeOffer(frame.g, frame.sdp));
    }
  }

  /** Answer an offer. */
  async #takeOffer(g: number, sdp: string): Promise<void> {
    await this.#offers.take(async () => {
      const { carrier } = this.link;
      const answer = await carrier.connection.answer(sdp);
      carrier.send({ t: "answer", g, sdp: answer.sdp });
      this.link.reconcile();
      this.#met.resolve(undefined);
    });
  }

  /** The answerer wants to send more, or no longer sends something. */
  async #takeWant(kinds: readonly Kind[]): Promise<void> {
    if (++this.#wants > WANTS_MOST) {
      throw new ProtocolError("The other side wants more and more, without waiting for any.");
    }
    try {
      // One after the other: what one has freed the next may use.
      await this.#wishes.take(async () => {
        makeRoom(this.link.connection, kinds);
        await this.offer();
      });
    } finally {
      this.#wants -= 1;
    }
  }

  /** There is another connection: it has all that was being negotiated. */
  moved(carrier: Carrier): void {
    for (const answer of this.#answers.values()) answer.resolve(null);
    this.#met.resolve(undefined);
    const { waiting } = carrier.connection;
    if (waiting.length === 0) return;
    if (this.link.side === "answerer") {
      carrier.send({ t: "want", kinds: waiting.map(({ kind }) => kind as Kind) });
    } else {
      const more = waiting.splice(0);
      this.link.aside(
        Promise.all(more.map((track) => this.#adding.add(carrier.connection, track))).then(() =>
          this.offer(),
        ),
      );
    }
  }

  /** The link has ended. */
  close(): void {
    const gone = new PeerGone("The link ended.");
    for (const answer of this.#answers.values()) answer.reject(gone);
    this.#met.resolve(undefined);
  }
}
