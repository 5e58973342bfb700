/** A call as the page shows it: the other side, the devices, the messages, and a return. */

import type { Call, CallOptions, Client, Kind, LinkEnd, Resumption } from "firertc";

import { Devices } from "../shared/devices.js";
import { rememberGoingOn } from "../shared/reloading.js";
import { addMessage, element, say, show, showSwitch } from "../shared/screen.js";
import { AWAY } from "../shared/words.js";
import { showNumbers } from "./numbers.js";

const HUNG_UP: LinkEnd = { reason: "hangup", byRemote: false };

/** What a page that is loaded anew in a call by code goes on with. */
export interface Kept extends Resumption {
  /** Whether the microphone was on. */
  readonly audio: boolean;
  /** Whether the camera was on. */
  readonly video: boolean;
}

/** One call from the first click to its end. */
export class Attempt {
  readonly abort = new AbortController();
  readonly devices = new Devices();
  call: Call | null = null;

  constructor(readonly client: Client) {}

  /** For the SDK to make the call with. */
  get options(): CallOptions {
    return {
      media: { sending: this.devices.sending },
      signal: this.abort.signal,
      onCall: (made) => {
        this.call = made;
        watch(made);
      },
    };
  }

  async openDevices(wanted: Readonly<Record<Kind, boolean>>): Promise<void> {
    const { devices } = this;
    devices.onChange = () => {
      showDevices(devices);
      this.#remember();
    };
    if (wanted.audio || wanted.video) say("Asking for camera and microphone…");
    await devices.open(wanted);
  }

  /** Talk until the call ends, and does not go on: how it ended. */
  async converse(first: Call): Promise<LinkEnd> {
    // The code is used up: it need not stay in the address and the history.
    if (first.code) history.replaceState(null, "", location.pathname + location.search);
    element("messages", "ol").replaceChildren();
    show("call");
    say("Connected");
    let call: Call | null = first;
    let end = HUNG_UP;
    while (call) {
      end = await this.#talk(call);
      call = call.code && end.byRemote && end.reason === AWAY ? await this.#return(call) : null;
      if (this.abort.signal.aborted) end = HUNG_UP;
    }
    if (first.code) rememberGoingOn("call", null);
    return end;
  }

  async #talk(call: Call): Promise<LinkEnd> {
    const { link } = call;
    const { devices } = this;
    this.call = call;
    devices.carrier = link;
    this.#remember();
    showDevices(devices);
    link.on("message", (body) => {
      addMessage("They", typeof body === "string" ? body : JSON.stringify(body));
    });
    const endNumbers = showNumbers(call);
    const end = await call.closed();
    endNumbers();
    return end;
  }

  /** The other side's page is gone: it may have been loaded anew. */
  async #return(call: Call): Promise<Call | null> {
    const { devices, client, options } = this;
    devices.carrier = null;
    element("muted", "p").hidden = true;
    element("no-picture", "p").hidden = false;
    say("The other side closed its page. If it comes back at once, the call goes on.");
    let back: Call;
    try {
      back = await client.resume(call, options);
    } catch {
      // It did not, whatever the reason was.
      return null;
    }
    const { states, picture } = devices;
    back.link.mute({ audio: !states.microphone, video: !picture?.enabled });
    say("The other side is back.");
    return back;
  }

  #remember(): void {
    const { call, devices } = this;
    if (!call?.code || call.state !== "connected") return;
    const { microphone, camera } = devices.states;
    const kept: Kept = { ...call.resumption, audio: microphone, video: camera };
    rememberGoingOn("call", kept);
  }

  /** End it as the person wants, also while the other side is away. */
  async hangUp(): Promise<void> {
    if (this.devices.carrier) await this.call?.close();
    else this.abort.abort();
  }

  /** Give camera and microphone back. */
  release(): void {
    this.devices.stop();
    const local = element("local", "video");
    local.hidden = true;
    local.srcObject = null;
    const remote = element("remote", "video");
    remote.onresize = null;
    remote.srcObject = null;
    element("no-picture", "p").hidden = false;
    element("muted", "p").hidden = true;
  }
}

/** What was kept before the page was loaded anew; null: nothing to go on with by code. */
export function keptOf(before: Readonly<Record<string, unknown>> | null): Kept | null {
  const { code, side, remote, resume, audio, video } = before ?? {};
  if (side !== "offerer" && side !== "answerer") return null;
  if (typeof code !== "string" || typeof remote !== "string" || typeof resume !== "string") {
    return null;
  }
  return { code, side, remote, resume, audio: audio === true, video: video === true };
}

/** Show what of one's own side is sent. */
export function showDevices(devices: Devices): void {
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

/** Take what comes from the other side, from before the call connects. */
function watch(call: Call): void {
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
