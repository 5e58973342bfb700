/**
 * What a link needs once it stands, and a page not before: its heart, tracks that come and go,
 * channels, statistics. It is loaded while the link opens.
 */

import type { Carrier } from "./carrier.js";
import type { Channel } from "./channel.js";
import { Channels } from "./channels.js";
import type { Kind } from "./connection.js";
import type { Frame } from "./control.js";
import { Heartbeat } from "./heartbeat.js";
import type { LinkBase } from "./linkState.js";
import { endsBreak, type Pulse } from "./negotiation.js";
import { Renegotiation } from "./renegotiation.js";
import { Rates, read, type Path, type Statistics } from "./statistics.js";
import { limit, replace, takeOver } from "./tracks.js";

/** Who is told of what happens to a link's parts. */
export interface LinkPartsUser {
  /** How the other side's heart beats now. */
  pulse: (pulse: Pulse) => void;
  /** It beats no more: told twice a beat. */
  dead: () => void;
  /** The round trip of a ping, in seconds. */
  roundTrip: (seconds: number) => void;
  /** The other side opened a channel. */
  channel: (channel: Channel) => void;
}

/** The parts of one link. */
export class LinkParts {
  readonly renegotiation: Renegotiation;
  readonly channels: Channels;
  readonly heart: Heartbeat;
  readonly #rates = new Rates();
  /** Whether the link has got another connection since it broke. */
  hasMoved = false;
  /** Number of the last ping before it broke. */
  #pingedBefore = 0;

  constructor(
    readonly link: LinkBase,
    { pulse, dead, roundTrip, channel }: LinkPartsUser,
  ) {
    this.renegotiation = new Renegotiation(link);
    this.channels = new Channels(link, channel);
    let last: Pulse = "alive";
    const judge = (now: Pulse): void => {
      if (now !== last) pulse(now);
      last = now;
      if (now === "dead") dead();
    };
    this.heart = new Heartbeat(link.say.bind(link), judge, roundTrip);
  }

  /**
   * Something came; null: nothing that the link itself takes.
   *
   * @returns whether a link that is broken is open again, if it came on the connection in use.
   */
  hear(frame: Frame | null): boolean {
    this.heart.hear();
    return endsBreak(this.hasMoved, frame?.t === "pong" ? frame.n : null, this.#pingedBefore);
  }

  /** The link broke. */
  broke(): void {
    this.hasMoved = false;
    this.#pingedBefore = this.heart.pinged;
    this.heart.ping();
  }

  /** The link runs on another connection now. */
  moved(old: Carrier, now: Carrier): void {
    this.hasMoved = true;
    takeOver(now.connection, old.connection);
    this.renegotiation.moved(now);
    this.channels.move(now);
  }

  /** Send another track in place of one that is sent: see {@link Link.replaceTrack}. */
  async replace(
    coming: () => readonly LinkBase["connection"][],
    track: MediaStreamTrack,
    old?: MediaStreamTrack,
  ): Promise<boolean> {
    const { connection } = this.link;
    const replaced = await replace(connection, track, old);
    // It moved meanwhile: there, too.
    if (this.link.connection !== connection) return await replace(this.link.connection, track, old);
    for (const one of coming()) await replace(one, track, old);
    return replaced;
  }

  /** Bound what the tracks of a kind may take: see {@link Link.limitBitrate}. */
  async limit(kind: Kind, bitsPerSecond: number | null): Promise<void> {
    await limit(this.link.connection, kind, bitsPerSecond);
  }

  /** The network path in use, or the last one that was. */
  async path(): Promise<Path | null> {
    return this.#rates.path(read(await this.link.connection.pc.getStats()).path);
  }

  /** What the connection in use has carried, and how fast since the statistics before. */
  async statistics(roundTripSeconds: number | null): Promise<Statistics> {
    const now = read(await this.link.connection.pc.getStats());
    return this.#rates.of(now, performance.now() / 1000, roundTripSeconds);
  }

  /** The link has ended. */
  close(): void {
    this.heart.stop();
    this.renegotiation.close();
    this.channels.close();
  }
}
