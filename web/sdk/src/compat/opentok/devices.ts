/** What `OT` itself offers: devices, and what the browser can do. */

import { capture, type CaptureOptions } from "./capture.js";
import { mediaError, OTError } from "./errors.js";

/** A camera or a microphone. */
export interface Device {
  readonly deviceId: string;
  /** Empty before the person has allowed any use. */
  readonly label: string;
  readonly kind: "audioInput" | "videoInput";
}

/** Which cameras and microphones there are. */
export function getDevices(
  callback: (error: OTError | undefined, devices?: readonly Device[]) => void,
): void {
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  if (!devices) {
    const message = "Camera and microphone need a page from HTTPS or localhost.";
    callback(new OTError("OT_NO_DEVICES_FOUND", message));
    return;
  }
  devices.enumerateDevices().then(
    (found) => {
      const inputs = found.flatMap(({ deviceId, label, kind }): Device[] => {
        if (kind === "audioinput") return [{ deviceId, label, kind: "audioInput" }];
        return kind === "videoinput" ? [{ deviceId, label, kind: "videoInput" }] : [];
      });
      callback(undefined, inputs);
    },
    (error: unknown) => {
      callback(mediaError(error));
    },
  );
}

/** Open camera and microphone without publishing them. */
export async function getUserMedia(options: CaptureOptions = {}): Promise<MediaStream> {
  try {
    const { audio, video } = await capture(options);
    return new MediaStream([audio, video].filter((track) => track !== null));
  } catch (error) {
    throw mediaError(error);
  }
}

/** 1 if the browser has WebRTC, else 0. */
export function checkSystemRequirements(): 0 | 1 {
  return "RTCPeerConnection" in globalThis && "mediaDevices" in navigator ? 1 : 0;
}

/** Whether the screen can be shared. */
export interface ScreenCapability {
  readonly supported: boolean;
  readonly supportedSources: {
    readonly screen: boolean;
    readonly application: boolean;
    readonly window: boolean;
  };
  /** No browser needs an extension any more. */
  readonly extensionRequired: undefined;
  readonly extensionRegistered: undefined;
}

/** Whether the screen can be shared. */
export function checkScreenSharingCapability(callback: (response: ScreenCapability) => void): void {
  const devices = navigator.mediaDevices as Partial<MediaDevices> | undefined;
  const supported = devices?.getDisplayMedia !== undefined;
  const supportedSources = { screen: supported, application: supported, window: supported };
  const needless = { extensionRequired: undefined, extensionRegistered: undefined };
  queueMicrotask(() => {
    callback({ supported, supportedSources, ...needless });
  });
}
