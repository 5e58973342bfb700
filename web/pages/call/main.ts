/** The call page: from a code to a call, and back. */

import { Client, InsecureContext, type Call, type Kind } from "firertc";

import { findProject } from "../project.js";
import { Devices } from "../shared/devices.js";
import { showNumbers } from "./numbers.js";
import { drawQr } from "./qr.js";
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
import { canDoWithout, canTryAgain, endText, INSECURE, problemText } from "../shared/words.js";

const WAIT_SECONDS = 600;

/** One call from the first click to its end. */
interface Attempt {
  readonly client: Client;
  readonly abort: AbortController;
  readonly devices: Devices;
  call: Call | null;
}

let current: Attempt | null = null;

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
    await converse(attempt, call);
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
    if (attempt) await release(attempt);
  }
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
  const { client, abort, devices } = attempt;
  const call = await client.waitAtCode({
    media: { sending: devices.sending },
    signal: abort.signal,
    waitSeconds: WAIT_SECONDS,
    onCall: (made) => {
      watch(attempt, made);
    },
    onState: (state) => {
      if (state === "connecting") show("connecting");
    },
  });
  showCode(call.code);
  await call.answered(WAIT_SECONDS, abort.signal);
  return call;
}

async function come(attempt: Attempt, code: string): Promise<Call> {
  const { client, abort, devices } = attempt;
  return await client.comeWithCode(code, {
    media: { sending: devices.sending },
    signal: abort.signal,
    onCall: (made) => {
      watch(attempt, made);
    },
  });
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

async function converse(attempt: Attempt, call: Call): Promise<void> {
  // The code is used up: it need not stay in the address and the history.
  history.replaceState(null, "", location.pathname + location.search);
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
  element("ended-text", "p").textContent = endText(end);
  show("ended");
  say("");
}

/** Give everything back: camera, microphone, session. */
async function release(attempt: Attempt): Promise<void> {
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
  await attempt.client.close();
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
}

function begin(): void {
  element("problem", "section").hidden = true;
  // A code may have come with the address, or with a click on a link.
  const code = decodeURIComponent(location.hash.slice(1));
  element("code", "input").value = code;
  element("start-text", "p").textContent = code
    ? "Somebody waits for you at this code."
    : "Start a call and share its code, or enter the code that you were given.";
  element("start-title", "h1").textContent = code ? "Join the call" : "Call";
}

function wire(): void {
  begin();
  window.addEventListener("hashchange", () => {
    if (!current) begin();
  });
  element("join-form", "form").addEventListener("submit", (event) => {
    event.preventDefault();
    void makeCall(element("code", "input").value, true);
  });
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
    const link = element("link", "a").href;
    navigator.clipboard.writeText(link).then(
      () => {
        say("The link is copied.");
      },
      () => {
        say("The link could not be copied: mark it and copy it by hand.");
      },
    );
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
    current?.client.abandon();
  });
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
