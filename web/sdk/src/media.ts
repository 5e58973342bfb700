/** Camera, microphone and screen, and what is wrong when there is none. */

import type { Kind } from "./connection.js";
import {
  InsecureContext,
  MediaDenied,
  MediaError,
  MediaNotFound,
  MediaUnreadable,
} from "./errors.js";

/** What to open; `true` for whichever the browser takes first. */
export type MediaWanted = Readonly<Partial<Record<Kind, boolean | MediaTrackConstraints>>>;

/**
 * Open camera and microphone.
 *
 * @throws InsecureContext if the page was not loaded from HTTPS or localhost.
 * @throws MediaDenied if the person or the browser forbids it.
 * @throws MediaNotFound if there is no such device.
 * @throws MediaUnreadable if another program uses it.
 */
export async function openMedia(wanted: MediaWanted): Promise<MediaStreamTrack[]> {
  const devices = devicesOrThrow();
  try {
    return (await devices.getUserMedia(wanted)).getTracks();
  } catch (error) {
    throw mediaError(namesOf(wanted), error instanceof Error ? error : new Error(String(error)));
  }
}

/**
 * Open the screen, a window or a tab: the browser asks which.
 *
 * @throws InsecureContext if the page was not loaded from HTTPS or localhost.
 * @throws MediaDenied if the person chose none.
 */
export async function openScreen(
  constraints: DisplayMediaStreamOptions = { video: true },
): Promise<MediaStreamTrack> {
  const devices = devicesOrThrow();
  try {
    const [track] = (await devices.getDisplayMedia(constraints)).getVideoTracks();
    if (track) return track;
  } catch (error) {
    throw mediaError("screen", error instanceof Error ? error : new Error(String(error)));
  }
  throw new MediaNotFound("No screen was given.");
}

function devicesOrThrow(): MediaDevices {
  // Typed as always there, but a page on plain HTTP has none.
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  if (devices) return devices;
  throw new InsecureContext(
    "Browsers give camera, microphone and screen only to pages from HTTPS or localhost: " +
      "open this page at such an address.",
  );
}

function namesOf(wanted: MediaWanted): string {
  const names = { audio: "microphone", video: "camera" };
  const kinds = (["video", "audio"] as const).filter((kind) => wanted[kind]);
  return kinds.map((kind) => names[kind]).join(" and ");
}

function mediaError(what: string, error: Error): MediaError {
  switch (error.name) {
    case "NotAllowedError":
    case "SecurityError":
      return new MediaDenied(
        `The use of ${what} is not allowed. Allow it in the browser's address bar, and try again.`,
      );
    case "NotFoundError":
    case "OverconstrainedError":
      return new MediaNotFound(`No ${what} was found. Plug one in, or go on without.`);
    case "NotReadableError":
    case "AbortError":
      return new MediaUnreadable(
        `The ${what} can't be used: another program may have it. Close that, and try again.`,
      );
  }
  return new MediaError(`The ${what} can't be used: ${error.message}`);
}
