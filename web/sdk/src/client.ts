/** The front door: one object that makes calls with one configuration. */

import type { Call, CallOptions } from "./call.js";
import { checkConfig, preconnect, type Config } from "./config.js";
import { Operations } from "./database.js";
import type { RoomView } from "./looking.js";
import type { WaitOptions } from "./oneOff.js";
import type { Resumption, ResumeOptions } from "./resuming.js";
import type { Room, RoomOptions } from "./room.js";
import { DEFAULT_ROOM } from "./schema.js";
import { join, type Credentials, type JoinOptions, type Session } from "./session.js";
import { cancelled } from "./waiting.js";

/** How to go into a room, and as whom. */
export interface EnterOptions extends RoomOptions {
  /** Name to be known by; default: a random one. */
  readonly peer?: string | undefined;
  /** Resume token of an earlier session of the same peer. */
  readonly resume?: string | undefined;
  /** Made by the realm's own server. */
  readonly serverToken?: string | undefined;
  /** One that was joined before, bound to this room or to none; saves the time of joining. */
  readonly session?: Session | undefined;
  /** Signed room, start and duration, in place of a server-made token. */
  readonly credentials?: Credentials | undefined;
}

/** What calls and rooms need comes while there is time; who asks waits for it, and hears if it fails. */
function preload(): void {
  for (const part of [
    import("./oneOff.js"),
    import("./room.js"),
    import("./listening.js"),
  ] as readonly Promise<unknown>[]) {
    part.catch(() => undefined);
  }
}

// Whoever has just loaded a page that calls is about to.
if (typeof requestIdleCallback === "function") requestIdleCallback(preload);

/**
 * Makes calls.
 *
 * ```ts
 * const client = new Client({ project: "my-project", apiKey: "…", key: "…" });
 * const call = await client.waitAtCode();
 * console.log(call.code);
 * await call.answered(60);
 * call.link.send("hello");
 * ```
 */
export class Client {
  readonly #sessions: Session[] = [];
  readonly #calls: Call[] = [];
  readonly #rooms: Room[] = [];
  /** How often it was closed: what was begun before that must not outlast it. */
  #closings = 0;

  /** @throws ConfigError if a setting is missing or malformed. */
  constructor(readonly config: Config) {
    checkConfig(config);
    preload();
    if (!config.key) import("./anonymous.js").catch(() => undefined);
    preconnect(config);
  }

  /** Join the realm; see {@link join}. The session is closed with the client. */
  async join(options: JoinOptions = {}): Promise<Session> {
    const before = this.#closings;
    const session = await join(this.config, options);
    if (this.#closings !== before) {
      await session.close();
      throw cancelled();
    }
    this.#sessions.push(session);
    return session;
  }

  /**
   * Make a code, write the offer under it and return the call that waits there.
   *
   * @returns a call to await with {@link Call.answered}; close it in the end.
   */
  async waitAtCode(options: WaitOptions = {}): Promise<Call> {
    const { signal } = options;
    const { waitAtCode } = await import("./oneOff.js");
    return await waitAtCode((seal) => this.join({ call: seal.call, signal }), this.config.project, {
      ...options,
      onCall: this.#keep(options),
    });
  }

  /**
   * Answer who waits at a code.
   *
   * @returns a connected call; close it in the end.
   * @throws NoAnswer if nobody waits there.
   * @throws AnsweredElsewhere if somebody else was faster.
   * @throws PathUnreachable if no connection opens.
   */
  async comeWithCode(code: string, options: CallOptions = {}): Promise<Call> {
    const { signal } = options;
    const { comeWithCode } = await import("./oneOff.js");
    return await comeWithCode(() => this.join({ signal }), this.config.project, code, {
      ...options,
      onCall: this.#keep(options),
    });
  }

  /**
   * Go on with a call by code that was torn off because a page was loaded anew, this one or the
   * other side's: both sides ask for it, and meet at their code again as the same peers.
   *
   * @param lost the call itself, where its page is still there; else what was kept of it:
   *   {@link Call.resumption}.
   * @returns a connected call with another link; close it in the end.
   * @throws NoAnswer if the other side does not come back in time.
   */
  async resume(lost: Call | Resumption, options: ResumeOptions = {}): Promise<Call> {
    const { resumeCall } = await import("./resuming.js");
    return await resumeCall(this, lost, { ...options, onCall: this.#keep(options) });
  }

  /**
   * Go into a room; see {@link Room.enter}. What rooms need is loaded when the first is entered.
   *
   * @param name of the room; default: `main`.
   */
  async enter(name: string = DEFAULT_ROOM, options: EnterOptions = {}): Promise<Room> {
    return await this.#go("enter", name, options);
  }

  /**
   * Get all ready to go into a room, as soon as it is likely that somebody will: what is left then,
   * {@link Room.comeIn}, takes one hop. See {@link Room.prepare}.
   *
   * @param name of the room; default: `main`.
   * @returns a room to go into, or to {@link Room.leave}.
   */
  async prepare(name: string = DEFAULT_ROOM, options: EnterOptions = {}): Promise<Room> {
    return await this.#go("prepare", name, options);
  }

  async #go(how: "enter" | "prepare", name: string, options: EnterOptions): Promise<Room> {
    const { peer, resume, serverToken, credentials, signal } = options;
    const [{ Room }, session] = await Promise.all([
      import("./room.js"),
      options.session ??
        this.join({
          ...{ room: name, peer, resume, serverToken, credentials, signal },
          ...{ find: true, early: true },
        }),
    ]);
    return await Room[how](session, name, {
      ...options,
      onRoom: (made) => {
        this.#rooms.push(made);
        options.onRoom?.(made);
      },
    });
  }

  /**
   * See who is in a room without going in: two reads and one for each further peer.
   *
   * @param passphrase of a sealed room: then what its peers say of themselves can be read, too.
   * @throws WrongPassphrase if it is not the room's.
   */
  async look(name: string = DEFAULT_ROOM, passphrase?: string): Promise<RoomView> {
    // Who looks may well go in.
    import("./room.js").catch(() => undefined);
    const [{ look }, session] = await Promise.all([
      import("./looking.js"),
      this.join({ room: name }),
    ]);
    return await look(session, name, passphrase);
  }

  #keep(options: CallOptions): (call: Call) => void {
    return (call) => {
      this.#calls.push(call);
      options.onCall?.(call);
    };
  }

  /** What all of this cost so far. */
  get operations(): Operations {
    const total = new Operations();
    for (const session of this.#sessions) total.add(session.database.operations);
    return total;
  }

  /** End every call, leave every room, close every session. */
  async close(): Promise<void> {
    this.#closings += 1;
    await Promise.all(this.#rooms.splice(0).map((room) => room.leave()));
    await Promise.all(this.#calls.splice(0).map((call) => call.close()));
    await Promise.all(this.#sessions.splice(0).map((session) => session.close()));
  }

  /** Hang up and leave from a page that is being closed: call it on `pagehide`. */
  abandon(reason = "hangup"): void {
    for (const call of this.#calls.splice(0)) call.abandon(reason);
    for (const room of this.#rooms.splice(0)) room.abandon();
  }
}
