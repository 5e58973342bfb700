/** Sending files over a link. */

import type { Channel } from "./channel.js";
import {
  CallError,
  Cancelled,
  ChannelClosed,
  ConfigError,
  FireRTCError,
  PeerGone,
  Rejected,
} from "./errors.js";
import { hashHere, type Digest, type NewDigest } from "./hashing.js";
import type { Link } from "./link.js";
import type { LinkBase } from "./linkState.js";
import { clash, explain, pathProblem } from "./paths.js";
import { randomText } from "./schema.js";
import { Outgoing, TransferError } from "./transfer.js";
import {
  encode,
  ENTRIES_MOST,
  LABEL,
  PIECE_BYTES,
  type Entry,
  type Have,
  type Text,
} from "./transferFrames.js";
import { Changes, within, type Waiting } from "./waiting.js";

/** How long telling the other side that it is over may take. */
const CANCEL_SECONDS = 0.7;
/** Of a file, read at once. */
const READ_BYTES = 8 * PIECE_BYTES;

/** A file to send, and the relative path to offer it by. */
export interface Source {
  /** Parts joined with `/`. */
  readonly path: string;
  readonly file: File;
}

/** How far a transfer is. */
export interface Progress {
  /** Of the file that travels. */
  readonly index: number;
  readonly path: string;
  /** Of all files, that travelled or need not. */
  readonly bytes: number;
  /** Of all files; null: not known before. */
  readonly total: number | null;
  /** Bytes that travelled in this attempt. */
  readonly moved: number;
}

/** What both sides of a transfer tell. */
export interface TransferOptions extends Waiting {
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** Told each path that has arrived whole. */
  readonly onFile?: ((path: string, index: number) => void) | undefined;
}

export interface SendOptions extends TransferOptions {
  /** Told that the other side wants them. */
  readonly onAccept?: (() => void) | undefined;
  /** Where they are hashed: `hashIn` a worker a page stays smooth; default: here. */
  readonly digest?: NewDigest | undefined;
}

/** The other side ended the transfer. */
export class Stopped extends Cancelled {
  override readonly code: string = "transfer-stopped";
}

/**
 * What is to be offered: chosen or dropped files, by their path in the folder that was chosen.
 *
 * @throws ConfigError if it is nothing, too much, or has names that can't be sent.
 */
export function sourcesOf(files: Iterable<File | Source>): Source[] {
  const sources = [...files].map((one) =>
    one instanceof File ? { path: one.webkitRelativePath || one.name, file: one } : one,
  );
  if (sources.length === 0) throw new ConfigError("There is no file to send.");
  if (sources.length > ENTRIES_MOST) {
    throw new ConfigError(
      `${String(sources.length)} files are too many, ${String(ENTRIES_MOST)} at most: send an ` +
        "archive of them.",
    );
  }
  for (const { path } of sources) {
    const problem = pathProblem(path);
    if (problem) {
      const shown = JSON.stringify(path.slice(0, 120));
      throw new ConfigError(`The name ${shown} can't be sent: ${explain(problem)}.`);
    }
  }
  const pair = clash(sources.map(({ path }) => path));
  if (pair) {
    throw new ConfigError(
      `${JSON.stringify(pair[0])} and ${JSON.stringify(pair[1])} would be one file on some ` +
        "computers: send them one after the other, or an archive.",
    );
  }
  return sources;
}

/**
 * Offer files to the other side of a link, send what it takes, and be done when it has confirmed
 * all of it.
 *
 * @param files files, or files with the paths to offer them by.
 * @param options its `signal` stops the transfer, and says so to the other side.
 * @throws ConfigError if they can't be offered: see {@link sourcesOf}.
 * @throws Rejected if the other side declines.
 * @throws Stopped if it ends the transfer.
 * @throws PeerGone if it is lost; what it has is kept there, and sent no second time.
 * @throws TransferError if a file changes, can't be read, or doesn't arrive whole.
 */
export async function sendFiles(
  link: Link,
  files: Iterable<File | Source>,
  options: SendOptions = {},
): Promise<void> {
  const sources = sourcesOf(files);
  const channel = await link.openChannel(LABEL, { signal: options.signal });
  const sending = new Sending(channel, sources, options);
  try {
    await conduct(channel, sending.run(), options.signal, () => {
      sending.stop();
    });
  } catch (error) {
    throw error instanceof ChannelClosed ? await lost(link) : error;
  } finally {
    await channel.close();
  }
}

/**
 * Carry one side of a transfer to its end; whatever ends it from here is said to the other side.
 *
 * @internal
 */
export async function conduct<T>(
  channel: Channel,
  running: Promise<T>,
  signal: AbortSignal | undefined,
  stop: () => void,
): Promise<T> {
  running.catch(() => undefined);
  try {
    // A transfer ends by its own: its channel closes if the other side or its link is lost.
    return await within(running, 2 ** 31 / 1000 - 1, () => new CallError("Too long."), signal);
  } catch (error) {
    stop();
    const said = [Rejected, Stopped, ChannelClosed, PeerGone].some((kind) => error instanceof kind);
    if (!said) await cancel(channel, error);
    throw error;
  }
}

/** Tell the other side that it is over, and why, as far as it is its business. */
async function cancel(channel: Channel, error: unknown): Promise<void> {
  const reason =
    error instanceof Cancelled ? "stopped" : error instanceof TransferError ? error.code : "failed";
  const say = async (): Promise<void> => {
    await channel.send(encode({ t: "cancel", reason }));
    await channel.flush(CANCEL_SECONDS);
  };
  const late = (): Error => new PeerGone("late");
  // It may be gone: then there is nobody to tell.
  await within(say(), CANCEL_SECONDS, late).catch(() => undefined);
}

/** Why a channel closed in the middle: the other side hung up, or vanished. @internal */
export async function lost(link: LinkBase): Promise<CallError> {
  const late = (): CallError => new Stopped("The other side ended the transfer.");
  try {
    const { byRemote, reason } = await within(link.closed(), CANCEL_SECONDS, late);
    const meant = byRemote && !["gone", "failed", "left", "replaced"].includes(reason);
    return meant ? late() : new PeerGone("The other side was lost.");
  } catch {
    return late();
  }
}

class Sending {
  readonly #side: Outgoing;
  readonly #changes = new Changes();
  readonly #total: number;
  #over = false;
  #done = 0;
  #moved = 0;

  constructor(
    readonly channel: Channel,
    readonly sources: readonly Source[],
    readonly options: SendOptions,
  ) {
    const files: Entry[] = sources.map(({ path, file }) => ({
      path,
      size: file.size,
      modified: file.lastModified,
    }));
    this.#total = files.reduce((sum, { size }) => sum + (size ?? 0), 0);
    this.#side = new Outgoing({ t: "offer", transfer: randomText(12), files });
  }

  /** Nothing more is sent. */
  stop(): void {
    this.#over = true;
    this.#changes.tell();
  }

  async run(): Promise<void> {
    await this.#say(this.#side.offer);
    const hearing = this.#hear();
    const moving = this.#move().then(() => hearing);
    // What we heard says more than that sending failed.
    await Promise.race([hearing, moving.catch((error: unknown) => this.#why(error, hearing))]);
  }

  async #why(error: unknown, hearing: Promise<void>): Promise<never> {
    if (error instanceof ChannelClosed) await hearing;
    throw error;
  }

  #isOver(): boolean {
    return this.#over;
  }

  async #say(said: Text): Promise<void> {
    await this.channel.send(encode(said));
  }

  async #hear(): Promise<void> {
    const { onAccept, onFile } = this.options;
    for await (const message of this.channel) {
      const said = this.#side.take(message);
      this.#changes.tell();
      switch (said?.t) {
        case "accept":
          for (const index of said.skip) this.#done += this.sources[index]?.file.size ?? 0;
          onAccept?.();
          break;
        case "decline":
          throw new Rejected(`The other side declined${because(said.reason)}.`);
        case "cancel":
          throw new Stopped(`The other side ended the transfer${because(said.reason)}.`);
        case "got":
          onFile?.(this.sources[said.index]?.path ?? "", said.index);
          break;
        case "received":
          return;
      }
    }
    throw new ChannelClosed("The channel closed in the middle of a transfer.");
  }

  async #move(): Promise<void> {
    const side = this.#side;
    while (!this.#over && (side.stage === "offering" || side.stage === "moving")) {
      const index = side.next();
      const source = index === null ? undefined : this.sources[index];
      if (index !== null && source) await this.#sendFile(index, source);
      else if (side.isThrough) await this.#say(side.complete());
      else await this.#changes.next();
    }
  }

  async #sendFile(index: number, source: Source): Promise<void> {
    const newDigest = this.options.digest ?? hashHere;
    const { offset, digest } = await beginAt(source, newDigest, this.#side.have.get(index));
    try {
      await this.#sendFrom(index, source, offset, digest);
    } finally {
      digest.close();
    }
  }

  async #sendFrom(index: number, source: Source, offset: number, digest: Digest): Promise<void> {
    const { file } = source;
    await this.#say({ t: "file", index, offset });
    this.#report(index, offset, 0);
    let reading = read(source, offset);
    for (let at = offset; at < file.size && !this.#isOver(); at += READ_BYTES) {
      const content = await reading;
      reading = read(source, at + READ_BYTES);
      // If it fails, it is thrown when it is its turn.
      reading.catch(() => undefined);
      await digest.update(content);
      for (let begin = 0; begin < content.length && !this.#isOver(); begin += PIECE_BYTES) {
        const piece = content.subarray(begin, begin + PIECE_BYTES);
        await this.channel.send(piece);
        this.#report(index, piece.length, piece.length);
      }
    }
    if (this.#isOver()) return;
    await this.#say({ t: "end", index, size: file.size, sha256: await digest.hex() });
  }

  #report(index: number, done: number, moved: number): void {
    this.#done += done;
    this.#moved += moved;
    const { path } = this.sources[index] ?? { path: "" };
    const progress = { index, path, bytes: this.#done, total: this.#total, moved: this.#moved };
    this.options.onProgress?.(progress);
  }
}

/** Go on after a prefix, if it is the one that the other side holds; else from the beginning. */
async function beginAt(
  source: Source,
  newDigest: NewDigest,
  have?: Have,
): Promise<{ offset: number; digest: Digest }> {
  if (have && have.size > 0 && have.size <= source.file.size) {
    const digest = newDigest();
    for (let at = 0; at < have.size; at += READ_BYTES) {
      await digest.update(await read(source, at, have.size));
    }
    if ((await digest.hex()) === have.sha256) return { offset: have.size, digest };
    digest.close();
  }
  return { offset: 0, digest: newDigest() };
}

async function read(source: Source, at: number, most = Infinity): Promise<Uint8Array<ArrayBuffer>> {
  const end = Math.min(at + READ_BYTES, most);
  try {
    return new Uint8Array(await source.file.slice(at, end).arrayBuffer());
  } catch (error) {
    if (error instanceof FireRTCError) throw error;
    // A browser refuses to read a file that is not as it was when it was chosen.
    throw new TransferError(
      `${source.path} can't be read: it changed or went since it was chosen. Choose it again.`,
    );
  }
}

/** What a reason says to a person, to put after a sentence. @internal */
export function because(reason: string): string {
  const words = new Map([
    ["declined", ""],
    ["", ""],
    ["stopped", ": it was stopped there"],
    ["disk-full", ": its disk is full"],
    ["transfer-failed", ": a file failed there"],
    ["failed", ": it failed there"],
  ]);
  return words.get(reason) ?? `: ${JSON.stringify(reason)}`;
}
