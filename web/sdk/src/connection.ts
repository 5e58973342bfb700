/**
 * One `RTCPeerConnection`, as signaling needs it: descriptions at once, candidates as they come.
 *
 * Browsers take over 100 ms to call gathering complete, but find their own addresses within some
 * milliseconds: those travel in the description, later ones are handed out in batches.
 */

import { CHANNEL_ID, LABEL } from "./control.js";
import { DocumentMalformed } from "./errors.js";
import { CANDIDATE_BATCH_SECONDS, GATHER_GRACE_SECONDS } from "./negotiation.js";
import { sleep } from "./waiting.js";

/** A kind of media. */
export type Kind = "audio" | "video";
export const KINDS: readonly Kind[] = ["audio", "video"];

/** Once a candidate was found, others of the same kind follow within this. */
const QUIET_SECONDS = 0.004;
/** An empty candidate ends the list (W3C WebRTC, section 4.8.1.2). */
export const END_OF_CANDIDATES = JSON.stringify({ candidate: "" });
const END_MARK = "a=end-of-candidates";

/** An offer or an answer of ours. */
export interface LocalDescription {
  readonly sdp: string;
  /** Whether every candidate is in it; else {@link Connection.trickle} hands the others out. */
  readonly complete: boolean;
}

/** The network path that a connection found. */
export interface Path {
  /** `host`, `srflx`, `prflx` or `relay` (RFC 8445, section 5.1.1), the farthest of both ends. */
  readonly kind: string;
  readonly local: string;
  readonly remote: string;
  /** `ip:port` of the other side. */
  readonly address: string;
}

/** What a connection has carried so far. */
export interface Statistics {
  readonly path: Path | null;
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

/** What a connection carries. */
export interface ConnectionOptions {
  readonly iceServers: readonly RTCIceServer[];
  /** Tracks to send. */
  readonly sending?: readonly MediaStreamTrack[];
  /** The kinds wanted from the other side. */
  readonly receiving?: readonly Kind[];
}

/** A peer connection with the control channel on it. */
export class Connection {
  readonly pc: RTCPeerConnection;
  /** Tracks to send, by kind. */
  readonly sending = new Map<Kind, MediaStreamTrack>();
  readonly receiving: ReadonlySet<Kind>;
  /** The control channel, from the first description on. */
  channel: RTCDataChannel | null = null;
  /** Told of the control channel when it is made. */
  onChannel: (channel: RTCDataChannel) => void = () => undefined;

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

  constructor(options: ConnectionOptions) {
    for (const track of options.sending ?? []) this.sending.set(track.kind as Kind, track);
    this.receiving = new Set(options.receiving ?? KINDS);
    this.pc = new RTCPeerConnection({
      iceServers: [...options.iceServers],
      bundlePolicy: "max-bundle",
    });
    this.pc.addEventListener("icecandidate", ({ candidate }) => {
      this.#onCandidate(candidate);
    });
  }

  /** Make an offer with one section for each kind that is to be sent or received. */
  async offer(): Promise<LocalDescription> {
    for (const kind of KINDS) {
      const track = this.sending.get(kind);
      const receives = this.receiving.has(kind);
      if (track) {
        this.pc.addTransceiver(track, { direction: receives ? "sendrecv" : "sendonly" });
      } else if (receives) {
        this.pc.addTransceiver(kind, { direction: "recvonly" });
      }
    }
    this.#makeChannel();
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
    await this.attach();
    return await this.#describe(await this.pc.createAnswer());
  }

  /**
   * Take the answer to our offer.
   *
   * @throws DocumentMalformed if it doesn't parse or doesn't match the offer.
   */
  async accept(sdp: string): Promise<void> {
    await this.#take("answer", sdp);
  }

  /** A fresh offer on the connection that exists. */
  async renegotiation(): Promise<string> {
    await this.pc.setLocalDescription(await this.pc.createOffer());
    return this.pc.localDescription?.sdp ?? "";
  }

  /** Put the tracks that wait to be sent on the sections that were offered, as far as they go. */
  async attach(): Promise<void> {
    for (const transceiver of this.pc.getTransceivers()) {
      if (transceiver.currentDirection === "stopped") continue;
      const kind = transceiver.receiver.track.kind as Kind;
      const track = this.sending.get(kind);
      if (track && !transceiver.sender.track && !this.sends(track)) {
        await transceiver.sender.replaceTrack(track);
      }
      const receives = this.receiving.has(kind);
      if (transceiver.sender.track) transceiver.direction = receives ? "sendrecv" : "sendonly";
      else transceiver.direction = receives ? "recvonly" : "inactive";
    }
  }

  /** Whether a section carries this track. */
  sends(track: MediaStreamTrack): boolean {
    return this.pc.getSenders().some((sender) => sender.track === track);
  }

  #makeChannel(): void {
    if (this.channel) return;
    // After the media sections: that is the order aiortc wants, with all on one transport.
    this.channel = this.pc.createDataChannel(LABEL, { negotiated: true, id: CHANNEL_ID });
    this.onChannel(this.channel);
  }

  // Candidates.

  async #describe(description: RTCSessionDescriptionInit): Promise<LocalDescription> {
    if (this.#described) {
      await this.pc.setLocalDescription(description);
      return { sdp: this.pc.localDescription?.sdp ?? "", complete: true };
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
    return { sdp: spreadCandidates(this.pc.localDescription?.sdp ?? "", complete), complete };
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
    const bad = (): Error =>
      new DocumentMalformed("The other side wrote a candidate that is none.");
    let content: RTCIceCandidateInit;
    try {
      content = JSON.parse(text) as RTCIceCandidateInit;
    } catch {
      throw bad();
    }
    if (typeof content !== "object" || typeof content.candidate !== "string") throw bad();
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
      if (this.pc.signalingState !== "closed") throw bad();
    }
  }

  async #take(type: "offer" | "answer", sdp: string): Promise<void> {
    if (!/^m=application /m.test(sdp)) {
      throw new DocumentMalformed(`The ${type} has no data section: no control channel fits in.`);
    }
    try {
      await this.pc.setRemoteDescription({ type, sdp });
    } catch (error) {
      const reason = (error instanceof Error ? error.message : String(error)).slice(0, 120);
      throw new DocumentMalformed(`The ${type} of the other side can't be used: ${reason}.`);
    }
  }

  /** The path in use, and what it has carried. */
  async statistics(): Promise<Statistics> {
    const report = new Map<string, Record<string, unknown>>();
    for (const [id, entry] of (await this.pc.getStats()).entries() as Iterable<
      [string, Record<string, unknown>]
    >) {
      report.set(id, entry);
    }
    const entries = [...report.values()];
    const transport = entries.find((entry) => entry["type"] === "transport");
    const selected = transport?.["selectedCandidatePairId"];
    const pair =
      typeof selected === "string"
        ? report.get(selected)
        : entries.find((e) => e["type"] === "candidate-pair" && e["nominated"] === true);
    const end = (name: string): Record<string, unknown> | undefined =>
      report.get(String(pair?.[name]));
    return {
      path: pathOf(end("localCandidateId"), end("remoteCandidateId")),
      bytesSent: Number(pair?.["bytesSent"] ?? 0),
      bytesReceived: Number(pair?.["bytesReceived"] ?? 0),
    };
  }

  /** End the connection. */
  close(): void {
    this.stopTrickling();
    this.pc.close();
  }
}

function pathOf(
  local: Record<string, unknown> | undefined,
  remote: Record<string, unknown> | undefined,
): Path | null {
  if (!local || !remote) return null;
  const ends = [String(local["candidateType"]), String(remote["candidateType"])] as const;
  const kind = ["relay", "srflx", "prflx"].find((word) => ends.includes(word)) ?? "host";
  const { address, port } = remote as { address?: string; port?: number };
  return {
    kind,
    local: ends[0],
    remote: ends[1],
    address: `${address ?? "?"}:${String(port ?? "?")}`,
  };
}

/** Whether a description says that no more candidates will come (RFC 8840, section 4.2). */
export function isComplete(sdp: string): boolean {
  return sdp.split(/\r?\n/).some((line) => line.trim() === END_MARK);
}

/**
 * Say in every section what browsers say in the first, which the others share: the candidates, and
 * that no more will come. aiortc 1.16 with max-bundle takes those of the last section alone.
 */
export function spreadCandidates(sdp: string, complete: boolean): string {
  const [head = "", ...sections] = sdp.split(/^(?=m=)/m);
  const lines = sections.flatMap((section) => section.match(/^a=candidate:.*\r\n/gm) ?? []);
  const said = [...new Set(lines), ...(complete ? [`${END_MARK}\r\n`] : [])].join("");
  const bare = sections.map((section) => section.replace(/^a=candidate:.*\r\n/gm, ""));
  return head + bare.map((section) => section + said).join("");
}
