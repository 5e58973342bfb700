/** Where a client finds its project. */

import { ConfigError } from "./errors.js";

export const DEFAULT_STUN = "stun:stun.l.google.com:19302";
const DEFAULT_REGION = "us-central1";

/** The settings of one client. */
export interface Config {
  /** Firebase project id; `demo-…` for the emulators alone. */
  readonly project: string;
  /** Web API key of the Firebase project (public); not needed with the emulators. */
  readonly apiKey?: string | undefined;
  /** Firestore database id; default: `(default)`. */
  readonly database?: string | undefined;
  /** Key of the realm; without one the realm must be open. */
  readonly key?: string | undefined;
  /** Realm name; needed for an open realm. A key names its own. */
  readonly realm?: string | undefined;
  /** Where the functions run; default: `us-central1`. */
  readonly region?: string | undefined;
  /** Base address of the functions; default: from project and region. */
  readonly functionsUrl?: string | undefined;
  /** Id of the project's web app; needed with a site key of App Check. */
  readonly appId?: string | undefined;
  /** Site key of reCAPTCHA Enterprise that App Check knows the web app by; without one no App Check. */
  readonly appCheckSiteKey?: string | undefined;
  /** ICE servers in place of those that `join` hands out. */
  readonly iceServers?: readonly RTCIceServer[] | undefined;
  /** `host:port` of the Firestore emulator. */
  readonly firestoreEmulator?: string | undefined;
  /** `host:port` of the Auth emulator. */
  readonly authEmulator?: string | undefined;
}

/**
 * Check settings that somebody typed.
 *
 * @throws ConfigError if one is missing or malformed.
 */
export function checkConfig(config: Config): Config {
  if (!config.project) throw new ConfigError("No Firebase project is set: 'project' is needed.");
  if (!config.key && !config.realm) {
    throw new ConfigError("Neither a key nor a realm is set: 'key' (or 'realm') is needed.");
  }
  if (config.appCheckSiteKey && !config.appId) {
    throw new ConfigError("App Check needs the id of the web app: set 'appId', too.");
  }
  for (const name of ["firestoreEmulator", "authEmulator"] as const) {
    const value = config[name];
    if (value && !/^[^/:]+:\d+$/.test(value)) {
      throw new ConfigError(`Setting '${name}' must be host:port, not '${value}'.`);
    }
  }
  return config;
}

/** Whether this is a local suite. */
export function isLocal(config: Config): boolean {
  return Boolean(config.firestoreEmulator);
}

/** Base address of the functions. */
export function functionsUrl(config: Config): string {
  if (config.functionsUrl) return config.functionsUrl.replace(/\/+$/, "");
  return `https://${config.region ?? DEFAULT_REGION}-${config.project}.cloudfunctions.net`;
}

/** Open the connections that joining needs while there is time; what comes of it is no matter. */
export function preconnect(config: Config): void {
  if (typeof document === "undefined") return; // a worker
  const { key, authEmulator, firestoreEmulator } = config;
  const places = [
    firestoreEmulator ? `http://${firestoreEmulator}` : "https://firestore.googleapis.com",
    authEmulator ? `http://${authEmulator}` : "https://identitytoolkit.googleapis.com",
    ...(key ? [functionsUrl(config)] : []),
  ];
  for (const href of places) {
    const link = document.createElement("link");
    Object.assign(link, { rel: "preconnect", href, crossOrigin: "anonymous" });
    document.head.append(link);
    link.remove();
  }
}

/** Get the browser's WebRTC going: its first connection takes ten milliseconds more than others. */
export function warmUp(): void {
  if (typeof RTCPeerConnection === "undefined") return; // a worker
  const pc = new RTCPeerConnection();
  pc.createDataChannel("");
  const done = pc.close.bind(pc);
  pc.createOffer().then(done, done);
}
