/** What one publishes: camera, microphone, screen or tracks of one's own, shown on the page. */

import { capture, type Captured, type CaptureOptions } from "./capture.js";
import { Place, type PlaceOptions, type Target } from "./element.js";
import { complete, mediaError, OTError, type Completion } from "./errors.js";
import { Dispatcher } from "./events.js";
import type { Stream, StreamCard } from "./stream.js";

/** How to publish. */
export interface PublisherOptions extends PlaceOptions, CaptureOptions {
  /** Shown to others as the stream's. */
  readonly name?: string;
  readonly publishAudio?: boolean;
  readonly publishVideo?: boolean;
  /** Whether one sees oneself as in a mirror; default: unless it is the screen. */
  readonly mirror?: boolean;
  readonly [other: string]: unknown;
}

/** The session that it is published in. */
export interface PublisherHost {
  /** What others know of it has changed. */
  changed(): void;
  /** Another track takes a track's place. */
  replaced(track: MediaStreamTrack, old: MediaStreamTrack): Promise<void>;
  /** It is published no longer. */
  stop(reason: string): void;
}

/** One stream of ours. Made by `OT.initPublisher`. */
export class Publisher extends Dispatcher {
  readonly id: string;
  /** What shows it on the page; undefined: nothing does. */
  readonly element: HTMLElement | undefined;
  /** While it is published. */
  stream: Stream | null = null;
  /** The session that it is published in. */
  session: unknown = null;
  /** Done when there is something to publish. @internal */
  readonly ready: Promise<void>;
  /** @internal */
  host: PublisherHost | null = null;

  readonly #place: Place;
  readonly #shown = new MediaStream();
  readonly #owned = new Set<MediaStreamTrack>();
  #audio: MediaStreamTrack | null = null;
  #video: MediaStreamTrack | null = null;
  #videoType: Captured["videoType"] = null;
  #sendsAudio: boolean;
  #sendsVideo: boolean;
  #destroyed = false;

  /** @throws OTError if the page has no such element. */
  constructor(
    target: Target,
    private readonly options: PublisherOptions,
    completion?: Completion,
  ) {
    super();
    this.#place = new Place("publisher", target, options);
    this.id = this.#place.id;
    this.element = this.#place.element;
    this.#sendsAudio = options.publishAudio ?? true;
    this.#sendsVideo = options.publishVideo ?? true;
    this.ready = this.#open();
    complete(this.ready, mediaError, completion);
    this.#place.video.addEventListener("resize", () => {
      this.dispatch("videoDimensionsChanged", { newValue: this.#size() });
      this.host?.changed();
    });
  }

  async #open(): Promise<void> {
    // Whoever listens does so after this.
    await Promise.resolve();
    this.dispatch("accessDialogOpened");
    let captured: Captured;
    try {
      captured = await capture(this.options);
    } catch (error) {
      const told = mediaError(error);
      this.dispatch("accessDialogClosed");
      this.dispatch("accessDenied", { message: told.message });
      throw told;
    }
    if (this.#destroyed) {
      this.#release(captured);
      throw new OTError("OT_UNABLE_TO_PUBLISH", "The publisher was destroyed.");
    }
    this.dispatch("accessDialogClosed");
    this.dispatch("accessAllowed");
    this.#videoType = captured.videoType;
    this.#take(captured.audio, null, this.options.audioSource);
    this.#take(captured.video, null, this.options.videoSource);
    this.#place.mirror(this.options.mirror ?? captured.videoType === "camera");
    this.#place.show(this.#shown);
    this.dispatch("videoElementCreated", { element: this.#place.video });
    this.dispatch("mediaStreamAvailable");
  }

  #release({ audio, video }: Captured): void {
    const given = [this.options.audioSource, this.options.videoSource];
    for (const track of [audio, video]) if (!given.includes(track)) track?.stop();
  }

  #take(track: MediaStreamTrack | null, old: MediaStreamTrack | null, given: unknown): void {
    if (old) {
      this.#shown.removeTrack(old);
      if (this.#owned.delete(old)) old.stop();
    }
    if (!track) return;
    if (track !== given) this.#owned.add(track);
    if (track.kind === "audio") this.#audio = track;
    else this.#video = track;
    this.#shown.addTrack(track);
    this.#apply();
    track.addEventListener("ended", () => {
      if (track !== this.#audio && track !== this.#video) return;
      this.dispatch("mediaStopped", { track });
      if (track === this.#video) this.host?.stop("mediaStopped");
    });
  }

  /** What is sent, of each kind. @internal */
  get tracks(): {
    readonly audio: MediaStreamTrack | null;
    readonly video: MediaStreamTrack | null;
  } {
    return { audio: this.#audio, video: this.#video };
  }

  /** What others are told of it. @internal */
  card(id: string, createdAt: number): StreamCard {
    return {
      ...{ id, createdAt, name: this.options.name ?? "" },
      hasAudio: this.#audio !== null && this.#sendsAudio,
      hasVideo: this.#video !== null && this.#sendsVideo,
      videoType: this.#videoType,
      ...this.#size(),
      frameRate: this.#video?.getSettings().frameRate ?? null,
    };
  }

  #size(): { width: number; height: number } {
    const { videoWidth, videoHeight } = this.#place.video;
    const { width, height } = this.#video?.getSettings() ?? {};
    return { width: videoWidth || (width ?? 0), height: videoHeight || (height ?? 0) };
  }

  /** Be heard, or silent. */
  publishAudio(on: boolean): void {
    this.#sendsAudio = on;
    this.#apply();
    this.host?.changed();
  }

  /** Be seen, or dark. */
  publishVideo(on: boolean): void {
    this.#sendsVideo = on;
    this.#apply();
    this.host?.changed();
  }

  #apply(): void {
    if (this.#audio) this.#audio.enabled = this.#sendsAudio;
    if (this.#video) this.#video.enabled = this.#sendsVideo;
  }

  /** A moderator wants silence. @internal */
  forceMute(): void {
    this.publishAudio(false);
    this.dispatch("muteForced", { active: true });
  }

  /** Send sound of another microphone, or another track. */
  async setAudioSource(source: string | MediaStreamTrack): Promise<void> {
    await this.#replace("audio", { ...this.options, audioSource: source, videoSource: null });
    this.dispatch("audioInputDeviceChanged", { device: { label: this.#audio?.label } });
  }

  /** Send the picture of another camera. */
  async setVideoSource(source: string | MediaStreamTrack): Promise<void> {
    await this.#replace("video", { ...this.options, audioSource: null, videoSource: source });
  }

  /** Send the picture of the next camera. */
  async cycleVideo(): Promise<{ deviceId: string }> {
    const devices = await navigator.mediaDevices.enumerateDevices();
    const cameras = devices.filter(({ kind }) => kind === "videoinput");
    const now = this.#video?.getSettings().deviceId;
    const at = cameras.findIndex(({ deviceId }) => deviceId === now);
    const next = cameras[(at + 1) % cameras.length];
    if (!next) throw new OTError("OT_NO_DEVICES_FOUND", "There is no camera.");
    await this.setVideoSource(next.deviceId);
    return { deviceId: next.deviceId };
  }

  async #replace(kind: "audio" | "video", options: CaptureOptions): Promise<void> {
    await this.ready;
    const old = this.tracks[kind];
    if (!old) {
      const message = `No ${kind} is published: it can't be another.`;
      throw new OTError("OT_UNABLE_TO_PUBLISH", message);
    }
    let captured: Captured;
    try {
      captured = await capture(options);
    } catch (error) {
      throw mediaError(error);
    }
    const track = captured[kind];
    if (!track || track === old) return;
    const given = kind === "audio" ? options.audioSource : options.videoSource;
    track.enabled = old.enabled;
    await this.host?.replaced(track, old);
    this.#take(track, old, given);
    if (kind === "video") this.#videoType = captured.videoType;
    this.host?.changed();
  }

  /** The microphone's track. */
  getAudioSource(): MediaStreamTrack | null {
    return this.#audio;
  }

  /** The camera's, and what it is. */
  getVideoSource(): {
    deviceId: string | null;
    type: string | null;
    track: MediaStreamTrack | null;
  } {
    const deviceId = this.#video?.getSettings().deviceId ?? null;
    return { deviceId, type: this.#videoType, track: this.#video };
  }

  /** What is seen now, as a PNG in base64. */
  getImgData(): string | null {
    return this.#place.image();
  }

  /** Publish it no longer, close camera and microphone, and be gone from the page. */
  destroy(): this {
    if (this.#destroyed) return this;
    this.#destroyed = true;
    this.host?.stop("clientDisconnected");
    for (const track of this.#owned) track.stop();
    this.#place.remove();
    this.dispatch("destroyed", { reason: "clientDisconnected" });
    return this;
  }
}
