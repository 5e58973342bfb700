/** Receiving: to a code, what is offered there, and where it is kept. */

import {
  AnsweredElsewhere,
  Client,
  CodeUnknown,
  NoAnswer,
  normalizeCode,
  PathUnreachable,
  PeerGone,
  type Call,
  type Channel,
} from "firertc";
import {
  BrowserSink,
  LABEL,
  receiveFiles,
  Stopped,
  type Offer,
  type ReceivedFile,
} from "firertc/files";

import { findProject } from "../project.js";
import { download } from "../shared/files.js";
import { element, say, show } from "../shared/screen.js";
import { newDigest } from "../shared/hashing.js";
import { Bar, markWhole, showFiles, showList, sumText } from "./screen.js";
import type { Work } from "./send.js";

/** How long the other side may take to offer its files. */
const CHANNEL_SECONDS = 30;
/** How long a sender that was lost is looked for. */
const LOST_SECONDS = 120;
/** Between attempts at a code. */
const AGAIN_SECONDS = [1, 2, 4];
const ACCEPTED_KEY = "firertc.files";

/** What was accepted in this tab, and is not whole. */
interface Accepted {
  readonly code: string;
  readonly files: string;
}

/** The code of what this tab was receiving when it was loaded anew. */
export function interruptedCode(): string | null {
  return accepted()?.code ?? null;
}

function accepted(): Accepted | null {
  const kept = sessionStorage.getItem(ACCEPTED_KEY);
  return kept === null ? null : (JSON.parse(kept) as Accepted);
}

/** What was begun is given up. */
export function forget(): void {
  sessionStorage.removeItem(ACCEPTED_KEY);
}

/** One transfer, from the code to the last file. */
export class Receiving {
  /** By index, as they come. */
  readonly files = new Map<number, ReceivedFile>();
  #sink: BrowserSink | null = null;
  #giveUp: number | null = null;
  #code = "";

  constructor(
    readonly work: Work,
    /** Asked once whether to take what is offered. */
    readonly ask: (offer: Offer, signal: AbortSignal) => Promise<boolean>,
  ) {}

  /** Come to a code, again if the sender is lost. */
  async run(code: string): Promise<Offer> {
    this.#code = await normalizeCode(code);
    if (interruptedCode() === this.#code) this.#giveUp = Date.now() + LOST_SECONDS * 1000;
    const keep = (file: ReceivedFile): void => {
      this.files.set(file.index, file);
      markWhole(file.index, () => {
        download(file.path, file.content);
      });
    };
    this.#sink = await BrowserSink.open(this.#code, keep, newDigest);
    for (let attempt = 0; ; attempt++) {
      try {
        const offer = await this.#once();
        forget();
        return offer;
      } catch (error) {
        if (this.#isOver(error)) {
          if (!(error instanceof PeerGone)) forget();
          throw error;
        }
        show("connecting");
        showList(false);
        say("The sender was lost: looking for it…");
      }
      const seconds = AGAIN_SECONDS[Math.min(attempt, AGAIN_SECONDS.length - 1)] ?? 0;
      await pause(seconds, this.work.abort.signal);
    }
  }

  /** Throw away what this page has kept of it. */
  async clear(): Promise<void> {
    await this.#sink?.store.clear();
  }

  #isOver(error: unknown): boolean {
    const kinds = [PeerGone, AnsweredElsewhere, CodeUnknown, NoAnswer, PathUnreachable];
    const isPassing = kinds.some((kind) => error instanceof kind);
    const looks = this.#giveUp !== null && Date.now() < this.#giveUp;
    return this.work.abort.signal.aborted || !isPassing || !looks;
  }

  async #once(): Promise<Offer> {
    const { work } = this;
    const { signal } = work.abort;
    work.client ??= new Client(await findProject());
    const call = await work.client.comeWithCode(this.#code, { media: { receiving: [] }, signal });
    try {
      const channel = await channelOf(call, signal);
      const bar = new Bar();
      return await receiveFiles(channel, this.#sink ?? unopened(), {
        signal,
        decide: (offer) => this.#decide(offer, call),
        onProgress: (progress) => {
          bar.show(progress);
        },
      });
    } catch (error) {
      if (error instanceof PeerGone && accepted()?.code === this.#code) {
        this.#giveUp = Date.now() + LOST_SECONDS * 1000;
      }
      throw error;
    } finally {
      await call.close();
    }
  }

  async #decide(offer: Offer, call: Call): Promise<boolean> {
    const { code, files } = accepted() ?? {};
    const offered = JSON.stringify(offer.files);
    // The same again, after the connection was lost: it was accepted before.
    const known = code === this.#code && files === offered;
    const over = new AbortController();
    void call.closed().then(() => {
      over.abort();
    });
    if (!known && !(await this.ask(offer, over.signal))) return false;
    // Meeting at the code again does more than a repair: the sender may be a new one.
    if (offer.files.every(({ size }) => size !== null)) call.link.mend = null;
    remember({ code: this.#code, files: offered });
    showFiles("moving-files", offer.files);
    for (const [index, file] of this.files) {
      markWhole(index, () => {
        download(file.path, file.content);
      });
    }
    element("moving-title", "h1").textContent = "Receiving";
    element("moving-sum", "p").textContent = sumText(offer.files);
    show("moving");
    showList(true);
    say(known ? "Going on." : "");
    return true;
  }
}

function remember(what: Accepted): void {
  try {
    sessionStorage.setItem(ACCEPTED_KEY, JSON.stringify(what));
  } catch {
    // Too long a list for this browser: a page loaded anew asks once more.
  }
}

/** The channel that the sender opens. */
async function channelOf(call: Call, signal: AbortSignal): Promise<Channel> {
  let off = (): void => undefined;
  const channel = new Promise<Channel>((resolve) => {
    off = call.link.on("channel", (opened) => {
      if (opened.label === LABEL) resolve(opened);
    });
  });
  const closed = call.closed().then(({ reason }) => {
    const isLost = ["gone", "failed", "left"].includes(reason);
    throw isLost ? new PeerGone("The sender was lost.") : new Stopped("The sender hung up.");
  });
  const late = pause(CHANNEL_SECONDS, signal).then(() => {
    throw new NoAnswer("The other side offers no files: it may be making a call.");
  });
  try {
    return await Promise.race([channel, closed, late]);
  } finally {
    off();
  }
}

function unopened(): never {
  throw new TypeError("the sink is not open");
}

/** Wait; an aborted signal ends it. */
async function pause(seconds: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
  signal.throwIfAborted();
}
