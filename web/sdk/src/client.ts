/** The front door: one object that makes calls with one configuration. */

import { comeWithCode, waitAtCode, type Call, type CallOptions, type WaitOptions } from "./call.js";
import { checkConfig, type Config } from "./config.js";
import { Operations } from "./database.js";
import { join, type JoinOptions, type Session } from "./session.js";

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

  /** @throws ConfigError if a setting is missing or malformed. */
  constructor(readonly config: Config) {
    checkConfig(config);
  }

  /** Join the realm; see {@link join}. The session is closed with the client. */
  async join(options: JoinOptions = {}): Promise<Session> {
    const session = await join(this.config, options);
    this.#sessions.push(session);
    return session;
  }

  /** Make a code and wait at it; see {@link waitAtCode}. */
  async waitAtCode(options: WaitOptions = {}): Promise<Call> {
    const { signal } = options;
    return await waitAtCode((seal) => this.join({ call: seal.call, signal }), this.config.project, {
      ...options,
      onCall: this.#keep(options),
    });
  }

  /** Answer who waits at a code; see {@link comeWithCode}. */
  async comeWithCode(code: string, options: CallOptions = {}): Promise<Call> {
    const { signal } = options;
    return await comeWithCode(() => this.join({ signal }), this.config.project, code, {
      ...options,
      onCall: this.#keep(options),
    });
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

  /** End every call, close every session. */
  async close(): Promise<void> {
    await Promise.all(this.#calls.splice(0).map((call) => call.close()));
    await Promise.all(this.#sessions.splice(0).map((session) => session.close()));
  }

  /** Hang up from a page that is being closed: call it on `pagehide`. */
  abandon(): void {
    for (const call of this.#calls.splice(0)) call.abandon();
  }
}
