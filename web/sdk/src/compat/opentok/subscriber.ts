/** What one sees and hears of somebody else's stream, shown on the page. */

import { Place, type PlaceOptions, type Target } from "./element.js";
import { Dispatcher } from "./events.js";
import type { Change, Stream } from "./stream.js";

/** How to subscribe. */
export interface SubscriberOptions extends PlaceOptions {
  readonly subscribeToAudio?: boolean;
  readonly subscribeToVideo?: boolean;
  /** 0 to 100. */
  readonly audioVolume?: number;
  readonly [other: string]: unknown;
}

/** Which kinds a subscriber wants. */
export interface Wants {
  readonly audio: boolean;
  readonly video: boolean;
}

const blocked = new Set<Subscriber>();

/** Play what the browser wouldn't before the person did something; call it at a click. */
export async function unblockAudio(): Promise<void> {
  await Promise.all([...blocked].map((subscriber) => subscriber.play()));
}

/** One stream of somebody else's. Made by `session.subscribe`. */
export class Subscriber extends Dispatcher {
  readonly id: string;
  /** What shows it on the page; undefined: nothing does. */
  readonly element: HTMLElement | undefined;
  /** What is asked for. @internal */
  wants: Wants;

  readonly #place: Place;
  readonly #shown = new MediaStream();
  #destroyed = false;

  /** @throws OTError if the page has no such element. */
  constructor(
    readonly stream: Stream,
    target: Target,
    options: SubscriberOptions,
    /** Told when it wants other kinds. */
    private readonly wish: () => void,
  ) {
    super();
    this.#place = new Place("subscriber", target, options);
    this.id = this.#place.id;
    this.element = this.#place.element;
    const { subscribeToAudio: audio = true, subscribeToVideo: video = true } = options;
    this.wants = { audio, video };
    this.setAudioVolume(options.audioVolume ?? 100);
    this.#place.video.addEventListener("resize", () => {
      const { videoWidth: width, videoHeight: height } = this.#place.video;
      this.dispatch("videoDimensionsChanged", { newValue: { width, height } });
    });
  }

  /** Show these, and no others. @internal */
  carry(audio: MediaStreamTrack | null, video: MediaStreamTrack | null): void {
    if (this.#destroyed) return;
    const wanted = [this.wants.audio ? audio : null, this.wants.video ? video : null];
    const before = this.#shown.getTracks();
    for (const track of before) if (!wanted.includes(track)) this.#shown.removeTrack(track);
    for (const track of wanted) if (track) this.#shown.addTrack(track);
    if (this.#place.video.srcObject || this.#shown.getTracks().length === 0) return;
    this.#place.show(this.#shown);
    this.dispatch("videoElementCreated", { element: this.#place.video });
    this.dispatch("connected");
    void this.play();
  }

  /** Play it; browsers may wait for the person to do something first. @internal */
  async play(): Promise<void> {
    try {
      await this.#place.video.play();
      if (blocked.delete(this)) this.dispatch("audioUnblocked");
    } catch (error) {
      if ((error as Error).name !== "NotAllowedError" || blocked.has(this)) return;
      blocked.add(this);
      this.dispatch("audioBlocked");
    }
  }

  /** Whether the browser waits for the person before it plays. */
  isAudioBlocked(): boolean {
    return blocked.has(this);
  }

  /** Its publisher has become silent or dark, or no longer. @internal */
  tell({ changedProperty, newValue }: Change): void {
    if (changedProperty !== "hasVideo" || !this.wants.video) return;
    this.dispatch(newValue ? "videoEnabled" : "videoDisabled", { reason: "publishVideo" });
  }

  /** Hear it, or have its sound not sent. */
  subscribeToAudio(on: boolean): this {
    if (this.wants.audio === on) return this;
    this.wants = { ...this.wants, audio: on };
    this.wish();
    return this;
  }

  /** See it, or have its picture not sent. */
  subscribeToVideo(on: boolean): this {
    if (this.wants.video === on) return this;
    this.wants = { ...this.wants, video: on };
    this.wish();
    this.dispatch(on ? "videoEnabled" : "videoDisabled", { reason: "subscribeToVideo" });
    return this;
  }

  /** From 0 to 100. */
  setAudioVolume(percent: number): this {
    this.#place.video.volume = Math.min(100, Math.max(0, percent)) / 100;
    return this;
  }

  /** From 0 to 100. */
  getAudioVolume(): number {
    return this.#place.video.volume * 100;
  }

  /** Pixels of the picture; 0: there is none yet. */
  videoWidth(): number {
    return this.#place.video.videoWidth;
  }

  videoHeight(): number {
    return this.#place.video.videoHeight;
  }

  /** What is seen now, as a PNG in base64. */
  getImgData(): string | null {
    return this.#place.image();
  }

  /** Be gone from the page. @internal */
  remove(reason: string): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    blocked.delete(this);
    this.#place.remove();
    this.dispatch("destroyed", { reason });
  }
}
