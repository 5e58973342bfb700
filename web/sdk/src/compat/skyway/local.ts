/** What one sends: camera and microphone, the screen in the camera's place, and what is muted. */

import { openScreen, type Link, type Room } from "../../index.js";

import { muted, open } from "./media.js";
import type { JoinRoomOptions } from "./options.js";

/** What it tells of. */
export interface LocalTold {
  emit: (event: string, ...values: unknown[]) => void;
  /** What is sent, or its state, is another. */
  changed: () => void;
}

/** What one sends. */
export class Local {
  stream: MediaStream | null = null;
  screen: MediaStream | null = null;
  audioMuted = false;
  videoMuted = false;
  room: Room | null = null;

  constructor(private readonly told: LocalTold) {}

  /** What goes to whoever comes: the screen in the camera's place. */
  get tracks(): MediaStreamTrack[] {
    const tracks = this.stream?.getTracks() ?? [];
    if (!this.screen) return tracks;
    return [...tracks.filter((track) => track.kind === "audio"), ...this.screen.getVideoTracks()];
  }

  /** Open camera and microphone. */
  async open(options: JoinRoomOptions): Promise<MediaStream> {
    const { audio = false, video = false } = options;
    this.told.emit("mediaAccessRequired");
    let stream: MediaStream;
    try {
      stream = await open(audio, video);
    } catch (error) {
      this.told.emit("mediaAccessError", error, false, false);
      throw error;
    }
    this.stop();
    this.stream = stream;
    this.audioMuted = muted(audio);
    this.videoMuted = muted(video);
    this.#apply();
    this.told.emit("mediaAccessSuccess", stream, false, false, stream.id);
    return stream;
  }

  /** Send a stream that is there already. */
  async send(stream: MediaStream): Promise<void> {
    for (const track of this.tracks) await this.room?.removeTrack(track);
    if (stream !== this.stream) this.stop();
    this.stream = stream;
    this.#apply();
    for (const track of this.tracks) await this.room?.addTrack(track);
    this.told.changed();
  }

  /** Stop camera and microphone. */
  stop(): void {
    const { stream } = this;
    if (!stream) return;
    this.stream = null;
    for (const track of stream.getTracks()) {
      track.stop();
      void this.room?.removeTrack(track).catch(() => undefined);
    }
    this.told.emit("mediaAccessStopped", false, false, stream.id);
    this.told.changed();
  }

  /** Be silent or dark, or no longer. */
  mute(kinds: { readonly audioMuted?: boolean; readonly videoMuted?: boolean }): void {
    this.audioMuted = kinds.audioMuted ?? this.audioMuted;
    this.videoMuted = kinds.videoMuted ?? this.videoMuted;
    this.#apply();
    for (const link of this.room?.links.values() ?? []) this.tell(link);
    this.told.emit("localMediaMuted", { ...kinds });
    this.told.changed();
  }

  /** Tell a link what is muted. */
  tell(link: Link): void {
    if (this.audioMuted || this.videoMuted || Object.keys(link.muted).length > 0) {
      link.mute({ audio: this.audioMuted, video: this.videoMuted });
    } else if (link.state === "open") {
      link.mute({ audio: false, video: false });
    }
  }

  #apply(): void {
    for (const track of this.stream?.getAudioTracks() ?? []) track.enabled = !this.audioMuted;
    for (const track of this.stream?.getVideoTracks() ?? []) track.enabled = !this.videoMuted;
  }

  /** Show the screen in the camera's place. */
  async share(): Promise<MediaStream> {
    if (this.screen) throw new Error("The screen is shared already.");
    let track: MediaStreamTrack;
    try {
      track = await openScreen();
    } catch (error) {
      this.told.emit("mediaAccessError", error, true, false);
      throw error;
    }
    const screen = new MediaStream([track]);
    this.screen = screen;
    // The person may end it in the browser's own bar.
    track.addEventListener("ended", () => {
      void this.unshare();
    });
    this.told.emit("mediaAccessSuccess", screen, true, false, screen.id);
    if (this.room && !(await this.room.replaceTrack(track))) await this.room.addTrack(track);
    this.told.changed();
    return screen;
  }

  /** Show the camera again. */
  async unshare(): Promise<void> {
    const { screen } = this;
    const [track] = screen?.getVideoTracks() ?? [];
    if (!screen || !track) return;
    this.screen = null;
    const [camera] = this.stream?.getVideoTracks() ?? [];
    if (camera) await this.room?.replaceTrack(camera);
    else await this.room?.removeTrack(track);
    track.stop();
    this.told.emit("mediaAccessStopped", true, false, screen.id);
    this.told.changed();
  }
}
