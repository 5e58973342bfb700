/** PeerJS's Peer: somebody with an id whom others connect to and call. */

import { Client, decodeId, encodeId, type Config, type Ring, type Room } from "../../index.js";
import { findProject } from "../../hosting.js";

import { isIntroduction, type BaseConnection, type Introduction } from "./connection.js";
import { DataConnection } from "./data.js";
import { EmitterWithError, PeerErrorType, typeOf, type EventsWithError } from "./errors.js";
import { MediaConnection } from "./media.js";
import { util } from "./util.js";

/** The room that all peers of a realm are in, unless `key` names another. */
const ROOM = "peerjs";
/** How long a call rings: PeerJS knows no end. */
const RING_SECONDS = 600;
/** How long a peer that isn't there yet is waited for, as a PeerServer does by default. */
const EXPIRE_MILLISECONDS = 5_000;
/** The longest id that a peer can have (docs/protocol.md, section 1). */
const PEER_ID_BYTES = 80;
const RECEIVES = ["audio", "video"] as const;

/** An ICE server, in the form of today or in the old one. */
type IceServer = Omit<RTCIceServer, "urls"> & {
  readonly urls?: string | string[];
  readonly url?: string;
};

/** PeerJS's options; those of a PeerServer are taken and not used. */
export interface PeerOptions {
  /** The Firebase project; default: what Firebase Hosting and `/firertc.json` say. */
  readonly firertc?: Config;
  /** As `RTCPeerConnection` takes it; `iceServers` in the old form, with `url`, too. */
  readonly config?: {
    readonly iceServers?: readonly IceServer[];
  };
  /** Peers of another `key` are out of reach; default: all of the realm are together. */
  readonly key?: string;
  readonly debug?: number;
  readonly [other: string]: unknown;
}

/** How to connect. */
export interface PeerConnectOption {
  readonly label?: string;
  readonly metadata?: unknown;
  readonly serialization?: string;
  readonly reliable?: boolean;
}

/** How to call. */
export interface CallOption {
  readonly metadata?: unknown;
}

/** How to answer. */
export type AnswerOption = Readonly<Record<string, unknown>>;

/** What a peer tells of. */
export interface PeerEvents extends EventsWithError<`${PeerErrorType}`> {
  open: (id: string) => void;
  connection: (connection: DataConnection) => void;
  call: (connection: MediaConnection) => void;
  close: () => void;
  disconnected: (id: string) => void;
}

type Connection = DataConnection | MediaConnection;

/** Somebody whom others connect to and call. */
export class Peer extends EmitterWithError<`${PeerErrorType}`, PeerEvents> {
  readonly options: PeerOptions;
  /** Whether others reach this peer. */
  open = false;
  disconnected = false;
  destroyed = false;

  #id: string | null;
  #client: Client | null = null;
  #room: Room | null = null;
  #resume: string | undefined;
  readonly #connections = new Map<string, Connection[]>();

  constructor(id?: string | PeerOptions, options?: PeerOptions) {
    super();
    this.options = (typeof id === "object" ? id : options) ?? {};
    this.#id = typeof id === "string" ? id : null;
    // Whoever listens does so after this.
    queueMicrotask(() => {
      if (!util.supports.data) {
        this.#abort(PeerErrorType.BrowserIncompatible, "This browser does not support WebRTC");
      } else if (this.#id !== null && !util.validateId(this.#id)) {
        this.#abort(PeerErrorType.InvalidID, `ID "${this.#id}" is invalid`);
      } else {
        void this.#enter();
      }
    });
  }

  /** The id, once it is open. */
  get id(): string | null {
    return this.#id;
  }

  /** Every connection, by the other side's id. */
  get connections(): Readonly<Record<string, readonly Connection[]>> {
    return Object.fromEntries(this.#connections);
  }

  async #enter(): Promise<void> {
    try {
      this.#client ??= new Client(await this.#config());
      const room = await this.#client.enter(this.options.key ?? ROOM, {
        connect: "none",
        ...(this.#id !== null && { peer: this.#id }),
        ...(this.#resume !== undefined && { resume: this.#resume }),
        onRoom: (made) => {
          this.#wire(made);
        },
      });
      if (this.destroyed || this.disconnected) {
        await room.leave();
        return;
      }
      this.#room = room;
      this.#resume = room.session.resume || undefined;
      this.#id = decodeId(room.session.peer);
      this.open = true;
      this.emit("open", this.#id);
    } catch (error) {
      this.#abort(typeOf(error), error as Error);
    }
  }

  async #config(): Promise<Config> {
    const config = this.options.firertc ?? (await findProject());
    const servers = this.options.config?.iceServers?.map(({ url, ...server }) => ({
      ...server,
      urls: server.urls ?? url ?? [],
    }));
    return servers ? { ...config, iceServers: servers } : config;
  }

  #wire(room: Room): void {
    room.on("ring", (ringing) => {
      this.#rung(ringing);
    });
    room.on("lost", (error) => {
      if (this.#room !== room) return;
      this.emitError(PeerErrorType.Network, error);
      this.disconnect();
    });
  }

  #rung(ringing: Ring): void {
    const introduction = ringing.metadata;
    if (!isIntroduction(introduction)) {
      void ringing.reject();
      return;
    }
    const peer = decodeId(ringing.caller);
    if (introduction.type === "media") {
      const connection = new MediaConnection(peer, this, introduction, ringing);
      this.#keep(connection);
      this.emit("call", connection);
      return;
    }
    let connection: DataConnection;
    try {
      connection = new DataConnection(peer, this, introduction);
    } catch {
      void ringing.reject();
      return;
    }
    this.#keep(connection);
    this.emit("connection", connection);
    ringing
      .accept({
        media: { receiving: [] },
        onCall: (call) => {
          connection.prepare(call);
        },
      })
      .catch((error: unknown) => {
        connection.fail(error as Error);
      });
  }

  /** Connect to a peer for data; listen for `open` of what is returned. */
  connect(peer: string, options: PeerConnectOption = {}): DataConnection | undefined {
    if (this.#refuse("Cannot connect to new Peer after disconnecting from server.")) return;
    const introduction: Introduction = {
      type: "data",
      connectionId: `dc_${util.randomToken()}`,
      serialization: options.serialization ?? "binary",
      reliable: options.reliable ?? false,
      ...(options.label !== undefined && { label: options.label }),
      ...(options.metadata !== undefined && { metadata: options.metadata }),
    };
    const connection = new DataConnection(peer, this, introduction);
    this.#keep(connection);
    void this.#ring(connection, introduction, []);
    return connection;
  }

  /** Call a peer with sound and picture. */
  call(peer: string, stream: MediaStream, options: CallOption = {}): MediaConnection | undefined {
    if (this.#refuse("Cannot connect to new Peer after disconnecting from server.")) return;
    const introduction: Introduction = {
      type: "media",
      connectionId: `mc_${util.randomToken()}`,
      ...(options.metadata !== undefined && { metadata: options.metadata }),
    };
    const connection = new MediaConnection(peer, this, introduction, null, stream);
    this.#keep(connection);
    void this.#ring(connection, introduction, stream.getTracks());
    return connection;
  }

  #refuse(why: string): boolean {
    if (!this.disconnected) return false;
    this.emitError(PeerErrorType.Disconnected, why);
    return true;
  }

  async #ring(
    connection: Connection,
    introduction: Introduction,
    sending: MediaStreamTrack[],
  ): Promise<void> {
    try {
      if (!this.#room) await this.#opened();
      const peer = encodeId(connection.peer, PEER_ID_BYTES, "peer");
      if (this.#room) await present(this.#room, peer);
      if (!this.#room || connection.ended) return;
      const call = await this.#room.ring(peer, {
        media: { sending, receiving: connection instanceof MediaConnection ? RECEIVES : [] },
        metadata: introduction,
        timeoutSeconds: RING_SECONDS,
        onCall: (made) => {
          connection.prepare(made);
        },
      });
      if (connection instanceof DataConnection) await connection.openChannel(call);
      else connection.open = true;
    } catch (error) {
      if (connection.ended) return;
      const type = typeOf(error);
      if (type === PeerErrorType.PeerUnavailable) {
        this.emitError(type, `Could not connect to peer ${connection.peer}`);
        connection.close();
      } else {
        connection.fail(error as Error);
      }
    }
  }

  /** Wait until it is open, or never will be. */
  async #opened(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.once("open", () => {
        resolve();
      });
      this.once("close", resolve);
      this.once("disconnected", () => {
        resolve();
      });
    });
  }

  #keep(connection: Connection): void {
    const those = this.#connections.get(connection.peer) ?? [];
    this.#connections.set(connection.peer, [...those, connection]);
  }

  /** @internal */
  forget(connection: BaseConnection<string, EventsWithError<string>>): void {
    const those = this.#connections.get(connection.peer) ?? [];
    const left = those.filter((one) => (one as unknown) !== connection);
    if (left.length > 0) this.#connections.set(connection.peer, left);
    else this.#connections.delete(connection.peer);
  }

  /** A connection by the other side's id and its own; null if there is none. */
  getConnection(peer: string, connectionId: string): Connection | null {
    const those = this.#connections.get(peer) ?? [];
    return those.find((one) => one.connectionId === connectionId) ?? null;
  }

  /** Ids of every peer there is, this one's among them. */
  listAllPeers(callback: (peers: string[]) => void = () => undefined): void {
    const room = this.#room;
    const ids = room ? [room.session.peer, ...room.peers.keys()] : [];
    callback([...new Set(ids)].map(decodeId));
  }

  /** Be out of reach. Other than with PeerJS, connections end: who left the room is gone. */
  disconnect(): void {
    if (this.disconnected) return;
    this.disconnected = true;
    this.open = false;
    void this.#room?.leave();
    this.#room = null;
    this.emit("disconnected", this.#id ?? "");
  }

  /** Come back under the same id. */
  reconnect(): void {
    if (this.destroyed) {
      throw new Error("This peer cannot reconnect to the server. It has already been destroyed.");
    }
    if (!this.disconnected) {
      throw new Error(`Peer ${this.#id ?? ""} cannot reconnect: it is not disconnected.`);
    }
    this.disconnected = false;
    void this.#enter();
  }

  /** End everything, for good. */
  destroy(): void {
    if (this.destroyed) return;
    this.disconnect();
    for (const those of [...this.#connections.values()]) for (const one of those) one.close();
    this.destroyed = true;
    void this.#client?.close();
    this.emit("close");
  }

  /** It can't be opened: PeerJS destroys a peer that never had an id, and disconnects others. */
  #abort(type: PeerErrorType, error: Error | string): void {
    this.emitError(type, error);
    if (this.#resume === undefined) this.destroy();
    else this.disconnect();
  }
}

/** Wait until a peer is in the room, or has not come in time. */
async function present(room: Room, peer: string): Promise<void> {
  if (room.peers.has(peer)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      off();
      resolve();
    };
    const timer = setTimeout(done, EXPIRE_MILLISECONDS);
    const off = room.on("joined", ({ id }) => {
      if (id === peer) done();
    });
  });
}
