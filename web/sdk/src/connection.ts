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
  withoutCandidates,
} from "./descriptions.js";
import { DocumentMalformed } from "./errors.js";
import { checkName, readNames, writeNames } from "./names.js";
import { CANDIDATE_BATCH_SECONDS, END_MARK_SECONDS, GATHER_GRACE_SECONDS } from "./negotiation.js";
import { KINDS, type Kind, type LocalDescription, type Section } from "./sections.js";
import { sleep } from "./waiting.js";

export { KINDS, type Kind, type LocalDescription };

/** Once a candidate was found, others of the same kind follow within this. */
const QUIET_SECONDS = 0.004;

/** Bounds for encoders. @internal */
export interface Limits {
  /** Applied again whenever sections were negotiated: one that is not takes none. */
  apply(pc: RTCPeerConnection): Promise<void>;
}

/** What a connection carries. */
export interface ConnectionOptions {
  readonly iceServers: readonly RTCIceServer[];
  /** Used in place of `iceServers`, also by connections `like` this one. */
  readonly ownIceServers?: readonly RTCIceServer[] | undefined;
  /** Tracks to send. */
  readonly sending?: readonly MediaStreamTrack[] | undefined;
  /** The kinds wanted from the other side. */
  readonly receiving?: readonly Kind[] | undefined;
  /** What tracks that are sent are called, for the other side to see. */
  readonly names?: ReadonlyMap<MediaStreamTrack, string> | undefined;
  /**
   * One that this is to take the place of: the same sections in the same order, with the same
   * tracks.
   */
  readonly like?: Connection | undefined;
}

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
  /** What tracks that are sent are called. @internal */
  readonly names: Map<MediaStreamTrack, string>;
  /** What its encoders may take, once that was said. @internal */
  limits: Limits | null;

  readonly #ownIce: readonly RTCIceServer[] | undefined;
  /** The sections to make. */
  #model: readonly Section[] | null;
  /** The sections when they were last looked at: a closed connection has none. */
  #sections: readonly Section[] = [];
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
  /** Candidates of the other side's that are to be taken first. */
  #held: string[] = [];

  constructor(options: ConnectionOptions) {
    const { sending = [], receiving, names, like } = options;
    this.#ownIce = like ? like.#ownIce : options.ownIceServers;
    const iceServers = [...(this.#ownIce ?? options.iceServers)];
    this.waiting = [...sending];
    this.names = like ? like.names : new Map<MediaStreamTrack, string>();
    for (const [track, name] of names ?? []) this.name(track, name);
    this.receiving = like?.receiving ?? new Set(receiving ?? KINDS);
    this.#model = like?.sections() ?? null;
    this.limits = like?.limits ?? null;
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
        for (const track of tracks) this.addSection(track);
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
   * @param when the answer is wanted: from then on, and not before, the other side may hear of us.
   *   Its candidates are held back till then, and taken with the first {@link addCandidates}.
   * @throws DocumentMalformed if the offer doesn't parse or has nothing in common with us.
   */
  async answer(sdp: string, when?: Promise<unknown>): Promise<LocalDescription> {
    const { bare, candidates } = when ? withoutCandidates(sdp) : { bare: sdp, candidates: [] };
    this.#held = candidates;
    await this.#take("offer", bare);
    this.#makeChannel();
    await this.#attach();
    return await this.#describe(await this.pc.createAnswer(), when);
  }

  /**
   * Take the answer to our offer.
   *
   * @throws DocumentMalformed if it doesn't parse or doesn't match the offer.
   */
  async accept(sdp: string): Promise<void> {
    await this.#take("answer", sdp);
    await this.limits?.apply(this.pc);
  }

  /** Our description, with the names of what is sent. @internal */
  named(): string {
    const names = this.sections().map(({ track }) => (track && this.names.get(track)) ?? "");
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
      transceiver.direction = this.directionOf(transceiver);
    }
    this.sections();
    await this.limits?.apply(this.pc);
  }

  /**
   * Call a track something; told with the next description.
   *
   * @throws ConfigError if that is no name.
   */
  name(track: MediaStreamTrack, name: string): void {
    this.names.set(track, checkName(name));
  }

  /** A section for one more track. @internal */
  addSection(track: MediaStreamTrack): void {
    const receives = this.receiving.has(track.kind as Kind);
    this.pc.addTransceiver(track, { direction: receives ? "sendrecv" : "sendonly" });
  }

  /** What a section does, as we would have it. @internal */
  directionOf(transceiver: RTCRtpTransceiver): RTCRtpTransceiverDirection {
    const receives = this.receiving.has(kindOf(transceiver));
    if (transceiver.sender.track) return receives ? "sendrecv" : "sendonly";
    return receives ? "recvonly" : "inactive";
  }

  // Candidates.

  async #describe(
    description: RTCSessionDescriptionInit,
    when?: Promise<unknown>,
  ): Promise<LocalDescription> {
    if (this.#described) {
      await this.pc.setLocalDescription(description);
      return { sdp: this.named(), complete: true };
    }
    const enough = new Promise<void>((resolve) => {
      this.#found = () => {
        if (this.#gathered) resolve();
        else setTimeout(resolve, QUIET_SECONDS * 1000);
      };
    });
    await this.pc.setLocalDescription(description);
    await Promise.race([enough, sleep(GATHER_GRACE_SECONDS)]);
    if (when) await when;
    this.#described = true;
    // Who can't resolve the names (aiortc, where multicast is shut out) learns our addresses from
    // our checks, but would give up at once if told that nothing more comes.
    const complete = this.#gathered && !this.#hidden;
    return { sdp: spreadCandidates(this.named(), complete), complete };
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
      clearTimeout(this.#batch);
      this.#batch = undefined;
      if (this.#late.length > 0) this.#send?.(this.#late.splice(0));
    };
    const alone = this.#late[0] === END_OF_CANDIDATES;
    const seconds = alone ? END_MARK_SECONDS : CANDIDATE_BATCH_SECONDS;
    if (!this.#gathered || alone) this.#batch ??= setTimeout(flush, seconds * 1000);
    else flush();
  }

  /**
   * Take candidates of the other side, those that are new; needs its description first.
   *
   * @param texts JSON texts of `RTCIceCandidateInit`.
   * @throws DocumentMalformed if one is no candidate.
   */
  async addCandidates(texts: readonly string[]): Promise<void> {
    for (const text of [...this.#held.splice(0), ...texts]) {
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

  /** End the connection. */
  close(): void {
    this.stopTrickling();
    this.sections();
    this.pc.close();
  }
}

/** The kind of a section. */
export function kindOf(transceiver: RTCRtpTransceiver): Kind {
  return transceiver.receiver.track.kind as Kind;
}
