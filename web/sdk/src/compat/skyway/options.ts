/** What `init` and `joinRoom` are given, in the forms of every version. */

import type { Config, Credentials } from "../../index.js";

/** What `init` takes; options of vendors' servers are taken and not used. */
export interface InitOptions {
  /** A key of the realm; `apiKey` in the older versions. */
  readonly appKey?: string;
  readonly apiKey?: string;
  /** The room of a `joinRoom` without a room; default: the key. */
  readonly defaultRoom?: string;
  /** Signed by a server: for `defaultRoom`. */
  readonly credentials?: Credentials;
  /** The Firebase project; default: what Firebase Hosting and `/firertc.json` say. */
  readonly firertc?: Config;
  readonly [other: string]: unknown;
}

/** Sound or picture wanted: whether, or with what. */
export type Wanted = boolean | (MediaTrackConstraints & { readonly mute?: boolean });

/** What `joinRoom` takes. */
export interface JoinRoomOptions {
  readonly roomName?: string;
  readonly room?: string;
  readonly userData?: unknown;
  readonly audio?: Wanted;
  readonly video?: Wanted;
  /** Kilobits per second. */
  readonly bandwidth?: { readonly audio?: number; readonly video?: number };
  readonly [other: string]: unknown;
}

/** Told how it went: an error or null, and what came of it. */
export type Callback = (error: unknown, result: unknown) => void;

/** Arguments in any of the forms: a room's name, options, a stream, a callback; each or none. */
export function sorted(given: readonly unknown[]): {
  readonly room: string | undefined;
  readonly options: JoinRoomOptions;
  readonly stream: MediaStream | undefined;
  readonly callback: Callback | undefined;
} {
  const options = given.find(
    (one) => typeof one === "object" && one !== null && !(one instanceof MediaStream),
  ) as JoinRoomOptions | undefined;
  const named = given.find((one) => typeof one === "string" && one !== "");
  return {
    room: (named as string | undefined) ?? options?.roomName ?? options?.room,
    options: options ?? {},
    stream: given.find((one) => one instanceof MediaStream),
    callback: given.find((one) => typeof one === "function") as Callback | undefined,
  };
}

/** Give a promise's outcome to a callback, too; nobody need wait for the promise then. */
export async function told<T>(work: Promise<T>, callback?: Callback): Promise<T> {
  if (callback) {
    work.then(
      (result) => {
        callback(null, result);
      },
      (error: unknown) => {
        callback(error, null);
      },
    );
    // Whoever has a callback hears of it there.
    return await work.catch(() => undefined as T);
  }
  return await work;
}
