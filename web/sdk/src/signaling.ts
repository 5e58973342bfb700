/**
 * The tutorial's flow on one document: an offer, its answer, candidates of both sides.
 *
 * {@link CallDocument} is one side's view of one call in the database. It writes only what the rules
 * let this side write, seals and opens what a code seals, and never takes from the document what the
 * other side could not have written.
 */

import { append, SERVER_TIME, timestamp, type Change, type Fields } from "./database.js";
import {
  AnsweredElsewhere,
  CodeUnknown,
  DocumentMalformed,
  NoAnswer,
  PermissionDenied,
  SealBroken,
} from "./errors.js";
import type { Following } from "./following.js";
import type { Listener } from "./listener.js";
import { answerOutcome } from "./negotiation.js";
import {
  ANYONE,
  callerPath,
  CANDIDATES_MAX,
  jsonText,
  METADATA_CHARS,
  newShard,
  PROTOCOL_VERSION,
  readCall,
  REASON_CHARS,
  type CallFields,
  type CallKind,
  type Description,
} from "./schema.js";
import type { Context, Seal } from "./sealing.js";
import type { Session } from "./session.js";
import { within } from "./waiting.js";

/** How long the way out waits for a deletion. */
export const DISCARD_SECONDS = 5;

/** Which side said it. */
export type Part = "offer" | "answer";
type Sealable = Part | "offerCandidates" | "answerCandidates" | "metadata";

/** What kind of offer, to whom, for how long. */
export interface Terms {
  readonly kind: CallKind;
  /** How long the document is good for. */
  readonly leaseSeconds: number;
  readonly to?: string;
  readonly toSession?: string;
  readonly attempt?: number;
  /** Any JSON value, for the other side to read before it answers. */
  readonly metadata?: unknown;
}

/** One call's document. */
export class CallDocument {
  #to: readonly [peer: string, session: string] = [ANYONE, ""];
  /** Session and attempt of the call that the document holds, once known. */
  #which: readonly [fromSession: string, attempt: number] | null = null;
  /** The counter of an open realm or of a token without a call of its own; see docs/protocol.md. */
  #counter: string | null = null;

  /**
   * @param path from `realms/` on.
   * @param seal opens and closes what is in it; null: it is not sealed.
   * @param following listens to a room's calls; null: this one has a listener of its own.
   */
  constructor(
    readonly session: Session,
    readonly path: string,
    readonly seal: Seal | null,
    private readonly following: Following | null = null,
  ) {}

  // The offerer's side.

  /** The writes of an offer, for a commit of one's own. */
  async offerChanges(terms: Terms, sdp: string): Promise<Change[]> {
    const me = this.session;
    this.#to = [terms.to ?? ANYONE, terms.toSession ?? ""];
    this.#which = [me.session, terms.attempt ?? 0];
    const leaseUntil = timestamp(me.now() + terms.leaseSeconds);
    const fields: Record<string, unknown> = {
      v: PROTOCOL_VERSION,
      kind: terms.kind,
      from: me.peer,
      fromSession: me.session,
      to: this.#to[0],
      toSession: this.#to[1],
      attempt: terms.attempt ?? 0,
      offer: await this.#sealedDescription("offer", sdp, null),
      createdAt: SERVER_TIME,
      leaseUntil,
      shard: newShard(),
    };
    if (terms.metadata !== undefined) {
      const text = jsonText(terms.metadata, METADATA_CHARS, "metadata");
      fields["metadata"] = await this.#close("metadata", text, null);
    }
    const changes: Change[] = [{ change: "set", path: this.path, fields }];
    const call = this.path.slice(this.path.lastIndexOf("/") + 1);
    if (terms.kind === "open" && me.call !== call) {
      this.#counter = callerPath(me.realm, me.peer);
      const named = { call, leaseUntil, shard: newShard() };
      changes.push({ change: "set", path: this.#counter, fields: named });
    }
    return changes;
  }

  /**
   * Write an offer.
   *
   * @throws PermissionDenied if the rules refuse it.
   */
  async publish(changes: readonly Change[], signal?: AbortSignal): Promise<void> {
    const me = this.session;
    try {
      await me.database.commit(changes, signal);
    } catch (error) {
      if (!(error instanceof PermissionDenied)) throw error;
      // A reply that was lost makes a repeated creation fail: then the document is ours.
      const written = await this.read(signal);
      if (written?.fromSession !== me.session) throw error;
    }
  }

  // The answerer's side.

  /**
   * The write of an answer, for a commit of one's own.
   *
   * @param call as read when the offer was taken.
   */
  async answerChange(call: CallFields, sdp: string): Promise<Change> {
    const me = this.session;
    this.#which = [call.fromSession, call.attempt];
    const fields: Record<string, unknown> = {
      answer: await this.#sealedDescription("answer", sdp, call),
    };
    if (call.to === ANYONE) Object.assign(fields, { to: me.peer, toSession: me.session });
    return { change: "update", path: this.path, fields };
  }

  /**
   * Write an answer.
   *
   * @throws AnsweredElsewhere if somebody else did first.
   * @throws NoAnswer if the caller has given up meanwhile.
   * @throws PermissionDenied if the rules refuse it for another reason.
   */
  async answer(change: Change, signal?: AbortSignal): Promise<void> {
    const me = this.session;
    try {
      await me.database.commit([change], signal);
    } catch (error) {
      if (!(error instanceof PermissionDenied)) throw error;
      switch (answerOutcome(await this.read(signal), me.peer, me.session)) {
        case "mine":
          return;
        case "elsewhere":
          throw new AnsweredElsewhere("Somebody else answered this call first.");
        case "gone":
          throw new NoAnswer("The call is over: the caller gave up, or somebody else answered.");
        case "retry":
          throw error;
      }
    }
  }

  // Both sides.

  /**
   * The document as it is; null if there is none, or it is closed to us.
   *
   * @throws DocumentMalformed if it makes no sense.
   */
  async read(signal?: AbortSignal): Promise<CallFields | null> {
    try {
      return this.parse(await this.session.database.get(this.path, signal));
    } catch (error) {
      if (error instanceof PermissionDenied) return null;
      throw error;
    }
  }

  /** Listen to the document; what comes is read with {@link parse}. */
  listen(): Listener {
    if (this.following && this.#which) return this.following.listen(this.path, ...this.#which);
    return this.session.database.listen(this.path);
  }

  /** @throws DocumentMalformed if the document makes no sense. */
  parse(fields: Fields | null): CallFields | null {
    return fields && readCall(this.path, fields);
  }

  /**
   * Append candidates of ours.
   *
   * @param part which side we are.
   * @param texts JSON texts of `RTCIceCandidateInit`, the end mark last.
   * @param call as read, for the answerer.
   */
  async addCandidates(
    part: Part,
    texts: readonly string[],
    call: CallFields | null,
  ): Promise<void> {
    const name = `${part}Candidates` as const;
    const last = texts.slice(-CANDIDATES_MAX);
    const entries = await Promise.all(last.map((text) => this.#close(name, text, call)));
    const fields = { [name]: append(entries) };
    await this.session.database.commit([{ change: "update", path: this.path, fields }]);
  }

  /** Say that the call is over before it connected, and why. */
  async end(reason: string): Promise<void> {
    const ended = { by: this.session.peer, reason: reason.slice(0, REASON_CHARS) };
    await this.session.database.commit([{ change: "update", path: this.path, fields: { ended } }]);
  }

  /**
   * Delete the document if that is possible; else its lease ends it. For the way out: whatever
   * goes wrong here must not hide why we are leaving.
   */
  async discard(): Promise<void> {
    const deletes = this.#ours().map((path) => ({ change: "delete", path }) as const);
    const late = (): Error => new NoAnswer("late");
    await within(this.session.database.commit(deletes), DISCARD_SECONDS, late).catch(
      () => undefined,
    );
  }

  /** The documents that are ours to delete. */
  get paths(): readonly string[] {
    return this.#ours();
  }

  /** The same from a page that is being closed. */
  discardOnExit(): void {
    this.session.database.deleteOnExit(this.#ours(), this.session.token);
  }

  #ours(): string[] {
    return this.#counter ? [this.path, this.#counter] : [this.path];
  }

  // What is inside.

  /**
   * The SDP of the offer or the answer.
   *
   * @throws SealBroken if it is sealed and doesn't open, or should be sealed and isn't.
   * @throws DocumentMalformed if there is none.
   */
  async description(part: Part, call: CallFields): Promise<string> {
    const value = call[part];
    if (!value) throw new DocumentMalformed(`${call.path}: there is no ${part}.`);
    if (!this.seal) {
      if ("sdp" in value) return value.sdp;
      throw new SealBroken("The call is sealed: it can only be answered with its code.");
    }
    if (!("sealed" in value)) {
      throw new SealBroken(
        "The call is not sealed, though its code promises it: somebody else wrote it. " +
          "Hang up and make a new code.",
      );
    }
    return await this.seal.open(value.sealed, this.#context(part, call));
  }

  /**
   * The other side's candidates so far, as JSON texts.
   *
   * @throws SealBroken if one is sealed and doesn't open.
   */
  async candidates(part: Part, call: CallFields): Promise<readonly string[]> {
    const name = `${part}Candidates` as const;
    const seal = this.seal;
    if (!seal) return call[name];
    const context = this.#context(name, call);
    return await Promise.all(call[name].map((entry) => seal.open(entry, context)));
  }

  /**
   * What the offerer said with its offer, as JSON text; null: nothing.
   *
   * @throws SealBroken if it is sealed and doesn't open.
   */
  async metadata(call: CallFields): Promise<string | null> {
    if (call.metadata === null || !this.seal) return call.metadata;
    return await this.seal.open(call.metadata, this.#context("metadata", call));
  }

  async #sealedDescription(part: Part, sdp: string, call: CallFields | null): Promise<Description> {
    if (!this.seal) return { type: part, sdp };
    return { type: part, sealed: await this.#close(part, sdp, call) };
  }

  async #close(name: Sealable, text: string, call: CallFields | null): Promise<string> {
    return this.seal ? await this.seal.close(text, this.#context(name, call)) : text;
  }

  /** Who said it to whom: what the offerer says to an open call is said to anyone. */
  #context(name: Sealable, call: CallFields | null): Context {
    const { path, session } = this;
    const [to, toSession] = call ? this.#addressee(call, name) : this.#to;
    const { peer: from, session: fromSession } = session;
    return call
      ? { path, name, from: call.from, fromSession: call.fromSession, to, toSession }
      : { path, name, from, fromSession, to, toSession };
  }

  #addressee(call: CallFields, name: Sealable): readonly [string, string] {
    if (call.kind === "open" || call.kind === "standing") {
      if (name === "offer" || name === "offerCandidates" || name === "metadata") {
        return [ANYONE, ""];
      }
      if (call.to === ANYONE) return [this.session.peer, this.session.session];
    }
    return [call.to, call.toSession];
  }
}

/** Nobody waits at a code. */
export function unknownCode(): CodeUnknown {
  return new CodeUnknown(
    "Nobody waits at this code: it is mistyped, used or expired. Ask for a new one.",
  );
}
