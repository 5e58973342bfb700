/** Who this client is: join by key or in an open realm, sign in, renew, know the server's time. */

import { checkConfig, DEFAULT_STUN, functionsUrl, isLocal, warmUp, type Config } from "./config.js";
import { Database, timestamp, type Fields } from "./database.js";
import {
  ConfigError,
  Denied,
  FunctionsUnreachable,
  KeyRefused,
  PeerIdUnavailable,
  RoomFull,
  RoomLocked,
  SessionExpired,
  Unreachable,
} from "./errors.js";
import {
  appCheckHeader,
  authUnreachable,
  claims,
  HTTP_SECONDS,
  KeyedIdentity,
  loadAppCheck,
  type Identity,
} from "./identity.js";
import { encodeId, isMap, newSession, REALM_ID_BYTES } from "./schema.js";
import { check, sleep, within, type Waiting } from "./waiting.js";

/** Sessions last an hour at most; renewed a quarter before. */
const RENEW_SECONDS = 45 * 60;
const RENEW_AGAIN_SECONDS = 30;
const RETRY_SECONDS = 0.7;
const CLOSE_SECONDS = 3;
/** `iat` has whole seconds and the reply took its time: that near, our own clock is better. */
const CLOCK_TOLERANCE_SECONDS = 2;
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
  /** Have it told what there is in the room. @internal */
  readonly find?: boolean | undefined;
  /** Don't wait for the exchange of the token: {@link Session.signedIn} does. @internal */
  readonly early?: boolean | undefined;
}

/** What there is in a room, as `join` found it. @internal */
export interface Found {
  /** The room's document; null: there is none. */
  readonly room: Fields | null;
  /** The offers that wait for whoever comes: fields by the calls' ids. */
  readonly offers: readonly (readonly [id: string, fields: Fields])[];
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
  readonly found?: unknown;
}

/** One incarnation of a peer: its identity, its token, its database. Close it when done. */
export class Session {
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

  /** Done when the database takes us for who we are. @internal */
  signedIn: Promise<void> = Promise.resolve();

  #found: Found | null = null;
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
    readonly database: Database,
    private readonly identity: Identity,
    /** By what a session in an open realm is prolonged. */
    private readonly fresh: (() => Promise<string>) | null,
    private readonly asked: Readonly<Record<string, unknown>> | null,
  ) {}

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
    const more = { ...text("resume", options.resume), ...(options.find && { find: true }) };
    const appCheck = await loadAppCheck(config);
    const joining = callJoin(config, { ...asked, ...more }, options.signal);
    // Made while the function works.
    warmUp();
    const identity = new KeyedIdentity(config);
    appCheck?.vouch(identity.app, config);
    const database = new Database(identity.app, config);
    const joined = await joining.catch((error: unknown) => {
      void identity.close(database.close());
      throw error;
    });
    const { realm, peer, session, role, call } = joined;
    const own = [role, call, database, identity, null, asked] as const;
    const me = new Session(config, realm, peer, session, ...own);
    return await me.#begin(me.#take(joined, options.signal), options);
  }

  /** Join an open realm; see {@link join}. */
  static async open(config: Config, options: JoinOptions): Promise<Session> {
    if (options.peer) {
      throw new ConfigError("In an open realm names are given out by Firebase: leave 'peer' away.");
    }
    const realm = encodeId(config.realm ?? "", REALM_ID_BYTES, "realm");
    const { AnonymousIdentity } = await import("./anonymous.js");
    const identity = new AnonymousIdentity(config);
    (await loadAppCheck(config))?.vouch(identity.app, config);
    let token: string;
    try {
      token = await identity.signIn("", options.signal);
    } catch (error) {
      await identity.close(Promise.resolve());
      throw error;
    }
    const suffix = [...crypto.getRandomValues(new Uint8Array(4))];
    const hex = suffix.map((byte) => byte.toString(16).padStart(2, "0")).join("");
    // The account vouches for its peers: the id itself is what resumes one.
    const { resume } = options;
    const { uid } = identity;
    const peer = resume?.startsWith(`${uid}-`) ? resume : `${uid}-${hex}`;
    const database = new Database(identity.app, config);
    const own = ["publisher", null, database, identity, () => identity.fresh(), null] as const;
    const me = new Session(config, realm, peer, newSession(), ...own);
    me.resume = peer;
    me.iceServers = iceServers(config, null);
    me.#know(token);
    return await me.#begin(Promise.resolve(), options);
  }

  /** What `join` found in the room, once: it doesn't keep. @internal */
  found(): Found | null {
    const found = this.#found;
    this.#found = null;
    return found;
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
    } else if (this.fresh) {
      this.#know(await this.fresh());
    }
  }

  /** Stop renewing, and close the database. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#renewal);
    const closing = this.identity.close(this.database.close());
    await within(closing, CLOSE_SECONDS, authUnreachable).catch(() => undefined);
  }

  async #begin(signingIn: Promise<void>, { early, signal }: JoinOptions): Promise<this> {
    this.signedIn = this.#beginWith(signingIn, signal);
    if (early) this.signedIn.catch(() => undefined);
    else {
      await this.signedIn;
      // Who goes on at once would only have it in the way.
      this.database.warm();
    }
    return this;
  }

  async #beginWith(signingIn: Promise<void>, signal?: AbortSignal): Promise<void> {
    try {
      await signingIn;
      check(signal);
    } catch (error) {
      await this.close();
      throw error;
    }
    if (this.asked) this.identity.renew = this.renew.bind(this);
    this.#renewIn(RENEW_SECONDS);
  }

  async #take(joined: Joined, signal?: AbortSignal): Promise<void> {
    this.resume = joined.resume;
    const { connect, capacity, data } = joined;
    this.connect = connect === "all" || connect === "none" ? connect : null;
    this.capacity = typeof capacity === "number" ? capacity : null;
    this.data = typeof data === "string" ? data : null;
    this.#found = readFound(joined.found);
    this.iceServers = iceServers(this.config, joined.iceServers);
    this.#tellTime(joined.token);
    this.#know(await this.identity.signIn(joined.token, signal));
  }

  #know(token: string): void {
    this.token = token;
    this.#tellTime(token);
  }

  #tellTime(token: string): void {
    const offset = issuedAt(token) - Date.now() / 1000;
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

/** `iat` of a JWT. */
function issuedAt(token: string): number {
  const { iat } = claims(token);
  if (typeof iat === "number") return iat;
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
  // Where there is nothing to show, the request leaves at once: what follows here takes its time.
  const shown = config.appCheckSiteKey ? await appCheckHeader(config) : {};
  // As plain text no permission need be asked first (CORS): one round trip less.
  const headers = { "Content-Type": "text/plain", ...shown };
  const reply = await post(url, { data }, headers, config, signal);
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
  headers: Readonly<Record<string, string>>,
  config: Config,
  signal?: AbortSignal,
): Promise<Response> {
  const attempts = isLocal(config) ? 2 : 4;
  for (let attempt = 1; ; attempt++) {
    check(signal);
    const limit = AbortSignal.timeout(HTTP_SECONDS * 1000);
    try {
      return await fetch(url, {
        method: "POST",
        headers,
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

function readFound(found: unknown): Found | null {
  if (!isMap(found) || !Array.isArray(found["offers"])) return null;
  const { room, offers } = found;
  const timed = (fields: Fields): Fields =>
    typeof fields["leaseUntil"] === "number"
      ? { ...fields, leaseUntil: timestamp(fields["leaseUntil"]) }
      : fields;
  return {
    room: isMap(room) ? timed(room) : null,
    offers: (offers as unknown[]).flatMap((offer) => {
      if (!isMap(offer) || typeof offer["id"] !== "string" || !isMap(offer["fields"])) return [];
      return [[offer["id"], timed(offer["fields"])] as const];
    }),
  };
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
