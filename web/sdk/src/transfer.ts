/**
 * In which order two sides of a file transfer speak; no I/O.
 *
 * On one reliable channel labelled `firertc.files`: JSON texts and pieces of files as binary
 * messages (docs/protocol.md, section 9). {@link Outgoing} and {@link Incoming} hold one side each:
 * they are given what arrives, say what it means and refuse what is out of turn.
 */

import { FireRTCError, ProtocolError } from "./errors.js";
import { clash, explain, pathProblem, type System } from "./paths.js";
import {
  parse,
  type Accept,
  type Bad,
  type Begin,
  type Got,
  type Have,
  type Last,
  type Offer,
  type Said,
} from "./transferFrames.js";

/** How often a file that did not arrive whole is sent again. */
export const AGAIN_MOST = 1;

/** A transfer failed: a file can't be read, written or kept as it was sent. */
export class TransferError extends FireRTCError {
  override readonly code: string = "transfer-failed";
}

/** Where a side of a transfer stands: nothing is decided, files travel, the last word is missing. */
export type Stage = "offering" | "moving" | "confirming" | "over";

/**
 * The sender's side. Whoever does the I/O sends {@link offer}, hands everything that arrives to
 * {@link take}, and after the acceptance sends file after file as {@link next} names them.
 */
export class Outgoing {
  stage: Stage = "offering";
  /** What the receiver holds of which file. */
  have = new Map<number, Have>();
  #waiting: number[] = [];
  /** Sent, and neither got nor bad. */
  readonly #open = new Set<number>();
  readonly #again = new Map<number, number>();

  constructor(readonly offer: Offer) {}

  /**
   * What the receiver says.
   *
   * @throws ProtocolError if it makes no sense, or not now.
   * @throws TransferError if a file did not arrive whole twice.
   */
  take(message: string | ArrayBuffer): Said | null {
    const said = parse(message);
    if (!said || said.t === "cancel") {
      if (said) this.stage = "over";
      return said;
    }
    const { stage } = this;
    if (said.t === "accept" && stage === "offering") this.#accepted(said);
    else if (said.t === "decline" && stage === "offering") this.stage = "over";
    else if (said.t === "got" && this.#open.has(said.index)) this.#open.delete(said.index);
    else if (said.t === "bad" && this.#open.has(said.index)) this.#bad(said.index);
    else if (said.t === "received" && stage === "confirming") this.stage = "over";
    else throw new ProtocolError("The receiver said something out of turn.");
    return said;
  }

  #accepted({ skip, have }: Accept): void {
    const count = this.offer.files.length;
    if ([...skip, ...have.map(({ index }) => index)].some((index) => index >= count)) {
      throw new ProtocolError("The receiver speaks of a file that was not offered.");
    }
    this.have = new Map(have.map((held) => [held.index, held]));
    const unwanted = new Set(skip);
    this.#waiting = [...this.offer.files.keys()].filter((index) => !unwanted.has(index));
    this.stage = "moving";
  }

  #bad(index: number): void {
    this.#open.delete(index);
    const tries = (this.#again.get(index) ?? 0) + 1;
    this.#again.set(index, tries);
    if (tries > AGAIN_MOST) {
      throw new TransferError(`${this.offer.files[index]?.path ?? ""} did not arrive whole.`);
    }
    this.have.delete(index);
    this.#waiting.push(index);
  }

  /** The next file to send, which counts as being sent from now on; null: nothing for now. */
  next(): number | null {
    const index = this.stage === "moving" ? this.#waiting.shift() : undefined;
    if (index === undefined) return null;
    this.#open.add(index);
    return index;
  }

  /** Whether every file was sent and taken: time to say so with {@link complete}. */
  get isThrough(): boolean {
    return this.stage === "moving" && this.#waiting.length === 0 && this.#open.size === 0;
  }

  /** The sender's last word. */
  complete(): Last {
    this.stage = "confirming";
    return { t: "complete" };
  }
}

/**
 * The receiver's side. Whoever does the I/O hands everything that arrives to {@link take}, and
 * tells what was decided: {@link accept} (or a decline), {@link finished} after each file.
 */
export class Incoming {
  stage: Stage = "offering";
  offer: Offer | null = null;
  /** The file that comes. */
  current: Begin | null = null;
  /** Bytes of it that are there. */
  taken = 0;
  #wanted = new Set<number>();
  #have = new Map<number, number>();

  constructor(readonly system: System = "posix") {}

  /**
   * What the sender says.
   *
   * @throws ProtocolError if it makes no sense, not now, or names a file by a path that can't be
   *   had.
   */
  take(message: string | ArrayBuffer): Said | null {
    const said = parse(message);
    switch (said?.t) {
      case undefined:
        return null;
      case "cancel":
        this.stage = "over";
        return said;
      case "offer":
        if (this.stage !== "offering" || this.offer) break;
        checkPaths(
          said.files.map(({ path }) => path),
          this.system,
        );
        this.offer = said;
        return said;
      case "file":
        if (this.stage !== "moving" || this.current) break;
        this.#begin(said);
        return said;
      case "data":
        if (!this.current) break;
        this.taken += said.content.length;
        if (this.taken > (this.#size(this.current.index) ?? Infinity)) {
          throw new ProtocolError("The sender sends more than it offered.");
        }
        return said;
      case "end":
        if (said.index !== this.current?.index) break;
        if (said.size !== this.taken || said.size !== (this.#size(said.index) ?? said.size)) {
          throw new ProtocolError("The sender ends a file before its end.");
        }
        this.current = null;
        return said;
      case "complete":
        if (this.stage !== "moving" || this.#wanted.size > 0) break;
        this.stage = "over";
        return said;
    }
    throw new ProtocolError("The sender said something out of turn.");
  }

  #begin(said: Begin): void {
    if (!this.#wanted.has(said.index)) {
      throw new ProtocolError("The sender begins a file that is not wanted.");
    }
    if (said.offset !== 0 && said.offset !== this.#have.get(said.index)) {
      throw new ProtocolError("The sender goes on where nothing ended.");
    }
    this.current = said;
    this.taken = said.offset;
  }

  #size(index: number): number | null {
    return this.offer?.files[index]?.size ?? null;
  }

  /** Take the offer. */
  accept(skip: readonly number[] = [], have: readonly Have[] = []): Accept {
    const unwanted = new Set(skip);
    const all = this.offer?.files.keys() ?? [];
    this.#wanted = new Set([...all].filter((index) => !unwanted.has(index)));
    this.#have = new Map(have.map(({ index, size }) => [index, size]));
    this.stage = "moving";
    return { t: "accept", skip: [...skip].sort((one, other) => one - other), have };
  }

  /** A file has come to its end, and is whole unless there is a problem. */
  finished(index: number, problem = ""): Got | Bad {
    this.#have.delete(index);
    if (problem) return { t: "bad", index, reason: problem };
    this.#wanted.delete(index);
    return { t: "got", index };
  }
}

/**
 * Refuse paths that can't be had, or not together.
 *
 * @throws ProtocolError naming the first of them.
 */
export function checkPaths(names: readonly string[], system: System = "posix"): void {
  for (const name of names) {
    const problem = pathProblem(name, system);
    if (problem) {
      const shown = JSON.stringify(name.slice(0, 120));
      throw new ProtocolError(`The name ${shown} is refused: ${explain(problem)}.`);
    }
  }
  const pair = clash(names);
  if (pair) {
    throw new ProtocolError(
      `The names ${JSON.stringify(pair[0])} and ${JSON.stringify(pair[1])} fall together.`,
    );
  }
}
