/** Tracks that go to everybody in a room, and to those who come. */

import { PeerGone } from "./errors.js";
import type { Link } from "./link.js";
import { checkName } from "./names.js";

/** What is sent on all links. */
export class SharedTracks {
  /** With their names. */
  readonly #added = new Map<MediaStreamTrack, string>();

  /** @param links those that stand. */
  constructor(readonly links: () => Iterable<Link>) {}

  /** Send one more: see {@link Room.addTrack}. */
  async add(track: MediaStreamTrack, name: string): Promise<void> {
    this.#added.set(track, checkName(name));
    await Promise.all([...this.links()].map((link) => send(link, track, name)));
  }

  /** Send one no longer: see {@link Room.removeTrack}. */
  async remove(track: MediaStreamTrack): Promise<void> {
    this.#added.delete(track);
    await Promise.all([...this.links()].map((link) => link.removeTrack(track)));
  }

  /** Send another of the same kind: see {@link Room.replaceTrack}. */
  async replace(track: MediaStreamTrack): Promise<boolean> {
    const others = [...this.#added].filter(([old]) => old.kind === track.kind);
    for (const [old] of others) this.#added.delete(old);
    const name = others[0]?.[1] ?? "";
    this.#added.set(track, name);
    const links = [...this.links()];
    const replaced = await Promise.all(links.map((link) => link.replaceTrack(track)));
    if (!replaced.includes(true)) return false;
    // To whom nothing of this kind went so far.
    await Promise.all(links.map((link) => send(link, track, name)));
    return true;
  }

  /** There is another link. */
  serve(link: Link): void {
    for (const [track, name] of this.#added) void send(link, track, name);
  }
}

async function send(link: Link, track: MediaStreamTrack, name: string): Promise<void> {
  if (link.connection.sends(track)) return;
  // The link ended, or is being mended: then its connection carries the track.
  await link.addTrack(track, name).catch((error: unknown) => {
    if (!(error instanceof PeerGone)) throw error;
  });
}
