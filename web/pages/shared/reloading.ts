/** A page that is loaded anew in the middle of a call goes on where it was. */

const KEY = "firertc.going-on.";

// What ends because the page goes is no end that the person wanted: what was kept stays.
let going = false;
window.addEventListener("pagehide", () => {
  going = true;
});
window.addEventListener("pageshow", () => {
  going = false;
});

/** Whether the person has this page loaded anew; not: came to it, or back to it. */
export function isReload(): boolean {
  const [entry] = performance.getEntriesByType("navigation");
  return entry instanceof PerformanceNavigationTiming && entry.type === "reload";
}

/**
 * Keep for this tab what it takes to go on.
 *
 * @param what any JSON value; null: there is nothing to go on with.
 */
export function rememberGoingOn(page: string, what: unknown): void {
  if (going) return;
  if (what === null) sessionStorage.removeItem(KEY + page);
  else sessionStorage.setItem(KEY + page, JSON.stringify(what));
}

/** What was kept before this page was loaded anew, once; null: it begins. */
export function goingOn(page: string): Readonly<Record<string, unknown>> | null {
  const kept = sessionStorage.getItem(KEY + page);
  sessionStorage.removeItem(KEY + page);
  if (kept === null || !isReload()) return null;
  const what: unknown = JSON.parse(kept);
  return typeof what === "object" ? (what as Readonly<Record<string, unknown>> | null) : null;
}
