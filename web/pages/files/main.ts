/** The files page: to send with a code, and to receive with one. */

import { FireRTCError, InsecureContext, NoAnswer, Rejected } from "firertc";
import { saveInto, sourcesOf, type Offer, type Source } from "firertc/files";

import { chosen, download, onDrop } from "../shared/files.js";
import { drawQr } from "../shared/qr.js";
import {
  drawing,
  element,
  hideProblem,
  onClick,
  say,
  show,
  showProblem,
} from "../shared/screen.js";
import { canTryAgain, INSECURE, problemText } from "../shared/words.js";
import { forget, interruptedCode, Receiving } from "./receive.js";
import { showFiles, showList, sumText } from "./screen.js";
import { send, type Work } from "./send.js";

declare global {
  interface Window {
    /** Chromium's (File System Access, section 3.3). */
    showDirectoryPicker?: (options: { mode: "readwrite" }) => Promise<FileSystemDirectoryHandle>;
  }
}

let current: Work | null = null;
let received: Receiving | null = null;
/** What was sent last: it can be sent to somebody else. */
let sources: readonly Source[] = [];
/** Settles the question that is asked. */
let answer: (yes: boolean) => void = () => undefined;

/** From the first click to the end, whatever it is. */
async function work(act: (work: Work) => Promise<void>): Promise<void> {
  if (current) return;
  hideProblem();
  const mine: Work = { abort: new AbortController(), client: null };
  current = mine;
  showList(false);
  try {
    if (!isSecureContext) throw new InsecureContext(INSECURE);
    show("connecting");
    await act(mine);
  } catch (error) {
    const stopped = mine.abort.signal.aborted;
    show("start");
    say(stopped ? "Stopped." : "");
    if (!stopped) {
      showProblem(words(error), { ...(canTryAgain(error) && { again: () => void work(act) }) });
    }
    showList(received !== null && received.files.size > 0);
  } finally {
    if (current === mine) current = null;
    await mine.client?.close();
  }
}

function words(error: unknown): string {
  if (error instanceof NoAnswer && received === null) {
    return "Nobody came in time. Send again, and share the new code.";
  }
  if (error instanceof Rejected && received !== null) return "You declined: nothing was received.";
  if (error instanceof FireRTCError) return problemText(error);
  console.error(error);
  return problemText(error);
}

// Sending.

async function sendAll(these: Iterable<Source>): Promise<void> {
  received = null;
  await work(async (mine) => {
    sources = sourcesOf(these);
    element("waiting-sum", "p").textContent = sumText(shown(sources));
    await send(mine, sources, (code) => {
      showCode(code);
      showList(false);
    });
    end(`Sent: ${sumText(shown(sources))}. The other side has it all.`);
    element("send-again", "button").hidden = false;
  });
}

function shown(these: readonly Source[]): { path: string; size: number }[] {
  return these.map(({ path, file }) => ({ path, size: file.size }));
}

function showCode(code: string): void {
  const link = `${location.origin}${location.pathname}${location.search}#${code}`;
  element("shown-code", "output").textContent = code;
  element("command", "code").textContent = `firertc receive ${code}`;
  const anchor = element("link", "a");
  anchor.href = link;
  anchor.textContent = link;
  drawQr(drawing("qr"), link);
  show("waiting");
  say("");
}

// Receiving.

async function receive(code: string): Promise<void> {
  await work(async (doing) => {
    const receiving = new Receiving(doing, ask);
    received = receiving;
    say("Connecting…");
    const offer = await receiving.run(code);
    // The code is used up: it need not stay in the address and the history.
    history.replaceState(null, "", location.pathname + location.search);
    const [only] = offer.files.length === 1 ? receiving.files.values() : [];
    if (only) download(only.path, only.content);
    end(`Received: ${sumText(offer.files)}.${only ? " It is among your downloads." : ""}`);
    element("save-all", "button").hidden = offer.files.length === 1;
    element("save-folder", "button").hidden = !window.showDirectoryPicker;
    showList(true);
  });
}

async function ask(offer: Offer, over: AbortSignal): Promise<boolean> {
  showFiles("offered", offer.files);
  element("offered-sum", "p").textContent = sumText(offer.files);
  show("question");
  say("Files are offered.");
  const yes = await new Promise<boolean>((resolve) => {
    answer = resolve;
    over.addEventListener("abort", () => {
      resolve(false);
    });
  });
  return yes;
}

async function saveFolder(): Promise<void> {
  const files = [...(received?.files.values() ?? [])];
  try {
    const folder = await window.showDirectoryPicker?.({ mode: "readwrite" });
    if (!folder) return;
    for (const file of files) {
      say(`Saving ${file.path}…`);
      await saveInto(folder, file);
    }
    say(`Saved into ${folder.name}.`);
  } catch (error) {
    // Who closes the dialog has decided not to save.
    const closed = error instanceof DOMException && error.name === "AbortError";
    say(closed ? "" : "The files could not be saved there: choose another folder.");
  }
}

// The page.

function end(text: string): void {
  for (const id of ["save-folder", "save-all", "send-again"]) element(id, "button").hidden = true;
  element("ended-text", "p").textContent = text;
  show("ended");
  say("");
}

function begin(): void {
  hideProblem();
  const code = decodeURIComponent(location.hash.slice(1));
  element("code", "input").value = code;
  element("start-text", "p").textContent = code
    ? "Somebody sends you files with this code."
    : "They go from one side to the other, encrypted; nothing is kept between.";
  element("choose", "section").hidden = code !== "";
  // A page that was loaded anew in the middle goes on.
  if (code && interruptedCode() === code) void receive(code);
}

function wire(): void {
  for (const [button, input] of [
    ["choose-files", "files"],
    ["choose-folder", "folder"],
  ] as const) {
    onClick(button, () => {
      element(input, "input").click();
    });
    element(input, "input").addEventListener("change", () => {
      void sendAll(chosen(element(input, "input")));
    });
  }
  // Phones have no folders to choose.
  element("choose-folder", "button").hidden = !("webkitdirectory" in HTMLInputElement.prototype);
  onDrop(document.body, (those) => {
    if (!current) void sendAll(those);
  });
  element("receive-form", "form").addEventListener("submit", (event) => {
    event.preventDefault();
    void receive(element("code", "input").value);
  });
  for (const id of ["cancel", "give-up", "stop"]) {
    onClick(id, () => {
      forget();
      current?.abort.abort();
    });
  }
  onClick("accept", () => {
    answer(true);
  });
  onClick("decline", () => {
    answer(false);
  });
  onClick("save-folder", () => void saveFolder());
  onClick("save-all", () => {
    for (const { path, content } of received?.files.values() ?? []) download(path, content);
  });
  onClick("send-again", () => void sendAll(sources));
  onClick("again", () => {
    void received?.clear();
    received = null;
    showList(false);
    history.replaceState(null, "", location.pathname + location.search);
    begin();
    show("start");
    say("");
  });
  onClick("copy", () => {
    navigator.clipboard.writeText(element("link", "a").href).then(
      () => {
        say("The link is copied.");
      },
      () => {
        say("The link could not be copied: mark it and copy it by hand.");
      },
    );
  });
  const share = element("share", "button");
  share.hidden = !("share" in navigator);
  share.addEventListener("click", () => {
    // Who closes the dialog has decided not to share.
    navigator.share({ title: "Files", url: element("link", "a").href }).catch(() => undefined);
  });
  window.addEventListener("hashchange", () => {
    if (!current) begin();
  });
  window.addEventListener("pagehide", () => {
    // Not for good, as far as the other side is told: a page that is loaded anew goes on.
    current?.client?.abandon("left");
  });
  begin();
}

wire();
