/** What the callbacks are given: by calls, and by the realtime connection. */

import type { DataChannel } from "./channel.js";
import type { RTCReceiverParams, RTCResolved } from "./params.js";

/** What a call's callback is given; which fields there are depends on the type. */
export interface RTCEvent {
  /**
   * Of the connection: `track`, `connectionstatechange`, `iceconnectionstatechange`,
   * `icegatheringstatechange`, `signalingstatechange`, `negotiationneeded`, `icecandidate`,
   * `icecandidateend`, `icecandidateerror`; of a channel: `open`, `message`, `bufferedamountlow`,
   * `error`, `close`.
   */
  readonly type: string;
  readonly target: RTCPeerConnection | DataChannel;
  /** ISO 8601. */
  readonly timestamp?: string;
  /** Milliseconds since the page was opened. */
  readonly timeStamp?: number;
  readonly track?: MediaStreamTrack;
  readonly streams?: readonly MediaStream[];
  readonly state?: string;
  readonly iceState?: string;
  readonly signalingState?: string;
  readonly gatheringState?: string;
  readonly connectionState?: string;
  readonly data?: string | ArrayBuffer | Blob;
  readonly label?: string;
  readonly error?: string;
  readonly [field: string]: unknown;
}

/** A call's callback. */
export type RTCCallback = (event: RTCEvent) => void;

/** What the realtime callback is given. */
export interface RealtimeMessage {
  readonly type:
    | "message"
    | "private"
    | "notice"
    | "error"
    | "success"
    | "close"
    | "reconnect"
    | "rtc:incoming"
    | "rtc:closed";
  /** What was sent, or said of the event. */
  readonly message?: unknown;
  /** User id. */
  readonly sender?: string | null;
  /** Its connection's id: whom to give to `connectRTC`. */
  readonly sender_cid?: string | null;
  /** The group it is in. */
  readonly sender_rid?: string | null;
  /** Of a notice: `USER_JOINED`, `USER_LEFT`, `USER_DISCONNECTED`. */
  readonly code?: string | null;
  /** Of `rtc:incoming`: take the call. */
  readonly connectRTC?: (
    params: RTCReceiverParams | null | undefined,
    callback: RTCCallback,
  ) => Promise<RTCResolved | null>;
  /** Of `rtc:incoming`: turn it away, or end it. */
  readonly hangup?: () => void;
}

/** The realtime callback. */
export type RealtimeCallback = (message: RealtimeMessage) => void;

const STATES = (pc: RTCPeerConnection): Readonly<Record<string, object>> => ({
  connectionstatechange: {
    state: pc.connectionState,
    iceState: pc.iceConnectionState,
    signalingState: pc.signalingState,
  },
  iceconnectionstatechange: {
    state: pc.iceConnectionState,
    gatheringState: pc.iceGatheringState,
    signalingState: pc.signalingState,
  },
  icegatheringstatechange: {
    state: pc.iceGatheringState,
    connectionState: pc.iceConnectionState,
    signalingState: pc.signalingState,
  },
  signalingstatechange: {
    state: pc.signalingState,
    connectionState: pc.iceConnectionState,
    gatheringState: pc.iceGatheringState,
  },
  negotiationneeded: {
    signalingState: pc.signalingState,
    connectionState: pc.iceConnectionState,
    gatheringState: pc.iceGatheringState,
  },
});

/** The event that says how a connection stands now. */
export function stateEvent(type: string, pc: RTCPeerConnection, state?: string): RTCEvent {
  const timestamp = new Date().toISOString();
  return { type, target: pc, timestamp, ...STATES(pc)[type], ...(state && { state }) };
}

/** Tell of what a browser's connection does. */
export function forward(pc: RTCPeerConnection, tell: RTCCallback): void {
  const about = (type: string, more: object): void => {
    tell({
      ...{ type, target: pc, timestamp: new Date().toISOString(), ...more },
      ...(type !== "icecandidateend" && {
        gatheringState: pc.iceGatheringState,
        connectionState: pc.iceConnectionState,
      }),
    });
  };
  for (const type of Object.keys(STATES(pc))) {
    pc.addEventListener(type, () => {
      tell(stateEvent(type, pc));
    });
  }
  pc.addEventListener("icecandidate", ({ candidate: found }) => {
    if (!found?.candidate) {
      if (!found) about("icecandidateend", {});
      return;
    }
    const { candidate, sdpMid, sdpMLineIndex, usernameFragment, protocol } = found;
    about("icecandidate", { candidate, sdpMid, sdpMLineIndex, usernameFragment, protocol });
  });
  pc.addEventListener("icecandidateerror", ({ errorCode, errorText, url, address, port }) => {
    const hostCandidate = address === null ? "" : `${address}:${String(port)}`;
    about("icecandidateerror", { errorCode, errorText, url, hostCandidate });
  });
}
