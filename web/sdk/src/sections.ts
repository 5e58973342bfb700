/** What a connection is made of. */

import type { Connection } from "./connection.js";

/** A kind of media. */
export type Kind = "audio" | "video";
export const KINDS: readonly Kind[] = ["audio", "video"];

/** An offer or an answer of ours. */
export interface LocalDescription {
  readonly sdp: string;
  /** Whether every candidate is in it; else {@link Connection.trickle} hands the others out. */
  readonly complete: boolean;
}

/** What a connection carries. */
export interface ConnectionOptions {
  readonly iceServers: readonly RTCIceServer[];
  /** Used in place of `iceServers`, also by connections `like` this one. */
  readonly ownIceServers?: readonly RTCIceServer[] | undefined;
  /** Tracks to send. */
  readonly sending?: readonly MediaStreamTrack[] | undefined;
  /** The kinds wanted from the other side. */
  readonly receiving?: readonly Kind[] | undefined;
  /** What tracks that are sent are called, for the other side to see. */
  readonly names?: ReadonlyMap<MediaStreamTrack, string> | undefined;
  /**
   * One that this is to take the place of: the same sections in the same order, with the same
   * tracks.
   */
  readonly like?: Connection | undefined;
}

/** An audio or video section. */
export interface Section {
  readonly kind: Kind;
  /** What we send in it. */
  readonly track: MediaStreamTrack | null;
  /** As we would have it. */
  readonly direction: RTCRtpTransceiverDirection;
}
