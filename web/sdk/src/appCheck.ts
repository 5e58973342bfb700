/**
 * App Check: what says to the project that a genuine page asks. Loaded where the settings have a
 * site key, and only there.
 *
 * One app of its own asks reCAPTCHA Enterprise; every session hands on the token that it got, so
 * that several sessions of a page ask once.
 */

import { initializeApp, type FirebaseApp } from "firebase/app";
import {
  CustomProvider,
  getToken,
  initializeAppCheck,
  ReCaptchaEnterpriseProvider,
  type AppCheck,
} from "firebase/app-check";

import type { Config } from "./config.js";
import { Denied } from "./errors.js";
import { within } from "./waiting.js";

const TOKEN_SECONDS = 30;
const APP = "firertc-app-check";

const checks = new Map<string, AppCheck>();

function checkOf({ project, apiKey, appId, appCheckSiteKey = "" }: Config): AppCheck {
  const name = `${APP}-${project}-${appCheckSiteKey}`;
  const known = checks.get(name);
  if (known) return known;
  const options = { projectId: project, apiKey: apiKey ?? "", appId: appId ?? "" };
  const made = initializeAppCheck(initializeApp(options, name), {
    provider: new ReCaptchaEnterpriseProvider(appCheckSiteKey),
    isTokenAutoRefreshEnabled: true,
  });
  checks.set(name, made);
  return made;
}

/**
 * The token to show.
 *
 * @throws Denied if App Check doesn't believe this page, or doesn't answer in 30 s.
 */
export async function appCheckToken(config: Config): Promise<string> {
  const refused = (cause?: unknown): Denied =>
    new Denied(
      "App Check does not vouch for this page: check that its address belongs to the site key, " +
        "and that nothing blocks reCAPTCHA.",
      { cause },
    );
  try {
    return (await within(getToken(checkOf(config)), TOKEN_SECONDS, refused)).token;
  } catch (error) {
    throw error instanceof Denied ? error : refused(error);
  }
}

/** Let an app's requests to Firestore and Auth show the token, too. */
export function vouch(app: FirebaseApp, config: Config): void {
  const provider = new CustomProvider({
    getToken: async () => {
      const token = await appCheckToken(config);
      return { token, expireTimeMillis: expiry(token) };
    },
  });
  initializeAppCheck(app, { provider, isTokenAutoRefreshEnabled: true });
}

/** `exp` of a JWT, unverified, in milliseconds. */
function expiry(token: string): number {
  const middle = (token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/");
  return Number((JSON.parse(atob(middle)) as { exp: unknown }).exp) * 1000;
}
