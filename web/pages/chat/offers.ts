/** Files in the chat: lines among the messages that offer, take and show how far they are. */

import { FireRTCError, type Channel, type Link } from "firertc";
import {
  BrowserSink,
  LABEL,
  receiveFiles,
  sendFiles,
  sourcesOf,
  type Offer,
  type Progress,
  type ReceivedFile,
  type Source,
} from "firertc/files";

import { download, sizeText } from "../shared/files.js";
import { newDigest } from "../shared/hashing.js";
import { addLine } from "../shared/screen.js";
import { problemText } from "../shared/words.js";

/** Names shown of a longer list. */
const NAMES_MOST = 5;

/** Somebody to offer files to. */
export interface Addressee {
  readonly link: Link;
  readonly name: string;
}

interface Named {
  readonly path: string;
  readonly size: number | null;
}

/** Everything that is offered while one is in the room. */
export class Offers {
  readonly #abort = new AbortController();
  readonly #sinks: BrowserSink[] = [];

  /**
   * Offer files to some people, each of whom may take them or not.
   *
   * @throws ConfigError if they can't be sent.
   */
  make(people: readonly Addressee[], files: readonly Source[]): void {
    const sources = sourcesOf(files);
    const named = sources.map(({ path, file }) => ({ path, size: file.size }));
    const line = addLine("you transfer", bold("You"), " offer ", describe(named));
    for (const { link, name } of people) void this.#send(line, link, name, sources);
  }

  async #send(
    line: HTMLLIElement,
    link: Link,
    name: string,
    sources: readonly Source[],
  ): Promise<void> {
    const way = new Way(line, `${name}: asked`, this.#abort.signal);
    try {
      await sendFiles(link, sources, {
        signal: way.signal,
        digest: newDigest,
        onAccept: () => {
          way.say(`${name}: sending`);
        },
        onProgress: (progress) => {
          way.show(progress);
        },
      });
      way.end(`${name} has it`);
    } catch (error) {
      way.end(`${name}: ${words(error)}`);
    }
  }

  /** Somebody opened a channel: perhaps to offer files. */
  take(name: string, channel: Channel): void {
    if (channel.label === LABEL) void this.#receive(name, channel);
    else void channel.close();
  }

  async #receive(name: string, channel: Channel): Promise<void> {
    // Nothing is shown before something is offered.
    const ways: Way[] = [];
    const keep = (file: ReceivedFile): void => {
      download(file.path, file.content);
      ways[0]?.keep(file.path, file.content);
    };
    const sink = await BrowserSink.open(crypto.randomUUID(), keep, newDigest);
    this.#sinks.push(sink);
    try {
      await receiveFiles(channel, sink, {
        signal: this.#abort.signal,
        decide: async ({ files }: Offer) => {
          const line = addLine("they transfer", bold(name), " offers ", describe(files));
          const way = new Way(line, "", this.#abort.signal);
          ways.push(way);
          const yes = await way.ask(files, channel);
          way.say(yes ? "receiving" : "declined");
          return yes;
        },
        onProgress: (progress) => {
          ways[0]?.show(progress);
        },
      });
      ways[0]?.end("received: among your downloads");
    } catch (error) {
      ways[0]?.end(words(error));
    }
  }

  /** The room was left: what was begun ends, and nothing is kept. */
  end(): void {
    this.#abort.abort();
    for (const { store } of this.#sinks) void store.clear().catch(() => undefined);
  }
}

/** One transfer to or from one person, in a line of the messages. */
class Way {
  readonly #abort = new AbortController();
  readonly #row = document.createElement("div");
  readonly #bar = document.createElement("progress");
  readonly #note = document.createElement("span");
  readonly #stop: HTMLButtonElement;

  constructor(line: HTMLLIElement, text: string, signal: AbortSignal) {
    signal.addEventListener("abort", () => {
      this.#abort.abort();
    });
    this.#row.className = "row";
    this.#note.className = "note";
    this.#note.textContent = text;
    this.#bar.hidden = true;
    this.#bar.setAttribute("aria-label", "Progress");
    this.#stop = button("Stop", () => {
      this.#abort.abort();
    });
    this.#stop.hidden = text === "";
    this.#row.append(this.#note, this.#stop);
    line.append(this.#bar, this.#row);
  }

  /** Aborted when the person stops it. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  say(text: string): void {
    this.#note.textContent = text;
  }

  show({ bytes, total }: Progress): void {
    this.#bar.hidden = false;
    if (total === null) this.#bar.removeAttribute("value");
    else {
      this.#bar.max = Math.max(1, total);
      this.#bar.value = bytes;
    }
  }

  /** Whether the person takes them; no, if they are withdrawn. */
  async ask(files: readonly Named[], channel: Channel): Promise<boolean> {
    const what = files.length === 1 ? (files[0]?.path ?? "") : `${String(files.length)} files`;
    return await new Promise<boolean>((resolve) => {
      const accept = button("Accept", () => {
        settle(true);
      });
      const decline = button("Decline", () => {
        settle(false);
      });
      const settle = (yes: boolean): void => {
        accept.remove();
        decline.remove();
        resolve(yes);
      };
      accept.setAttribute("aria-label", `Accept ${what}`);
      decline.setAttribute("aria-label", `Decline ${what}`);
      this.#row.append(accept, decline);
      this.#withdraw = () => {
        settle(false);
      };
      channel.once("closed", this.#withdraw);
      this.signal.addEventListener("abort", this.#withdraw);
    });
  }

  #withdraw = (): void => undefined;

  /** A file is here: it can be saved once more. */
  keep(path: string, content: Blob): void {
    const save = button("Save again", () => {
      download(path, content);
    });
    save.setAttribute("aria-label", `Save ${path} again`);
    this.#row.append(save);
  }

  /** It is over, and how. */
  end(text: string): void {
    this.#withdraw();
    this.#bar.remove();
    this.#stop.remove();
    this.say(text);
  }
}

function describe(files: readonly Named[]): HTMLSpanElement {
  const shown = files.slice(0, NAMES_MOST).map(({ path, size }) => {
    return size === null ? path : `${path} (${sizeText(size)})`;
  });
  const left = files.length - shown.length;
  const text = document.createElement("span");
  text.textContent = shown.join(", ") + (left > 0 ? ` and ${String(left)} more` : "");
  return text;
}

function words(error: unknown): string {
  if (!(error instanceof FireRTCError)) return problemText(error);
  switch (error.code) {
    case "rejected":
      return "declined";
    case "cancelled":
      return "stopped";
    case "transfer-stopped":
      return "stopped there";
    case "peer-gone":
      return "connection lost";
  }
  return error.message;
}

function bold(text: string): HTMLElement {
  const made = document.createElement("b");
  made.textContent = text;
  return made;
}

function button(text: string, act: () => void): HTMLButtonElement {
  const made = document.createElement("button");
  made.className = "plain compact";
  made.type = "button";
  made.textContent = text;
  made.addEventListener("click", act);
  return made;
}
