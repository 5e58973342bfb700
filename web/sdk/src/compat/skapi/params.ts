/** What a call is asked for with, and what it gives. */

import type { MediaWanted } from "../../index.js";

import type { ChannelSettings, DataChannel } from "./channel.js";

/** ICE servers: one address, several, or as `RTCPeerConnection` takes them. */
export type Ice = string | RTCIceServer | readonly (string | RTCIceServer)[];

/** How to take a call. */
export interface RTCReceiverParams {
  /** In place of those of the realm. */
  readonly ice?: Ice;
  /** What to send: a stream, or what to open. */
  readonly media?: MediaStream | MediaWanted | null;
}

/** How to call. */
export interface RTCConnectorParams extends RTCReceiverParams {
  /** Whom. */
  readonly cid: string;
  /** Default: one reliable channel, `default`. */
  readonly channels?: ChannelSettings | readonly ChannelSettings[];
  /** How long it rings; default: 30. */
  readonly timeoutSeconds?: number;
}

/** A call that stands. */
export interface RTCResolved {
  /** The browser's connection; another one after a repair that needed it. */
  readonly target: RTCPeerConnection;
  /** By their names; on the side that was called they come with `open`. */
  readonly channels: Readonly<Record<string, DataChannel>>;
  readonly hangup: () => void;
  /** What is sent. */
  readonly media: MediaStream | undefined;
}

/** A call that rings. */
export interface RTCConnector {
  /** Give up, or hang up. */
  readonly hangup: () => void;
  /** Settles in any case: with the call, or with why it did not come about. */
  readonly connection: Promise<RTCResolved>;
}
