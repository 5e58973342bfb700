/**
 * The live connection to one remote peer: control channel, heartbeat, messages, tracks added in
 * mid-call, goodbye. Once the control channel is open everything travels on it and the database is
 * left alone.
 */

import type { Connection, Kind, Path, Statistics } from "./connection.js";
import { decode, encode, Inbox, Outbox, type Frame } from "./control.js";
import { FireRTCError, PathUnreachable, PeerGone } from "./errors.js";
import { Emitter } from "./events.js";
import { PING_SECONDS, pulse, UNREACHABLE_SECONDS, type Pulse } from "./negotiation.js";
import { deferred, within, type Deferred } from "./waiting.js";

const GOODBYE_SECONDS = 1;
const FLUSH_SECONDS = 10;
const RENEGOTIATION_SECONDS = 10;
const PINGS_KEPT = 10;

/** The link's original offerer alone creates offers; the answerer asks. */
export type Side = "offerer" | "answerer";
export type LinkState = "connecting" | "open" | "closed";

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
  /** User data; each once, in order, kept until somebody listens. */
  message: unknown;
  /** The other side sends a track. */
  track: MediaStreamTrack;
  /** Which of the other side's kinds are muted. */
  mute: Readonly<Record<string, boolean>>;
  /** How the other side's heart beats. */
  pulse: Pulse;
  /** The round trip of the latest ping, in seconds. */
  roundTrip: number;
  closed: LinkEnd;
}

/** The connection to one remote peer. */
export class Link extends Emitter<LinkEvents> {
  state: LinkState = "connecting";
  /** The other side's peer id, once known. */
  remote = "";
  /** Round trip of the latest ping. */
  rttSeconds: number | null = null;
  /** What the other side sends. */
  readonly tracks: MediaStreamTrack[] = [];
  /** The same as one stream, which stays whatever becomes of the tracks. */
  readonly stream = new MediaStream();
  /** Which kinds the other side has muted. */
  muted: Readonly<Record<string, boolean>> = {};

  readonly #opened = deferred<undefined>();
  readonly #ended = deferred<LinkEnd>();
  readonly #outbox = new Outbox();
  readonly #inbox = new Inbox();
  readonly #unheard: unknown[] = [];
  readonly #answers = new Map<number, Deferred<string>>();
  readonly #pings = new Map<number, number>();
  #acknowledged = deferred<undefined>();
  #negotiating: Promise<unknown> = Promise.resolve();
  #generation = 0;
  #pulse: Pulse = "alive";
  #heard = 0;
  #heartbeat: ReturnType<typeof setInterval> | undefined;
  #leaving: LinkEnd | null = null;
  #lastPath: Path | null = null;

  /**
   * @param connection negotiated by whoever makes the link.
   * @param side which side of it we are.
   */
  constructor(
    readonly connection: Connection,
    readonly side: Side,
  ) {
    super();
    connection.onChannel = (channel) => {
      this.#wire(channel);
    };
    connection.pc.addEventListener("track", ({ track }) => {
      if (this.tracks.includes(track)) return;
      this.tracks.push(track);
      this.stream.addTrack(track);
      this.emit("track", track);
    });
    connection.pc.addEventListener("connectionstatechange", () => {
      if (connection.pc.connectionState === "failed") this.#fail(false);
    });
  }

  override on<Name extends keyof LinkEvents>(
    event: Name,
    listener: (value: LinkEvents[Name]) => void,
  ): () => void {
    const off = super.on(event, listener);
    if (event === "message")
      queueMicrotask(() => {
        this.#catchUp();
      });
    return off;
  }

  #wire(channel: RTCDataChannel): void {
    channel.addEventListener("open", () => {
      this.#onOpen();
    });
    channel.addEventListener("message", ({ data }) => {
      this.#onText(data);
    });
    channel.addEventListener("close", () => {
      this.#fail(true);
    });
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
      this.#send({ t: "bye", reason });
      // The other side closes on a goodbye, which closes the channel here.
      const late = (): Error => new PeerGone("No goodbye came back.");
      await within(this.#ended.promise, GOODBYE_SECONDS, late).catch(() => undefined);
    }
    this.#finish(end);
  }

  /** Say goodbye from a page that is being closed: nothing can be waited for. */
  abandon(reason = "hangup"): void {
    this.#send({ t: "bye", reason });
    this.#finish({ reason, byRemote: false });
  }

  /** Close without a word. */
  close(reason = "closed"): void {
    this.#finish({ reason, byRemote: false });
  }

  #fail(byRemote: boolean): void {
    this.#finish(this.#leaving ?? { reason: "failed", byRemote });
  }

  #finish(end: LinkEnd): void {
    if (this.state === "closed") return;
    this.state = "closed";
    clearInterval(this.#heartbeat);
    if (!this.#opened.settled()) this.#opened.reject(new PathUnreachable(NO_PATH));
    const gone = new PeerGone("The link ended.");
    for (const answer of this.#answers.values()) answer.reject(gone);
    this.#acknowledged.resolve(undefined);
    this.#ended.resolve(end);
    this.connection.close();
    this.emit("closed", end);
  }

  // Messages.

  /**
   * Send user data: any JSON value of at most 60,000 bytes.
   *
   * @throws ConfigError if it is no such value.
   * @throws PeerGone if the link has ended.
   */
  send(body: unknown): void {
    if (this.state !== "open") throw new PeerGone("Nothing can be sent: the link is not open.");
    this.#send(this.#outbox.add(body));
  }

  /**
   * Wait until the other side has confirmed everything sent so far.
   *
   * @throws PeerGone if it doesn't in time.
   */
  async flush(seconds = FLUSH_SECONDS, signal?: AbortSignal): Promise<void> {
    const { last } = this.#outbox;
    const late = (): Error => new PeerGone("The other side doesn't confirm what was sent.");
    const end = Date.now() + seconds * 1000;
    while ((this.#outbox.waiting[0]?.n ?? Infinity) <= last) {
      if (this.state === "closed") {
        throw new PeerGone("The link ended before everything had arrived.");
      }
      this.#acknowledged = deferred();
      const left = Math.max(0, end - Date.now()) / 1000;
      await within(this.#acknowledged.promise, left, late, signal);
    }
  }

  /** Tell the other side which of our kinds are silent on purpose: `mute({ audio: true })`. */
  mute(kinds: Readonly<Partial<Record<Kind, boolean>>>): void {
    this.#send({ t: "mute", kinds });
  }

  // Tracks.

  /**
   * Send one more track, on the connection that exists.
   *
   * @throws PeerGone if the other side doesn't answer.
   */
  async addTrack(track: MediaStreamTrack): Promise<void> {
    const { connection } = this;
    if (this.side === "offerer") {
      connection.pc.addTrack(track);
      await this.renegotiate();
    } else {
      const kind = track.kind as Kind;
      connection.sending.set(kind, track);
      this.#send({ t: "want", kinds: [kind] });
    }
  }

  /**
   * Send another track in place of one that is sent: the other side sees no gap.
   *
   * @returns false if no track of its kind is sent.
   */
  async replaceTrack(track: MediaStreamTrack): Promise<boolean> {
    const sender = this.connection.pc.getSenders().find((one) => one.track?.kind === track.kind);
    if (!sender) return false;
    this.connection.sending.set(track.kind as Kind, track);
    await sender.replaceTrack(track);
    return true;
  }

  /** Send no more of a track; its section stays for another. */
  async removeTrack(track: MediaStreamTrack): Promise<void> {
    const { connection } = this;
    for (const [kind, sent] of connection.sending) {
      if (sent === track) connection.sending.delete(kind);
    }
    const sender = connection.pc.getSenders().find((one) => one.track === track);
    if (!sender) return;
    await sender.replaceTrack(null);
  }

  /**
   * Offer what has changed (offerer only); one at a time.
   *
   * @throws PeerGone if no answer comes within 10 s.
   */
  async renegotiate(): Promise<void> {
    await this.#oneAtATime(async () => {
      const generation = ++this.#generation;
      const answer = deferred<string>();
      this.#answers.set(generation, answer);
      try {
        const sdp = await this.connection.renegotiation();
        this.#send({ t: "offer", g: generation, sdp });
        const late = (): Error => new PeerGone("The other side didn't answer the renegotiation.");
        await this.connection.accept(await within(answer.promise, RENEGOTIATION_SECONDS, late));
      } finally {
        this.#answers.delete(generation);
      }
    });
  }

  async #oneAtATime(work: () => Promise<void>): Promise<void> {
    const mine = this.#negotiating.then(work);
    this.#negotiating = mine.catch(() => undefined);
    await mine;
  }

  /** What fails here is the connection itself. */
  #aside(work: Promise<void>): void {
    work.catch(() => {
      this.#fail(false);
    });
  }

  // The control channel.

  #onOpen(): void {
    if (this.state !== "connecting") return;
    this.state = "open";
    this.#heard = performance.now();
    this.#opened.resolve(undefined);
    this.emit("open", undefined);
    this.#beat();
  }

  #send(frame: Frame): void {
    const { channel } = this.connection;
    if (channel?.readyState === "open") channel.send(encode(frame));
  }

  #onText(text: unknown): void {
    this.#heard = performance.now();
    let frame: Frame | null;
    try {
      frame = decode(text);
    } catch (error) {
      if (!(error instanceof FireRTCError)) throw error;
      this.#finish({ reason: error.code, byRemote: true });
      return;
    }
    if (frame) this.#take(frame);
  }

  #take(frame: Frame): void {
    switch (frame.t) {
      case "ping":
        this.#send({ t: "pong", n: frame.n });
        return;
      case "pong":
        this.#onPong(frame.n);
        return;
      case "message":
        if (this.#inbox.take(frame)) {
          this.#send({ t: "ack", n: this.#inbox.last });
          this.#unheard.push(frame.body);
          this.#catchUp();
        } else {
          this.#send({ t: "ack", n: this.#inbox.last });
        }
        return;
      case "ack":
        this.#outbox.acknowledge(frame.n);
        this.#acknowledged.resolve(undefined);
        return;
      case "mute":
        this.muted = frame.kinds;
        this.emit("mute", frame.kinds);
        return;
      case "bye":
        this.#finish({ reason: frame.reason, byRemote: true });
        return;
      case "want":
        if (this.side === "offerer") this.#offerMore(frame.kinds);
        return;
      case "offer":
        if (this.side === "answerer") this.#answerRenegotiation(frame.g, frame.sdp);
        return;
      case "answer":
        this.#answers.get(frame.g)?.resolve(frame.sdp);
    }
  }

  #offerMore(kinds: readonly Kind[]): void {
    for (const kind of kinds) this.connection.pc.addTransceiver(kind, { direction: "recvonly" });
    this.#aside(this.renegotiate());
  }

  #answerRenegotiation(generation: number, sdp: string): void {
    this.#aside(
      this.#oneAtATime(async () => {
        const answer = await this.connection.answer(sdp);
        this.#send({ t: "answer", g: generation, sdp: answer.sdp });
      }),
    );
  }

  #catchUp(): void {
    while (this.#unheard.length > 0 && this.heard("message")) {
      this.emit("message", this.#unheard.shift());
    }
  }

  // The heartbeat.

  #onPong(number: number): void {
    const sent = this.#pings.get(number);
    if (sent === undefined) return;
    this.#pings.delete(number);
    this.rttSeconds = (this.#heard - sent) / 1000;
    this.emit("roundTrip", this.rttSeconds);
  }

  /** Ping every second; notice when nothing comes back. */
  #beat(): void {
    let number = 0;
    let before = performance.now();
    const ping = (): void => {
      this.#pings.set(++number, performance.now());
      this.#pings.delete(number - PINGS_KEPT);
      this.#send({ t: "ping", n: number });
    };
    ping();
    this.#heartbeat = setInterval(() => {
      const now = performance.now();
      const late = (now - before) / 1000 - PING_SECONDS;
      before = now;
      // This page itself stood still (a laptop slept): the silence was ours.
      if (late > PING_SECONDS) this.#heard += late * 1000;
      this.#judge(pulse((now - this.#heard) / 1000));
      if (this.state === "open") ping();
    }, PING_SECONDS * 1000);
  }

  #judge(now: Pulse): void {
    if (now !== this.#pulse) {
      this.#pulse = now;
      this.emit("pulse", now);
    }
    if (now === "dead") this.#finish({ reason: "gone", byRemote: true });
  }

  /** The network path in use, or the last one that was. */
  async path(): Promise<Path | null> {
    return (await this.statistics()).path;
  }

  /** What the connection has carried so far. */
  async statistics(): Promise<Statistics> {
    const now = await this.connection.statistics();
    this.#lastPath = now.path ?? this.#lastPath;
    return { ...now, path: this.#lastPath };
  }
}

const NO_PATH =
  "No network path between the two sides: both signalled, but no connection opened. The other " +
  "side may have vanished, or a firewall stands between: set up a TURN server.";
