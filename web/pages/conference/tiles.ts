/** The tiles of a conference: one for each person, picture, name, and how they are. */

/** One person's tile. */
export class Tile {
  readonly element = document.createElement("li");
  readonly video = document.createElement("video");
  readonly #name = document.createElement("span");
  readonly #state = document.createElement("span");
  readonly #initial = document.createElement("span");
  #muted = { audio: false, video: false };
  #note = "";

  /**
   * @param id of the peer.
   * @param own whether it is one's own: silent, and as in a mirror.
   */
  constructor(
    readonly id: string,
    name: string,
    readonly own: boolean,
  ) {
    this.element.className = own ? "tile own" : "tile";
    this.element.dataset["peer"] = id;
    this.#name.className = "name";
    this.#state.className = "state";
    this.#initial.className = "initial";
    this.#initial.ariaHidden = "true";
    this.video.autoplay = true;
    this.video.playsInline = true;
    this.video.muted = own;
    this.element.append(this.video, this.#initial, this.#name, this.#state);
    this.video.addEventListener("resize", () => {
      this.#show();
    });
    this.rename(name);
  }

  /** Show another name. */
  rename(name: string): void {
    this.#name.textContent = this.own ? `${name} (you)` : name;
    this.#initial.textContent = initial(name);
    this.video.setAttribute("aria-label", `Picture of ${name}`);
  }

  /** Show this stream; null: no picture and no sound. */
  play(stream: MediaStream | null, mirrored = false): void {
    this.video.classList.toggle("mirrored", mirrored);
    if (this.video.srcObject !== stream) this.video.srcObject = stream;
    this.#show();
    // Refused until the person has clicked, which joining was.
    if (stream) this.video.play().catch(() => undefined);
  }

  /** Which kinds are off on purpose. */
  mute(kinds: Readonly<Record<string, boolean>>): void {
    this.#muted = { audio: kinds["audio"] === true, video: kinds["video"] === true };
    this.#show();
  }

  /** Say how the connection is: `connecting…`, `reconnecting…`; empty: well. */
  note(text: string): void {
    this.#note = text;
    this.#show();
  }

  /** Whether this person is speaking. */
  set speaking(speaking: boolean) {
    this.element.classList.toggle("speaking", speaking && !this.#muted.audio);
  }

  #show(): void {
    const stream = this.video.srcObject instanceof MediaStream ? this.video.srcObject : null;
    const pictures = stream?.getVideoTracks() ?? [];
    // An element keeps the size of the last picture when its track is taken away.
    const dark = this.#muted.video || pictures.length === 0 || this.video.videoWidth === 0;
    this.element.classList.toggle("dark", dark);
    this.#state.textContent = [this.#note, this.#muted.audio ? "microphone off" : ""]
      .filter(Boolean)
      .join(" · ");
  }
}

/** The first letter of a name, as people count letters. */
function initial(name: string): string {
  const [first] = new Intl.Segmenter().segment(name.trim());
  return first?.segment.toUpperCase() ?? "?";
}

/** All tiles; they are as large as fits. */
export class Tiles {
  readonly #tiles = new Map<string, Tile>();

  constructor(private readonly list: HTMLUListElement) {}

  /** The tile of a peer, made if it isn't there. */
  tile(id: string, name: string, own = false): Tile {
    const known = this.#tiles.get(id);
    if (known) return known;
    const made = new Tile(id, name, own);
    this.#tiles.set(id, made);
    this.list.append(made.element);
    this.#arrange();
    return made;
  }

  /** The tile of a peer, if there is one. */
  get(id: string): Tile | undefined {
    return this.#tiles.get(id);
  }

  /** Somebody has left. */
  remove(id: string): void {
    const tile = this.#tiles.get(id);
    if (!tile) return;
    tile.play(null);
    tile.element.remove();
    this.#tiles.delete(id);
    this.#arrange();
  }

  /** Everybody has left. */
  clear(): void {
    for (const id of [...this.#tiles.keys()]) this.remove(id);
  }

  /** Every tile. */
  [Symbol.iterator](): IterableIterator<Tile> {
    return this.#tiles.values();
  }

  /** A rule of the style sheet for each number: inline styles are refused by the page's policy. */
  #arrange(): void {
    this.list.dataset["count"] = String(Math.min(this.#tiles.size, 12));
  }
}
