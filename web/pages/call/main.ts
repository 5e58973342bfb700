/** The call page: from a code to a call, and back. */

import {
  Client,
  InsecureContext,
  type Call,
  type CallOptions,
  type Kind,
  type LinkEnd,
} from "firertc";

import { findProject } from "../project.js";
import { Devices } from "../shared/devices.js";
import { lastName, NAMELESS, passphraseOfAddress, roomOfAddress } from "../shared/people.js";
import { goingOn, rememberGoingOn } from "../shared/reloading.js";
import { Lobby, type Place } from "./lobby.js";
import { showNumbers } from "./numbers.js";
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
  showSwitch,
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

/** One call from the first click to its end. */
interface Attempt {
  readonly client: Client;
  readonly abort: AbortController;
  readonly devices: Devices;
  call: Call | null;
}

let current: Attempt | null = null;
/** The stay in a room, if calls are made there. */
let lobby: { readonly client: Client; readonly abort: AbortController } | null = null;

/** Make a call: with a code come to who waits there, without one wait. */
async function makeCall(code: string | null, withMedia: boolean): Promise<void> {
  hideProblem();
  const abort = new AbortController();
  let attempt: Attempt | null = null;
  try {
    if (!isSecureContext) throw new InsecureContext(INSECURE);
    const config = await findProject();
    attempt = { client: new Client(config), abort, devices: new Devices(), call: null };
    current = attempt;
    await openDevices(attempt, withMedia);
    show("connecting");
    say(code ? "Connecting…" : "Making a code…");
    const call = await (code ? come(attempt, code) : wait(attempt));
    const end = await converse(attempt, call);
    element("ended-text", "p").textContent = endText(end);
    show("ended");
    say("");
  } catch (error) {
    if (!abort.signal.aborted) {
      showProblem(problemText(error), {
        ...(canTryAgain(error) && { again: () => void makeCall(code, withMedia) }),
        ...(canDoWithout(error) && { without: () => void makeCall(code, false) }),
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
  const abort = new AbortController();
  const attempt: Attempt = { client, abort, devices: new Devices(), call: null };
  current = attempt;
  try {
    await openDevices(attempt, withMedia);
    say("");
    return await converse(attempt, await connect(optionsOf(attempt)));
  } finally {
    release(attempt);
  }
}

function optionsOf(attempt: Attempt): CallOptions {
  const { abort, devices } = attempt;
  return {
    media: { sending: devices.sending },
    signal: abort.signal,
    onCall: (made) => {
      watch(attempt, made);
    },
  };
}

async function openDevices(attempt: Attempt, withMedia: boolean): Promise<void> {
  const { devices } = attempt;
  devices.onChange = () => {
    showDevices(devices);
  };
  const audio = withMedia && element("send-audio", "input").checked;
  const video = withMedia && element("send-video", "input").checked;
  if (audio || video) say("Asking for camera and microphone…");
  await devices.open({ audio, video });
}

async function wait(attempt: Attempt): Promise<Call> {
  const { client, abort } = attempt;
  const call = await client.waitAtCode({
    ...optionsOf(attempt),
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
  return await attempt.client.comeWithCode(code, optionsOf(attempt));
}

/** Take what comes from the other side, from before the call connects. */
function watch(attempt: Attempt, call: Call): void {
  attempt.call = call;
  const { link } = call;
  const remote = element("remote", "video");
  // The stream stays when the link is repaired; its tracks change.
  remote.srcObject = link.stream;
  const look = (): void => {
    const shown = link.stream.getVideoTracks().length > 0 && !link.muted["video"];
    element("no-picture", "p").hidden = shown && remote.videoWidth > 0;
  };
  remote.onresize = look;
  link.on("track", () => {
    remote.play().catch((error: unknown) => {
      const blocked = error instanceof DOMException && error.name === "NotAllowedError";
      if (blocked) element("unblock", "button").hidden = false;
    });
    look();
  });
  link.on("trackRemoved", look);
  link.on("mute", (kinds) => {
    const off = [kinds["audio"] && "microphone", kinds["video"] && "camera"].filter(Boolean);
    const muted = element("muted", "p");
    muted.hidden = off.length === 0;
    muted.textContent = `Their ${off.join(" and ")} ${off.length > 1 ? "are" : "is"} off`;
    look();
  });
  let silent = false;
  link.on("pulse", (pulse) => {
    if (pulse === "suspect") say("The other side is silent…");
    else if (silent && link.state === "open") say("");
    silent = pulse === "suspect";
  });
  link.on("reconnecting", () => {
    say("Connection lost, getting it back… What you write meanwhile arrives afterwards.");
  });
  link.on("reconnected", () => {
    say("The connection is back.");
  });
}

async function converse(attempt: Attempt, call: Call): Promise<LinkEnd> {
  // The code is used up: it need not stay in the address and the history.
  if (call.code) {
    history.replaceState(null, "", location.pathname + location.search);
    rememberGoingOn("call", { code: true });
  }
  element("messages", "ol").replaceChildren();
  show("call");
  say("Connected");
  attempt.devices.carrier = call.link;
  showDevices(attempt.devices);
  call.link.on("message", (body) => {
    addMessage("They", typeof body === "string" ? body : JSON.stringify(body));
  });
  const endNumbers = showNumbers(call);
  const end = await call.closed();
  endNumbers();
  if (call.code) rememberGoingOn("call", null);
  return end;
}

/** Give camera and microphone back. */
function release(attempt: Attempt): void {
  if (current === attempt) current = null;
  attempt.devices.stop();
  const local = element("local", "video");
  local.hidden = true;
  local.srcObject = null;
  const remote = element("remote", "video");
  remote.onresize = null;
  remote.srcObject = null;
  element("no-picture", "p").hidden = false;
  element("muted", "p").hidden = true;
}

// What is shown of one's own side.

function showDevices(devices: Devices): void {
  const { states, picture } = devices;
  showSwitch("microphone", states.microphone);
  showSwitch("camera", states.camera);
  element("screen", "button").setAttribute("aria-pressed", String(states.screen));
  element("screen", "button").textContent = states.screen ? "Stop sharing" : "Share screen";
  const local = element("local", "video");
  local.hidden = !picture?.enabled;
  local.classList.toggle("mirrored", !states.screen);
  local.srcObject = picture && new MediaStream([picture]);
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

function begin(): void {
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

/** A page that was loaded anew in a room goes back in; a code was good for one call only. */
function goOn(): void {
  const before = goingOn("call");
  if (before?.["code"] === true) {
    showProblem(
      "This page was loaded anew, which ended the call: a code is good for one call only. " +
        "Start a new call and share its code. In a room, calls outlast a page's loading anew.",
      {},
    );
  }
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
  begin();
  window.addEventListener("hashchange", () => {
    if (!current && !lobby) begin();
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
  onClick("hang-up", () => void current?.call?.close());
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
    begin();
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
