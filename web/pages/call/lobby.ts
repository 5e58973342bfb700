/** A room whose people ring one another: who is there, ringing one, and being rung. */

import {
  Busy,
  decodeId,
  NoAnswer,
  Rejected,
  type Call,
  type CallOptions,
  type Client,
  type LinkEnd,
  type Peer,
  type Ring,
  type Room,
} from "firertc";

import { openDialog } from "../shared/dialogs.js";
import {
  addressOf,
  NAMELESS,
  nameOf,
  rememberName,
  rememberResume,
  resumeOf,
} from "../shared/people.js";
import { rememberGoingOn } from "../shared/reloading.js";
import { element, hideProblem, say, show, showProblem } from "../shared/screen.js";
import { AWAY, canDoWithout, endText, problemText } from "../shared/words.js";

/** How long who was called has to answer. */
const RING_SECONDS = 30;
/** How long somebody whose page went away may come back and find the call as it was. */
const BACK_SECONDS = 20;
const TITLE = document.title;

/** Where to be, and as whom. */
export interface Place {
  readonly room: string;
  readonly name: string;
  readonly passphrase: string;
  /** Peer id of who was in a call with us when this page was loaded anew. */
  readonly talkingTo?: string | undefined;
}

/** Opens the devices, connects, and talks until the call ends; how it ended. */
export type Talk = (
  withMedia: boolean,
  connect: (options: CallOptions) => Promise<Call>,
) => Promise<LinkEnd>;

/** One stay in a room. */
export class Lobby {
  readonly #people = new Map<string, HTMLLIElement>();
  #room: Room | null = null;
  #leave: (why: string) => void = () => undefined;
  /** Who went away in the middle of a call, and until when its return is no new call. */
  #away: { readonly peer: string; readonly until: number } | null = null;

  /** @param talk makes a call of what the lobby connects. */
  constructor(
    private readonly place: Place,
    private readonly talk: Talk,
  ) {}

  /**
   * Go into the room and be there until it is left.
   *
   * @returns why it was left.
   */
  async stay(client: Client, signal: AbortSignal): Promise<string> {
    const { name, passphrase } = this.place;
    const resume = resumeOf(this.place.room);
    const left = new Promise<string>((resolve) => {
      this.#leave = resolve;
    });
    element("people", "ul").replaceChildren();
    const room = await client.enter(this.place.room, {
      connect: "none",
      data: { name },
      signal,
      onRoom: (made) => {
        this.#listen(made);
      },
      ...(passphrase && { passphrase }),
      ...(resume && { resume }),
    });
    this.#room = room;
    if (room.connect === "all") {
      await room.leave();
      return `“${this.place.room}” is a conference: open it on the conference page.`;
    }
    signal.addEventListener("abort", () => {
      this.#leave("");
    });
    rememberName(name);
    rememberResume(this.place.room, room.session.resume);
    history.replaceState(null, "", addressOf(this.place.room, passphrase));
    element("lobby-title", "h1").textContent = this.place.room;
    this.#show();
    say("");
    this.#rememberStay(null);
    const { talkingTo } = this.place;
    if (talkingTo && room.peers.has(talkingTo)) void this.#call(talkingTo, true, true);
    const why = await left;
    rememberGoingOn("call", null);
    return why;
  }

  /** A page that is loaded anew comes back by itself, and so does its call. */
  #rememberStay(talkingTo: string | null): void {
    const { room, name } = this.place;
    rememberGoingOn("call", { room, name, ...(talkingTo && { talkingTo }) });
  }

  #listen(room: Room): void {
    const changed = (peer: Peer): void => {
      if (!peer.isSelf) this.#showPerson(peer);
    };
    room.on("joined", changed);
    room.on("updated", changed);
    room.on("left", ({ id }) => {
      this.#people.get(id)?.remove();
      this.#people.delete(id);
      this.#showEmpty();
    });
    room.on("ring", (ring) => void this.#ring(ring));
    room.on("removed", (reason) => {
      this.#leave(`You were put out of the room${reason ? `: ${reason}` : ""}.`);
    });
    room.on("lost", (error) => {
      if (room.over) this.#leave(problemText(error));
      else say(problemText(error));
    });
  }

  // Who is there.

  #show(): void {
    show("lobby");
    for (const peer of this.#room?.peers.values() ?? []) if (!peer.isSelf) this.#showPerson(peer);
    this.#showEmpty();
  }

  #showPerson(peer: Peer): void {
    let line = this.#people.get(peer.id);
    if (!line) {
      line = document.createElement("li");
      line.dataset["peer"] = peer.id;
      line.append(document.createElement("span"), document.createElement("button"));
      line.lastElementChild?.addEventListener("click", () => void this.#call(peer.id, true));
      this.#people.set(peer.id, line);
      element("people", "ul").append(line);
    }
    const name = nameOf(peer);
    line.children[0]?.replaceChildren(name);
    line.children[1]?.replaceChildren(`Call ${name}`);
    this.#showEmpty();
  }

  #showEmpty(): void {
    element("nobody", "p").hidden = this.#people.size > 0;
  }

  #nameOf(id: string): string {
    const peer = this.#room?.peers.get(id);
    if (peer) return nameOf(peer);
    return id.startsWith("p-") ? NAMELESS : decodeId(id);
  }

  // Calling.

  async #call(peer: string, withMedia: boolean, again = false): Promise<void> {
    const room = this.#room;
    if (!room || room.busy) return;
    const name = this.#nameOf(peer);
    const ringing = new AbortController();
    const dialog = element("calling", "dialog");
    element("calling-text", "p").textContent = again ? `Back to ${name}…` : `Calling ${name}…`;
    await this.#talk(peer, withMedia, {
      connect: async (options) => {
        const cancelled = openDialog(dialog).then(() => {
          ringing.abort();
        });
        try {
          const signal = ringing.signal;
          const metadata = again ? { again: true } : null;
          return await room.ring(peer, {
            ...options,
            signal,
            metadata,
            timeoutSeconds: RING_SECONDS,
          });
        } catch (error) {
          // Who gives up needs no word of it.
          if (ringing.signal.aborted) throw new GivenUp(`You no longer call ${name}.`);
          throw error;
        } finally {
          dialog.close();
          await cancelled;
        }
      },
      again: (media) => void this.#call(peer, media, again),
      text: (error) => ringText(error, name),
    });
  }

  /** Somebody calls: ask, and do as the person says. */
  async #ring(ring: Ring): Promise<void> {
    const name = this.#nameOf(ring.caller);
    if (this.#isBack(ring)) {
      await this.#accept(ring, name, true);
      return;
    }
    const dialog = element("ring", "dialog");
    // One question at a time.
    if (dialog.open) {
      await ring.reject("busy");
      return;
    }
    element("ring-text", "p").textContent = `${name} calls`;
    document.title = `${name} calls`;
    void ring.stopped().then((why) => {
      if (why !== "accepted" && why !== "rejected") dialog.close("missed");
    });
    const answer = await openDialog(dialog);
    document.title = TITLE;
    if (answer === "accept" && ring.ringing) await this.#accept(ring, name, true);
    else if (answer === "accept" || answer === "missed") say(`You missed a call from ${name}.`);
    else {
      await ring.reject();
      say(`You rejected the call from ${name}.`);
    }
  }

  /** Whether this goes on with the call that a page that was loaded anew tore away. */
  #isBack(ring: Ring): boolean {
    const { metadata } = ring;
    const again = (metadata as { again?: unknown } | null)?.again === true;
    const away = this.#away;
    return again && away?.peer === ring.caller && performance.now() < away.until;
  }

  async #accept(ring: Ring, name: string, withMedia: boolean): Promise<void> {
    await this.#talk(ring.caller, withMedia, {
      connect: (options) => ring.accept(options),
      again: (media) => void this.#accept(ring, name, media),
      text: problemText,
    });
  }

  /** A call, from opening the devices to its end, and back to the room. */
  async #talk(
    peer: string,
    withMedia: boolean,
    { connect, again, text }: Connecting,
  ): Promise<void> {
    const room = this.#room;
    if (!room) return;
    hideProblem();
    room.busy = true;
    this.#away = null;
    let word: string;
    try {
      const end = await this.talk(withMedia, async (options) => {
        const call = await connect(options);
        this.#rememberStay(peer);
        return call;
      });
      word = endText(end);
      if (end.byRemote && end.reason === AWAY) {
        this.#away = { peer, until: performance.now() + BACK_SECONDS * 1000 };
        word += " If it comes back at once, the call goes on.";
      }
    } catch (error) {
      word = error instanceof GivenUp ? error.message : "";
      if (!(error instanceof GivenUp)) {
        showProblem(text(error), {
          again: () => {
            again(withMedia);
          },
          ...(canDoWithout(error) && {
            without: () => {
              again(false);
            },
          }),
        });
      }
    } finally {
      room.busy = false;
    }
    if (room.over) return;
    this.#rememberStay(null);
    this.#show();
    say(word);
  }
}

/** The person gave up. */
class GivenUp extends Error {}

/** How a call is connected, and what else can be done if it isn't. */
interface Connecting {
  readonly connect: (options: CallOptions) => Promise<Call>;
  readonly again: (withMedia: boolean) => void;
  readonly text: (error: unknown) => string;
}

/** Why somebody who was called is not there, in words. */
function ringText(error: unknown, name: string): string {
  if (error instanceof Busy) return `${name} is in another call.`;
  if (error instanceof Rejected) return `${name} rejected the call.`;
  if (error instanceof NoAnswer) return `${name} did not answer.`;
  return problemText(error);
}
