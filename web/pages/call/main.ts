/** The call page: from a code to a call, and back. */

import {
  Client,
  InsecureContext,
  NoAnswer,
  type Call,
  type CallOptions,
  type Kind,
  type LinkEnd,
} from "firertc";

import { findProject } from "../project.js";
import type { Devices } from "../shared/devices.js";
import { lastName, NAMELESS, passphraseOfAddress, roomOfAddress } from "../shared/people.js";
import { goingOn, rememberGoingOn } from "../shared/reloading.js";
import { Attempt, type Kept, keptOf, showDevices } from "./conversation.js";
import { Lobby, type Place } from "./lobby.js";
import { drawQr } from "../shared/qr.js";
import {
  addMessage,
  drawing,
  element,
  hideProblem,
  onClick,
  say,
  show,
  showProblem,
} from "../shared/screen.js";
import {
  AWAY,
  canDoWithout,
  canTryAgain,
  endText,
  INSECURE,
  problemText,
} from "../shared/words.js";

const WAIT_SECONDS = 600;
const NOT_BACK =
  "This page was loaded anew, and the other side did not wait: the call is over. " +
  "Start a new call and share its code.";

let current: Attempt | null = null;
/** The stay in a room, if calls are made there. */
let lobby: { readonly client: Client; readonly abort: AbortController } | null = null;

/** What the person has chosen to send. */
function chosen(): Readonly<Record<Kind, boolean>> {
  return {
    audio: element("send-audio", "input").checked,
    video: element("send-video", "input").checked,
  };
}

const NOTHING = { audio: false, video: false } as const;

/** Make a call: with a code come to who waits there, without one wait. */
async function makeCall(code: string | null, withMedia: boolean): Promise<void> {
  await begin(withMedia ? chosen() : NOTHING, {
    word: code ? "Connecting…" : "Making a code…",
    connect: (attempt) => (code ? come(attempt, code) : wait(attempt)),
    again: (media) => void makeCall(code, media),
  });
}

/** Go on with the call that this page's loading anew tore off. */
async function goOnWith({ audio, video, ...lost }: Kept, withMedia: boolean): Promise<void> {
  await begin(withMedia ? { audio, video } : NOTHING, {
    word: "Back to the call…",
    connect: ({ client, options }) => {
      // Until it is over, or goes on: the page may be loaded anew once more.
      rememberGoingOn("call", { audio, video, ...lost });
      return client.resume(lost, options);
    },
    text: (error) => (error instanceof NoAnswer ? NOT_BACK : problemText(error)),
    again: (media) => void goOnWith({ audio, video, ...lost }, media),
  });
}

/** How a call is made, and what else can be done if it isn't. */
interface Making {
  readonly word: string;
  readonly connect: (attempt: Attempt) => Promise<Call>;
  readonly again: (withMedia: boolean) => void;
  readonly text?: (error: unknown) => string;
}

/** A call, from opening the devices to its end. */
async function begin(
  wanted: Readonly<Record<Kind, boolean>>,
  { word, connect, again, text = problemText }: Making,
): Promise<void> {
  hideProblem();
  let attempt: Attempt | null = null;
  try {
    if (!isSecureContext) throw new InsecureContext(INSECURE);
    attempt = new Attempt(new Client(await findProject()));
    current = attempt;
    await attempt.openDevices(wanted);
    show("connecting");
    say(word);
    const end = await attempt.converse(await connect(attempt));
    element("ended-text", "p").textContent = endText(end);
    show("ended");
    say("");
  } catch (error) {
    rememberGoingOn("call", null);
    if (!attempt?.abort.signal.aborted) {
      showProblem(text(error), {
        ...(canTryAgain(error) && {
          again: () => {
            again(true);
          },
        }),
        ...(canDoWithout(error) && {
          without: () => {
            again(false);
          },
        }),
      });
    }
    show("start");
    say("");
  } finally {
    if (attempt) {
      release(attempt);
      await attempt.client.close();
    }
  }
}

function release(attempt: Attempt): void {
  if (current === attempt) current = null;
  attempt.release();
}

/** Be in a room, where people ring one another. */
async function enterRoom(place: Place): Promise<void> {
  hideProblem();
  const abort = new AbortController();
  let client: Client | null = null;
  try {
    if (!isSecureContext) throw new InsecureContext(INSECURE);
    client = new Client(await findProject());
    const stay = { client, abort };
    lobby = stay;
    show("connecting");
    say("Entering…");
    const why = await new Lobby(place, (withMedia, connect) =>
      talk(stay.client, withMedia, connect),
    ).stay(client, abort.signal);
    if (why) showProblem(why, { again: () => void enterRoom(place) });
  } catch (error) {
    if (!abort.signal.aborted) {
      showProblem(problemText(error), {
        ...(canTryAgain(error) && { again: () => void enterRoom(place) }),
      });
    }
  } finally {
    current?.abort.abort();
    lobby = null;
    show("start");
    say("");
    await client?.close();
  }
}

/** A call of somebody in a room. */
async function talk(
  client: Client,
  withMedia: boolean,
  connect: (options: CallOptions) => Promise<Call>,
): Promise<LinkEnd> {
  const attempt = new Attempt(client);
  current = attempt;
  try {
    await attempt.openDevices(withMedia ? chosen() : NOTHING);
    say("");
    return await attempt.converse(await connect(attempt.options));
  } finally {
    release(attempt);
  }
}

async function wait(attempt: Attempt): Promise<Call> {
  const { client, abort } = attempt;
  const call = await client.waitAtCode({
    ...attempt.options,
    waitSeconds: WAIT_SECONDS,
    onState: (state) => {
      if (state === "connecting") show("connecting");
    },
  });
  showCode(call.code);
  await call.answered(WAIT_SECONDS, abort.signal);
  return call;
}

async function come(attempt: Attempt, code: string): Promise<Call> {
  return await attempt.client.comeWithCode(code, attempt.options);
}

function showCode(code: string): void {
  const link = `${location.origin}${location.pathname}${location.search}#${code}`;
  element("shown-code", "output").textContent = code;
  element("command", "code").textContent = `firertc call ${code}`;
  const anchor = element("link", "a");
  anchor.href = link;
  anchor.textContent = link;
  drawQr(drawing("qr"), link);
  show("waiting");
  say("");
}

/** Do something with the devices; what goes wrong is shown, with a way out. */
async function change(act: (devices: Devices) => Promise<unknown>): Promise<void> {
  const attempt = current;
  if (!attempt?.call) return;
  try {
    await act(attempt.devices);
    hideProblem();
  } catch (error) {
    showProblem(problemText(error), { again: () => void change(act) });
  }
  showDevices(attempt.devices);
}

function turn(kind: Kind): void {
  void change((devices) => devices.turn(kind));
}

async function switchCamera(devices: Devices): Promise<void> {
  const name = await devices.switchCamera();
  say(name === null ? "There is no other camera." : `Camera: ${name || "the other one"}`);
}

function giveUp(): void {
  current?.abort.abort();
  lobby?.abort.abort();
}

function welcome(): void {
  element("problem", "section").hidden = true;
  const inRoom = new URLSearchParams(location.search).has("room");
  // A code may have come with the address, or with a click on a link.
  const code = inRoom ? "" : decodeURIComponent(location.hash.slice(1));
  element("code", "input").value = code;
  element("start-text", "p").textContent = code
    ? "Somebody waits for you at this code."
    : "Start a call and share its code, or enter the code that you were given.";
  element("start-title", "h1").textContent = code ? "Join the call" : "Call";
  element("by-room", "details").open = inRoom;
  element("room", "input").value = roomOfAddress();
  element("name", "input").value = lastName();
  element("passphrase", "input").value = inRoom ? passphraseOfAddress() : "";
}

function placeOfForm(): Place {
  return {
    room: element("room", "input").value.trim(),
    name: element("name", "input").value.trim() || NAMELESS,
    passphrase: element("passphrase", "input").value,
  };
}

/** A page that was loaded anew goes on with its call, or goes back into its room. */
function goOn(): void {
  const before = goingOn("call");
  const lost = keptOf(before);
  if (lost) void goOnWith(lost, true);
  if (typeof before?.["room"] !== "string") return;
  const { name, talkingTo } = before;
  void enterRoom({
    ...placeOfForm(),
    room: before["room"],
    name: typeof name === "string" ? name : NAMELESS,
    ...(typeof talkingTo === "string" && { talkingTo }),
  });
}

function wire(): void {
  welcome();
  window.addEventListener("hashchange", () => {
    if (!current && !lobby) welcome();
  });
  element("join-form", "form").addEventListener("submit", (event) => {
    event.preventDefault();
    void makeCall(element("code", "input").value, true);
  });
  element("room-form", "form").addEventListener("submit", (event) => {
    event.preventDefault();
    void enterRoom(placeOfForm());
  });
  onClick("leave", giveUp);
  onClick("begin", () => void makeCall(null, true));
  onClick("cancel", giveUp);
  onClick("give-up", giveUp);
  onClick("hang-up", () => void current?.hangUp());
  onClick("microphone", () => {
    turn("audio");
  });
  onClick("camera", () => {
    turn("video");
  });
  onClick("switch-camera", () => void change(switchCamera));
  onClick("screen", () => void change((devices) => devices.turnScreen()));
  // Phones share no screen.
  element("screen", "button").hidden = !(
    isSecureContext && "getDisplayMedia" in navigator.mediaDevices
  );
  onClick("again", () => {
    welcome();
    show("start");
  });
  onClick("copy", () => {
    copy(element("link", "a").href);
  });
  onClick("copy-room", () => {
    copy(location.href);
  });
  wireSharing();
  onClick("unblock", () => {
    element("unblock", "button").hidden = true;
    void element("remote", "video").play();
  });
  element("chat-form", "form").addEventListener("submit", (event) => {
    event.preventDefault();
    sendLine();
  });
  window.addEventListener("pagehide", () => {
    // Who is left learns that this was no hanging up: a page that is loaded anew comes back.
    current?.call?.link.abandon(AWAY);
    current?.client.abandon();
    lobby?.client.abandon();
  });
  window.addEventListener("pageshow", ({ persisted }) => {
    if (!persisted) return;
    rememberGoingOn("call", null);
    location.reload();
  });
  goOn();
}

function copy(text: string): void {
  navigator.clipboard.writeText(text).then(
    () => {
      say("The link is copied.");
    },
    () => {
      say("The link could not be copied: mark it and copy it by hand.");
    },
  );
}

function wireSharing(): void {
  const button = element("share", "button");
  button.hidden = !("share" in navigator);
  button.addEventListener("click", () => {
    const url = element("link", "a").href;
    // Who closes the dialog has decided not to share.
    navigator.share({ title: "Call", url }).catch(() => undefined);
  });
}

function sendLine(): void {
  const input = element("line", "input");
  const text = input.value;
  if (!text || !current?.call) return;
  try {
    current.call.link.send(text);
    addMessage("You", text, "you");
    input.value = "";
  } catch (error) {
    say(problemText(error));
  }
}

wire();
