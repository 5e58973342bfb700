/** What there is of a session while one is connected to it. */

import type { Room } from "../../index.js";

import type { Target } from "./element.js";
import type { Entered } from "./entering.js";
import { complete, failed, OTError } from "./errors.js";
import type { Dispatcher } from "./events.js";
import { Moderation } from "./moderation.js";
import { Outgoing } from "./outgoing.js";
import type { Publisher } from "./publisher.js";
import { Remotes } from "./remotes.js";
import { signalBody, signalOf, type Signal } from "./signals.js";
import { said, wished, type Stream } from "./stream.js";
import { Subscriber, type SubscriberOptions } from "./subscriber.js";

/** One stay in a session. */
export class Live {
  readonly outgoing: Outgoing;
  readonly remotes: Remotes;
  readonly moderation: Moderation;
  /** Whether it is over: nothing more is told of it. */
  #over = false;

  /**
   * @param session what its events are dispatched by.
   * @param tellsConnections whether it tells of others' coming and going.
   */
  constructor(
    readonly entered: Entered,
    private readonly session: Dispatcher,
    private readonly tellsConnections: boolean,
  ) {
    const { room, me } = entered;
    this.outgoing = new Outgoing(room, me);
    this.moderation = new Moderation(entered, this.outgoing, {
      muteForced: (active) => {
        this.#tell("muteForced", { active });
      },
      disconnecting: (connection) => {
        this.remotes.expect(connection, "forceDisconnected");
      },
    });
    this.remotes = this.#remotes(room);
    addEventListener("pagehide", this.#abandon);
  }

  readonly #abandon = (): void => {
    this.entered.client.abandon();
  };

  #tell(type: string, fields: object, byDefault?: () => void): void {
    if (!this.#over) this.session.dispatch(type, fields, byDefault);
  }

  #tellConnection(type: string, fields: object): void {
    if (this.tellsConnections) this.#tell(type, fields);
  }

  /** Begin to tell: first of those who are there. */
  start(): void {
    const { room, me } = this.entered;
    this.#tell("sessionConnected", { connections: [], streams: [] });
    this.#tellConnection("connectionCreated", { connection: me });
    // A handler may have gone out again.
    if (this.#over) return;
    room.onRequest = async (peer, body) => {
      const [wish, link, what] = [wished(body), room.link(peer), said(body)];
      if (wish && link) return await this.outgoing.grant(link, wish);
      return what ? this.moderation.obey(peer, what) : null;
    };
    room.on("broadcast", ({ peer, body }) => {
      this.#signalled(body, peer);
    });
    room.on("reconnecting", (peer) => {
      this.#tellSubscribers(peer, "disconnected");
    });
    room.on("reconnected", (peer) => {
      this.#tellSubscribers(peer, "connected");
    });
    this.remotes.start();
  }

  #remotes(room: Room): Remotes {
    return new Remotes(room, {
      connectionCreated: (connection) => {
        this.#tellConnection("connectionCreated", { connection });
      },
      connectionDestroyed: (connection, reason) => {
        this.#tellConnection("connectionDestroyed", { connection, reason });
      },
      linked: (link) => {
        if (this.outgoing.publishers.size > 0) this.outgoing.announce(undefined, link.remote);
        this.moderation.greet(link);
      },
      streamCreated: (stream) => {
        this.#tell("streamCreated", { stream });
      },
      streamDestroyed: ({ stream, subscribers }, reason) => {
        this.#tell("streamDestroyed", { stream, reason }, () => {
          for (const subscriber of subscribers) subscriber.remove(reason);
        });
      },
      streamChanged: ({ stream, subscribers }, change) => {
        for (const subscriber of subscribers) subscriber.tell(change);
        this.#tell("streamPropertyChanged", { stream, ...change });
      },
    });
  }

  #tellSubscribers(peer: string, type: string): void {
    for (const { stream, subscribers } of this.remotes.incoming.values()) {
      if (stream.connection.connectionId !== peer) continue;
      for (const subscriber of subscribers) subscriber.dispatch(type);
    }
  }

  /** Go out; what was subscribed to. */
  async end(reason: string): Promise<Subscriber[]> {
    this.#over = true;
    removeEventListener("pagehide", this.#abandon);
    const incoming = [...this.remotes.incoming.values()];
    const subscribed = incoming.flatMap(({ subscribers }) => [...subscribers]);
    for (const publisher of [...this.outgoing.publishers.values()]) {
      this.#ended(publisher, reason);
    }
    await this.entered.client.close();
    return subscribed;
  }

  // Publishing.

  /** Publish, once there is something to. */
  async publish(publisher: Publisher): Promise<void> {
    const { outgoing } = this;
    if (!this.entered.capabilities.publish) {
      const message = "The token's role may only subscribe: have your server make a publisher's.";
      throw new OTError("OT_UNABLE_TO_PUBLISH", message);
    }
    if (publisher.host) {
      throw new OTError("OT_UNABLE_TO_PUBLISH", "This publisher is published already.");
    }
    publisher.host = {
      changed: () => {
        this.#changed(publisher);
      },
      replaced: (track, old) => outgoing.replace(track, old),
      stop: (reason) => {
        this.unpublish(publisher, reason);
      },
    };
    try {
      await publisher.ready;
      if (this.#over) throw new OTError("OT_NOT_CONNECTED", "The session was left meanwhile.");
    } catch (error) {
      publisher.host = null;
      throw error;
    }
    this.moderation.begin(publisher);
    publisher.session = this.session;
    publisher.stream = outgoing.publish(publisher);
    publisher.dispatch("streamCreated", { stream: publisher.stream });
  }

  #changed(publisher: Publisher): void {
    const { stream } = publisher;
    const card = stream && this.outgoing.card(stream.streamId);
    if (!card) return;
    for (const change of stream.become(card)) {
      this.#tell("streamPropertyChanged", { stream, ...change });
    }
    this.outgoing.announce();
  }

  /** Publish it no longer. */
  unpublish(publisher: Publisher, reason: string): void {
    const { stream } = publisher;
    if (!stream || !this.outgoing.publishers.has(stream.streamId)) return;
    const work = this.outgoing.unpublish(stream.streamId, reason);
    complete(work, failed("OT_UNABLE_TO_PUBLISH"), undefined);
    this.#ended(publisher, reason);
  }

  #ended(publisher: Publisher, reason: string): void {
    const { stream } = publisher;
    publisher.host = publisher.stream = publisher.session = null;
    publisher.dispatch("streamDestroyed", { stream, reason }, () => {
      publisher.destroy();
    });
  }

  // Subscribing.

  /**
   * See and hear a stream.
   *
   * @returns what shows it, and a promise that it is there.
   * @throws OTError if that can't be.
   */
  subscribe(
    { streamId }: Stream,
    target: Target,
    options: SubscriberOptions,
  ): [Subscriber, Promise<void>] {
    const incoming = this.remotes.incoming.get(streamId);
    if (!this.entered.capabilities.subscribe || !incoming) {
      const why = incoming ? "The token's role may only publish." : "There is no such stream.";
      throw new OTError("OT_UNABLE_TO_SUBSCRIBE", why);
    }
    const subscriber = new Subscriber(incoming.stream, target, options, () => {
      complete(incoming.update(), failed("OT_UNABLE_TO_SUBSCRIBE"), undefined);
    });
    incoming.subscribers.add(subscriber);
    return [subscriber, incoming.update()];
  }

  /** See and hear it no longer. */
  unsubscribe(subscriber: Subscriber): void {
    const incoming = this.remotes.incoming.get(subscriber.stream.streamId);
    // Its publisher may leave at this moment.
    if (incoming?.subscribers.delete(subscriber)) incoming.update().catch(() => undefined);
  }

  // Signals.

  /** Say something to all, oneself included, or to one. */
  async signal(signal: Signal): Promise<void> {
    const { room, me } = this.entered;
    const body = signalBody(signal);
    const to = signal.to?.connectionId;
    const toUs = to === me.connectionId;
    if (to !== undefined && !toUs && !room.peers.has(to)) {
      throw new OTError("OT_NO_SUCH_CONNECTION", "Nobody of that connection is in the session.");
    }
    if (!toUs) await room.broadcast(body, to);
    if (toUs || to === undefined) this.#signalled(body, me.connectionId);
  }

  /** Somebody said something; who is neither here nor there is the server. */
  #signalled(body: unknown, peer: string): void {
    const signal = signalOf(body);
    if (!signal) return;
    const { me } = this.entered;
    const from = peer === me.connectionId ? me : (this.remotes.connections.get(peer) ?? null);
    const { type, data } = signal;
    this.#tell("signal", { type: type ? `signal:${type}` : "signal", data, from });
    if (type) this.#tell(`signal:${type}`, { data, from });
  }
}
