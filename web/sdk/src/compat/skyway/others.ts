/** The others in a room: what Skyway tells of them. */

import type { Link, Peer, Room } from "../../index.js";

import { reasonOf } from "./errors.js";
import { peerInfo, userInfo, type PeerInfo } from "./peers.js";

/** What links carry for this adapter. */
export interface Said {
  readonly skyway: "message" | "lock" | "refresh";
  readonly content?: unknown;
  readonly isPrivate?: boolean;
}

/** How a message came, or went. */
export interface How {
  readonly isPrivate: boolean;
  readonly isDataChannel: boolean;
  readonly targets: unknown;
}

/** Whose room it is. */
export interface Us {
  /** The room's name, as it was joined. */
  readonly name: string;
  /** Whether we were told to have joined. */
  joined: () => boolean;
  emit: (event: string, ...values: unknown[]) => unknown;
  /** Whether that room is the one we are in. */
  isIn: (room: Room) => boolean;
  selfInfo: () => PeerInfo;
  /** We are seen by all. */
  arrived: (peer: string) => void;
  /** There is a link. */
  linked: (link: Link) => void;
  message: (from: string, content: unknown, how: How) => void;
  /** We are in no longer. */
  putOut: (reason: string, message: string) => void;
}

/** Tells of the others while we are in one room. */
export class Others {
  /** Peers that were said to have joined. */
  readonly #present = new Set<string>();
  /** Who was seen to send, and whether its screen. */
  readonly #shown = new Map<string, boolean>();

  constructor(
    readonly room: Room,
    readonly us: Us,
  ) {
    this.#wire(room);
  }

  #infoOf(peer: Peer | undefined): PeerInfo {
    return peer && !peer.isSelf ? peerInfo(userInfo(peer), this.us.name) : this.us.selfInfo();
  }

  #info(peer: string): PeerInfo {
    return this.#infoOf(this.room.peers.get(peer));
  }

  #wire(room: Room): void {
    room.on("updated", (peer) => {
      if (!this.us.isIn(room)) return;
      if (peer.isSelf && !this.us.joined()) this.us.arrived(peer.id);
      else this.us.emit("peerUpdated", peer.id, this.#infoOf(peer), peer.isSelf);
      if (!peer.isSelf) this.#screenMayHaveChanged(room, peer);
    });
    room.on("link", (link) => {
      this.#linked(link);
    });
    room.on("left", (peer) => {
      if (!this.#present.delete(peer.id)) return;
      this.#ended(peer.id, this.#infoOf(peer));
      this.us.emit("peerLeft", peer.id, this.#infoOf(peer), false);
    });
    room.on("track", ({ peer }) => {
      this.#show(room, peer);
    });
    room.on("mute", ({ peer, kinds }) => {
      const info = this.#info(peer);
      const mediaStatus = {
        audioMuted: kinds["audio"] ?? info.mediaStatus.audioMuted,
        videoMuted: kinds["video"] ?? info.mediaStatus.videoMuted,
      };
      this.us.emit("streamMuted", peer, { ...info, mediaStatus }, false, this.#shown.get(peer));
    });
    room.on("broadcast", ({ peer, body, isPrivate }) => {
      const said = body as Partial<Said> | null;
      const content = said?.skyway === "message" ? said.content : body;
      const targets = isPrivate ? room.session.peer : null;
      this.us.message(peer, content, { isPrivate, isDataChannel: false, targets });
    });
    room.on("reconnecting", (peer) => {
      this.us.emit("iceConnectionState", "disconnected", peer);
    });
    room.on("reconnected", (peer) => {
      this.us.emit("iceConnectionState", "connected", peer);
      this.us.emit("peerRestart", peer, this.#info(peer), false, true);
    });
    room.on("unreachable", ({ peer }) => {
      this.us.emit("iceConnectionState", "failed", peer.id);
    });
    room.on("lost", (error) => {
      this.us.putOut(reasonOf(error), error.message);
    });
    room.on("removed", (reason) => {
      this.us.putOut("toclose", reason || "A moderator put you out of the room.");
    });
  }

  /** A peer is there once it can be spoken to. */
  #linked(link: Link): void {
    const peer = link.remote;
    const known = this.#present.has(peer);
    this.#present.add(peer);
    this.us.linked(link);
    link.on("message", (body) => {
      this.#heard(link, body);
    });
    link.on("trackRemoved", () => {
      if (link.stream.getTracks().length === 0) this.#ended(peer, this.#info(peer));
    });
    if (!known) this.us.emit("peerJoined", peer, this.#info(peer), false);
    this.us.emit("iceConnectionState", "connected", peer);
    this.us.emit("dataChannelState", "open", peer);
    void link.closed().then(() => {
      this.us.emit("dataChannelState", "closed", peer);
      this.us.emit("iceConnectionState", "closed", peer);
    });
  }

  #heard(link: Link, body: unknown): void {
    const peer = link.remote;
    const said = body as Partial<Said> | null;
    if (said?.skyway === "lock") {
      if (this.room.peers.get(peer)?.role !== "moderator") return;
      this.us.emit("roomLock", said.content === true, peer, this.#info(peer), false);
    } else if (said?.skyway === "refresh") {
      if (link.side === "offerer") void link.renegotiate().catch(() => undefined);
      this.us.emit("peerRestart", peer, this.#info(peer), false, false);
    } else {
      const ours = said?.skyway === "message";
      const isPrivate = ours && said.isPrivate === true;
      const targets = isPrivate ? this.room.session.peer : null;
      const how = { isPrivate, isDataChannel: true, targets };
      this.us.message(peer, ours ? said.content : body, how);
    }
  }

  #show(room: Room, peer: string): void {
    const stream = room.link(peer)?.stream;
    const them = room.peers.get(peer);
    if (!stream || !them || this.#shown.has(peer)) return;
    // It has joined before its stream is there.
    queueMicrotask(() => {
      if (this.#shown.has(peer)) return;
      const { screen } = userInfo(them);
      this.#shown.set(peer, screen);
      tellStream(this.us, peer, stream, false, this.#infoOf(them), screen);
    });
  }

  /** The screen comes as the same track: Skyway tells of it as of a stream. */
  #screenMayHaveChanged(room: Room, peer: Peer): void {
    const before = this.#shown.get(peer.id);
    const stream = room.link(peer.id)?.stream;
    const { screen } = userInfo(peer);
    if (before === undefined || before === screen || !stream) return;
    this.#shown.set(peer.id, screen);
    this.us.emit("streamEnded", peer.id, this.#infoOf(peer), false, before, stream.id);
    tellStream(this.us, peer.id, stream, false, this.#infoOf(peer), screen);
  }

  #ended(peer: string, info: PeerInfo): void {
    const screen = this.#shown.get(peer);
    if (screen === undefined) return;
    this.#shown.delete(peer);
    this.us.emit("streamEnded", peer, info, false, screen);
  }
}

/** Tell of a stream by both of its events. */
export function tellStream(
  to: Pick<Us, "emit">,
  peer: string,
  stream: MediaStream,
  isSelf: boolean,
  info: PeerInfo,
  screen: boolean,
): void {
  to.emit("incomingStream", peer, stream, isSelf, info, screen, stream.id);
  to.emit("addPeerStream", peer, stream, isSelf);
}
