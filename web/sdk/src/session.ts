/** Who this client is: join by key or in an open realm, sign in, renew, know the server's time. */

import { deleteApp, initializeApp, type FirebaseApp } from "firebase/app";
import {
  browserLocalPersistence,
  connectAuthEmulator,
  indexedDBLocalPersistence,
  initializeAuth,
  inMemoryPersistence,
  signInAnonymously,
  signInWithCustomToken,
  type Auth,
  type User,
} from "firebase/auth";

import { checkConfig, DEFAULT_STUN, functionsUrl, isLocal, type Config } from "./config.js";
import { Database } from "./database.js";
import {
  ConfigError,
  Denied,
  FireRTCError,
  FunctionsUnreachable,
  KeyRefused,
  PeerIdUnavailable,
  RoomFull,
  RoomLocked,
  SessionExpired,
  Unreachable,
} from "./errors.js";
import { encodeId, newSession, REALM_ID_BYTES } from "./schema.js";
import { check, sleep, within, type Waiting } from "./waiting.js";

/** Sessions last an hour at most; renewed a quarter before. */
const RENEW_SECONDS = 45 * 60;
const RENEW_AGAIN_SECONDS = 30;
const HTTP_SECONDS = 15;
const RETRY_SECONDS = 0.7;
const CLOSE_SECONDS = 3;
/** `iat` has whole seconds and the reply took its time: that near, our own clock is better. */
const CLOCK_TOLERANCE_SECONDS = 2;
const OPEN_APP = "firertc-open";
const VERSION = "1";

type Refusal = new (message: string, options: ErrorOptions) => Denied;

const REFUSALS: Readonly<Record<string, Refusal>> = {
  "unknown-key": KeyRefused,
  "disabled-key": KeyRefused,
  "origin-not-allowed": KeyRefused,
  "programs-not-allowed": KeyRefused,
  "unavailable-id": PeerIdUnavailable,
  "invalid-peer-id": PeerIdUnavailable,
  "expired-token": SessionExpired,
  "forged-token": SessionExpired,
  "room-full": RoomFull,
  "room-locked": RoomLocked,
};

/** What to join as. */
export interface JoinOptions extends Waiting {
  /** Name of the room to bind the session to. */
  readonly room?: string | undefined;
  /** Name to be known by; default: a random one. */
  readonly peer?: string | undefined;
  /** Id of a one-off call to create. */
  readonly call?: string | undefined;
  /** Resume token of an earlier session of the same peer. */
  readonly resume?: string | undefined;
  /** Made by the realm's own server. */
  readonly serverToken?: string | undefined;
  /** Signed room, start and duration, in place of a server-made token. */
  readonly credentials?: Credentials | undefined;
}

/** What a server signs with the key's secret: docs/protocol.md, section 6. */
export interface Credentials {
  /** ISO 8601. */
  readonly startDateTime: string;
  /** Hours. */
  readonly duration: number | string;
  /** Base64 of the HMAC, percent-encoded or not. */
  readonly credentials: string;
  /** Name of the room as it was signed, if it isn't the session's. */
  readonly room?: string | undefined;
}

/** What `join` answers (docs/protocol.md, section 6). */
interface Joined {
  readonly token: string;
  readonly realm: string;
  readonly peer: string;
  readonly session: string;
  readonly role: string;
  readonly room: string | null;
  readonly call: string | null;
  readonly resume: string;
  readonly iceServers: unknown;
  readonly connect?: unknown;
  readonly capacity?: unknown;
  readonly data?: unknown;
}

/** One incarnation of a peer: its identity, its token, its database. Close it when done. */
export class Session {
  readonly database: Database;
  iceServers: readonly RTCIceServer[] = [];
  /** The server's clock less ours. */
  offsetSeconds = 0;
  /** The ID token, kept for what a closing page still has to do. */
  token = "";
  resume = "";
  /** What a room made by this peer must say, if the key has a word in it. */
  connect: "all" | "none" | null = null;
  capacity: number | null = null;
  /** The server-made token's `data` as JSON text, if there is any. */
  data: string | null = null;

  #renewal: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  private constructor(
    readonly config: Config,
    readonly realm: string,
    readonly peer: string,
    readonly session: string,
    readonly role: string,
    /** Id of the only one-off call it may create; null: see `callers` in docs/protocol.md. */
    readonly call: string | null,
    private readonly app: FirebaseApp,
    private readonly auth: Auth,
    private readonly asked: Readonly<Record<string, unknown>> | null,
  ) {
    this.database = new Database(app, config);
  }

  /** Join by key; see {@link join}. */
  static async keyed(config: Config, options: JoinOptions): Promise<Session> {
    const asked = {
      key: config.key ?? "",
      ...text("room", options.room),
      ...text("peer", options.peer),
      ...text("call", options.call),
      ...text("token", options.serverToken),
      ...(options.credentials && { credentials: options.credentials }),
    };
    const resume = text("resume", options.resume);
    const joined = await callJoin(config, { ...asked, ...resume }, options.signal);
    const { app, auth } = openApp(config, null);
    const { realm, peer, session, role, call } = joined;
    const me = new Session(config, realm, peer, session, role, call, app, auth, asked);
    return await me.#begin(me.#take(joined), options.signal);
  }

  /** Join an open realm; see {@link join}. */
  static async open(config: Config, options: JoinOptions): Promise<Session> {
    if (options.peer) {
      throw new ConfigError("In an open realm names are given out by Firebase: leave 'peer' away.");
    }
    const realm = encodeId(config.realm ?? "", REALM_ID_BYTES, "realm");
    const { app, auth } = openApp(config, OPEN_APP);
    let user: User;
    try {
      await within(auth.authStateReady(), HTTP_SECONDS, authUnreachable, options.signal);
      user = auth.currentUser ?? (await signIn(signInAnonymously(auth), options.signal));
    } catch (error) {
      await closeApp(app);
      throw error;
    }
    const suffix = [...crypto.getRandomValues(new Uint8Array(4))];
    const hex = suffix.map((byte) => byte.toString(16).padStart(2, "0")).join("");
    // The account vouches for its peers: the id itself is what resumes one.
    const { resume } = options;
    const peer = resume?.startsWith(`${user.uid}-`) ? resume : `${user.uid}-${hex}`;
    const me = new Session(config, realm, peer, newSession(), "publisher", null, app, auth, null);
    me.resume = peer;
    me.iceServers = iceServers(config, null);
    return await me.#begin(me.#know(user), options.signal);
  }

  /** Whether `join` made it, and not an open realm. */
  get keyed(): boolean {
    return this.asked !== null;
  }

  /** The server's time, in Unix seconds. */
  now(): number {
    return Date.now() / 1000 + this.offsetSeconds;
  }

  /**
   * Prolong the session: the same peer and session with a new token.
   *
   * @throws Denied if the key was disabled meanwhile, or the session is over.
   * @throws Unreachable if nobody answers.
   */
  async renew(): Promise<void> {
    if (this.asked) {
      const { resume, session } = this;
      await this.#take(await callJoin(this.config, { ...this.asked, resume, session }));
    } else if (this.auth.currentUser) {
      await this.#know(this.auth.currentUser, true);
    }
  }

  /** Stop renewing, and close the database. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#renewal);
    const closing = this.database.close().then(async () => {
      await closeApp(this.app);
    });
    await within(closing, CLOSE_SECONDS, authUnreachable).catch(() => undefined);
  }

  async #begin(signedIn: Promise<void>, signal?: AbortSignal): Promise<this> {
    try {
      await signedIn;
      check(signal);
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#renewIn(RENEW_SECONDS);
    return this;
  }

  async #take(joined: Joined): Promise<void> {
    this.resume = joined.resume;
    const { connect, capacity, data } = joined;
    this.connect = connect === "all" || connect === "none" ? connect : null;
    this.capacity = typeof capacity === "number" ? capacity : null;
    this.data = typeof data === "string" ? data : null;
    this.iceServers = iceServers(this.config, joined.iceServers);
    await this.#know(await signIn(signInWithCustomToken(this.auth, joined.token)));
  }

  async #know(user: User, fresh = false): Promise<void> {
    this.token = await within(user.getIdToken(fresh), HTTP_SECONDS, authUnreachable);
    const offset = issuedAt(this.token) - Date.now() / 1000;
    this.offsetSeconds = Math.abs(offset) < CLOCK_TOLERANCE_SECONDS ? 0 : offset;
  }

  #renewIn(seconds: number): void {
    if (this.#closed) return;
    this.#renewal = setTimeout(() => {
      this.renew().then(
        () => {
          this.#renewIn(RENEW_SECONDS);
        },
        (error: unknown) => {
          // Refused for good: the next request is denied and says so.
          if (error instanceof Unreachable) this.#renewIn(RENEW_AGAIN_SECONDS);
        },
      );
    }, seconds * 1000);
  }
}

/**
 * Join a realm: by key through the functions, or without one in an open realm.
 *
 * @throws KeyRefused unknown, disabled or foreign key, or not for this origin.
 * @throws PeerIdUnavailable the name is malformed, or somebody holds it.
 * @throws Unreachable functions or Firebase Auth don't answer.
 */
export async function join(config: Config, options: JoinOptions = {}): Promise<Session> {
  checkConfig(config);
  return await (config.key ? Session.keyed(config, options) : Session.open(config, options));
}

function text(name: string, value: string | undefined): Record<string, string> {
  return value === undefined ? {} : { [name]: value };
}

// Firebase apps. Those of open realms share one name, so that the browser finds the anonymous
// account again; keyed ones have their own, in memory, so that two tabs are two peers.

const users = new Map<string, number>();
let count = 0;

function openApp(config: Config, shared: string | null): { app: FirebaseApp; auth: Auth } {
  const name = shared ?? `firertc-${String(++count)}`;
  users.set(name, (users.get(name) ?? 0) + 1);
  const options = { projectId: config.project, apiKey: config.apiKey ?? "demo" };
  const app = initializeApp(options, name);
  const persistence = shared
    ? [indexedDBLocalPersistence, browserLocalPersistence]
    : inMemoryPersistence;
  const auth = initializeAuth(app, { persistence });
  if (config.authEmulator && !auth.emulatorConfig) {
    connectAuthEmulator(auth, `http://${config.authEmulator}`, { disableWarnings: true });
  }
  return { app, auth };
}

async function closeApp(app: FirebaseApp): Promise<void> {
  const left = (users.get(app.name) ?? 1) - 1;
  users.set(app.name, left);
  if (left === 0) await deleteApp(app);
}

// Firebase Auth.

async function signIn(credential: Promise<{ user: User }>, signal?: AbortSignal): Promise<User> {
  try {
    return (await within(credential, HTTP_SECONDS, authUnreachable, signal)).user;
  } catch (error) {
    if (error instanceof FireRTCError) throw error;
    const code = String((error as { code?: unknown }).code);
    if (/network-request-failed|timeout|internal-error/.test(code)) throw authUnreachable();
    if (/operation-not-allowed|admin-restricted/.test(code)) {
      throw new Denied(
        "Anonymous accounts are off in this project: turn them on in Firebase Auth, or use a key.",
      );
    }
    throw new SessionExpired(`Firebase Auth refuses the session (${code}). Join again.`);
  }
}

function authUnreachable(): Unreachable {
  return new Unreachable("Firebase Auth does not answer. Check the network.");
}

/** `iat` of a JWT, unverified: the server verifies tokens, we read the time from them. */
function issuedAt(token: string): number {
  try {
    const middle = (token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/");
    const { iat } = JSON.parse(atob(middle)) as { iat: unknown };
    if (typeof iat === "number") return iat;
  } catch {
    // The same as a token without a time.
  }
  throw new SessionExpired("Firebase Auth answered with something that is no token.");
}

// The function `join`.

async function callJoin(
  config: Config,
  asked: Readonly<Record<string, unknown>>,
  signal?: AbortSignal,
): Promise<Joined> {
  const url = `${functionsUrl(config)}/join`;
  const data = { ...asked, client: { name: "firertc-web", version: VERSION } };
  const reply = await post(url, { data }, isLocal(config) ? 2 : 4, config, signal);
  const content: unknown = await reply.json().catch(() => null);
  const { result, error } = (content ?? {}) as { result?: unknown; error?: unknown };
  if (error && typeof error === "object") refuse(error);
  if (!result || typeof result !== "object") {
    throw new FunctionsUnreachable(
      `There is no function 'join' at ${functionsUrl(config)} (HTTP ${String(reply.status)}). ` +
        "Deploy the functions, or use an open realm, which needs none.",
    );
  }
  const joined = result as Joined;
  for (const name of ["token", "realm", "peer", "session", "role", "resume"] as const) {
    if (typeof joined[name] !== "string") {
      throw new FunctionsUnreachable(
        `The function 'join' answered without '${name}'. Deploy the functions of this version.`,
      );
    }
  }
  return joined;
}

async function post(
  url: string,
  body: unknown,
  attempts: number,
  config: Config,
  signal?: AbortSignal,
): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    check(signal);
    const limit = AbortSignal.timeout(HTTP_SECONDS * 1000);
    try {
      return await fetch(url, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
        credentials: "omit",
        referrerPolicy: "no-referrer",
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
      });
    } catch {
      check(signal);
      if (attempt === attempts) {
        throw new FunctionsUnreachable(
          "The function 'join' does not answer. " +
            (isLocal(config)
              ? "Is the local suite running? Start it with 'firertc up'."
              : "Check the network, and that the functions are deployed."),
        );
      }
      await sleep(RETRY_SECONDS * attempt);
    }
  }
}

interface Refused {
  readonly status?: unknown;
  readonly message?: unknown;
  readonly details?: { readonly code?: unknown } | null;
}

function refuse(error: Refused): never {
  const code = error.details?.code;
  const message =
    typeof error.message === "string" ? error.message : "The function 'join' refused the request.";
  if (typeof code === "string") {
    // Several codes have one class: the cause keeps which it was.
    throw new (REFUSALS[code] ?? Denied)(`${message} (${code})`, { cause: code });
  }
  throw new FunctionsUnreachable(`The function 'join' failed: ${message}.`);
}

function iceServers(config: Config, given: unknown): readonly RTCIceServer[] {
  if (config.iceServers) return config.iceServers;
  if (Array.isArray(given) && given.length > 0) return given as RTCIceServer[];
  return isLocal(config) ? [] : [{ urls: DEFAULT_STUN }];
}
