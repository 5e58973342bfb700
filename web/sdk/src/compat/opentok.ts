/**
 * OpenTok.js's words over FireRTC: the API key is a key of the realm, a session is a room that
 * connects all, a token is one that the realm's own server made.
 *
 * @packageDocumentation
 */

import {
  checkScreenSharingCapability,
  checkSystemRequirements,
  getDevices,
  getUserMedia,
} from "./opentok/devices.js";
import type { Target } from "./opentok/element.js";
import { exceptions, type Completion } from "./opentok/errors.js";
import { Publisher, type PublisherOptions } from "./opentok/publisher.js";
import { Session, type SessionOptions } from "./opentok/session.js";
import { unblockAudio } from "./opentok/subscriber.js";

export type { Capabilities } from "./opentok/entering.js";
export { OTError, type Completion, type ErrorName } from "./opentok/errors.js";
export type { OTEvent } from "./opentok/events.js";
export type { Connection, Stream } from "./opentok/stream.js";
export type { Subscriber, SubscriberOptions } from "./opentok/subscriber.js";
export type { PublisherOptions, SessionOptions };
export type { Publisher, Session };

/** A session, to connect to with a token: nothing is asked of anybody yet. */
export function initSession(
  apiKey: string,
  sessionId: string,
  options: SessionOptions = {},
): Session {
  return new Session(apiKey, sessionId, options);
}

/** Open camera and microphone, or what the options say, and show it in an element. */
export function initPublisher(
  target?: Target | Completion,
  options?: PublisherOptions | Completion,
  completion?: Completion,
): Publisher {
  const told = [target, options, completion].find((one) => typeof one === "function");
  return new Publisher(
    typeof target === "function" ? null : target,
    typeof options === "object" ? options : {},
    told,
  );
}

export {
  checkScreenSharingCapability,
  checkSystemRequirements,
  getDevices,
  getUserMedia,
  unblockAudio,
};

/** `OT.on("exception", …)` hears of everything that went wrong. */
export const on = exceptions.on.bind(exceptions);
export const once = exceptions.once.bind(exceptions);
export const off = exceptions.off.bind(exceptions);

/** Taken, and of no effect: there is no log, and nothing is reported to anybody. */
export const setLogLevel: (level: number) => void = () => undefined;
