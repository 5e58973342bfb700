/** What a link tells of. */

import type { Channel } from "./channel.js";
import type { LinkEnd } from "./linkState.js";
import type { Pulse } from "./negotiation.js";

/** What a link tells of. */
export interface LinkEvents {
  /** The control channel is open. */
  open: undefined;
  /** User data; each once, in order, kept until somebody listens. Bytes come as `Uint8Array`. */
  message: unknown;
  /** The other side opened a channel; kept until somebody listens. */
  channel: Channel;
  /** The other side sends a track (its name: `nameOf`); after a repair it comes as another one. */
  track: MediaStreamTrack;
  /** The other side sends it no longer, or another came in its place. */
  trackRemoved: MediaStreamTrack;
  /** Which of the other side's kinds are muted. */
  mute: Readonly<Record<string, boolean>>;
  /** How the other side's heart beats. */
  pulse: Pulse;
  /** The round trip of the latest ping, in seconds. */
  roundTrip: number;
  /** The path broke (it fell silent, or failed), and another is looked for. */
  reconnecting: "silent" | "failed";
  /** It is open again; what was said meanwhile arrives. */
  reconnected: undefined;
  closed: LinkEnd;
}
