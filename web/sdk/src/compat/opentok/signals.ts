/** Signals: short messages through the session, as OpenTok bounds them. */

import { OTError } from "./errors.js";
import { isMap, type Connection } from "./stream.js";

const TYPE_BYTES = 128;
const DATA_BYTES = 8192;

/** What `session.signal` is given. */
export interface Signal {
  readonly type?: string;
  readonly data?: string;
  /** To whom; default: all, oneself included. */
  readonly to?: Connection | null;
  readonly [other: string]: unknown;
}

/** What travels. */
export interface SignalBody {
  readonly signal: { readonly type: string; readonly data: string };
}

/**
 * A signal as it travels.
 *
 * @throws OTError 400 if it makes no sense, 413 if it is too long.
 */
export function signalBody(signal: Signal): SignalBody {
  const { type = "", data = "" } = signal as { type?: unknown; data?: unknown };
  if (typeof type !== "string" || !/^[\w~.-]*$/.test(type)) {
    const message = "A signal's type is a text of letters, digits, '-', '_', '.' and '~'.";
    throw new OTError("OT_BAD_SIGNAL", message);
  }
  if (typeof data !== "string") {
    throw new OTError("OT_BAD_SIGNAL", "A signal's data is a text: use JSON.stringify.");
  }
  for (const [name, text, most] of [
    ["type", type, TYPE_BYTES],
    ["data", data, DATA_BYTES],
  ] as const) {
    const bytes = new TextEncoder().encode(text).length;
    if (bytes <= most) continue;
    const message = `A signal's ${name} has at most ${String(most)} bytes, not ${String(bytes)}.`;
    throw new OTError("OT_SIGNAL_TOO_LONG", message);
  }
  return { signal: { type, data } };
}

/** A signal that came, if it is one. */
export function signalOf(body: unknown): { type: string; data: string } | null {
  const signal = isMap(body) ? body["signal"] : null;
  if (!isMap(signal)) return null;
  const { type, data } = signal;
  return typeof type === "string" && typeof data === "string" ? { type, data } : null;
}
