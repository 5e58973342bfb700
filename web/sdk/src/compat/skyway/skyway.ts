/** Skyway: one who joins a room with others, sees and hears them, and talks to them. */

import { EventEmitter } from "eventemitter3";

import { Client, FireRTCError, type Config, type Link, type Room } from "../../index.js";
import { findProject } from "../../hosting.js";

import { codeOf, reasonOf, SkywayError, type ReadyError } from "./errors.js";
import { Local } from "./local.js";
import { attachMediaStream } from "./media.js";
import { Others, tellStream, type How, type Said } from "./others.js";
import { sorted, told, type Callback, type InitOptions, type JoinRoomOptions } from "./options.js";
import { peerInfo, userInfo, type PeerInfo, type UserInfo } from "./peers.js";
import { Transfers } from "./transfers.js";

const DEFAULT_ROOM = "main";
const BLOB_SECONDS = 60;

/** Somebody who joins a room. */
export class Skyway extends EventEmitter {
  /** As Skyway's are numbered. */
  readonly READY_STATE_CHANGE = { INIT: 0, LOADING: 1, COMPLETED: 2, ERROR: -1 };
  readonly SYSTEM_ACTION = { WARNING: "warning", REJECT: "reject" };
  readonly attachMediaStream = attachMediaStream;

  readonly #local = new Local({
    emit: (event, ...values) => this.emit(event, ...values),
    changed: () => {
      void this.#tellOurselves();
    },
  });
  readonly #transfers = new Transfers({
    state: (...values) => this.emit("dataTransferState", ...values),
    request: (id, peer, info) => this.emit("incomingDataRequest", id, peer, info, false),
    data: (blob, id, peer, info) => this.emit("incomingData", blob, id, peer, info, false),
  });
  #options: InitOptions = {};
  #config: Promise<Config> | null = null;
  #client: Client | null = null;
  #room: Room | null = null;
  #name = DEFAULT_ROOM;
  #userData: unknown = "";
  #bandwidth: JoinRoomOptions["bandwidth"];
  #joined = false;

  /** @param options 2.x gives them here, earlier versions to `init`. */
  constructor(options?: InitOptions | string) {
    super();
    if (options !== undefined) void this.#load(options);
  }

  /** Say which key and room; `readyStateChange` tells how it went. */
  init(options: InitOptions | string, callback?: Callback): void {
    void told(this.#load(options), callback).catch(() => undefined);
  }

  async #load(options: InitOptions | string): Promise<unknown> {
    this.#options = typeof options === "string" ? { appKey: options } : options;
    const { firertc, appKey, apiKey, defaultRoom } = this.#options;
    const key = appKey ?? apiKey;
    this.#name = defaultRoom ?? key ?? DEFAULT_ROOM;
    this.#config = (async (): Promise<Config> => {
      // Whoever listens does so after this.
      await Promise.resolve();
      this.emit("readyStateChange", 0, null, this.#name);
      this.emit("readyStateChange", 1, null, this.#name);
      const config = firertc ?? (await findProject());
      return key === undefined ? config : { ...config, key };
    })();
    this.#config.catch(() => undefined);
    try {
      await this.#config;
    } catch (error) {
      this.#refused(error as Error);
      throw error;
    }
    this.emit("readyStateChange", 2, null, this.#name);
    return { ...this.#options };
  }

  // Rooms.

  /**
   * Go into a room: `joinRoom(room?, options?, callback?)` or `joinRoom(options, stream?)`.
   *
   * @returns what is sent: a list of streams.
   */
  async joinRoom(...given: unknown[]): Promise<unknown> {
    const { room, options, stream, callback } = sorted(given);
    return await told(this.#join(room ?? this.#nameDefault(), options, stream), callback);
  }

  #nameDefault(): string {
    const { defaultRoom, appKey, apiKey } = this.#options;
    return defaultRoom ?? appKey ?? apiKey ?? DEFAULT_ROOM;
  }

  async #join(name: string, options: JoinRoomOptions, ready?: MediaStream): Promise<unknown> {
    if (!this.#config) await this.#load({});
    await this.leaveRoom(false);
    if (options.userData !== undefined) this.#userData = options.userData;
    this.#bandwidth = options.bandwidth;
    if (ready) await this.#local.send(ready);
    else if (options.audio || options.video) await this.#local.open(options);
    this.#name = name;
    const client = new Client((await this.#config) ?? (await findProject()));
    this.#client = client;
    try {
      const room = await client.enter(name, {
        connect: "all",
        data: { skyway: this.#ourselves() },
        media: () => ({ sending: this.#local.tracks }),
        credentials: this.#options.credentials,
        onRoom: (made) => {
          this.#room = made;
          this.#meet(made);
        },
      });
      if (this.#client !== client) throw new Error("The room was left before it was entered.");
      this.#local.room = room;
      addEventListener("pagehide", this.#abandon);
    } catch (error) {
      if (this.#client === client) {
        this.#client = this.#room = null;
        this.#joined = false;
      }
      await client.close();
      throw this.#refused(error as Error);
    }
    const { stream } = this.#local;
    return stream ? [stream] : [];
  }

  readonly #abandon = (): void => {
    this.#client?.abandon();
  };

  #refused(error: Error): SkywayError {
    const errorCode = codeOf(error);
    if (errorCode !== null) {
      const told: ReadyError = { status: null, content: error, errorCode };
      this.emit("readyStateChange", -1, told, this.#name);
    } else if (error instanceof FireRTCError) {
      this.emit("systemAction", "reject", error.message, reasonOf(error));
    }
    return new SkywayError(errorCode, error);
  }

  /** Go: `leaveRoom(stopStreams?, callback?)`, or with the room's name first. */
  async leaveRoom(...given: unknown[]): Promise<void> {
    const callback = given.find((one) => typeof one === "function") as Callback | undefined;
    const stops = given.find((one) => typeof one === "boolean") ?? true;
    await told(this.#leave(stops), callback);
  }

  async #leave(stops: boolean): Promise<void> {
    const [room, client] = [this.#room, this.#client];
    if (!room || !client) return;
    const us = this.#selfInfo();
    this.#room = this.#client = this.#local.room = null;
    removeEventListener("pagehide", this.#abandon);
    await client.close();
    if (stops) {
      await this.#local.unshare();
      this.#local.stop();
    }
    if (this.#joined) this.emit("peerLeft", room.session.peer, us, true);
    this.#joined = false;
    this.emit("channelClose");
  }

  /** Let nobody else in: needs a key that makes moderators. */
  async lockRoom(...given: unknown[]): Promise<void> {
    await told(this.#lock(true), sorted(given).callback);
  }

  /** Let others in again. */
  async unlockRoom(...given: unknown[]): Promise<void> {
    await told(this.#lock(false), sorted(given).callback);
  }

  async #lock(locked: boolean): Promise<void> {
    const room = this.#inside();
    await room.lock(locked);
    const said: Said = { skyway: "lock", content: locked };
    room.send(said);
    this.emit("roomLock", locked, room.session.peer, this.#selfInfo(), true);
  }

  // What is said.

  /** Say something to all or some through the links: 2.x has the room's name first. */
  sendP2PMessage(...given: unknown[]): void {
    const room = this.#inside();
    const [content, to] = this.#addressed(given);
    const said: Said = { skyway: "message", content, isPrivate: to !== undefined };
    room.send(said, to);
    this.#ownMessage(content, to, true);
  }

  /** Say something to all or some through the database. */
  sendMessage(...given: unknown[]): void {
    const room = this.#inside();
    const [content, to] = this.#addressed(given);
    const said: Said = { skyway: "message", content };
    room.broadcast(said, to).then(
      () => {
        this.#ownMessage(content, to, false);
      },
      (error: unknown) => {
        this.emit("systemAction", "warning", (error as Error).message, "serverError");
      },
    );
  }

  /** A message and its receivers; with the room's name before them in 2.x. */
  #addressed(given: unknown[]): [unknown, string | string[] | undefined] {
    const rest = given.length > 1 && given[0] === this.#name ? given.slice(1) : given;
    const to = rest[1] as string | string[] | null | undefined;
    return [rest[0], to === null || to?.length === 0 ? undefined : to];
  }

  #ownMessage(content: unknown, to: string | string[] | undefined, isDataChannel: boolean): void {
    const me = this.#inside().session.peer;
    const targets = to ?? null;
    this.#message(me, content, { isPrivate: to !== undefined, isDataChannel, targets }, true);
  }

  #message(from: string, content: unknown, how: How, isSelf: boolean): void {
    const { isPrivate, isDataChannel, targets: targetPeerId } = how;
    const message = { content, isPrivate, isDataChannel, targetPeerId, senderPeerId: from };
    const info = isSelf ? this.#selfInfo() : this.getPeerInfo(from);
    this.emit("incomingMessage", message, from, info, isSelf);
  }

  /** Say something else of oneself; 2.x has the room's name first. */
  setUserData(...given: unknown[]): void {
    this.#userData = given.length > 1 && given[0] === this.#name ? given[1] : given[0];
    void this.#tellOurselves();
  }

  /** What a peer says of itself; without an id, what we say. */
  getUserData(...given: unknown[]): unknown {
    const peer = this.#room?.peers.get(textOf(given.at(-1)));
    return peer && !peer.isSelf ? userInfo(peer).userData : this.#userData;
  }

  // What is sent.

  /** Open camera and microphone without sending them: `joinRoom` or `sendStream` does. */
  async getUserMedia(...given: unknown[]): Promise<MediaStream> {
    const { options, callback } = sorted(given);
    const wanted = given.some((one) => typeof one === "object") ? options : null;
    return await told(this.#local.open(wanted ?? { audio: true, video: true }), callback);
  }

  /** Send a stream, or what is opened as the options say. */
  async sendStream(...given: unknown[]): Promise<void> {
    const { options, stream, callback } = sorted(given);
    const send = async (): Promise<void> => {
      await this.#local.send(stream ?? (await this.#local.open(options)));
    };
    await told(send(), callback);
  }

  /** Stop camera and microphone. */
  stopStream(): void {
    this.#local.stop();
  }

  stopStreams(): void {
    this.#local.stop();
  }

  disableAudio(): void {
    this.#local.mute({ audioMuted: true });
  }

  enableAudio(): void {
    this.#local.mute({ audioMuted: false });
  }

  disableVideo(): void {
    this.#local.mute({ videoMuted: true });
  }

  enableVideo(): void {
    this.#local.mute({ videoMuted: false });
  }

  /** `muteStream({ audioMuted, videoMuted })`; 2.x has the room's name first. */
  muteStream(...given: unknown[]): void {
    const kinds = sorted(given).options as { audioMuted?: boolean; videoMuted?: boolean };
    this.#local.mute(kinds);
  }

  muteStreams(...given: unknown[]): void {
    this.muteStream(...given);
  }

  /** Show the screen in the camera's place. */
  async shareScreen(...given: unknown[]): Promise<MediaStream> {
    return await told(this.#local.share(), sorted(given).callback);
  }

  stopScreen(): void {
    void this.#local.unshare();
  }

  /** Negotiate anew with one, some or all. */
  async refreshConnection(...given: unknown[]): Promise<unknown> {
    const rest = given.filter((one) => one !== this.#name);
    const target = rest.find((one) => typeof one === "string" || Array.isArray(one));
    return await told(
      this.#refresh(target as string | string[] | undefined),
      sorted(rest).callback,
    );
  }

  async #refresh(target: string | string[] | undefined): Promise<unknown> {
    const room = this.#inside();
    const chosen = target === undefined ? [...room.links.keys()] : [target].flat();
    const errors: Record<string, Error> = {};
    for (const peer of chosen) {
      const link = room.link(peer);
      try {
        if (!link) throw new Error("There is no connection to this peer.");
        link.send({ skyway: "refresh" } satisfies Said);
        if (link.side === "offerer") await link.renegotiate();
        this.emit("peerRestart", peer, this.getPeerInfo(peer), true, false);
      } catch (error) {
        errors[peer] = error as Error;
      }
    }
    return { listOfPeers: chosen, refreshErrors: errors };
  }

  // Blobs.

  /** Send a blob: `sendBlobData(blob, timeout?, peer?, callback?)`; 2.x: `(room, blob, peer?, timeout?)`. */
  async sendBlobData(...given: unknown[]): Promise<unknown> {
    const rest = given.filter((one) => one !== this.#name);
    const blob = rest.find((one) => one instanceof Blob);
    const timeout = rest.find((one) => typeof one === "number") ?? BLOB_SECONDS;
    const target = rest.find((one) => typeof one === "string" || Array.isArray(one));
    const callback = rest.find((one) => typeof one === "function") as Callback | undefined;
    const send = async (): Promise<unknown> => {
      if (!blob) throw new TypeError("sendBlobData sends a Blob or a File.");
      const to = target as string | string[] | undefined;
      return await this.#transfers.sendToSome(this.#inside(), blob, timeout, to);
    };
    return await told(send(), callback);
  }

  /** Say yes or no to `incomingDataRequest`; the older name. */
  acceptDataTransfer(peer: string, transferId: string, accept = true): void {
    this.#transfers.respond(transferId, peer, accept);
  }

  /** Say yes or no to `incomingDataRequest`: `(room?, peer, transferId, accept)`. */
  respondBlobRequest(...given: unknown[]): void {
    const [peer, id, accept] = given.length > 3 ? given.slice(1) : given;
    this.#transfers.respond(String(id), String(peer), accept !== false);
  }

  /** End a transfer. */
  cancelBlobTransfer(...given: unknown[]): void {
    this.#transfers.cancel(String(given.at(-1)));
  }

  cancelDataTransfer(_peer: string, transferId: string): void {
    this.#transfers.cancel(transferId);
  }

  // Who is there.

  /** Our peer id while in a room. */
  get peerId(): string | null {
    return this.#room?.session.peer ?? null;
  }

  /** What a peer says of itself, as the events show it; without an id, what we do. */
  getPeerInfo(...given: unknown[]): PeerInfo {
    const peer = this.#room?.peers.get(textOf(given.at(-1)));
    return peer && !peer.isSelf ? peerInfo(userInfo(peer), this.#name) : this.#selfInfo();
  }

  /** Everybody in the room, by id; `isSelf` marks us. */
  getPeersInRoom(): Readonly<Record<string, PeerInfo & { readonly isSelf: boolean }>> {
    const all = [...(this.#room?.peers.values() ?? [])].map(
      (peer) => [peer.id, { ...this.getPeerInfo(peer.id), isSelf: peer.isSelf }] as const,
    );
    return Object.fromEntries(all);
  }

  /** The others' ids, by room. */
  getPeers(): Readonly<Record<string, readonly string[]>> {
    return { [this.#name]: this.#room?.others ?? [] };
  }

  /** What everybody sends, by id. */
  getPeersStream(): Readonly<Record<string, { stream: MediaStream | null; isSelf: boolean }>> {
    const links = [...(this.#room?.links ?? [])];
    const all = Object.fromEntries(
      links.map(([peer, link]) => [peer, { stream: link.stream, isSelf: false }]),
    );
    const own = { stream: this.#local.screen ?? this.#local.stream, isSelf: true };
    return this.#room ? { ...all, [this.#room.session.peer]: own } : all;
  }

  #inside(): Room {
    if (this.#room && this.#client) return this.#room;
    throw new Error("Not in a room: wait for joinRoom first.");
  }

  #ourselves(): UserInfo {
    const { stream, screen, audioMuted, videoMuted } = this.#local;
    return {
      userData: this.#userData,
      audio: (stream?.getAudioTracks().length ?? 0) > 0,
      video: screen !== null || (stream?.getVideoTracks().length ?? 0) > 0,
      audioMuted,
      videoMuted,
      screen: screen !== null,
    };
  }

  #selfInfo(): PeerInfo {
    return peerInfo(this.#ourselves(), this.#name);
  }

  async #tellOurselves(): Promise<void> {
    const room = this.#room;
    if (!room || !this.#joined) return;
    await room.setData({ skyway: this.#ourselves() }).catch((error: unknown) => {
      this.emit("systemAction", "warning", (error as Error).message, "serverError");
    });
  }

  // What the room tells.

  #meet(room: Room): void {
    new Others(room, {
      name: this.#name,
      joined: () => this.#joined,
      emit: (event, ...values) => this.emit(event, ...values),
      isIn: (one) => this.#room === one,
      selfInfo: () => this.#selfInfo(),
      arrived: (peer) => {
        this.#arrived(peer);
      },
      linked: (link) => {
        this.#linked(link);
      },
      message: (from, content, how) => {
        this.#message(from, content, how, false);
      },
      putOut: (reason, message) => {
        this.#putOut(reason, message);
      },
    });
  }

  #linked(link: Link): void {
    this.#local.tell(link);
    void this.#limit(link);
    link.on("channel", (channel) => {
      this.#transfers.take(link, channel);
    });
  }

  #arrived(peer: string): void {
    this.#joined = true;
    this.emit("channelOpen");
    this.emit("peerJoined", peer, this.#selfInfo(), true);
    const { stream } = this.#local;
    if (stream) tellStream(this, peer, stream, true, this.#selfInfo(), false);
  }

  async #limit(link: Link): Promise<void> {
    for (const kind of ["audio", "video"] as const) {
      const kilobits = this.#bandwidth?.[kind];
      // The link may end meanwhile.
      if (kilobits) await link.limitBitrate(kind, kilobits * 1000).catch(() => undefined);
    }
  }

  #putOut(reason: string, message: string): void {
    this.emit("systemAction", "reject", message, reason);
    void this.#leave(false);
  }
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
