/** A session: one connects to it with a token, publishes, subscribes and signals. */

import { SessionExpired, type Config, type Room } from "../../index.js";

import type { Target } from "./element.js";
import { Capabilities, enter, type Entered } from "./entering.js";
import { complete, connectError, failed, OTError, type Completion } from "./errors.js";
import { Dispatcher } from "./events.js";
import { Live } from "./live.js";
import { Publisher, type PublisherOptions } from "./publisher.js";
import type { Signal } from "./signals.js";
import type { Connection, Stream } from "./stream.js";
import type { Subscriber, SubscriberOptions } from "./subscriber.js";

/** How to make a session. */
export interface SessionOptions {
  /** The Firebase project; default: what Firebase Hosting and `/firertc.json` say. */
  readonly firertc?: Config;
  /** Whether to tell of others' coming and going only by their streams. */
  readonly connectionEventsSuppressed?: boolean;
  readonly [other: string]: unknown;
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
    const live = new Live(entered, this, !this.options.connectionEventsSuppressed);
    this.#live = live;
    this.connection = entered.me;
    this.capabilities = entered.capabilities;
    this.currentState = "connected";
    live.start();
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
    live.end(reason).then((subscribed) => {
      this.currentState = "disconnected";
      this.connection = null;
      this.capabilities = new Capabilities("");
      this.dispatch("sessionDisconnected", { reason }, () => {
        for (const subscriber of subscribed) subscriber.remove(reason);
      });
    }, reportError);
  }

  #connected(): Live {
    if (this.#live) return this.#live;
    throw new OTError(
      "OT_NOT_CONNECTED",
      "Connect first: wait for the completion of session.connect.",
    );
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
    const work = async (): Promise<void> => {
      await this.#connected().publish(publisher);
    };
    complete(work(), failed("OT_UNABLE_TO_PUBLISH"), told);
    return publisher;
  }

  /** Publish it no longer. */
  unpublish(publisher: Publisher): void {
    this.#live?.unpublish(publisher, "clientDisconnected");
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
      const [subscriber, shown] = this.#connected().subscribe(stream, place, wanted ?? {});
      complete(shown, refused, told);
      return subscriber;
    } catch (error) {
      complete(Promise.reject(refused(error)), refused, told);
      return undefined;
    }
  }

  /** See and hear it no longer. */
  unsubscribe(subscriber: Subscriber): void {
    this.#live?.unsubscribe(subscriber);
    subscriber.remove("unsubscribed");
  }

  /** Ours that show this stream. */
  getSubscribersForStream(stream: Stream): Subscriber[] {
    return [...(this.#live?.remotes.incoming.get(stream.streamId)?.subscribers ?? [])];
  }

  // Signals.

  /** Say something to all, oneself included, or to one: `signal({ type, data, to }, completion)`. */
  signal(signal: Signal, completion?: Completion): void {
    const work = async (): Promise<void> => {
      await this.#connected().signal(signal);
    };
    complete(work(), failed("OT_SIGNAL_FAILED"), completion);
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

  async #forced(work: (moderation: Live["moderation"]) => Promise<void>): Promise<void> {
    try {
      await work(this.#connected().moderation);
    } catch (error) {
      throw failed("OT_UNABLE_TO_FORCE_MUTE")(error);
    }
  }
}
