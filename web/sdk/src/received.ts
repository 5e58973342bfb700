/** What the other side sends, section by section, whatever connection it comes on. */

/** The tracks received on one link, in one stream that stays. */
export class Received {
  readonly stream = new MediaStream();
  readonly #tracks = new Map<number, MediaStreamTrack>();

  /**
   * @param onTrack told of each that comes.
   * @param onRemoved told of each that goes.
   */
  constructor(
    readonly onTrack: (track: MediaStreamTrack) => void,
    readonly onRemoved: (track: MediaStreamTrack) => void,
  ) {}

  get tracks(): readonly MediaStreamTrack[] {
    return [...this.#tracks.values()];
  }

  /** Take these, by their sections, for all that there is. */
  become(now: ReadonlyMap<number, MediaStreamTrack>): void {
    for (const [section, track] of [...this.#tracks]) {
      if (now.get(section) !== track) this.#lose(section, track);
    }
    for (const [section, track] of now) this.take(section, track);
  }

  /** One has come. */
  take(section: number, track: MediaStreamTrack): void {
    const before = this.#tracks.get(section);
    if (before === track) return;
    if (before) this.#lose(section, before);
    this.#tracks.set(section, track);
    this.stream.addTrack(track);
    this.onTrack(track);
  }

  #lose(section: number, track: MediaStreamTrack): void {
    this.#tracks.delete(section);
    this.stream.removeTrack(track);
    this.onRemoved(track);
  }
}
