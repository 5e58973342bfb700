/** Camera, microphone and screen of one who is in, or will be. */

import type { Wanted } from "./options.js";

/** Show a stream in an element, as the adapters of old browsers did. */
export function attachMediaStream<E extends HTMLMediaElement>(
  element: E,
  stream: MediaStream | null,
): E {
  element.srcObject = stream;
  return element;
}

/** Open camera and microphone as wanted. */
export async function open(audio: Wanted, video: Wanted): Promise<MediaStream> {
  const constraint = (wanted: Wanted): boolean | MediaTrackConstraints => {
    if (typeof wanted === "boolean") return wanted;
    const rest: Record<string, unknown> = { ...wanted };
    delete rest["mute"];
    return { ...rest, ...size(rest) };
  };
  // Typed as always there, but a page on plain HTTP has none.
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  if (!devices) throw new Error("Camera and microphone need a page from HTTPS or localhost.");
  return await devices.getUserMedia({ audio: constraint(audio), video: constraint(video) });
}

function size(wanted: { resolution?: { width: number; height: number } }): MediaTrackConstraints {
  const { resolution } = wanted;
  return resolution ? { width: resolution.width, height: resolution.height } : {};
}

/** Whether tracks of this kind were asked to begin muted. */
export function muted(wanted: Wanted | undefined): boolean {
  return typeof wanted === "object" && wanted.mute === true;
}
