/** What the other side sends, section by section, whatever connection it comes on. */

/** The tracks received on one link, in one stream that stays. */
export class Received {
  readonly stream = new MediaStream();
  readonly #tracks = new Map<number, MediaStreamTrack>();
  readonly #names = new Map<MediaStreamTrack, string>();

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

  /** What the other side calls one. */
  nameOf(track: MediaStreamTrack): string {
    return this.#names.get(track) ?? "";
  }

  /** Take these, by their sections, for all that there is; and what its sections are called. */
  become(now: ReadonlyMap<number, MediaStreamTrack>, names: readonly string[]): void {
    for (const [section, track] of [...this.#tracks]) {
      if (now.get(section) !== track) this.#lose(section, track);
    }
    for (const [section, track] of now) this.take(section, track, names);
  }

  /** One has come, or is called something else. */
  take(section: number, track: MediaStreamTrack, names: readonly string[]): void {
    const before = this.#tracks.get(section);
    const name = names[section] ?? "";
    if (before === track && this.nameOf(track) === name) return;
    if (before) this.#lose(section, before);
    this.#tracks.set(section, track);
    this.#names.set(track, name);
    this.stream.addTrack(track);
    this.onTrack(track);
  }

  #lose(section: number, track: MediaStreamTrack): void {
    this.#tracks.delete(section);
    this.stream.removeTrack(track);
    this.onRemoved(track);
    this.#names.delete(track);
  }
}
