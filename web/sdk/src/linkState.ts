/** Where a link stands, how it ended, and what its parts know of it. */

import type { Carrier } from "./carrier.js";
import type { Connection } from "./connection.js";
import type { Frame } from "./control.js";

/** The link's original offerer alone creates offers; the answerer asks. */
export type Side = "offerer" | "answerer";
/** `reconnecting`: the path broke, and another is looked for. */
export type LinkState = "connecting" | "open" | "reconnecting" | "closed";

/** How a link ended. */
export interface LinkEnd {
  /**
   * `hangup` or what the other side gave; `gone` if it fell silent; `failed` if the path broke.
   */
  readonly reason: string;
  readonly byRemote: boolean;
}

/** A link as its parts and its channels know it. */
export interface LinkBase {
  readonly side: Side;
  readonly state: LinkState;
  /** The other side's peer id, once known. */
  readonly remote: string;
  /** How long a repair may take before the link ends. */
  readonly repairSeconds: number;
  /** The connection in use, and its control channel. */
  readonly carrier: Carrier;
  /** The connection in use. */
  readonly connection: Connection;
  /** Send a frame on the connection in use. */
  say: (frame: Frame) => void;
  /** Wait until the link is open, if it is being repaired. */
  settled: () => Promise<void>;
  /** Wait until the link has ended, and say how. */
  closed: () => Promise<LinkEnd>;
  /** What the other side sends has changed, or comes on another connection. */
  reconcile: () => void;
  /** Do something beside; if it fails, the connection does. */
  aside: (work: Promise<void>) => void;
}

/** Why a link did not open. */
export const NO_PATH =
  "No network path between the two sides: both signalled, but no connection opened. The other " +
  "side may have vanished, or a firewall stands between: set up a TURN server.";
