/**
 * Signing in with Google, by going there and coming back.
 *
 * Firebase's own pop-up would run a script from another origin in this page, which shows secrets; a
 * plain visit needs none (OAuth 2.0 for client-side web applications, response type `token`). It is
 * offered where `/firertc.json` has a `googleClientId`.
 */

const AUTHORIZE = "https://accounts.google.com/o/oauth2/v2/auth";
const STATE = "firertc-google-state";

/** The OAuth client of this page; null: Google is not set up. */
export async function googleClient(): Promise<string | null> {
  try {
    const reply = await fetch("/firertc.json");
    const settings = (await reply.json()) as { googleClientId?: unknown };
    return typeof settings.googleClientId === "string" && settings.googleClientId
      ? settings.googleClientId
      : null;
  } catch {
    return null;
  }
}

/** Go to Google; the page is left. */
export function goToGoogle(client: string): void {
  const state = crypto.randomUUID();
  sessionStorage.setItem(STATE, state);
  const query = new URLSearchParams({
    client_id: client,
    redirect_uri: location.origin + location.pathname,
    response_type: "token",
    scope: "openid email",
    prompt: "select_account",
    state,
  });
  location.assign(`${AUTHORIZE}?${query.toString()}`);
}

/**
 * What Google sent along with the way back, taken out of the address at once.
 *
 * @returns an access token; null if this is no way back, or not from where this tab went.
 */
export function backFromGoogle(): string | null {
  const answer = new URLSearchParams(location.hash.slice(1));
  if (!answer.has("state")) return null;
  history.replaceState(null, "", location.pathname + location.search);
  const state = sessionStorage.getItem(STATE);
  sessionStorage.removeItem(STATE);
  return state !== null && answer.get("state") === state ? answer.get("access_token") : null;
}
