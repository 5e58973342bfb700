/**
 * Who Firebase takes us for: by a token that `join` made, exchanged in one request.
 *
 * The Firebase SDK's own sign-in asks for the account's profile as well before it is done, and its
 * code is larger than ours: a keyed session needs neither, and is renewed by `join`, not by a
 * refresh token. What the SDK's parts ask one another (`auth-internal`) is answered here.
 */

import { deleteApp, initializeApp, type FirebaseApp } from "firebase/app";

import type { Config } from "./config.js";
import { SessionExpired, Unreachable } from "./errors.js";
import { check, deferred } from "./waiting.js";

export const HTTP_SECONDS = 15;

/** An account of Firebase's, and the app by which its databases are reached. */
export interface Identity {
  readonly app: FirebaseApp;
  /**
   * Sign in (anew): a keyed account by this custom token.
   *
   * @returns the ID token.
   */
  signIn: (customToken: string, signal?: AbortSignal) => Promise<string>;
  /** Asks for a new ID token when the database finds the old one to be over. */
  renew: (() => Promise<void>) | null;
  /** End it once what uses it is closed. */
  close: (used: Promise<void>) => Promise<void>;
}

type Told = (token: string | null) => void;

/** As the Firebase SDK's parts ask for it (its package `auth-interop-types`). */
interface AuthInternal {
  readonly getToken: (fresh?: boolean) => Promise<{ readonly accessToken: string } | null>;
  readonly getUid: () => string | null;
  readonly addAuthTokenListener: (told: Told) => void;
  readonly removeAuthTokenListener: (told: Told) => void;
}

interface Container {
  readonly container: {
    readonly addOrOverwriteComponent: (component: object) => void;
  };
}

let count = 0;

/** An account by a custom token. Each has an app of its own: two tabs are two peers. */
export class KeyedIdentity implements Identity {
  readonly app: FirebaseApp;
  renew: (() => Promise<void>) | null = null;
  readonly #url: string;
  readonly #told = new Set<Told>();
  /** Somebody has signed in, or it is closed. */
  readonly #first = deferred<undefined>();
  #token: string | null = null;
  #uid: string | null = null;

  constructor(private readonly config: Config) {
    const { project, authEmulator, apiKey = "demo" } = config;
    this.app = initializeApp({ projectId: project, apiKey }, `firertc-${String(++count)}`);
    const origin = authEmulator ? `http://${authEmulator}/` : "https://";
    const method = "identitytoolkit.googleapis.com/v1/accounts:signInWithCustomToken";
    this.#url = `${origin}${method}?key=${encodeURIComponent(apiKey)}`;
    const asked: AuthInternal = {
      getToken: async (fresh) => {
        await this.#first.promise;
        if (fresh) await this.renew?.().catch(() => undefined); // the old one will be refused
        return this.#token === null ? null : { accessToken: this.#token };
      },
      getUid: () => this.#uid,
      // Listening begins with the first token. Who asks waits for it only afterwards.
      addAuthTokenListener: (told) => {
        this.#told.add(told);
        if (this.#token !== null) queueMicrotask(this.#tell.bind(this, told));
      },
      removeAuthTokenListener: (told) => {
        this.#told.delete(told);
      },
    };
    (this.app as unknown as Container).container.addOrOverwriteComponent({
      name: "auth-internal",
      type: "PRIVATE",
      instantiationMode: "EAGER",
      multipleInstances: false,
      serviceProps: {},
      onInstanceCreated: null,
      instanceFactory: () => asked,
    });
  }

  async signIn(customToken: string, signal?: AbortSignal): Promise<string> {
    const limit = AbortSignal.timeout(HTTP_SECONDS * 1000);
    const shown = await appCheckHeader(this.config);
    let reply: Response;
    let content: { idToken?: unknown; error?: { message?: unknown } };
    try {
      reply = await fetch(this.#url, {
        method: "POST",
        headers: { "Content-Type": "application/json", ...shown },
        body: JSON.stringify({ token: customToken, returnSecureToken: true }),
        credentials: "omit",
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
      });
      content = (await reply.json()) as typeof content;
    } catch {
      check(signal);
      throw authUnreachable();
    }
    const { idToken, error } = content;
    if (typeof idToken !== "string") {
      if (reply.status >= 500) throw authUnreachable();
      const code =
        typeof error?.message === "string" ? error.message : `HTTP ${String(reply.status)}`;
      throw new SessionExpired(`Firebase Auth refuses the session (${code}). Join again.`);
    }
    const { sub } = claims(idToken);
    this.#uid = typeof sub === "string" ? sub : null;
    this.#token = idToken;
    this.#first.resolve(undefined);
    for (const told of this.#told) this.#tell(told);
    return idToken;
  }

  #tell(told: Told): void {
    if (this.#told.has(told)) told(this.#token);
  }

  async close(used: Promise<void>): Promise<void> {
    // Who still waits for a token could not end.
    this.#first.resolve(undefined);
    if (this.#token === null) for (const told of this.#told) this.#tell(told);
    await used;
    await deleteApp(this.app);
  }
}

/** What shows App Check's token, where the settings have a site key: then it is loaded. */
export async function loadAppCheck(config: Config): Promise<typeof import("./appCheck.js") | null> {
  return config.appCheckSiteKey ? await import("./appCheck.js") : null;
}

/** With every request that is no Firebase SDK's. */
export async function appCheckHeader(config: Config): Promise<Readonly<Record<string, string>>> {
  const token = await (await loadAppCheck(config))?.appCheckToken(config);
  return token === undefined ? {} : { "X-Firebase-AppCheck": token };
}

/** Firebase Auth doesn't answer. */
export function authUnreachable(): Unreachable {
  return new Unreachable("Firebase Auth does not answer. Check the network.");
}

/** What a JWT says, unverified: the server verifies tokens, we read the time from them. */
export function claims(token: string): { readonly iat?: unknown; readonly sub?: unknown } {
  try {
    const middle = (token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/");
    return JSON.parse(atob(middle)) as object;
  } catch {
    throw new SessionExpired("Firebase Auth answered with something that is no token.");
  }
}
