/** The others in a session: their connections, and what they publish. */

import type { Link, Room } from "../../index.js";

import { Incoming } from "./incoming.js";
import {
  connectionData,
  isMap,
  said,
  Stream,
  type Change,
  type Connection,
  type StreamCard,
} from "./stream.js";

/** What happens among the others. */
export interface RemotesTold {
  connectionCreated(connection: Connection): void;
  connectionDestroyed(connection: Connection, reason: string): void;
  streamCreated(stream: Stream): void;
  streamDestroyed(incoming: Incoming, reason: string): void;
  streamChanged(incoming: Incoming, change: Change): void;
  /** Somebody can be spoken to from now on. */
  linked(link: Link): void;
}

/** Everybody else in a session. */
export class Remotes {
  readonly connections = new Map<string, Connection>();
  /** By the stream's id. */
  readonly incoming = new Map<string, Incoming>();
  /** Why somebody is about to be gone, where that is known before. */
  readonly #reasons = new Map<string, string>();
  readonly #streams = new Map<string, Set<string>>();

  constructor(
    private readonly room: Room,
    private readonly told: RemotesTold,
  ) {}

  /** Begin to tell: first of those who are there. */
  start(): void {
    const { room } = this;
    for (const peer of room.others) this.#connection(peer);
    room.on("joined", ({ id }) => {
      this.#connection(id);
    });
    room.on("left", ({ id }) => {
      this.#gone(id);
    });
    room.on("unlinked", ({ link, end }) => {
      if (/^(gone|failed)$/.test(end.reason) && !this.#reasons.has(link.remote)) {
        this.#reasons.set(link.remote, "networkDisconnected");
      }
      this.#drop(link.remote, this.#reason(link.remote), link);
    });
    room.on("track", ({ peer }) => {
      this.#carry(peer);
    });
    room.on("link", (link) => {
      this.#linked(link);
    });
    for (const link of room.links.values()) if (link.state === "open") this.#linked(link);
  }

  readonly #known = new WeakSet<Link>();

  #linked(link: Link): void {
    if (this.#known.has(link)) return;
    this.#known.add(link);
    const { remote } = link;
    this.#connection(remote);
    this.#reasons.delete(remote);
    this.told.linked(link);
    link.on("trackRemoved", () => {
      this.#carry(remote);
    });
    link.on("message", (body) => {
      this.#heard(link, body);
    });
  }

  #carry(peer: string): void {
    for (const incoming of this.incoming.values()) {
      if (incoming.stream.connection.connectionId === peer) incoming.carry();
    }
  }

  #heard(link: Link, body: unknown): void {
    const what = said(body);
    const role = this.room.peers.get(link.remote)?.role;
    if (what?.opentok === "streams") {
      // Whoever may only receive has no streams, whatever its page says.
      const streams = role === "subscriber" ? [] : what.streams;
      this.#compare(link, streams, what.reason ?? "clientDisconnected");
    } else if (what?.opentok === "disconnecting" && role === "moderator") {
      this.expect(what.connection, "forceDisconnected");
    }
  }

  /** Know why somebody will be gone. */
  expect(connectionId: string, reason: string): void {
    if (this.connections.has(connectionId)) this.#reasons.set(connectionId, reason);
  }

  /** What a peer publishes now. */
  #compare(link: Link, cards: readonly StreamCard[], reason: string): void {
    const { remote } = link;
    const owned = this.#streams.get(remote) ?? new Set<string>();
    this.#streams.set(remote, owned);
    for (const id of [...owned]) {
      if (!cards.some((card) => card.id === id)) this.#destroy(remote, id, reason);
      // It came on a link that is no more, and comes on this one.
      else if (this.incoming.get(id)?.link !== link) {
        this.#destroy(remote, id, "networkDisconnected");
      }
    }
    for (const card of cards) {
      const known = this.incoming.get(card.id);
      if (!known) {
        const stream = new Stream(card, this.#connection(remote));
        owned.add(card.id);
        this.incoming.set(card.id, new Incoming(stream, link));
        this.told.streamCreated(stream);
      } else if (owned.has(card.id)) {
        for (const change of known.stream.become(card)) this.told.streamChanged(known, change);
      }
    }
  }

  #connection(peer: string): Connection {
    const known = this.connections.get(peer);
    if (known) return known;
    const there = this.room.peers.get(peer);
    const about = there && isMap(there.data) ? there.data["opentok"] : null;
    const connection: Connection = {
      connectionId: peer,
      data: connectionData(about),
      creationTime: Math.round((there?.joinedAt ?? this.room.session.now()) * 1000),
    };
    this.connections.set(peer, connection);
    this.told.connectionCreated(connection);
    return connection;
  }

  #reason(peer: string): string {
    return this.#reasons.get(peer) ?? "clientDisconnected";
  }

  #gone(peer: string): void {
    const connection = this.connections.get(peer);
    if (!connection) return;
    const reason = this.#reason(peer);
    this.#drop(peer, reason);
    this.#reasons.delete(peer);
    this.connections.delete(peer);
    this.told.connectionDestroyed(connection, reason);
  }

  /** Its streams are gone: all, or those that came on one link. */
  #drop(peer: string, reason: string, link?: Link): void {
    for (const id of [...(this.#streams.get(peer) ?? [])]) {
      if (link && this.incoming.get(id)?.link !== link) continue;
      this.#destroy(peer, id, reason);
    }
  }

  #destroy(peer: string, id: string, reason: string): void {
    this.#streams.get(peer)?.delete(id);
    const incoming = this.incoming.get(id);
    this.incoming.delete(id);
    if (!incoming) return;
    incoming.end();
    this.told.streamDestroyed(incoming, reason);
  }
}
