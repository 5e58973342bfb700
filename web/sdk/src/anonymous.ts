/**
 * Anonymous accounts, for open realms. They share one app, so that the browser finds the account
 * again; all of it comes when it is needed.
 */

import { deleteApp, initializeApp, type FirebaseApp } from "firebase/app";
import {
  browserLocalPersistence,
  connectAuthEmulator,
  indexedDBLocalPersistence,
  initializeAuth,
  signInAnonymously,
  type Auth,
  type User,
} from "firebase/auth";

import type { Config } from "./config.js";
import { Denied, FireRTCError, SessionExpired } from "./errors.js";
import { authUnreachable, HTTP_SECONDS, type Identity } from "./identity.js";
import { within } from "./waiting.js";

const APP = "firertc-open";

let users = 0;

/** This browser's anonymous account. */
export class AnonymousIdentity implements Identity {
  readonly app: FirebaseApp;
  /** The SDK does that by itself. */
  renew: (() => Promise<void>) | null = null;
  readonly #auth: Auth;

  constructor(config: Config) {
    users++;
    const { project, authEmulator, apiKey = "demo" } = config;
    this.app = initializeApp({ projectId: project, apiKey }, APP);
    const persistence = [indexedDBLocalPersistence, browserLocalPersistence];
    this.#auth = initializeAuth(this.app, { persistence });
    if (authEmulator && !this.#auth.emulatorConfig) {
      connectAuthEmulator(this.#auth, `http://${authEmulator}`, { disableWarnings: true });
    }
  }

  /** Firebase's id of it, once signed in. */
  get uid(): string {
    return this.#auth.currentUser?.uid ?? "";
  }

  async signIn(_: string, signal?: AbortSignal): Promise<string> {
    const auth = this.#auth;
    await within(auth.authStateReady(), HTTP_SECONDS, authUnreachable, signal);
    const known = auth.currentUser;
    const user = known ?? (await this.#signUp(signal));
    return await within(user.getIdToken(), HTTP_SECONDS, authUnreachable, signal);
  }

  /** The ID token, made anew. */
  async fresh(): Promise<string> {
    const user = this.#auth.currentUser;
    if (!user) throw new SessionExpired("The anonymous account is gone. Join again.");
    return await within(user.getIdToken(true), HTTP_SECONDS, authUnreachable);
  }

  async #signUp(signal?: AbortSignal): Promise<User> {
    try {
      const credential = signInAnonymously(this.#auth);
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

  async close(used: Promise<void>): Promise<void> {
    await used;
    if (--users === 0) await deleteApp(this.app);
  }
}
