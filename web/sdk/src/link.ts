/**
 * The live connection to one remote peer: messages, requests, tracks, channels, goodbye; and its
 * repair, when the path under it breaks. Once the control channel is open everything travels on it
 * and the database is left alone.
 */

import { Carrier } from "./carrier.js";
import type { Channel } from "./channel.js";
import { Channels, type ChannelOptions } from "./channels.js";
import type { Connection, Kind } from "./connection.js";
import type { Frame } from "./control.js";
import { FireRTCError, PathUnreachable, PeerGone, ProtocolError } from "./errors.js";
import { Emitter } from "./events.js";
import { Heartbeat } from "./heartbeat.js";
import { Messages } from "./messages.js";
import { UNREACHABLE_SECONDS, type Pulse } from "./negotiation.js";
import { Renegotiation } from "./renegotiation.js";
import { REPAIR_SECONDS } from "./repair.js";
import type { RequestHandler } from "./requests.js";
import { Rates, type Path, type Statistics } from "./statistics.js";
import { Changes, deferred, within } from "./waiting.js";

const GOODBYE_SECONDS = 1;
/** How long a last word has to leave before its connection is closed. */
const LAST_WORD_SECONDS = 0.05;
const FLUSH_SECONDS = 10;
const REQUEST_SECONDS = 10;
/** What this side understands. */
const CAN = ["restart", "channels", "requests", "files"] as const;

/** The link's original offerer alone creates offers; the answerer asks. */
export type Side = "offerer" | "answerer";
export type LinkState = "connecting" | "open" | "reconnecting" | "closed";

/**
 * Brings a broken link another connection ({@link Link.carry}), and is done when the link is open
 * again or all is in vain.
 */
export type Mend = (link: Link) => Promise<void>;

/** How a link ended. */
export interface LinkEnd {
  /**
   * `hangup` or what the other side gave; `gone` if it fell silent; `failed` if the path broke.
   */
  readonly reason: string;
  readonly byRemote: boolean;
}

/** What a link tells of. */
export interface LinkEvents {
  /** The control channel is open. */
  open: undefined;
  /** User data; each once, in order, kept until somebody listens. Bytes come as `Uint8Array`. */
  message: unknown;
  /** The other side opened a channel; kept until somebody listens. */
  channel: Channel;
  /** The other side sends a track; after a repair it comes as another one. */
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

/** The connection to one remote peer. */
export class Link extends Emitter<LinkEvents> {
  state: LinkState = "connecting";
  /** The other side's peer id, once known. */
  remote = "";
  /** Round trip of the latest ping. */
  rttSeconds: number | null = null;
  /** What the other side sends; it stays, its tracks change with the connection. */
  readonly stream = new MediaStream();
  /** Which kinds the other side has muted. */
  muted: Readonly<Record<string, boolean>> = {};
  /** What the other side understands: `restart`, `channels`, `requests`, `files`. */
  can: ReadonlySet<string> = new Set();
  /** Repairs the link when its path breaks; null: then it ends. */
  mend: Mend | null = null;
  /** How long a repair may take before the link ends. */
  repairSeconds = REPAIR_SECONDS;
  /** The connection in use. @internal */
  carrier: Carrier;
  /** @internal */
  readonly channels: Channels;
  /** Whether the link has got another connection since it broke. @internal */
  moved = false;

  /** The one before, until something came on the one in use. */
  #previous: Carrier | null = null;
  readonly #coming = new Set<Carrier>();
  readonly #opened = deferred<undefined>();
  readonly #ended = deferred<LinkEnd>();
  readonly #settled = new Changes();
  readonly #messages: Messages;
  readonly #renegotiation: Renegotiation;
  readonly #heart: Heartbeat;
  readonly #rates = new Rates();
  readonly #received = new Map<number, MediaStreamTrack>();
  #mute: Partial<Record<Kind, boolean>> = {};
  #pulse: Pulse = "alive";
  #leaving: LinkEnd | null = null;
  #lastPath: Path | null = null;
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
    const say = (frame: Frame): void => {
      this.say(frame);
    };
    this.#messages = new Messages(say, (body) => {
      this.handOn("message", body);
    });
    this.#heart = new Heartbeat(
      say,
      (pulse) => {
        this.#judge(pulse);
      },
      (seconds) => {
        this.rttSeconds = seconds;
        this.emit("roundTrip", seconds);
      },
    );
    this.#renegotiation = new Renegotiation(this);
    this.channels = new Channels(this, (channel) => {
      this.handOn("channel", channel);
    });
    this.carrier = this.#carrierOf(connection);
  }

  /** The connection in use. */
  get connection(): Connection {
    return this.carrier.connection;
  }

  /** What the other side sends. */
  get tracks(): readonly MediaStreamTrack[] {
    return [...this.#received.values()];
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
    this.#heart.stop();
    if (!this.#opened.settled()) this.#opened.reject(new PathUnreachable(NO_PATH));
    this.#renegotiation.close();
    this.#messages.end();
    this.channels.close();
    this.#ended.resolve(end);
    this.#settled.tell();
    const carriers = [this.carrier, ...this.#coming, ...(this.#previous ? [this.#previous] : [])];
    const drop = (): void => {
      for (const carrier of carriers) carrier.drop();
    };
    if (lastWord) setTimeout(drop, LAST_WORD_SECONDS * 1000);
    else drop();
    this.emit("closed", end);
  }

  /** The other side makes no sense: tell it, or it would wait for a repair. */
  #refuse(): void {
    const reason = "protocol-error";
    this.say({ t: "bye", reason });
    this.#finish({ reason, byRemote: true }, true);
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
  async flush(seconds = FLUSH_SECONDS, signal?: AbortSignal): Promise<void> {
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
  async request(body: unknown, seconds = REQUEST_SECONDS, signal?: AbortSignal): Promise<unknown> {
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

  // Channels.

  /**
   * Open a data channel of one's own; the other side gets the event `channel`.
   *
   * @param label any text of at most 1,024 bytes; need not be unique.
   * @throws ConfigError if that is no channel.
   * @throws PeerGone if the link ends, has ended, or has not opened yet.
   */
  async openChannel(label: string, options: ChannelOptions = {}): Promise<Channel> {
    if (this.state !== "open" && this.state !== "reconnecting") {
      throw new PeerGone("No channel can be opened: the link is not open.");
    }
    return await this.channels.open(label, options);
  }

  // Tracks.

  /**
   * Send one more track, on the connection that exists.
   *
   * @throws PeerGone if the other side doesn't answer.
   * @throws ConfigError if it is sent already, or the link has 16 media sections.
   */
  async addTrack(track: MediaStreamTrack): Promise<void> {
    await this.#renegotiation.add(track);
  }

  /**
   * Send a track no longer; its section stays for another. Nothing happens if it isn't sent.
   *
   * @throws PeerGone if the other side doesn't answer.
   */
  async removeTrack(track: MediaStreamTrack): Promise<void> {
    await this.#renegotiation.remove(track);
  }

  /**
   * Send another track in place of one that is sent: the other side sees no gap.
   *
   * @param old default: the first of the new one's kind.
   * @returns false if there is none such.
   */
  async replaceTrack(track: MediaStreamTrack, old?: MediaStreamTrack): Promise<boolean> {
    const { connection } = this;
    const replaced = await connection.replace(track, old);
    // It moved meanwhile: there, too.
    if (this.connection !== connection) return await this.connection.replace(track, old);
    for (const { connection: coming } of this.#coming) await coming.replace(track, old);
    return replaced;
  }

  /**
   * Bound what the tracks of a kind sent on this link may take, each; null: no bound.
   *
   * @throws ConfigError if the number is not positive.
   */
  async limitBitrate(kind: Kind, bitsPerSecond: number | null): Promise<void> {
    await this.connection.limit(kind, bitsPerSecond);
  }

  /**
   * Offer what has changed (offerer only); one at a time.
   *
   * @throws PeerGone if no answer comes within 10 s.
   */
  async renegotiate(): Promise<void> {
    await this.#renegotiation.offer();
  }

  /** What the other side sends has changed, or comes on another connection. @internal */
  reconcile(): void {
    const now = this.connection.received();
    for (const [section, track] of [...this.#received]) {
      if (now.get(section) !== track) this.#lose(section, track);
    }
    for (const [section, track] of now) this.#receive(section, track);
  }

  #receive(section: number, track: MediaStreamTrack): void {
    const before = this.#received.get(section);
    if (before === track) return;
    if (before) this.#lose(section, before);
    this.#received.set(section, track);
    this.stream.addTrack(track);
    this.emit("track", track);
  }

  #lose(section: number, track: MediaStreamTrack): void {
    this.#received.delete(section);
    this.stream.removeTrack(track);
    this.emit("trackRemoved", track);
  }

  // What happens on the connections.

  #carrierOf(connection: Connection): Carrier {
    return new Carrier(connection, {
      opened: (carrier) => {
        this.#onOpen(carrier);
      },
      heard: (carrier, frame) => {
        this.#onFrame(carrier, frame);
      },
      brokeProtocol: () => {
        this.#refuse();
      },
      fell: (carrier, how) => {
        this.#onFall(carrier, how);
      },
      track: (carrier, section, track) => {
        // Those of one that is coming are taken when it has come.
        if (carrier === this.carrier) this.#receive(section, track);
      },
      channel: (carrier, channel) => {
        this.channels.take(carrier, channel);
      },
    });
  }

  /**
   * Let another connection come: the link moves to it when it opens.
   *
   * @param connection one that is `like` the one in use; whoever made it negotiates it.
   */
  carry(connection: Connection): Carrier {
    const carrier = this.#carrierOf(connection);
    this.#coming.add(carrier);
    return carrier;
  }

  /** Give up a connection that was coming; nothing happens if the link runs on it. */
  giveUp(carrier: Carrier): void {
    if (carrier === this.carrier || carrier === this.#previous) return;
    this.#coming.delete(carrier);
    this.#drop(carrier);
  }

  /** Run on a connection that came, from now on. */
  adopt(carrier: Carrier): void {
    this.#coming.delete(carrier);
    if (this.#previous) this.#drop(this.#previous);
    this.#previous = this.carrier;
    this.carrier = carrier;
    this.moved = true;
    this.#move(this.#previous, carrier);
  }

  #onOpen(carrier: Carrier): void {
    if (this.state === "closed") return;
    if (carrier !== this.carrier) {
      this.adopt(carrier);
    } else if (this.state === "connecting") {
      this.state = "open";
      this.#messages.isOpen = true;
      this.#messages.isFlowing = true;
      this.say({ t: "hello", v: 1, can: CAN });
      this.#heart.start();
      this.#opened.resolve(undefined);
      this.emit("open", undefined);
    }
  }

  #onFall(carrier: Carrier, how: "closed" | "failed"): void {
    if (carrier === this.#previous) {
      this.#previous = null;
      this.#drop(carrier);
    } else if (carrier !== this.carrier) {
      this.giveUp(carrier);
    } else if (this.#previous?.isAlive) {
      this.carrier = this.#previous;
      this.#previous = null;
      this.#move(carrier, this.carrier);
      this.#drop(carrier);
    } else {
      this.#break("failed", { reason: "failed", byRemote: how === "closed" });
    }
  }

  #onFrame(carrier: Carrier, frame: Frame | null): void {
    if (this.state === "closed") return;
    this.#heart.hear();
    if (carrier === this.carrier) {
      if (this.#previous) {
        const previous = this.#previous;
        this.#previous = null;
        this.#drop(previous);
      }
      if (this.state === "reconnecting") this.#restored();
    }
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
        this.#heart.pong(frame.n);
        return;
      case "message":
        this.#messages.take(frame);
        return;
      case "ack":
        this.#messages.takeAck(frame.n);
        return;
      case "mute":
        this.muted = frame.kinds;
        this.emit("mute", frame.kinds);
        return;
      case "bye":
        this.#finish({ reason: frame.reason, byRemote: true });
        return;
      case "want":
        if (this.side === "offerer") this.aside(this.#renegotiation.takeWant(frame.kinds));
        return;
      case "offer":
        if (this.side === "answerer") {
          this.aside(this.#renegotiation.takeOffer(frame.g, frame.sdp));
        }
        return;
      case "answer":
        this.#renegotiation.takeAnswer(frame.g, frame.sdp);
    }
  }

  // Repair.

  /**
   * Whether ICE can be restarted on the connection in use: both sides can, and it is in a state for
   * it. @internal
   */
  get canRestart(): boolean {
    const { isOpen, connection } = this.carrier;
    return (
      isOpen &&
      this.can.has("restart") &&
      !this.#renegotiation.inFlight &&
      connection.pc.signalingState === "stable"
    );
  }

  /** Go on with another connection: say again what the other side may not have heard. */
  #move(old: Carrier, now: Carrier): void {
    this.#heart.hear();
    now.connection.takeOver(old.connection);
    this.reconcile();
    now.send({ t: "hello", v: 1, can: CAN });
    this.#sayMute();
    this.#messages.repeat();
    // What is said from now on comes after that.
    this.#messages.isFlowing = true;
    this.#renegotiation.moved(now);
    this.channels.move(now);
  }

  #judge(now: Pulse): void {
    if (now !== this.#pulse) {
      this.#pulse = now;
      this.emit("pulse", now);
    }
    if (now === "dead") this.#break("silent", { reason: "gone", byRemote: true });
  }

  #break(how: "silent" | "failed", end: LinkEnd): void {
    if (this.#leaving || !this.mend || this.state === "connecting") {
      this.#finish(this.#leaving ?? end);
    } else if (this.state === "open") {
      this.state = "reconnecting";
      this.#messages.isFlowing = false;
      this.moved = false;
      const over = (): void => {
        if (this.state === "reconnecting") this.#finish(end);
      };
      clearTimeout(this.#giveUp);
      this.#giveUp = setTimeout(over, this.repairSeconds * 1000);
      this.emit("reconnecting", how);
      const mine = this.#giveUp;
      this.mend(this).then(
        () => {
          // Unless it came back, and broke again.
          if (mine === this.#giveUp) over();
        },
        (error: unknown) => {
          if (!(error instanceof FireRTCError)) reportError(error);
          if (mine === this.#giveUp) over();
        },
      );
    }
  }

  #restored(): void {
    this.state = "open";
    clearTimeout(this.#giveUp);
    this.#giveUp = undefined;
    this.#messages.isFlowing = true;
    // The old path came back by itself, or ICE was restarted on it.
    if (!this.moved) this.#messages.repeat();
    this.#settled.tell();
    this.emit("reconnected", undefined);
  }

  #drop(carrier: Carrier): void {
    this.channels.drop(carrier);
    carrier.drop();
  }

  /** Do something beside; if it fails, the connection does. @internal */
  aside(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (error instanceof ProtocolError) this.#refuse();
      else this.#break("failed", { reason: "failed", byRemote: false });
    });
  }

  // What it carries.

  /** The network path in use, or the last one that was. */
  async path(): Promise<Path | null> {
    this.#lastPath = (await this.connection.statistics()).path ?? this.#lastPath;
    return this.#lastPath;
  }

  /** What the connection in use has carried, and how fast since the statistics before. */
  async statistics(): Promise<Statistics> {
    const now = await this.connection.statistics();
    this.#lastPath = now.path ?? this.#lastPath;
    const whole = { ...now, path: this.#lastPath };
    return this.#rates.of(whole, performance.now() / 1000, this.rttSeconds);
  }
}

const NO_PATH =
  "No network path between the two sides: both signalled, but no connection opened. The other " +
  "side may have vanished, or a firewall stands between: set up a TURN server.";
