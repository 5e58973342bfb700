/** PeerJS's MediaConnection: a call that the other side answers. */

import type { Call, Ring } from "../../index.js";

import { BaseConnection, type Introduction, type Owner } from "./connection.js";
import { ConnectionType, type BaseConnectionErrorType, type EventsWithError } from "./errors.js";

/** What a media connection tells of. */
export interface MediaConnectionEvents extends EventsWithError<`${BaseConnectionErrorType}`> {
  stream: (stream: MediaStream) => void;
  close: () => void;
  iceStateChanged: (state: RTCIceConnectionState) => void;
}

/** A connection that carries sound and picture. */
export class MediaConnection extends BaseConnection<never, MediaConnectionEvents> {
  readonly type = ConnectionType.Media;
  /** What is sent. */
  localStream: MediaStream | undefined;
  /** What arrives. */
  remoteStream: MediaStream | undefined;

  /** @internal */
  constructor(
    peer: string,
    provider: Owner,
    introduction: Introduction,
    private readonly ring: Ring | null,
    localStream?: MediaStream,
  ) {
    super(peer, provider, introduction);
    this.localStream = localStream;
    void ring?.stopped().then((reason) => {
      if (reason !== "accepted") this.finish();
    });
  }

  /** Take the call; once, by the side that was called. */
  answer(stream?: MediaStream): void {
    const { ring } = this;
    if (!ring || this.localStream || this.open) {
      console.warn("Local stream already exists on this MediaConnection. Are you answering twice?");
      return;
    }
    this.localStream = stream;
    ring
      .accept({
        media: { sending: stream?.getTracks() ?? [] },
        onCall: (call) => {
          this.prepare(call);
        },
      })
      .then(
        () => {
          this.open = true;
        },
        (error: unknown) => {
          this.fail(error as Error);
        },
      );
  }

  override prepare(call: Call): void {
    super.prepare(call);
    call.link.on("track", () => {
      const { stream } = call.link;
      if (this.remoteStream === stream) return;
      this.remoteStream = stream;
      this.emit("stream", stream);
    });
  }

  /** End the call; one that still rings is turned away. */
  override close(): void {
    if (this.ring && !this.call) void this.ring.reject();
    super.close();
  }
}
