/**
 * One `RTCPeerConnection`, as signaling needs it: descriptions at once, candidates as they come.
 *
 * Browsers take over 100 ms to call gathering complete, but find their own addresses within some
 * milliseconds: those travel in the description, later ones are handed out in batches.
 */

import { CHANNEL_ID, LABEL } from "./control.js";
import {
  badCandidate,
  END_OF_CANDIDATES,
  readCandidate,
  spreadCandidates,
} from "./descriptions.js";
import { ConfigError, DocumentMalformed, ProtocolError } from "./errors.js";
import { checkName, readNames, writeNames } from "./names.js";
import { CANDIDATE_BATCH_SECONDS, GATHER_GRACE_SECONDS } from "./negotiation.js";
import {
  KINDS,
  type ConnectionOptions,
  type Kind,
  type LocalDescription,
  type Section,
} from "./sections.js";
import { read, type Snapshot } from "./statistics.js";
import { sleep, Turns } from "./waiting.js";

export { KINDS, type Kind, type LocalDescription };

/** Audio and video sections of one connection: each costs a transceiver for good. */
const SECTIONS_MOST = 16;
/** Once a candidate was found, others of the same kind follow within this. */
const QUIET_SECONDS = 0.004;

/** A peer connection with the control channel on it. */
export class Connection {
  readonly pc: RTCPeerConnection;
  /** Tracks to send that have no section yet. */
  readonly waiting: MediaStreamTrack[];
  readonly receiving: ReadonlySet<Kind>;
  /** The control channel, from the first description on. */
  channel: RTCDataChannel | null = null;
  /** Told of the control channel when it is made. */
  onChannel: (channel: RTCDataChannel) => void = () => undefined;

  /** What the other side calls what it sends, by section. */
  remoteNames: readonly string[] = [];

  readonly #ownIce: readonly RTCIceServer[] | undefined;
  readonly #names: Map<MediaStreamTrack, string>;
  /** The sections to make. */
  #model: readonly Section[] | null;
  /** The sections when they were last looked at: a closed connection has none. */
  #sections: readonly Section[] = [];
  /** In bits per second; those of a connection are those of the one it is like. */
  readonly #limits: Map<Kind, number>;
  /** Candidates found after the description was made. */
  readonly #late: string[] = [];
  #described = false;
  #gathered = false;
  /** A candidate has an mDNS name in place of its address. */
  #hidden = false;
  #found: () => void = () => undefined;
  #send: ((texts: string[]) => void) | null = null;
  #batch: ReturnType<typeof setTimeout> | undefined;
  readonly #applied = new Set<string>();
  readonly #adding = new Turns();

  constructor(options: ConnectionOptions) {
    const { sending = [], receiving, names, like } = options;
    this.#ownIce = like ? like.#ownIce : options.ownIceServers;
    const iceServers = [...(this.#ownIce ?? options.iceServers)];
    this.waiting = [...sending];
    this.#names = like ? like.#names : new Map<MediaStreamTrack, string>();
    for (const [track, name] of names ?? []) this.name(track, name);
    this.receiving = like?.receiving ?? new Set(receiving ?? KINDS);
    this.#model = like?.sections() ?? null;
    this.#limits = like ? like.#limits : new Map<Kind, number>();
    this.pc = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
    this.pc.addEventListener("icecandidate", ({ candidate }) => {
      this.#onCandidate(candidate);
    });
  }

  /**
   * Make an offer with one section for each track that is to be sent and each kind that is to be
   * received, or with those of the connection that this one is like.
   */
  async offer(): Promise<LocalDescription> {
    if (this.#model) {
      for (const { kind, track, direction } of this.#model) {
        this.pc.addTransceiver(track ?? kind, { direction });
      }
      this.#model = null;
    } else {
      for (const kind of KINDS) {
        const tracks = this.waiting.filter((track) => track.kind === kind);
        for (const track of tracks) this.#addSection(track);
        if (tracks.length === 0 && this.receiving.has(kind)) {
          this.pc.addTransceiver(kind, { direction: "recvonly" });
        }
      }
      this.waiting.length = 0;
    }
    this.#makeChannel();
    this.sections();
    return await this.#describe(await this.pc.createOffer());
  }

  /**
   * Take an offer and make the answer.
   *
   * @throws DocumentMalformed if the offer doesn't parse or has nothing in common with us.
   */
  async answer(sdp: string): Promise<LocalDescription> {
    await this.#take("offer", sdp);
    this.#makeChannel();
    await this.#attach();
    return await this.#describe(await this.pc.createAnswer());
  }

  /**
   * Take the answer to our offer.
   *
   * @throws DocumentMalformed if it doesn't parse or doesn't match the offer.
   */
  async accept(sdp: string): Promise<void> {
    await this.#take("answer", sdp);
    await this.#applyLimits();
  }

  /** A fresh offer on the connection that exists. */
  async renegotiation(): Promise<string> {
    await this.pc.setLocalDescription(await this.pc.createOffer());
    return this.#named();
  }

  /** Our description, with the names of what is sent. */
  #named(): string {
    const names = this.sections().map(({ track }) => (track && this.#names.get(track)) ?? "");
    return writeNames(this.pc.localDescription?.sdp ?? "", names);
  }

  #makeChannel(): void {
    if (this.channel) return;
    // After the media sections: that is the order aiortc wants, with all on one transport.
    this.channel = this.pc.createDataChannel(LABEL, { negotiated: true, id: CHANNEL_ID });
    this.onChannel(this.channel);
  }

  // ICE restarts.

  /** The next description restarts ICE, and its candidates are found anew. */
  restart(): void {
    this.#described = false;
    this.#gathered = false;
    this.#hidden = false;
    this.#late.length = 0;
    this.#applied.clear();
  }

  /** Make an offer that restarts ICE. */
  async restartOffer(): Promise<LocalDescription> {
    this.restart();
    return await this.#describe(await this.pc.createOffer({ iceRestart: true }));
  }

  /** An offer that nobody answered is taken back. */
  async rollBack(): Promise<void> {
    if (this.pc.signalingState !== "have-local-offer") return;
    await this.pc.setLocalDescription({ type: "rollback" });
  }

  // Sections and tracks.

  /** The audio and video sections, in order. */
  sections(): readonly Section[] {
    if (this.#model) return this.#model;
    if (this.pc.signalingState !== "closed") {
      this.#sections = this.pc.getTransceivers().map((each) => ({
        kind: kindOf(each),
        track: each.sender.track,
        direction: each.direction,
      }));
    }
    return this.#sections;
  }

  /** The tracks that are sent, or are to be. */
  get tracks(): MediaStreamTrack[] {
    return [...this.sections().flatMap(({ track }) => track ?? []), ...this.waiting];
  }

  /** Whether a track is sent, or is to be. */
  sends(track: MediaStreamTrack): boolean {
    return this.tracks.includes(track);
  }

  /** What the other side sends, by the number of its section. */
  received(): Map<number, MediaStreamTrack> {
    const tracks = new Map<number, MediaStreamTrack>();
    this.pc.getTransceivers().forEach(({ receiver, currentDirection }, section) => {
      if (currentDirection === "sendrecv" || currentDirection === "recvonly") {
        tracks.set(section, receiver.track);
      }
    });
    return tracks;
  }

  /** Put the tracks that wait to be sent on the sections that were offered, as far as they go. */
  async #attach(): Promise<void> {
    const model = this.#model ?? [];
    this.#model = null;
    for (const [number, transceiver] of this.pc.getTransceivers().entries()) {
      if (transceiver.currentDirection === "stopped") continue;
      const kind = kindOf(transceiver);
      const known = model[number];
      if (known?.kind === kind) await transceiver.sender.replaceTrack(known.track);
      else if (!transceiver.sender.track) {
        const at = this.waiting.findIndex((track) => track.kind === kind);
        const [track] = at < 0 ? [] : this.waiting.splice(at, 1);
        if (track) await transceiver.sender.replaceTrack(track);
      }
      transceiver.direction = this.#direction(transceiver);
    }
    this.sections();
    await this.#applyLimits();
  }

  /**
   * Call a track something; told with the next description.
   *
   * @throws ConfigError if that is no name.
   */
  name(track: MediaStreamTrack, name: string): void {
    this.#names.set(track, checkName(name));
  }

  /**
   * Send a track in a section that is idle, or in a new one; to be offered afterwards.
   *
   * @throws ConfigError if there are 16 sections.
   */
  async add(track: MediaStreamTrack): Promise<void> {
    // One after the other: two must not take the same idle section.
    await this.#adding.take(() => this.#add(track));
  }

  async #add(track: MediaStreamTrack): Promise<void> {
    const idle = this.pc
      .getTransceivers()
      .find((each) => kindOf(each) === track.kind && !each.sender.track);
    if (idle) {
      await idle.sender.replaceTrack(track);
      idle.direction = this.#direction(idle);
    } else {
      if (this.pc.getTransceivers().length >= SECTIONS_MOST) {
        throw new ConfigError(
          `A link has ${String(SECTIONS_MOST)} media sections at most: remove a track.`,
        );
      }
      this.#addSection(track);
    }
    this.sections();
  }

  /**
   * Make room for more tracks of the other side's, one for each; to be offered afterwards.
   *
   * @throws ProtocolError if that makes more than 16 sections.
   */
  makeRoom(kinds: readonly Kind[]): void {
    const silent = ["sendonly", "inactive"];
    const idle = this.pc
      .getTransceivers()
      .filter((each) =>
        [each.direction, each.currentDirection ?? ""].some((d) => silent.includes(d)),
      );
    for (const kind of kinds) {
      const at = idle.findIndex((each) => kindOf(each) === kind);
      const [known] = at < 0 ? [] : idle.splice(at, 1);
      if (known) known.direction = known.sender.track ? "sendrecv" : "recvonly";
      else if (this.pc.getTransceivers().length >= SECTIONS_MOST) {
        throw new ProtocolError(
          `The other side wants more than ${String(SECTIONS_MOST)} media sections.`,
        );
      } else this.pc.addTransceiver(kind, { direction: "recvonly" });
    }
  }

  /**
   * Send a track no longer; to be offered afterwards.
   *
   * @returns false if it is not sent.
   */
  async remove(track: MediaStreamTrack): Promise<boolean> {
    this.#names.delete(track);
    const at = this.waiting.indexOf(track);
    if (at >= 0) {
      this.waiting.splice(at, 1);
      return false;
    }
    const transceiver = this.pc.getTransceivers().find(({ sender }) => sender.track === track);
    if (!transceiver) return false;
    await transceiver.sender.replaceTrack(null);
    const receives = ["sendrecv", "recvonly"].includes(transceiver.direction);
    transceiver.direction = receives ? "recvonly" : "inactive";
    this.sections();
    return true;
  }

  /**
   * Send another track of the same kind in a track's place, under its name; nothing is negotiated.
   *
   * @param old default: the first of the new one's kind.
   * @returns false if there is none such.
   */
  async replace(track: MediaStreamTrack, old?: MediaStreamTrack): Promise<boolean> {
    const fits = (sent: MediaStreamTrack | null): boolean =>
      sent !== null && sent.kind === track.kind && (!old || sent === old);
    const at = this.waiting.findIndex(fits);
    const sender = at < 0 && this.pc.getSenders().find((one) => fits(one.track));
    const before = sender ? sender.track : this.waiting[at];
    if (!before) return false;
    const name = this.#names.get(before);
    if (name !== undefined) this.#names.set(track, name);
    if (!sender) {
      this.waiting[at] = track;
      return true;
    }
    await sender.replaceTrack(track);
    this.sections();
    return true;
  }

  /** The application's tracks flow here now; what the old one was given since this was made waits. */
  takeOver(old: Connection): void {
    void this.#applyLimits();
    const mine = this.tracks;
    this.waiting.push(...old.tracks.filter((track) => !mine.includes(track)));
  }

  /**
   * Bound what the encoders of a kind may take, in bits per second; null: as they please.
   *
   * @throws ConfigError if the number is not positive.
   */
  async limit(kind: Kind, bitsPerSecond: number | null): Promise<void> {
    if (bitsPerSecond !== null && !(bitsPerSecond > 0)) {
      throw new ConfigError("A bitrate is a positive number of bits per second, or null.");
    }
    if (bitsPerSecond === null) this.#limits.delete(kind);
    else this.#limits.set(kind, bitsPerSecond);
    await this.#applyLimits();
  }

  async #applyLimits(): Promise<void> {
    for (const { sender } of this.pc.getTransceivers()) {
      const kind = sender.track?.kind as Kind | undefined;
      const limit = kind && this.#limits.get(kind);
      const parameters = sender.getParameters();
      if (parameters.encodings.every(({ maxBitrate }) => maxBitrate === limit)) continue;
      for (const encoding of parameters.encodings) {
        if (limit === undefined) delete encoding.maxBitrate;
        else encoding.maxBitrate = limit;
      }
      // A section that is not negotiated yet takes none: they are applied again when it is.
      await sender.setParameters(parameters).catch(() => undefined);
    }
  }

  #addSection(track: MediaStreamTrack): void {
    const receives = this.receiving.has(track.kind as Kind);
    this.pc.addTransceiver(track, { direction: receives ? "sendrecv" : "sendonly" });
  }

  #direction(transceiver: RTCRtpTransceiver): RTCRtpTransceiverDirection {
    const receives = this.receiving.has(kindOf(transceiver));
    if (transceiver.sender.track) return receives ? "sendrecv" : "sendonly";
    return receives ? "recvonly" : "inactive";
  }

  // Candidates.

  async #describe(description: RTCSessionDescriptionInit): Promise<LocalDescription> {
    if (this.#described) {
      await this.pc.setLocalDescription(description);
      return { sdp: this.#named(), complete: true };
    }
    const enough = new Promise<void>((resolve) => {
      this.#found = () => {
        if (this.#gathered) resolve();
        else setTimeout(resolve, QUIET_SECONDS * 1000);
      };
    });
    await this.pc.setLocalDescription(description);
    await Promise.race([enough, sleep(GATHER_GRACE_SECONDS)]);
    this.#described = true;
    // Who can't resolve the names (aiortc, where multicast is shut out) learns our addresses from
    // our checks, but would give up at once if told that nothing more comes.
    const complete = this.#gathered && !this.#hidden;
    return { sdp: spreadCandidates(this.#named(), complete), complete };
  }

  #onCandidate(candidate: RTCIceCandidate | null): void {
    if (candidate?.candidate === "") return; // The end of one generation; null is the end of all.
    if (!candidate) this.#gathered = true;
    if (candidate?.address?.endsWith(".local")) this.#hidden = true;
    this.#found();
    if (!this.#described) return; // It is in the description.
    if (!candidate && this.#hidden) return; // As above.
    this.#late.push(candidate ? JSON.stringify(candidate) : END_OF_CANDIDATES);
    this.#schedule();
  }

  /** Hand out later candidates in batches, the end mark last, until {@link stopTrickling}. */
  trickle(send: (texts: string[]) => void): void {
    this.#send = send;
    if (this.#late.length > 0) this.#schedule();
  }

  /** Hand out no more candidates. */
  stopTrickling(): void {
    this.#send = null;
    clearTimeout(this.#batch);
  }

  #schedule(): void {
    if (!this.#send) return;
    const flush = (): void => {
      this.#batch = undefined;
      if (this.#late.length > 0) this.#send?.(this.#late.splice(0));
    };
    if (this.#gathered) {
      clearTimeout(this.#batch);
      flush();
    } else {
      this.#batch ??= setTimeout(flush, CANDIDATE_BATCH_SECONDS * 1000);
    }
  }

  /**
   * Take candidates of the other side, those that are new; needs its description first.
   *
   * @param texts JSON texts of `RTCIceCandidateInit`.
   * @throws DocumentMalformed if one is no candidate.
   */
  async addCandidates(texts: readonly string[]): Promise<void> {
    for (const text of texts) {
      if (this.#applied.has(text) || this.pc.signalingState === "closed") continue;
      this.#applied.add(text);
      await this.#addCandidate(text);
    }
  }

  async #addCandidate(text: string): Promise<void> {
    const content = readCandidate(text);
    try {
      if (!content.candidate) await this.pc.addIceCandidate();
      else {
        await this.pc.addIceCandidate({
          candidate: content.candidate,
          sdpMid: content.sdpMid ?? null,
          sdpMLineIndex: content.sdpMLineIndex ?? (content.sdpMid == null ? 0 : null),
        });
      }
    } catch {
      if (this.pc.signalingState !== "closed") throw badCandidate();
    }
  }

  async #take(type: "offer" | "answer", sdp: string): Promise<void> {
    if (!/^m=application /m.test(sdp)) {
      throw new DocumentMalformed(`The ${type} has no data section: no control channel fits in.`);
    }
    this.remoteNames = readNames(sdp);
    try {
      await this.pc.setRemoteDescription({ type, sdp });
    } catch (error) {
      const reason = (error instanceof Error ? error.message : String(error)).slice(0, 120);
      throw new DocumentMalformed(`The ${type} of the other side can't be used: ${reason}.`);
    }
  }

  /** The path in use, and what it has carried. */
  async statistics(): Promise<Snapshot> {
    return read(await this.pc.getStats());
  }

  /** End the connection. */
  close(): void {
    this.stopTrickling();
    this.sections();
    this.pc.close();
  }
}

function kindOf(transceiver: RTCRtpTransceiver): Kind {
  return transceiver.receiver.track.kind as Kind;
}
