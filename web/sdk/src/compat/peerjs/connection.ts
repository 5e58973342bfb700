/** What data and media connections have in common. */

import type { Call } from "../../index.js";

import {
  BaseConnectionErrorType,
  EmitterWithError,
  type ConnectionType,
  type EventsWithError,
} from "./errors.js";

/** What the caller says of a connection when it rings. */
export interface Introduction {
  readonly type: `${ConnectionType}`;
  readonly connectionId: string;
  readonly metadata?: unknown;
  readonly label?: string;
  readonly serialization?: string;
  readonly reliable?: boolean;
}

/** Whether what rang was introduced by these words. */
export function isIntroduction(value: unknown): value is Introduction {
  if (typeof value !== "object" || value === null) return false;
  const { type, connectionId } = value as Record<string, unknown>;
  return (type === "data" || type === "media") && typeof connectionId === "string";
}

/** What a connection needs of the peer it belongs to. */
export interface Owner {
  /** Forget a connection that has ended. */
  forget: (connection: BaseConnection<string, EventsWithError<string>>) => void;
}

/** One connection of a peer to another. */
export abstract class BaseConnection<
  Type extends string,
  Events extends EventsWithError<Type | `${BaseConnectionErrorType}`>,
> extends EmitterWithError<Type | `${BaseConnectionErrorType}`, Events> {
  abstract readonly type: ConnectionType;
  readonly connectionId: string;
  /** Whatever the caller said with it. */
  readonly metadata: unknown;
  readonly label: string;
  /** Whether it is open. */
  open = false;

  protected call: Call | null = null;
  #closed = false;

  /** @param peer id of the other side. */
  constructor(
    readonly peer: string,
    readonly provider: Owner,
    introduction: Introduction,
  ) {
    super();
    this.connectionId = introduction.connectionId;
    this.metadata = introduction.metadata;
    this.label = introduction.label ?? introduction.connectionId;
  }

  /** The browser's connection; undefined before there is one. */
  get peerConnection(): RTCPeerConnection | undefined {
    return this.call?.link.connection.pc;
  }

  /** The call is made, and not connected yet. @internal */
  prepare(call: Call): void {
    this.call = call;
    if (this.#closed) {
      // It was closed before the call was made.
      void call.close("cancelled");
      return;
    }
    const told = (): void => {
      this.#tell("iceStateChanged", call.link.connection.pc.iceConnectionState);
    };
    call.link.connection.pc.addEventListener("iceconnectionstatechange", told);
    void call.closed().then((end) => {
      if (this.#closed) return;
      if (end.reason === "gone" || end.reason === "failed") {
        this.emitError(
          BaseConnectionErrorType.ConnectionClosed,
          `Connection to ${this.peer} closed: ${end.reason}.`,
        );
      }
      this.finish();
    });
  }

  /** It did not come about, or can't go on; the other side is told. @internal */
  fail(error: Error): void {
    if (this.#closed) return;
    this.emitError(BaseConnectionErrorType.NegotiationFailed, error);
    void this.call?.close("failed");
    this.finish();
  }

  /** End the connection; the other side is told. */
  close(): void {
    if (this.#closed) return;
    void this.call?.close();
    this.finish();
  }

  /** It has ended. */
  protected finish(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.open = false;
    this.provider.forget(this as never);
    this.#tell("close");
  }

  /** Whether it is over. @internal */
  get ended(): boolean {
    return this.#closed;
  }

  #tell(event: string, ...values: unknown[]): void {
    // The events of the subclasses are not known here.
    (this.emit as (event: string, ...values: unknown[]) => boolean).call(this, event, ...values);
  }
}
