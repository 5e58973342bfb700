/** The conference page: from a room's name to tiles of everybody in it, and back. */

import {
  Client,
  InsecureContext,
  type Kind,
  type Link,
  type Peer,
  type Room,
  type Session,
} from "firertc";

import { findProject } from "../project.js";
import { Devices } from "../shared/devices.js";
import {
  addressOf,
  lastName,
  NAMELESS,
  nameOf,
  passphraseOfAddress,
  rememberName,
  rememberResume,
  resumeOf,
  roomOfAddress,
} from "../shared/people.js";
import { goingOn, rememberGoingOn } from "../shared/reloading.js";
import {
  addMessage,
  addNotice,
  element,
  hideProblem,
  onClick,
  say,
  show,
  showProblem,
  showSwitch,
} from "../shared/screen.js";
import { canDoWithout, INSECURE, problemText } from "../shared/words.js";
import { Speaking } from "./speaking.js";
import { Tiles, type Tile } from "./tiles.js";

/** One stay in a room. */
interface Stay {
  readonly client: Client;
  readonly abort: AbortController;
  readonly devices: Devices;
  readonly name: string;
  room: Room | null;
}

let current: Stay | null = null;
const tiles = new Tiles(element("tiles", "ul"));

async function join(withMedia: boolean): Promise<void> {
  hideProblem();
  const abort = new AbortController();
  const devices = new Devices();
  let stay: Stay | null = null;
  try {
    if (!isSecureContext) throw new InsecureContext(INSECURE);
    const name = element("name", "input").value.trim() || NAMELESS;
    rememberName(name);
    const client = new Client(await findProject());
    stay = { client, abort, devices, name, room: null };
    current = stay;
    const room = element("room", "input").value.trim();
    // While the person is asked for the camera.
    const joining = client.join({ room, resume: resumeOf(room), signal: abort.signal });
    joining.catch(() => undefined); // told below
    await openDevices(stay, withMedia);
    show("connecting");
    say("Joining…");
    await enter(stay, room, await joining);
  } catch (error) {
    if (!abort.signal.aborted) {
      showProblem(problemText(error), {
        again: () => void join(withMedia),
        ...(canDoWithout(error) && { without: () => void join(false) }),
      });
    }
    show("start");
    say("");
  } finally {
    if (stay) await release(stay);
  }
}

async function openDevices(stay: Stay, withMedia: boolean): Promise<void> {
  stay.devices.onChange = () => {
    showDevices(stay);
  };
  const audio = withMedia && element("send-audio", "input").checked;
  const video = withMedia && element("send-video", "input").checked;
  if (audio || video) say("Asking for camera and microphone…");
  await stay.devices.open({ audio, video });
}

/** Be in the room until it is left. */
async function enter(stay: Stay, name: string, session: Session): Promise<void> {
  const passphrase = element("passphrase", "input").value;
  let leave: (why: string) => void = () => undefined;
  const over = new Promise<string>((resolve) => {
    leave = resolve;
  });
  const room = await stay.client.enter(name, {
    connect: "all",
    data: { name: stay.name },
    media: () => ({ sending: stay.devices.sending }),
    session,
    signal: stay.abort.signal,
    onRoom: (made) => {
      wireRoom(made, leave);
    },
    ...(passphrase && { passphrase }),
  });
  stay.room = room;
  rememberResume(name, session.resume);
  stay.devices.carrier = carrierOf(room);
  stay.abort.signal.addEventListener("abort", () => {
    leave("You left the conference.");
  });
  history.replaceState(null, "", addressOf(name, passphrase));
  rememberStay(stay);
  element("room-title", "h1").textContent = name;
  element("messages", "ol").replaceChildren();
  show("room");
  say("");
  showDevices(stay);
  showLock(room);
  const speaking = new Speaking(() => voices(stay));
  element("ended-text", "p").textContent = await over;
  rememberGoingOn("conference", null);
  await speaking.close();
  show("ended");
}

/** A page that is loaded anew comes back by itself, as it was. */
function rememberStay({ name, devices }: Stay): void {
  const { microphone, camera } = devices.states;
  rememberGoingOn("conference", { name, microphone, camera });
}

// What happens in the room.

function tileOf(peer: Peer): Tile {
  return tiles.tile(peer.id, nameOf(peer));
}

function wireRoom(room: Room, over: (why: string) => void): void {
  room.on("joined", (peer) => {
    tileOf(peer).note("connecting…");
    addNotice(`${nameOf(peer)} joined`);
  });
  room.on("left", (peer) => {
    tiles.remove(peer.id);
    addNotice(`${nameOf(peer)} left`);
  });
  room.on("updated", (peer) => {
    // Our own role is known once we are seen.
    if (peer.isSelf) showLock(room);
    else tileOf(peer).rename(nameOf(peer));
  });
  room.on("link", (link) => {
    wireLink(room, link);
  });
  room.on("unlinked", ({ link }) => {
    tiles.get(link.remote)?.note("not connected");
  });
  room.on("unreachable", ({ peer }) => {
    tiles.get(peer.id)?.note("no connection opens");
  });
  room.on("reconnecting", (id) => {
    tiles.get(id)?.note("reconnecting…");
  });
  room.on("reconnected", (id) => {
    tiles.get(id)?.note("");
  });
  room.on("message", ({ peer, body }) => {
    const from = room.peers.get(peer);
    addMessage(from ? nameOf(from) : NAMELESS, text(body));
  });
  room.on("locked", () => {
    addNotice("The room was locked: nobody else can join.");
    showLock(room);
  });
  room.on("unlocked", () => {
    addNotice("The room was unlocked.");
    showLock(room);
  });
  room.on("removed", (reason) => {
    over(`You were put out of the room${reason ? `: ${reason}` : ""}.`);
  });
  room.on("lost", (error) => {
    say(problemText(error));
  });
}

function wireLink(room: Room, link: Link): void {
  const peer = room.peers.get(link.remote);
  if (!peer) return;
  const tile = tileOf(peer);
  tile.note("");
  tile.play(link.stream);
  link.on("track", () => {
    tile.play(link.stream);
  });
  link.on("trackRemoved", () => {
    tile.play(link.stream);
  });
  // Said before anybody listened.
  tile.mute(link.muted);
  link.on("mute", (kinds) => {
    tile.mute(kinds);
  });
  if (current) tellMuted(current.devices, link);
}

function tellMuted(devices: Devices, link: Link): void {
  const { states, picture } = devices;
  link.mute({ audio: !states.microphone, video: !picture?.enabled });
}

function text(body: unknown): string {
  return typeof body === "string" ? body : JSON.stringify(body);
}

function* voices(
  stay: Stay,
): Iterable<{ stream: MediaStream | null; told: (on: boolean) => void }> {
  for (const tile of tiles) {
    const stream = tile.own
      ? new MediaStream(stay.devices.sending)
      : (stay.room?.links.get(tile.id)?.stream ?? null);
    yield {
      stream,
      told: (on) => {
        tile.speaking = on;
      },
    };
  }
}

/** Tracks go to everybody, and to those who come. */
function carrierOf(room: Room): Devices["carrier"] {
  return {
    addTrack: (track) => room.addTrack(track),
    removeTrack: (track) => room.removeTrack(track),
    replaceTrack: (track) => room.replaceTrack(track),
    mute: (kinds) => {
      for (const link of room.links.values()) link.mute(kinds);
    },
  };
}

// What is shown of one's own side.

function showDevices(stay: Stay): void {
  const { states, picture, sending } = stay.devices;
  showSwitch("microphone", states.microphone);
  showSwitch("camera", states.camera);
  const screen = element("screen", "button");
  screen.setAttribute("aria-pressed", String(states.screen));
  screen.textContent = states.screen ? "Stop sharing" : "Share screen";
  if (!stay.room) return;
  rememberStay(stay);
  const own = tiles.tile(stay.room.session.peer, stay.name, true);
  own.mute({ audio: !states.microphone, video: !picture?.enabled });
  own.play(sending.length > 0 ? new MediaStream(sending) : null, !states.screen);
}

function showLock(room: Room): void {
  const button = element("lock", "button");
  button.hidden = room.peers.get(room.session.peer)?.role !== "moderator";
  button.setAttribute("aria-pressed", String(room.locked));
  button.textContent = room.locked ? "Unlock room" : "Lock room";
}

// What a person does.

async function change(act: (devices: Devices) => Promise<unknown>): Promise<void> {
  const stay = current;
  if (!stay?.room) return;
  try {
    await act(stay.devices);
    hideProblem();
  } catch (error) {
    showProblem(problemText(error), { again: () => void change(act) });
  }
  showDevices(stay);
}

async function turnLock(): Promise<void> {
  const room = current?.room;
  if (!room) return;
  try {
    await room.lock(!room.locked);
  } catch (error) {
    say(problemText(error));
  }
  showLock(room);
}

function sendLine(): void {
  const input = element("line", "input");
  const line = input.value;
  if (!line || !current?.room) return;
  const reached = current.room.send(line);
  addMessage("You", line, "you");
  if (reached.length < current.room.others.length) say("Not everybody is connected yet.");
  input.value = "";
}

/** Give everything back: camera, microphone, session. */
async function release(stay: Stay): Promise<void> {
  if (current === stay) current = null;
  stay.devices.stop();
  await stay.client.close();
  tiles.clear();
}

function turn(kind: Kind): void {
  void change((devices) => devices.turn(kind));
}

function begin(): void {
  element("room", "input").value = roomOfAddress();
  element("name", "input").value = lastName();
  element("passphrase", "input").value = passphraseOfAddress();
  const before = goingOn("conference");
  if (!before) return;
  element("name", "input").value = String(before["name"]);
  element("send-audio", "input").checked = before["microphone"] === true;
  element("send-video", "input").checked = before["camera"] === true;
  void join(true);
}

function wire(): void {
  element("join-form", "form").addEventListener("submit", (event) => {
    event.preventDefault();
    void join(true);
  });
  element("chat-form", "form").addEventListener("submit", (event) => {
    event.preventDefault();
    sendLine();
  });
  for (const id of ["give-up", "leave"]) onClick(id, () => current?.abort.abort());
  onClick("again", () => {
    show("start");
  });
  onClick("microphone", () => {
    turn("audio");
  });
  onClick("camera", () => {
    turn("video");
  });
  onClick("switch-camera", () => void change((devices) => devices.switchCamera()));
  onClick("screen", () => void change((devices) => devices.turnScreen()));
  element("screen", "button").hidden = !(
    isSecureContext && "getDisplayMedia" in navigator.mediaDevices
  );
  onClick("lock", () => void turnLock());
  onClick("copy", () => {
    navigator.clipboard.writeText(location.href).then(
      () => {
        say("The link is copied.");
      },
      () => {
        say("The link could not be copied: it is the address of this page.");
      },
    );
  });
  window.addEventListener("pagehide", () => {
    current?.client.abandon();
  });
  // A page that the browser kept and shows again has left its room: it begins anew.
  window.addEventListener("pageshow", ({ persisted }) => {
    if (!persisted) return;
    rememberGoingOn("conference", null);
    location.reload();
  });
  begin();
}

wire();
