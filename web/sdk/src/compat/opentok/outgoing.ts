/** What one publishes in a session, and to whom its tracks go: to those who ask for them. */

import { PeerGone, RequestRefused, type Link, type Room } from "../../index.js";

import type { Publisher } from "./publisher.js";
import {
  Stream,
  type Connection,
  type Granted,
  type Said,
  type StreamCard,
  type Wish,
} from "./stream.js";

const KINDS = ["audio", "video"] as const;

/** The streams of ours in one session. */
export class Outgoing {
  readonly publishers = new Map<string, Publisher>();
  readonly #granting = new WeakMap<Link, Promise<unknown>>();
  readonly #createdAt = new Map<string, number>();

  constructor(
    private readonly room: Room,
    private readonly me: Connection,
  ) {}

  /** Tell all of a stream that there is now. */
  publish(publisher: Publisher): Stream {
    const id = crypto.randomUUID();
    this.#createdAt.set(id, Date.now());
    this.publishers.set(id, publisher);
    const stream = new Stream(this.#card(id, publisher), this.me);
    this.announce();
    return stream;
  }

  /** Tell all that a stream is no longer, and send it to nobody. */
  async unpublish(id: string, reason: string): Promise<void> {
    const publisher = this.publishers.get(id);
    if (!publisher) return;
    this.publishers.delete(id);
    this.#createdAt.delete(id);
    this.announce(reason);
    const { audio, video } = publisher.tracks;
    const links = [...this.room.links.values()];
    await Promise.all(
      links.map((link) =>
        this.#inTurn(link, async () => {
          for (const track of [audio, video]) if (track) await link.removeTrack(track);
        }),
      ),
    );
  }

  /** Send another track wherever the old one goes. */
  async replace(track: MediaStreamTrack, old: MediaStreamTrack): Promise<void> {
    const links = [...this.room.links.values()];
    await Promise.all(links.map((link) => this.#inTurn(link, () => link.replaceTrack(track, old))));
  }

  /** Tell one, or all, what is published. */
  announce(reason?: string, to?: string): void {
    const streams = [...this.publishers].map(([id, publisher]) => this.#card(id, publisher));
    const said: Said = { opentok: "streams", streams, ...(reason !== undefined && { reason }) };
    this.room.send(said, to);
  }

  /** What is said of a stream. */
  card(id: string): StreamCard | null {
    const publisher = this.publishers.get(id);
    return publisher ? this.#card(id, publisher) : null;
  }

  #card(id: string, publisher: Publisher): StreamCard {
    return publisher.card(id, this.#createdAt.get(id) ?? 0);
  }

  /**
   * Send one who asks the kinds that it wants of a stream, and no others.
   *
   * @throws RequestRefused if there is no such stream.
   */
  async grant(link: Link, wish: Wish): Promise<Granted> {
    const granted = await this.#inTurn(link, async () => {
      const publisher = this.publishers.get(wish.stream);
      if (!publisher) throw new RequestRefused("no-stream", "There is no such stream.");
      for (const kind of KINDS) {
        const track = publisher.tracks[kind];
        if (!track) continue;
        const sent = link.connection.sends(track);
        if (wish[kind] && !sent) await link.addTrack(track);
        else if (!wish[kind] && sent) await link.removeTrack(track);
      }
      const { audio, video } = publisher.tracks;
      return { audio: section(link, audio), video: section(link, video) };
    });
    if (!granted) throw new RequestRefused("gone", "The link ended.");
    return granted;
  }

  /** One change after the other on each link; undefined: it has ended. */
  async #inTurn<T>(link: Link, change: () => Promise<T>): Promise<T | undefined> {
    const before = this.#granting.get(link) ?? Promise.resolve();
    const mine = before.then(change, change).catch((error: unknown) => {
      if (error instanceof PeerGone) return undefined;
      throw error;
    });
    this.#granting.set(link, mine);
    return await mine;
  }
}

function section(link: Link, track: MediaStreamTrack | null): number | null {
  const at = link.connection.sections().findIndex((one) => track !== null && one.track === track);
  return at < 0 ? null : at;
}
