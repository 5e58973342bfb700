/** What a connection is made of. */

/** A kind of media. */
export type Kind = "audio" | "video";
export const KINDS: readonly Kind[] = ["audio", "video"];

/** An offer or an answer of ours. */
export interface LocalDescription {
  readonly sdp: string;
  /** Whether every candidate is in it; else the connection's `trickle` hands the others out. */
  readonly complete: boolean;
}

/** An audio or video section. */
export interface Section {
  readonly kind: Kind;
  /** What we send in it. */
  readonly track: MediaStreamTrack | null;
  /** As we would have it. */
  readonly direction: RTCRtpTransceiverDirection;
}
