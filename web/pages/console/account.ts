/** The owner's account, and what it asks of the project. */

import { initializeApp, type FirebaseApp } from "firebase/app";
import {
  browserSessionPersistence,
  connectAuthEmulator,
  GoogleAuthProvider,
  initializeAuth,
  onIdTokenChanged,
  signInWithCredential,
  signInWithEmailAndPassword,
  signOut,
  type Auth,
  type User,
} from "firebase/auth";
import { connectFirestoreEmulator, getFirestore, type Firestore } from "firebase/firestore";
import { FireRTCError, type Config } from "firertc";
import { functionsUrl } from "firertc/config";

import { findProject } from "../project.js";

const ANSWER_MILLISECONDS = 60_000;

/** The service says no, with a sentence for the owner. */
export class Refused extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** Who is signed in. */
export interface Owner {
  readonly uid: string;
  /** E-mail address, or the uid of an account without one. */
  readonly name: string;
  /** Whether its token has the claim that only the command line grants. */
  readonly isAdmin: boolean;
}

/** The project as one account sees it. Signed in for as long as the tab lives. */
export class Account {
  readonly firestore: Firestore;
  readonly #auth: Auth;
  /** The functions' clock less ours, in milliseconds. */
  #offset = 0;

  private constructor(
    readonly config: Config,
    app: FirebaseApp,
  ) {
    this.#auth = initializeAuth(app, { persistence: browserSessionPersistence });
    this.firestore = getFirestore(app, config.database ?? "(default)");
    if (config.authEmulator) {
      connectAuthEmulator(this.#auth, `http://${config.authEmulator}`, { disableWarnings: true });
    }
    if (config.firestoreEmulator) {
      const [host = "", port = ""] = config.firestoreEmulator.split(":");
      connectFirestoreEmulator(this.firestore, host, Number(port));
    }
  }

  /** Find the project that serves this page. */
  static async open(): Promise<Account> {
    const config = await findProject();
    const { project: projectId, apiKey = "emulator", appId, appCheckSiteKey } = config;
    const app = initializeApp({ projectId, apiKey, ...(appId && { appId }) }, "console");
    if (appCheckSiteKey) (await import("firertc/appCheck")).vouch(app, config);
    return new Account(config, app);
  }

  /** Be told who is signed in, now and at every change; null: nobody. */
  onChange(listener: (owner: Owner | null) => void): void {
    onIdTokenChanged(this.#auth, (user) => {
      if (!user) {
        listener(null);
        return;
      }
      void describe(user).then((owner) => {
        if (this.#auth.currentUser === user) listener(owner);
      });
    });
  }

  /** Sign in by e-mail and password. */
  async signIn(email: string, password: string): Promise<void> {
    await said(signInWithEmailAndPassword(this.#auth, email, password));
  }

  /** Sign in by what Google gave this page. */
  async signInWithGoogle(accessToken: string): Promise<void> {
    await said(signInWithCredential(this.#auth, GoogleAuthProvider.credential(null, accessToken)));
  }

  /** Forget who was signed in. */
  async signOut(): Promise<void> {
    await signOut(this.#auth);
  }

  /** The functions' clock, in Unix milliseconds; ours, until they have answered once. */
  now(): number {
    return Date.now() + this.#offset;
  }

  /** Get a new token, which says what the account may now. */
  async checkAgain(): Promise<void> {
    if (this.#auth.currentUser) await said(this.#auth.currentUser.getIdToken(true));
  }

  /**
   * Ask the function `console` to do something (docs/console.md).
   *
   * @throws Refused with a sentence for the owner.
   */
  async ask<Answer>(action: string, fields: Readonly<Record<string, unknown>>): Promise<Answer> {
    const user = this.#auth.currentUser;
    if (!user) throw new Refused("sign-in-required", "Sign in first.");
    const token = await said(user.getIdToken());
    let content: {
      result?: Answer & { now: number };
      error?: { message?: string; details?: { code?: string } };
    };
    const headers: Record<string, string> = {
      "Content-Type": "application/json",
      Authorization: `Bearer ${token}`,
    };
    try {
      if (this.config.appCheckSiteKey) {
        const { appCheckToken } = await import("firertc/appCheck");
        headers["X-Firebase-AppCheck"] = await appCheckToken(this.config);
      }
      const reply = await fetch(`${functionsUrl(this.config)}/console`, {
        method: "POST",
        headers,
        body: JSON.stringify({ data: { action, ...fields } }),
        signal: AbortSignal.timeout(ANSWER_MILLISECONDS),
      });
      content = (await reply.json()) as typeof content;
    } catch {
      throw new Refused("unreachable", "The functions do not answer. Check the network.");
    }
    if (content.result === undefined) {
      const { message, details } = content.error ?? {};
      throw new Refused(details?.code ?? "refused", message ?? "The function failed; see its log.");
    }
    this.#offset = content.result.now - Date.now();
    return content.result;
  }
}

async function describe(user: User): Promise<Owner> {
  const { claims } = await user.getIdTokenResult();
  return { uid: user.uid, name: user.email ?? user.uid, isAdmin: claims["admin"] === true };
}

const WORDS: Readonly<Record<string, string>> = {
  "auth/invalid-credential": "There is no account with this e-mail and password.",
  "auth/user-not-found": "There is no account with this e-mail and password.",
  "auth/wrong-password": "There is no account with this e-mail and password.",
  "auth/invalid-email": "This is no e-mail address.",
  "auth/user-disabled": "This account has been disabled.",
  "auth/user-token-expired": "The sign-in is over. Sign in again.",
  "auth/too-many-requests": "Too many tries. Wait a few minutes and try again.",
  "auth/network-request-failed": "Firebase Auth does not answer. Check the network.",
  "auth/operation-not-allowed":
    "This way to sign in is off. Turn it on in the Firebase console, under Authentication.",
};

async function said<Result>(work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (typeof code !== "string") throw error;
    throw new Refused(code, WORDS[code] ?? `Firebase Auth refuses (${code}).`);
  }
}

/** What went wrong, in words. */
export function words(error: unknown): string {
  if (error instanceof Refused || error instanceof FireRTCError) return error.message;
  return "Something went wrong in this page. Reload it and try again.";
}
