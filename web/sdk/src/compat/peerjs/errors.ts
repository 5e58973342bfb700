/** PeerJS's types: of errors, connections and serializations. */

import { EventEmitter } from "eventemitter3";

import { FireRTCError } from "../../index.js";

export enum PeerErrorType {
  BrowserIncompatible = "browser-incompatible",
  Disconnected = "disconnected",
  InvalidID = "invalid-id",
  InvalidKey = "invalid-key",
  Network = "network",
  PeerUnavailable = "peer-unavailable",
  SslUnavailable = "ssl-unavailable",
  ServerError = "server-error",
  SocketError = "socket-error",
  SocketClosed = "socket-closed",
  UnavailableID = "unavailable-id",
  WebRTC = "webrtc",
}

export enum BaseConnectionErrorType {
  NegotiationFailed = "negotiation-failed",
  ConnectionClosed = "connection-closed",
}

export enum DataConnectionErrorType {
  NotOpenYet = "not-open-yet",
  MessageToBig = "message-too-big",
}

export enum ConnectionType {
  Data = "data",
  Media = "media",
}

export enum SerializationType {
  Binary = "binary",
  BinaryUTF8 = "binary-utf8",
  JSON = "json",
  None = "raw",
}

/** An error as PeerJS gives it: with a type to tell it by. */
export class PeerError<Type extends string> extends Error {
  override readonly name = "PeerError";

  constructor(
    readonly type: Type,
    error: Error | string,
  ) {
    super(typeof error === "string" ? error : error.message, { cause: error });
  }
}

/** What has errors of such types. */
export interface EventsWithError<Type extends string> {
  error: (error: PeerError<Type>) => void;
}

/** Emits errors to who listens; those that nobody hears are shown in the console. */
export class EmitterWithError<
  Type extends string,
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- its base's
  Events extends EventsWithError<Type>,
> extends EventEmitter<Events & EventEmitter.ValidEventTypes> {
  /** Tell of an error. */
  emitError(type: Type, error: Error | string): void {
    const heard = (this as EventEmitter).emit("error", new PeerError(type, error));
    if (!heard) console.error(`${type}: ${error instanceof Error ? error.message : error}`);
  }
}

/** The type under which PeerJS tells of what went wrong here. */
export function typeOf(error: unknown): PeerErrorType {
  if (!(error instanceof FireRTCError)) return PeerErrorType.ServerError;
  switch (error.code) {
    case "unavailable-id":
      return PeerErrorType.UnavailableID;
    case "key-refused":
    case "bad-config":
      return PeerErrorType.InvalidKey;
    case "database-unreachable":
    case "functions-unreachable":
    case "unreachable":
      return PeerErrorType.Network;
    case "path-unreachable":
      return PeerErrorType.WebRTC;
    case "no-answer":
    case "rejected":
    case "peer-gone":
      return PeerErrorType.PeerUnavailable;
  }
  return PeerErrorType.ServerError;
}
