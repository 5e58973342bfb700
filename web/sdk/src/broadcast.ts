/**
 * Broadcasts: what is said in a room through its database, to those one isn't linked to as well.
 *
 * A sender has 16 slots (`messages/{peer}~m{0…15}`) and writes its messages into them in turn. So a
 * message lasts until 16 others of its sender have followed, ten minutes at most: this is for
 * announcements, links are for conversations.
 */

import { SERVER_TIME, timestamp, type Change } from "./database.js";
import { ConfigError, type FireRTCError } from "./errors.js";
import type { Membership } from "./membership.js";
import { readMessage, type MessageFields } from "./roomSchema.js";
import {
  ANYONE,
  BODY_CHARS,
  jsonText,
  MESSAGE_LEASE_SECONDS,
  MESSAGE_SLOTS,
  messageId,
  newShard,
} from "./schema.js";
import type { Context } from "./sealing.js";
import { sleep } from "./waiting.js";

/**
 * A slot is written again after so long: a document takes about one write a second for long
 * (Firestore, "Best practices"), and readers see what is in it before it changes.
 */
const SLOT_REST_SECONDS = 1;
/** Senders' sessions whose numbers are remembered. */
const SESSIONS_KNOWN = 1000;

/** A peer's messages through the database, and the others' to it. */
export class Broadcasts {
  /** Slots that hold something of ours. */
  readonly #written = new Map<number, number>();
  readonly #latest = new Map<string, number>();
  #number = 0;
  #sending: Promise<void> = Promise.resolve();
  #waiting: MessageFields[] = [];
  #ends: (() => void)[] = [];

  constructor(
    private readonly room: Membership,
    private readonly failed: (error: FireRTCError) => void,
  ) {}

  /** Write a message: one document to all, or one for each of `to`. */
  async send(body: unknown, to: string | readonly string[] | undefined): Promise<void> {
    const text = jsonText(body, BODY_CHARS, "message");
    const receivers = to === undefined ? [ANYONE] : typeof to === "string" ? [to] : to;
    if (receivers.length > MESSAGE_SLOTS) {
      throw new ConfigError(
        `A message through the database goes to ${String(MESSAGE_SLOTS)} peers at most, or to all.`,
      );
    }
    const mine = this.#sending.then(async () => {
      const changes: Change[] = [];
      for (const receiver of receivers) changes.push(await this.#write(text, receiver));
      if (changes.length > 0) await this.room.session.database.commit(changes);
    });
    this.#sending = mine.catch(() => undefined);
    await mine;
  }

  async #write(text: string, to: string): Promise<Change> {
    const { session, seal } = this.room;
    const n = ++this.#number;
    const slot = n % MESSAGE_SLOTS;
    const rest = (this.#written.get(slot) ?? 0) + SLOT_REST_SECONDS * 1000 - Date.now();
    if (rest > 0) await sleep(rest / 1000);
    this.#written.set(slot, Date.now());
    const path = this.#path(n);
    const { peer: from, session: fromSession } = session;
    const context: Context = { path, name: "body", from, fromSession, to, toSession: String(n) };
    const fields = {
      from,
      fromSession,
      to,
      n,
      body: seal ? await seal.close(text, context) : text,
      createdAt: SERVER_TIME,
      leaseUntil: timestamp(session.now() + MESSAGE_LEASE_SECONDS),
      shard: newShard(),
    };
    return { change: "set", path, fields };
  }

  #path(number: number): string {
    return `${this.room.path}/messages/${messageId(this.room.session.peer, number)}`;
  }

  /** Begin to listen: two reads at least. */
  listen(): void {
    if (this.#ends.length > 0) return;
    const { session, path } = this.room;
    this.#ends = [ANYONE, session.peer].map((value) =>
      session.database.watch(
        { collection: `${path}/messages`, field: "to", value },
        ({ changed }) => {
          for (const [where, fields] of changed) {
            try {
              this.#waiting.push(readMessage(where, fields));
            } catch {
              // The rules let nothing malformed in; what an owner's tool wrote is no message.
            }
          }
          // Both queries show the same moment of the database: first what both have.
          setTimeout(() => void this.handOn());
        },
        this.failed,
      ),
    );
  }

  /** Tell what has come in, if it is known since when we are here. */
  async handOn(): Promise<void> {
    const me = this.room.peers.get(this.room.session.peer);
    if (me?.session !== this.room.session.session) return;
    const waiting = this.#waiting.splice(0).sort((one, other) => one.n - other.n);
    for (const message of waiting) {
      if (message.from === me.id || message.createdAt < me.joinedAt) continue;
      const sender = `${message.from} ${message.fromSession}`;
      if (message.n <= (this.#latest.get(sender) ?? -1)) continue;
      let body: unknown;
      try {
        body = JSON.parse(await this.#open(message));
      } catch {
        // What doesn't open mustn't count: it would hide the numbers below its own.
        continue;
      }
      // Another turn may have told it while this one was being opened.
      if (message.n <= (this.#latest.get(sender) ?? -1)) continue;
      this.#latest.delete(sender);
      this.#latest.set(sender, message.n);
      this.room.tell("broadcast", {
        peer: message.from,
        body,
        isPrivate: message.to !== ANYONE,
      });
    }
    for (const oldest of this.#latest.keys()) {
      if (this.#latest.size <= SESSIONS_KNOWN) break;
      this.#latest.delete(oldest);
    }
  }

  async #open(message: MessageFields): Promise<string> {
    const { seal } = this.room;
    if (!seal) return message.body;
    const { path, from, fromSession, to, n } = message;
    const context: Context = { path, name: "body", from, fromSession, to, toSession: String(n) };
    return await seal.open(message.body, context);
  }

  /** Stop listening; paths of what is ours to delete. */
  close(): string[] {
    for (const end of this.#ends) end();
    return [...this.#written.keys()].map((slot) => this.#path(slot));
  }
}
