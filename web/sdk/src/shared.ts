/** Tracks that go to everybody in a room, and to those who come. */

import { PeerGone } from "./errors.js";
import type { Link } from "./link.js";

/** What is sent on all links. */
export class SharedTracks {
  readonly #added = new Set<MediaStreamTrack>();

  /** @param links those that stand. */
  constructor(readonly links: () => Iterable<Link>) {}

  /** Send one more: see {@link Room.addTrack}. */
  async add(track: MediaStreamTrack): Promise<void> {
    this.#added.add(track);
    await Promise.all([...this.links()].map((link) => send(link, track)));
  }

  /** Send one no longer: see {@link Room.removeTrack}. */
  async remove(track: MediaStreamTrack): Promise<void> {
    this.#added.delete(track);
    await Promise.all([...this.links()].map((link) => link.removeTrack(track)));
  }

  /** Send another of the same kind: see {@link Room.replaceTrack}. */
  async replace(track: MediaStreamTrack): Promise<boolean> {
    for (const old of [...this.#added]) if (old.kind === track.kind) this.#added.delete(old);
    this.#added.add(track);
    const links = [...this.links()];
    const replaced = await Promise.all(links.map((link) => link.replaceTrack(track)));
    if (!replaced.includes(true)) return false;
    // To whom nothing of this kind went so far.
    await Promise.all(links.map((link) => send(link, track)));
    return true;
  }

  /** There is another link. */
  serve(link: Link): void {
    for (const track of this.#added) void send(link, track);
  }
}

async function send(link: Link, track: MediaStreamTrack): Promise<void> {
  if (link.connection.sends(track)) return;
  // The link ended, or is being mended: then its connection carries the track.
  await link.addTrack(track).catch((error: unknown) => {
    if (!(error instanceof PeerGone)) throw error;
  });
}
