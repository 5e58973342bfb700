/**
 * The live connection to one remote peer: messages, requests, tracks, channels, goodbye; and its
 * repair, when the path under it breaks. Once the control channel is open everything travels on it
 * and the database is left alone.
 */

import type { Carrier } from "./carrier.js";
import { Carriers } from "./carriers.js";
import type { Channel } from "./channel.js";
import type { ChannelOptions } from "./channels.js";
import type { Connection, Kind } from "./connection.js";
import type { Frame } from "./control.js";
import { FireRTCError, PathUnreachable, PeerGone, ProtocolError } from "./errors.js";
import { Emitter } from "./events.js";
import type { LinkEvents } from "./linkEvents.js";
import type { LinkParts } from "./linkParts.js";
import { NO_PATH, type LinkBase, type LinkEnd, type LinkState, type Side } from "./linkState.js";
import { Messages } from "./messages.js";
import { REPAIR_SECONDS, UNREACHABLE_SECONDS } from "./negotiation.js";
import { handWire, insist, Part } from "./part.js";
import { Received } from "./received.js";
import type { RequestHandler } from "./requests.js";
import type { Path, Statistics } from "./statistics.js";
import { Changes, deferred, within } from "./waiting.js";

const GOODBYE_SECONDS = 1;
/** How long a last word has to leave before its connection is closed. */
const LAST_WORD_SECONDS = 0.05;
/** For confirmations and replies. */
const PATIENCE_SECONDS = 10;
/** What this side understands. */
const CAN = ["restart", "channels", "requests", "files"] as const;

export type { LinkEnd, LinkEvents, LinkState, Side };

/**
 * Brings a broken link another connection ({@link Link.carry}), and is done when the link is open
 * again or all is in vain.
 */
export type Mend = (link: Link) => Promise<void>;

/** The connection to one remote peer. */
export class Link extends Emitter<LinkEvents> implements LinkBase {
  state: LinkState = "connecting";
  /** The other side's peer id, once known. */
  remote = "";
  /** Round trip of the latest ping. */
  rttSeconds: number | null = null;
  /** Which kinds the other side has muted. */
  muted: Readonly<Record<string, boolean>> = {};
  /** What the other side understands: `restart`, `channels`, `requests`, `files`. */
  can: ReadonlySet<string> = new Set();
  /** Repairs the link when its path breaks; null: then it ends. */
  mend: Mend | null = null;
  /** How long a repair may take before the link ends. */
  repairSeconds = REPAIR_SECONDS;

  readonly #carriers: Carriers;
  readonly #opened = deferred<undefined>();
  readonly #ended = deferred<LinkEnd>();
  readonly #settled = new Changes();
  readonly #messages: Messages;
  readonly #parts: Part<LinkParts>;
  readonly #received = new Received(
    this.emit.bind(this, "track"),
    this.emit.bind(this, "trackRemoved"),
  );
  #mute: Partial<Record<Kind, boolean>> = {};
  #leaving: LinkEnd | null = null;
  #giveUp: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param connection negotiated by whoever makes the link.
   * @param side which side of it we are.
   */
  constructor(
    connection: Connection,
    readonly side: Side,
  ) {
    super();
    this.#messages = new Messages(this.say.bind(this), this.handOn.bind(this, "message"));
    this.#parts = new Part(async () => {
      const { LinkParts } = await this.load(() => import("./linkParts.js"));
      return new LinkParts(this, {
        pulse: this.emit.bind(this, "pulse"),
        dead: this.#break.bind(this, "silent", { reason: "gone", byRemote: true }),
        roundTrip: (seconds) => {
          this.rttSeconds = seconds;
          this.emit("roundTrip", seconds);
        },
        channel: this.handOn.bind(this, "channel"),
      });
    });
    this.#carriers = new Carriers(connection, {
      opened: this.#onOpen.bind(this),
      moved: this.#move.bind(this),
      heard: this.#onFrame.bind(this),
      fell: (how) => {
        this.#break("failed", { reason: "failed", byRemote: how === "closed" });
      },
      brokeProtocol: this.#refuse.bind(this),
      track: this.#received.take.bind(this.#received),
      channel: (carrier, wire) => {
        handWire(this.#parts, wire, ({ channels }) => {
          channels.take(carrier, wire);
        });
      },
      dropped: (carrier) => {
        this.#parts.tell((parts) => {
          parts.channels.drop(carrier);
        });
      },
    });
  }

  /** The connection in use, and its control channel. @internal */
  get carrier(): Carrier {
    return this.#carriers.current;
  }

  /** The connection in use. */
  get connection(): Connection {
    return this.carrier.connection;
  }

  /** What the other side sends. */
  get tracks(): readonly MediaStreamTrack[] {
    return this.#received.tracks;
  }

  /** The same as one stream, which stays; its tracks change with the connection. */
  get stream(): MediaStream {
    return this.#received.stream;
  }

  // Opening and ending.

  /**
   * Wait until the control channel is open.
   *
   * @throws PathUnreachable if it doesn't open in time, or can't.
   */
  async opened(seconds = UNREACHABLE_SECONDS, signal?: AbortSignal): Promise<void> {
    const late = (): Error =>
      new PathUnreachable(`${NO_PATH} Tried for ${String(Math.round(seconds))} s.`);
    await within(this.#opened.promise, seconds, late, signal);
  }

  /**
   * Wait until the link is open, if it is being repaired.
   *
   * @throws PeerGone if it has ended, or has not opened yet.
   */
  async settled(): Promise<void> {
    while (this.state === "reconnecting") await this.#settled.next();
    if (this.state !== "open") throw new PeerGone("The link is not open.");
  }

  /** Wait until the link has ended, and say how. */
  async closed(): Promise<LinkEnd> {
    return await this.#ended.promise;
  }

  /** Say goodbye and close: what was sent before still arrives if the other side lives. */
  async hangUp(reason = "hangup"): Promise<void> {
    const end = { reason, byRemote: false };
    if (this.state === "open") {
      await this.flush(GOODBYE_SECONDS).catch(() => undefined);
      this.#leaving = end;
      this.say({ t: "bye", reason });
      // The other side closes on a goodbye, which closes the channel here.
      const late = (): Error => new PeerGone("No goodbye came back.");
      await within(this.#ended.promise, GOODBYE_SECONDS, late).catch(() => undefined);
    }
    this.#finish(end);
  }

  /** Say goodbye from a page that is being closed: nothing can be waited for. */
  abandon(reason = "hangup"): void {
    this.say({ t: "bye", reason });
    this.#finish({ reason, byRemote: false });
  }

  /** Close without a word. */
  close(reason = "closed"): void {
    this.#finish({ reason, byRemote: false });
  }

  #finish(end: LinkEnd, lastWord = false): void {
    if (this.state === "closed") return;
    this.state = "closed";
    clearTimeout(this.#giveUp);
    if (!this.#opened.settled()) this.#opened.reject(new PathUnreachable(NO_PATH));
    this.#messages.end();
    this.#parts.tell((parts) => {
      parts.close();
    });
    this.#ended.resolve(end);
    this.#settled.tell();
    const close = this.#carriers.close.bind(this.#carriers);
    if (lastWord) setTimeout(close, LAST_WORD_SECONDS * 1000);
    else close();
    this.emit("closed", end);
  }

  /** The other side makes no sense: tell it, or it would wait for a repair. */
  #refuse(): void {
    const reason = "protocol-error";
    this.say({ t: "bye", reason });
    this.#finish({ reason, byRemote: true }, true);
  }

  /** Load what is needed once the link stands: begun while it opens. @internal */
  prepare(): void {
    void this.#parts.prepare();
  }

  /** Load code, until it is there or the link has ended. @internal */
  async load<T>(code: () => Promise<T>): Promise<T> {
    return await insist(code, () => this.state === "closed");
  }

  // Messages and requests.

  /**
   * Send user data: any JSON value of at most 60,000 bytes, or a `Uint8Array` (or `ArrayBuffer`) of
   * at most 45,000. While the link is being repaired it waits, and arrives afterwards.
   *
   * @throws ConfigError if it is no such value.
   * @throws TooMuch if 16 MiB wait to be confirmed.
   * @throws PeerGone if the link has ended, or has not opened yet.
   */
  send(body: unknown): void {
    this.#messages.say(body);
  }

  /**
   * Wait until the other side has confirmed everything sent so far.
   *
   * @throws PeerGone if it doesn't in time.
   */
  async flush(seconds = PATIENCE_SECONDS, signal?: AbortSignal): Promise<void> {
    await this.#messages.flush(seconds, signal);
  }

  /**
   * Ask the other side something, answered by its {@link onRequest}.
   *
   * @param body as for {@link send}.
   * @returns the reply's body.
   * @throws NoReply if none comes in time.
   * @throws RequestRefused if the other side has no handler, or its handler failed or refused.
   * @throws PeerGone if the link ends, or has ended.
   */
  async request(body: unknown, seconds = PATIENCE_SECONDS, signal?: AbortSignal): Promise<unknown> {
    return await this.#messages.requests.ask(body, seconds, signal);
  }

  /** Answers the other side's requests. */
  get onRequest(): RequestHandler | null {
    return this.#messages.requests.handler;
  }

  set onRequest(handler: RequestHandler | null) {
    this.#messages.requests.handler = handler;
  }

  /** Send a frame on the connection in use. @internal */
  say(frame: Frame): void {
    this.carrier.send(frame);
  }

  /** Tell the other side which of our kinds are silent on purpose: `mute({ audio: true })`. */
  mute(kinds: Readonly<Partial<Record<Kind, boolean>>>): void {
    this.#mute = { ...this.#mute, ...kinds };
    this.#sayMute();
  }

  #sayMute(): void {
    const said = Object.entries(this.#mute);
    if (said.length > 0) this.say({ t: "mute", kinds: Object.fromEntries(said) });
  }

  // Channels and tracks.

  /**
   * Open a data channel of one's own; the other side gets the event `channel`.
   *
   * @param label any text of at most 1,024 bytes; need not be unique.
   * @throws ConfigError if that is no channel.
   * @throws PeerGone if the link ends, has ended, or has not opened yet.
   */
  async openChannel(label: string, options: ChannelOptions = {}): Promise<Channel> {
    return await (await this.#parts.get()).channels.open(label, options);
  }

  /**
   * Send one more track, on the connection that exists.
   *
   * @param name for {@link nameOf} on the other side: `camera`, `screen`, at most 64 characters.
   * @throws PeerGone if the other side doesn't answer.
   * @throws ConfigError if it is sent already, or the link has 16 media sections.
   */
  async addTrack(track: MediaStreamTrack, name = ""): Promise<void> {
    await (await this.#parts.get()).renegotiation.add(track, name);
  }

  /** What the other side calls a track that it sends; empty: nothing. */
  nameOf(track: MediaStreamTrack): string {
    return this.#received.nameOf(track);
  }

  /**
   * Send a track no longer; its section stays for another. Nothing happens if it isn't sent.
   *
   * @throws PeerGone if the other side doesn't answer.
   */
  async removeTrack(track: MediaStreamTrack): Promise<void> {
    await (await this.#parts.get()).renegotiation.remove(track);
  }

  /**
   * Send another track in place of one that is sent, under its name: the other side sees no gap.
   *
   * @param old default: the first of the new one's kind.
   * @returns false if there is none such.
   */
  async replaceTrack(track: MediaStreamTrack, old?: MediaStreamTrack): Promise<boolean> {
    return await (await this.#parts.get()).replace(() => this.#carriers.coming, track, old);
  }

  /**
   * Bound what the tracks of a kind sent on this link may take, each; null: no bound.
   *
   * @throws ConfigError if the number is not positive.
   */
  async limitBitrate(kind: Kind, bitsPerSecond: number | null): Promise<void> {
    await (await this.#parts.get()).limit(kind, bitsPerSecond);
  }

  /**
   * Negotiate anew, whichever side this is. Adding and removing tracks does so by itself.
   *
   * @throws PeerGone if the other side doesn't answer within 10 s.
   */
  async renegotiate(): Promise<void> {
    await (await this.#parts.get()).renegotiation.ask();
  }

  /** What the other side sends has changed, or comes on another connection. @internal */
  reconcile(): void {
    this.#received.become(this.connection.received(), this.connection.remoteNames);
  }

  // What happens on the connections.

  /**
   * Let another connection come: the link moves to it when it opens.
   *
   * @param connection one that is `like` the one in use; whoever made it negotiates it.
   */
  carry(connection: Connection): Carrier {
    return this.#carriers.carry(connection);
  }

  /** Give up a connection that was coming; nothing happens if the link runs on it. */
  giveUp(carrier: Carrier): void {
    this.#carriers.giveUp(carrier);
  }

  #onOpen(): void {
    if (this.state !== "connecting") return;
    this.state = "open";
    this.#messages.isOpen = true;
    this.#messages.isFlowing = true;
    this.say({ t: "hello", v: 1, can: CAN });
    this.prepare();
    this.#parts.tell(({ heart }) => {
      heart.start();
    });
    this.#opened.resolve(undefined);
    this.emit("open", undefined);
  }

  #onFrame(frame: Frame | null, current: boolean): void {
    if (this.state === "closed") return;
    const isBack = this.#parts.now?.hear(frame) ?? false;
    if (isBack && current && this.state === "reconnecting") this.#restored();
    if (frame) this.#take(frame);
  }

  #take(frame: Frame): void {
    switch (frame.t) {
      case "hello":
        this.can = new Set(frame.can);
        return;
      case "ping":
        this.say({ t: "pong", n: frame.n });
        return;
      case "pong":
        this.#parts.now?.heart.take(frame.n);
        return;
      case "message":
      case "ack":
        this.#messages.take(frame);
        return;
      case "mute":
        this.muted = frame.kinds;
        this.emit("mute", frame.kinds);
        return;
      case "bye":
        this.#finish({ reason: frame.reason, byRemote: true });
        return;
      default:
        this.#parts.tell(({ renegotiation }) => {
          renegotiation.take(frame);
        });
    }
  }

  // Repair.

  /** What a link needs once it stands, when it is loaded. @internal */
  get parts(): LinkParts | null {
    return this.#parts.now;
  }

  /** Go on with another connection: say again what the other side may not have heard. */
  #move(old: Carrier, now: Carrier): void {
    if (this.state === "closed") return;
    this.#parts.now?.heart.hear();
    this.reconcile();
    now.send({ t: "hello", v: 1, can: CAN });
    this.#sayMute();
    this.#messages.repeat();
    // What is said from now on comes after that.
    this.#messages.isFlowing = true;
    this.#parts.tell((parts) => {
      parts.moved(old, now);
    });
  }

  #break(how: "silent" | "failed", end: LinkEnd): void {
    if (this.#leaving || !this.mend || this.state === "connecting") {
      this.#finish(this.#leaving ?? end);
    } else if (this.state === "open") {
      this.state = "reconnecting";
      this.#messages.isFlowing = false;
      this.#parts.tell((parts) => {
        parts.broke();
      });
      const over = (): void => {
        if (this.state === "reconnecting") this.#finish(end);
      };
      clearTimeout(this.#giveUp);
      this.#giveUp = setTimeout(over, this.repairSeconds * 1000);
      this.emit("reconnecting", how);
      const mine = this.#giveUp;
      this.mend(this)
        .catch((error: unknown) => {
          if (!(error instanceof FireRTCError)) reportError(error);
        })
        .finally(() => {
          // Unless it came back, and broke again.
          if (mine === this.#giveUp) over();
        });
    }
  }

  #restored(): void {
    this.state = "open";
    clearTimeout(this.#giveUp);
    this.#giveUp = undefined;
    this.#messages.isFlowing = true;
    // The old path came back by itself, or ICE was restarted on it.
    if (!this.#parts.now?.hasMoved) this.#messages.repeat();
    this.#settled.tell();
    this.emit("reconnected", undefined);
  }

  /** Do something beside; if it fails, the connection does. @internal */
  aside(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (error instanceof ProtocolError) this.#refuse();
      else this.#break("failed", { reason: "failed", byRemote: false });
    });
  }

  /** The network path in use, or the last one that was. */
  async path(): Promise<Path | null> {
    return await (await this.#parts.get()).path();
  }

  /** What the connection in use has carried, and how fast since the statistics before. */
  async statistics(): Promise<Statistics> {
    return await (await this.#parts.get()).statistics(this.rttSeconds);
  }
}
