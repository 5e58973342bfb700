/**
 * Where a page that Firebase Hosting serves finds its project.
 *
 * Hosting itself tells a page its Firebase project (`/__/firebase/init.json`) and, in the emulator,
 * where the others listen. What it can't know is in `/firertc.json`: the key of the realm (public,
 * bound to origins). A link may name another with `?key=` or `?realm=`.
 */

import type { Config } from "./config.js";
import { FireRTCError } from "./errors.js";

const LOCAL = ["localhost", "127.0.0.1"];
/** The key that the local suite makes. */
const DEMO_KEY = "demo-key";
const DEFAULT_REGION = "us-central1";

interface Settings {
  readonly key?: string;
  readonly realm?: string;
  readonly region?: string;
  readonly functionsUrl?: string;
  readonly database?: string;
  readonly appCheckSiteKey?: string;
}

interface Firebase {
  readonly projectId: string;
  readonly apiKey?: string;
  readonly appId?: string;
}

interface Address {
  readonly hostAndPort: string;
}

interface Emulators {
  readonly auth?: Address;
  readonly firestore?: Address;
  readonly functions?: Address;
}

/**
 * Gather the settings.
 *
 * @throws FireRTCError if this page is not served by Firebase Hosting, or misses its settings.
 */
export async function findProject(): Promise<Config> {
  const query = new URLSearchParams(location.search);
  const local = LOCAL.includes(location.hostname);
  const [settings, { firebase, emulators }] = await Promise.all([
    fetchJson("/firertc.json") as Promise<Settings>,
    local ? fetchEmulated() : fetchHosted(),
  ]);
  const region = settings.region ?? DEFAULT_REGION;
  const realm = query.get("realm") ?? filled(settings.realm);
  const key = query.get("key") ?? filled(settings.key) ?? (local && !realm ? DEMO_KEY : undefined);
  const functions = emulators.functions?.hostAndPort;
  return {
    project: firebase.projectId,
    apiKey: firebase.apiKey,
    database: settings.database,
    appId: firebase.appId,
    // The emulators verify nothing.
    appCheckSiteKey: local ? undefined : filled(settings.appCheckSiteKey),
    key,
    realm,
    region,
    functionsUrl: functions
      ? `http://${functions}/${firebase.projectId}/${region}`
      : settings.functionsUrl,
    firestoreEmulator: emulators.firestore?.hostAndPort,
    authEmulator: emulators.auth?.hostAndPort,
  };
}

function filled(setting: string | undefined): string | undefined {
  return setting === "" ? undefined : setting;
}

async function fetchHosted(): Promise<{ firebase: Firebase; emulators: Emulators }> {
  return { firebase: (await fetchJson("/__/firebase/init.json")) as Firebase, emulators: {} };
}

/** The Hosting emulator tells where the others are in a script only, as two JSON values. */
async function fetchEmulated(): Promise<{ firebase: Firebase; emulators: Emulators }> {
  const script = await (await fetchOk("/__/firebase/init.js?useEmulator=true")).text();
  const read = (name: string): unknown => {
    const value = new RegExp(`var ${name} = (\\{[^;]*\\});`).exec(script)?.[1];
    if (!value) throw new FireRTCError(`The Hosting emulator doesn't tell its ${name}.`);
    return JSON.parse(value);
  };
  return {
    firebase: read("firebaseConfig") as Firebase,
    emulators: read("firebaseEmulators") as Emulators,
  };
}

async function fetchJson(path: string): Promise<unknown> {
  return await (await fetchOk(path)).json();
}

async function fetchOk(path: string): Promise<Response> {
  const reply = await fetch(path, { signal: AbortSignal.timeout(15_000) }).catch(() => null);
  if (!reply?.ok) {
    throw new FireRTCError(
      `This page's settings (${path}) could not be loaded. Check the network and try again.`,
    );
  }
  return reply;
}
