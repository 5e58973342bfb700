/** What the connection is doing: path, round trip, bits per second, and a chart of these. */

import type { Call } from "firertc";

import { drawing, element } from "../shared/screen.js";

const EVERY_MILLISECONDS = 1000;
/** Seconds that the chart shows: as many as its view box is wide. */
const CHART_SECONDS = 60;
const CHART_HEIGHT = 24;

const PATHS: Readonly<Record<string, string>> = {
  host: "local network",
  srflx: "direct",
  prflx: "direct",
  relay: "through a relay",
};

/**
 * Show the numbers of a call until it ends.
 *
 * @returns a function that ends it.
 */
export function showNumbers(call: Call): () => void {
  const history: { received: number; sent: number }[] = [];
  let before: { at: number; received: number; sent: number } | null = null;
  const update = async (): Promise<void> => {
    const now = await call.link.statistics();
    const { rttSeconds } = call.link;
    const at = performance.now() / 1000;
    const received = now.bytesReceived * 8;
    const sent = now.bytesSent * 8;
    if (now.path) element("path", "dd").textContent = PATHS[now.path.kind] ?? now.path.kind;
    if (rttSeconds !== null) {
      element("round-trip", "dd").textContent = `${(rttSeconds * 1000).toFixed(1)} ms`;
    }
    if (before) {
      const seconds = at - before.at;
      // Another connection, after a repair, counts from nothing.
      const rate = {
        received: Math.max(0, received - before.received) / seconds,
        sent: Math.max(0, sent - before.sent) / seconds,
      };
      history.push(rate);
      if (history.length > CHART_SECONDS) history.shift();
      element("bitrate", "dd").textContent = `${bits(rate.received)} / ${bits(rate.sent)}`;
      draw(history);
    }
    before = { at, received, sent };
  };
  const run = (): void => {
    // A connection that was closed meanwhile has no numbers.
    update().catch(() => undefined);
  };
  run();
  const timer = setInterval(run, EVERY_MILLISECONDS);
  return () => {
    clearInterval(timer);
    draw([]);
  };
}

function bits(perSecond: number): string {
  const thousands = perSecond / 1000;
  return thousands < 1000
    ? `${String(Math.round(thousands))} kbit/s`
    : `${(thousands / 1000).toFixed(1)} Mbit/s`;
}

function draw(history: readonly { received: number; sent: number }[]): void {
  const most = Math.max(1, ...history.flatMap(({ received, sent }) => [received, sent]));
  const points = (name: "received" | "sent"): string =>
    history
      .map((rate, index) => {
        const x = CHART_SECONDS - history.length + index + 1;
        const y = CHART_HEIGHT - 1 - (rate[name] / most) * (CHART_HEIGHT - 2);
        return `${String(x)},${y.toFixed(1)}`;
      })
      .join(" ");
  drawing("chart-in").setAttribute("points", points("received"));
  drawing("chart-out").setAttribute("points", points("sent"));
}
