/** Camera, microphone, screen or tracks of the page's own, as OpenTok's properties say. */

import { openMedia, openScreen } from "../../index.js";

import type { VideoType } from "./stream.js";

/** Where sound or picture comes from: a device's id, a track, the first device, or nothing. */
export type Source = string | MediaStreamTrack | boolean | null | undefined;

/** What to open. */
export interface CaptureOptions {
  readonly audioSource?: Source;
  /** `screen`: what the person chooses of it. */
  readonly videoSource?: Source;
  /** As `640x480`. */
  readonly resolution?: string;
  readonly frameRate?: number;
  readonly facingMode?: string;
  readonly echoCancellation?: boolean;
  readonly autoGainControl?: boolean;
  readonly noiseSuppression?: boolean;
  readonly disableAudioProcessing?: boolean;
}

/** What was opened. */
export interface Captured {
  readonly audio: MediaStreamTrack | null;
  readonly video: MediaStreamTrack | null;
  readonly videoType: VideoType | null;
}

/**
 * Open what the properties say.
 *
 * @throws MediaError if it can't be had.
 */
export async function capture(options: CaptureOptions): Promise<Captured> {
  const { audioSource, videoSource } = options;
  const opened: MediaStreamTrack[] = [];
  try {
    if (videoSource === "screen") opened.push(await openScreen(screen(options)));
    // Of a screen no microphone is opened unless it is asked for by name, as OpenTok does.
    const wanted = {
      audio: wantsDevice(audioSource) && audio(options),
      video: videoSource !== "screen" && wantsDevice(videoSource) && video(options),
    };
    if (wanted.audio || wanted.video) opened.push(...(await openMedia(wanted)));
  } catch (error) {
    for (const track of opened) track.stop();
    throw error;
  }
  const find = (kind: string): MediaStreamTrack | null =>
    opened.find((track) => track.kind === kind) ?? null;
  const given = videoSource instanceof MediaStreamTrack ? videoSource : null;
  const picture = given ?? find("video");
  const origin = given ? "custom" : videoSource === "screen" ? "screen" : "camera";
  return {
    audio: audioSource instanceof MediaStreamTrack ? audioSource : find("audio"),
    video: picture,
    videoType: picture && origin,
  };
}

function wantsDevice(source: Source): boolean {
  return source !== null && source !== false && !(source instanceof MediaStreamTrack);
}

function device(source: Source): MediaTrackConstraints {
  return typeof source === "string" && source !== "default" ? { deviceId: { exact: source } } : {};
}

function audio(options: CaptureOptions): MediaTrackConstraints {
  const names = ["echoCancellation", "autoGainControl", "noiseSuppression"] as const;
  const processing = names.flatMap((name) => {
    const on = options.disableAudioProcessing ? false : options[name];
    return on === undefined ? [] : [[name, on] as const];
  });
  return { ...device(options.audioSource), ...Object.fromEntries(processing) };
}

function video(options: CaptureOptions): MediaTrackConstraints {
  const { facingMode, videoSource } = options;
  return {
    ...device(videoSource),
    ...size(options, "640x480"),
    ...(facingMode !== undefined && { facingMode }),
  };
}

function screen(options: CaptureOptions): DisplayMediaStreamOptions {
  const wanted = size(options, "");
  return { video: Object.keys(wanted).length > 0 ? wanted : true };
}

function size({ resolution, frameRate }: CaptureOptions, usual: string): MediaTrackConstraints {
  const [width, height] = (resolution ?? usual).split("x").map(Number);
  return {
    ...(width && height && { width: { ideal: width }, height: { ideal: height } }),
    ...(frameRate !== undefined && { frameRate: { ideal: frameRate } }),
  };
}
