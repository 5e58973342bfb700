/** The chat page: people in a room, and what they say to all or to one. */

import { Client, InsecureContext, type Peer, type Room } from "firertc";
import type { Source } from "firertc/files";

import { findProject } from "../project.js";
import { chosen, onDrop } from "../shared/files.js";
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
import {
  addMessage,
  addNotice,
  element,
  hideProblem,
  onClick,
  say,
  show,
  showProblem,
} from "../shared/screen.js";
import { INSECURE, problemText } from "../shared/words.js";
import { Offers } from "./offers.js";

/** What is said, on a link. */
interface Said {
  readonly text: string;
  /** Whether it was said to one alone. */
  readonly private: boolean;
}

/** One stay in a room. */
interface Stay {
  readonly client: Client;
  readonly abort: AbortController;
  readonly name: string;
  room: Room | null;
  /** Files that are offered, from here and to here. */
  readonly offers: Offers;
}

let current: Stay | null = null;

async function join(): Promise<void> {
  hideProblem();
  const abort = new AbortController();
  let stay: Stay | null = null;
  try {
    if (!isSecureContext) throw new InsecureContext(INSECURE);
    const name = element("name", "input").value.trim() || NAMELESS;
    rememberName(name);
    stay = {
      client: new Client(await findProject()),
      abort,
      name,
      room: null,
      offers: new Offers(),
    };
    current = stay;
    show("connecting");
    say("Joining…");
    await enter(stay);
  } catch (error) {
    if (!abort.signal.aborted) {
      showProblem(problemText(error), { again: () => void join() });
    }
    show("start");
    say("");
  } finally {
    if (current === stay) current = null;
    stay?.offers.end();
    await stay?.client.close();
  }
}

/** Be in the room until it is left. */
async function enter(stay: Stay): Promise<void> {
  const name = element("room", "input").value.trim();
  const passphrase = element("passphrase", "input").value;
  let leave: (why: string) => void = () => undefined;
  const over = new Promise<string>((resolve) => {
    leave = resolve;
  });
  const resume = resumeOf(name);
  element("messages", "ol").replaceChildren();
  const room = await stay.client.enter(name, {
    connect: "all",
    data: { name: stay.name },
    media: () => ({ receiving: [] }),
    signal: stay.abort.signal,
    onRoom: (made) => {
      wireRoom(made, stay.offers, leave);
    },
    ...(passphrase && { passphrase }),
    ...(resume && { resume }),
  });
  stay.room = room;
  rememberResume(name, room.session.resume);
  stay.abort.signal.addEventListener("abort", () => {
    leave("You left the chat.");
  });
  history.replaceState(null, "", addressOf(name, passphrase));
  element("room-title", "h1").textContent = name;
  show("room");
  say("");
  showPeople(room);
  element("line", "input").focus();
  element("ended-text", "p").textContent = await over;
  show("ended");
}

function wireRoom(room: Room, offers: Offers, over: (why: string) => void): void {
  const update = (): void => {
    showPeople(room);
  };
  room.on("joined", (peer) => {
    addNotice(`${nameOf(peer)} joined`);
    update();
  });
  room.on("left", (peer) => {
    addNotice(`${nameOf(peer)} left`);
    update();
  });
  for (const event of ["updated", "link", "unlinked", "unreachable"] as const) {
    room.on(event, update);
  }
  for (const event of ["reconnecting", "reconnected"] as const) room.on(event, update);
  room.on("message", ({ peer, body }) => {
    const from = room.peers.get(peer);
    hear(from ? nameOf(from) : NAMELESS, body);
  });
  room.on("channel", ({ peer, channel }) => {
    const from = room.peers.get(peer);
    offers.take(from ? nameOf(from) : NAMELESS, channel);
  });
  room.on("removed", (reason) => {
    over(`You were put out of the room${reason && `: ${reason}`}.`);
  });
  room.on("lost", (error) => {
    say(problemText(error));
  });
}

function hear(from: string, body: unknown): void {
  // Programs say plain text, or whatever they like.
  const { text = body, private: alone } = (body ?? {}) as Partial<Said>;
  const shown = typeof text === "string" ? text : JSON.stringify(body);
  addMessage(from, shown, alone === true ? "private" : "they");
}

function showPeople(room: Room): void {
  const people = [...room.peers.values()].sort((one, other) => one.joinedAt - other.joinedAt);
  element("people", "ul").replaceChildren(...people.map((peer) => personLine(room, peer)));
  const select = element("to", "select");
  const chosen = select.value;
  const others = people.filter(({ isSelf }) => !isSelf);
  const options = others.map((peer) => new Option(nameOf(peer), peer.id));
  select.replaceChildren(new Option("Everybody", ""), ...options);
  select.value = others.some(({ id }) => id === chosen) ? chosen : "";
}

function personLine(room: Room, peer: Peer): HTMLLIElement {
  const line = document.createElement("li");
  const note = document.createElement("span");
  note.className = "note";
  if (peer.isSelf) note.textContent = " (you)";
  else {
    const state = room.link(peer.id)?.state;
    note.textContent = state === "open" ? "" : state ? " reconnecting…" : " connecting…";
  }
  line.append(nameOf(peer), note);
  return line;
}

function sendLine(): void {
  const room = current?.room;
  const input = element("line", "input");
  const text = input.value;
  if (!room || !text) return;
  const to = element("to", "select").value;
  const said: Said = { text, private: to !== "" };
  const reached = to ? room.send(said, to) : room.send(said);
  if (to && reached.length === 0) {
    say("That person is not connected yet: nothing was sent.");
    return;
  }
  const addressee = room.peers.get(to);
  addMessage(addressee ? `You to ${nameOf(addressee)}` : "You", text, "you");
  say(!to && reached.length < room.others.length ? "Not everybody is connected yet." : "");
  input.value = "";
}

/** Offer files to everybody, or to the one who is chosen. */
function offerFiles(sources: readonly Source[]): void {
  const room = current?.room;
  if (!room || sources.length === 0) return;
  const to = element("to", "select").value;
  const people = (to ? [to] : room.others).flatMap((id) => {
    const [link, peer] = [room.link(id), room.peers.get(id)];
    return link?.state === "open" ? [{ link, name: peer ? nameOf(peer) : NAMELESS }] : [];
  });
  if (people.length === 0) {
    say("Nobody is connected yet: nothing was offered.");
    return;
  }
  try {
    current?.offers.make(people, sources);
    say("");
  } catch (error) {
    say(problemText(error));
  }
}

function wire(): void {
  element("room", "input").value = roomOfAddress();
  element("name", "input").value = lastName();
  element("passphrase", "input").value = passphraseOfAddress();
  element("join-form", "form").addEventListener("submit", (event) => {
    event.preventDefault();
    void join();
  });
  element("chat-form", "form").addEventListener("submit", (event) => {
    event.preventDefault();
    sendLine();
  });
  onClick("choose", () => {
    element("files", "input").click();
  });
  element("files", "input").addEventListener("change", () => {
    offerFiles(chosen(element("files", "input")));
  });
  onDrop(element("page", "main"), offerFiles);
  for (const id of ["give-up", "leave"]) onClick(id, () => current?.abort.abort());
  onClick("again", () => {
    show("start");
  });
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
    if (persisted) location.reload();
  });
}

wire();
