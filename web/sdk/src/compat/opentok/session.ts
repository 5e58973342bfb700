/** A session: one connects to it with a token, publishes, subscribes and signals. */

import { SessionExpired, type Config, type Room } from "../../index.js";

import type { Target } from "./element.js";
import { Capabilities, enter, type Entered } from "./entering.js";
import { complete, connectError, failed, OTError, type Completion } from "./errors.js";
import { Dispatcher } from "./events.js";
import { Moderation } from "./moderation.js";
import { Outgoing } from "./outgoing.js";
import { Publisher, type PublisherOptions } from "./publisher.js";
import { Remotes } from "./remotes.js";
import { signalBody, signalOf, type Signal } from "./signals.js";
import { said, wished, type Connection, type Stream } from "./stream.js";
import { Subscriber, type SubscriberOptions } from "./subscriber.js";

const ALL_BUT = "Connect first: wait for the completion of session.connect.";

/** How to make a session. */
export interface SessionOptions {
  /** The Firebase project; default: what Firebase Hosting and `/firertc.json` say. */
  readonly firertc?: Config;
  /** Whether to tell of others' coming and going only by their streams. */
  readonly connectionEventsSuppressed?: boolean;
  readonly [other: string]: unknown;
}

/** What there is while one is connected. */
interface Live extends Entered {
  readonly outgoing: Outgoing;
  readonly remotes: Remotes;
  readonly moderation: Moderation;
}

/** A session. Made by `OT.initSession`. */
export class Session extends Dispatcher {
  /** Our own connection while there is one. */
  connection: Connection | null = null;
  /** What our token allows. */
  capabilities = new Capabilities("");
  currentState: "disconnected" | "connecting" | "connected" | "disconnecting" = "disconnected";

  #live: Live | null = null;
  #room: Room | null = null;
  #attempt = 0;

  constructor(
    /** A key of the realm. */
    readonly apiKey: string,
    /** Another word for {@link id}: the room's name. */
    readonly sessionId: string,
    private readonly options: SessionOptions,
  ) {
    super();
  }

  get id(): string {
    return this.sessionId;
  }

  // Connecting.

  /** Go in, with a token of the realm's server. */
  connect(token?: string, completion?: Completion): this {
    complete(this.#connect(token), connectError, completion);
    return this;
  }

  async #connect(token: string | undefined): Promise<void> {
    if (this.currentState !== "disconnected") {
      throw new OTError("OT_CONNECT_FAILED", `The session is ${this.currentState} already.`);
    }
    const attempt = ++this.#attempt;
    this.currentState = "connecting";
    try {
      // OpenTok's ids are what create_session gives: an empty one is none.
      if (!this.sessionId) throw new OTError("OT_INVALID_SESSION_ID", "The session id is empty.");
      const { apiKey, sessionId, options } = this;
      const entered = await enter(apiKey, sessionId, token, options.firertc, (room) => {
        this.#watch(room);
      });
      if (this.#attempt !== attempt || entered.room.over) {
        await entered.client.close();
        throw (
          entered.room.over ?? new OTError("OT_CONNECT_FAILED", "The session was left meanwhile.")
        );
      }
      this.#arrive(entered);
    } catch (error) {
      if (this.#attempt === attempt) this.currentState = "disconnected";
      throw error;
    }
  }

  #watch(room: Room): void {
    this.#room = room;
    room.on("removed", () => {
      if (this.#room === room) this.#leave("forceDisconnected");
    });
    room.on("lost", (error) => {
      if (this.#room !== room) return;
      this.#leave(error instanceof SessionExpired ? "forceDisconnected" : "networkDisconnected");
    });
  }

  #arrive(entered: Entered): void {
    const { room, me, client } = entered;
    const outgoing = new Outgoing(room, me);
    const moderation = new Moderation(entered, outgoing, (active) => {
      this.dispatch("muteForced", { active });
    });
    const remotes = this.#remotes(room, outgoing, moderation);
    const live = { ...entered, outgoing, moderation, remotes };
    this.#live = live;
    this.connection = me;
    this.capabilities = entered.capabilities;
    this.currentState = "connected";
    addEventListener("pagehide", () => {
      client.abandon();
    });
    room.onRequest = async (peer, body) => {
      const [wish, link, what] = [wished(body), room.link(peer), said(body)];
      if (wish && link) return await outgoing.grant(link, wish);
      return what ? moderation.obey(peer, what) : null;
    };
    room.on("broadcast", ({ peer, body }) => {
      if (this.#live === live) this.#signalled(body, remotes.connections.get(peer) ?? null);
    });
    room.on("reconnecting", (peer) => {
      this.#tellSubscribers(peer, "disconnected");
    });
    room.on("reconnected", (peer) => {
      this.#tellSubscribers(peer, "connected");
    });
    this.dispatch("sessionConnected", { connections: [], streams: [] });
    this.#connectionEvent("connectionCreated", { connection: me });
    // A handler may have gone out again.
    if (this.#live === live) remotes.start();
  }

  #remotes(room: Room, outgoing: Outgoing, moderation: Moderation): Remotes {
    const still = (): boolean => this.#room === room;
    return new Remotes(room, {
      connectionCreated: (connection) => {
        if (still()) this.#connectionEvent("connectionCreated", { connection });
      },
      connectionDestroyed: (connection, reason) => {
        if (still()) this.#connectionEvent("connectionDestroyed", { connection, reason });
      },
      linked: ({ remote }) => {
        const link = room.link(remote);
        if (outgoing.publishers.size > 0) outgoing.announce(undefined, remote);
        if (link) moderation.greet(link);
      },
      streamCreated: (stream) => {
        if (still()) this.dispatch("streamCreated", { stream });
      },
      streamDestroyed: ({ stream, subscribers }, reason) => {
        if (!still()) return;
        this.dispatch("streamDestroyed", { stream, reason }, () => {
          for (const subscriber of subscribers) subscriber.remove(reason);
        });
      },
      streamChanged: ({ stream, subscribers }, change) => {
        for (const subscriber of subscribers) subscriber.tell(change);
        if (still()) this.dispatch("streamPropertyChanged", { stream, ...change });
      },
    });
  }

  #connectionEvent(type: string, fields: object): void {
    if (!this.options.connectionEventsSuppressed) this.dispatch(type, fields);
  }

  #tellSubscribers(peer: string, type: string): void {
    for (const { stream, subscribers } of this.#live?.remotes.incoming.values() ?? []) {
      if (stream.connection.connectionId !== peer) continue;
      for (const subscriber of subscribers) subscriber.dispatch(type);
    }
  }

  /** Whether one is connected. */
  isConnected(): boolean {
    return this.currentState === "connected";
  }

  /** Go out. */
  disconnect(): void {
    if (this.currentState === "connecting") {
      this.#attempt += 1;
      this.currentState = "disconnected";
    } else this.#leave("clientDisconnected");
  }

  #leave(reason: string): void {
    const live = this.#live;
    if (!live) return;
    this.currentState = "disconnecting";
    this.#live = this.#room = null;
    const incoming = [...live.remotes.incoming.values()];
    const subscribed = incoming.flatMap(({ subscribers }) => [...subscribers]);
    const published = [...live.outgoing.publishers.values()];
    for (const publisher of published) this.#ended(publisher, reason);
    const gone = (): void => {
      this.currentState = "disconnected";
      this.connection = null;
      this.capabilities = new Capabilities("");
      this.dispatch("sessionDisconnected", { reason }, () => {
        for (const subscriber of subscribed) subscriber.remove(reason);
      });
    };
    live.client.close().then(gone, gone);
  }

  #connected(): Live {
    if (this.#live) return this.#live;
    throw new OTError("OT_NOT_CONNECTED", ALL_BUT);
  }

  // Publishing.

  /** Publish what `OT.initPublisher` made, or what it would make of these. */
  publish(
    what?: Publisher | Target,
    options: PublisherOptions | Completion = {},
    completion?: Completion,
  ): Publisher {
    const told = typeof options === "function" ? options : completion;
    const wanted = typeof options === "function" ? {} : options;
    const publisher = what instanceof Publisher ? what : new Publisher(what, wanted);
    complete(this.#publish(publisher), failed("OT_UNABLE_TO_PUBLISH"), told);
    return publisher;
  }

  async #publish(publisher: Publisher): Promise<void> {
    const { outgoing, moderation } = this.#connected();
    if (!this.capabilities.publish) {
      const message = "The token's role may only subscribe: have your server make a publisher's.";
      throw new OTError("OT_UNABLE_TO_PUBLISH", message);
    }
    if (publisher.host) {
      throw new OTError("OT_UNABLE_TO_PUBLISH", "This publisher is published already.");
    }
    publisher.host = {
      changed: () => {
        const card = publisher.stream && outgoing.card(publisher.stream.streamId);
        if (!publisher.stream || !card) return;
        const { stream } = publisher;
        for (const change of stream.become(card)) {
          this.dispatch("streamPropertyChanged", { stream, ...change });
        }
        outgoing.announce();
      },
      replaced: (track, old) => outgoing.replace(track, old),
      stop: (reason) => {
        this.#unpublish(publisher, reason);
      },
    };
    try {
      await publisher.ready;
      if (this.#live?.outgoing !== outgoing) throw new OTError("OT_NOT_CONNECTED", ALL_BUT);
    } catch (error) {
      publisher.host = null;
      throw error;
    }
    moderation.begin(publisher);
    publisher.session = this;
    publisher.stream = outgoing.publish(publisher);
    publisher.dispatch("streamCreated", { stream: publisher.stream });
  }

  /** Publish it no longer. */
  unpublish(publisher: Publisher): void {
    this.#unpublish(publisher, "clientDisconnected");
  }

  #unpublish(publisher: Publisher, reason: string): void {
    const { stream } = publisher;
    const outgoing = this.#live?.outgoing;
    if (!stream || !outgoing?.publishers.has(stream.streamId)) return;
    outgoing.unpublish(stream.streamId, reason).catch(reportError);
    this.#ended(publisher, reason);
  }

  #ended(publisher: Publisher, reason: string): void {
    const { stream } = publisher;
    publisher.host = publisher.stream = publisher.session = null;
    publisher.dispatch("streamDestroyed", { stream, reason }, () => {
      publisher.destroy();
    });
  }

  /** Ours that has this stream. */
  getPublisherForStream(stream: Stream): Publisher | undefined {
    return this.#live?.outgoing.publishers.get(stream.streamId);
  }

  // Subscribing.

  /** See and hear a stream; undefined: that can't be, and the completion says why. */
  subscribe(
    stream: Stream,
    target?: Target | SubscriberOptions | Completion,
    options?: SubscriberOptions | Completion,
    completion?: Completion,
  ): Subscriber | undefined {
    const given = [target, options, completion];
    const told = given.find((one) => typeof one === "function");
    const place = typeof target === "string" || target instanceof HTMLElement ? target : null;
    const wanted = given.find(
      (one): one is SubscriberOptions =>
        typeof one === "object" && one !== null && !(one instanceof HTMLElement),
    );
    const refused = failed("OT_UNABLE_TO_SUBSCRIBE");
    try {
      const incoming = this.#connected().remotes.incoming.get(stream.streamId);
      if (!this.capabilities.subscribe || !incoming) {
        const why = incoming ? "The token's role may only publish." : "There is no such stream.";
        throw new OTError("OT_UNABLE_TO_SUBSCRIBE", why);
      }
      const subscriber = new Subscriber(incoming.stream, place, wanted ?? {}, () => {
        incoming.update().catch(reportError);
      });
      incoming.subscribers.add(subscriber);
      complete(incoming.update(), refused, told);
      return subscriber;
    } catch (error) {
      complete(Promise.reject(refused(error)), refused, told);
      return undefined;
    }
  }

  /** See and hear it no longer. */
  unsubscribe(subscriber: Subscriber): void {
    const incoming = this.#live?.remotes.incoming.get(subscriber.stream.streamId);
    if (incoming?.subscribers.delete(subscriber)) incoming.update().catch(() => undefined);
    subscriber.remove("unsubscribed");
  }

  /** Ours that show this stream. */
  getSubscribersForStream(stream: Stream): Subscriber[] {
    return [...(this.#live?.remotes.incoming.get(stream.streamId)?.subscribers ?? [])];
  }

  // Signals.

  /** Say something to all, oneself included, or to one: `signal({ type, data, to }, completion)`. */
  signal(signal: Signal, completion?: Completion): void {
    complete(this.#signal(signal), failed("OT_SIGNAL_FAILED"), completion);
  }

  async #signal(signal: Signal): Promise<void> {
    const { room, me } = this.#connected();
    const body = signalBody(signal);
    const to = signal.to?.connectionId;
    if (to !== undefined && !room.peers.has(to) && to !== me.connectionId) {
      throw new OTError("OT_NO_SUCH_CONNECTION", "Nobody of that connection is in the session.");
    }
    if (to !== me.connectionId) await room.broadcast(body, to);
    if (to === undefined || to === me.connectionId) this.#signalled(body, me);
  }

  #signalled(body: unknown, from: Connection | null): void {
    const signal = signalOf(body);
    if (!signal) return;
    const { type, data } = signal;
    this.dispatch("signal", { type: type ? `signal:${type}` : "signal", data, from });
    if (type) this.dispatch(`signal:${type}`, { data, from });
  }

  // Moderating.

  /** Put somebody out: for moderators. */
  forceDisconnect(connection: Connection | string, completion?: Completion): void {
    const id = typeof connection === "string" ? connection : connection.connectionId;
    const work = async (): Promise<void> => {
      await this.#connected().moderation.disconnect(id);
    };
    complete(work(), failed("OT_UNABLE_TO_FORCE_DISCONNECT"), completion);
  }

  /** End somebody's stream: for moderators. */
  forceUnpublish(stream: Stream, completion?: Completion): void {
    const work = async (): Promise<void> => {
      await this.#connected().moderation.unpublish(stream);
    };
    complete(work(), failed("OT_UNABLE_TO_FORCE_UNPUBLISH"), completion);
  }

  /** Silence a stream: for moderators. */
  async forceMuteStream(stream: Stream): Promise<void> {
    await this.#forced((moderation) => moderation.mute(stream));
  }

  /** Silence all streams but these, and those that come: for moderators. */
  async forceMuteAll(excluded: readonly Stream[] = []): Promise<void> {
    await this.#forced((moderation) => moderation.muteAll(excluded));
  }

  /** Let those who come be heard: for moderators. */
  async disableForceMute(): Promise<void> {
    await this.#forced((moderation) => moderation.unmuteAll());
  }

  async #forced(work: (moderation: Moderation) => Promise<void>): Promise<void> {
    try {
      await work(this.#connected().moderation);
    } catch (error) {
      throw failed("OT_UNABLE_TO_FORCE_MUTE")(error);
    }
  }
}
