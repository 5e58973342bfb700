/** The calls of a user: those that stand, those that are being made, and those that ring here. */

import type { ChannelOptions, Ring } from "../../index.js";

import { Conversation } from "./call.js";
import { badParameter, skapiError } from "./errors.js";
import type { RealtimeCallback, RTCCallback } from "./events.js";
import { paramsOf } from "./forms.js";
import type { Sender } from "./groups.js";
import type { RTCConnector, RTCConnectorParams, RTCReceiverParams, RTCResolved } from "./params.js";
import type { Realtime } from "./realtime.js";

/** All calls of a user. */
export class Calls {
  readonly #conversations = new Set<Conversation>();
  readonly #ringing = new Map<Ring, () => void>();

  /** @param tell given `rtc:incoming` and `rtc:closed`. */
  constructor(private readonly tell: RealtimeCallback) {}

  /** Call a user; once it rings. */
  async place(
    realtime: Realtime,
    peer: string,
    channels: ReadonlyMap<string, ChannelOptions>,
    params: RTCReceiverParams & Pick<RTCConnectorParams, "timeoutSeconds">,
    callback: RTCCallback,
  ): Promise<RTCConnector> {
    const conversation = this.#converse(peer, callback, realtime.groups.senderOf(peer));
    await this.#open(conversation, params.media);
    const connection = conversation.place(realtime, channels, params);
    // Nobody has to wait for it.
    connection.catch(() => undefined);
    return { hangup: conversation.hangUp.bind(conversation), connection };
  }

  #converse(peer: string, callback: RTCCallback, sender: Sender): Conversation {
    const conversation = new Conversation(peer, callback, (reason, byUs) => {
      this.#conversations.delete(conversation);
      if (!byUs) this.#closed(sender, reason);
    });
    this.#conversations.add(conversation);
    return conversation;
  }

  /** Open what is to be sent; without it there is no call. */
  async #open(conversation: Conversation, media: RTCReceiverParams["media"]): Promise<void> {
    try {
      await conversation.open(media);
    } catch (error) {
      this.#conversations.delete(conversation);
      throw skapiError(error);
    }
  }

  #closed(sender: Sender, reason: string): void {
    const message = { hungup: sender.sender, reason };
    this.tell({ type: "rtc:closed", message, ...sender, code: null });
  }

  /** Somebody calls. */
  rung(ring: Ring, sender: Sender): void {
    let conversation: Conversation | null = null;
    let byUs = false;
    const rings = (): boolean => ring.ringing;
    const hangup = (): void => {
      if (conversation) conversation.hangUp();
      if (!rings()) return;
      byUs = true;
      void ring.reject();
    };
    const connectRTC = async (
      params: RTCReceiverParams | null | undefined,
      callback: RTCCallback,
    ): Promise<RTCResolved | null> => {
      requireCallback(callback);
      const { media, ice } = paramsOf(params) as RTCReceiverParams;
      if (!rings() || conversation) return null;
      const made = this.#converse(ring.caller, callback, sender);
      conversation = made;
      try {
        await this.#open(made, media);
      } catch (error) {
        // It rings on, and may be taken without; if not, that is still to be told.
        conversation = null;
        if (!rings() && !byUs) this.#closed(sender, await ring.stopped());
        throw error;
      }
      return await made.accept(ring, ice);
    };
    this.#ringing.set(ring, hangup);
    void ring.stopped().then((reason) => {
      this.#ringing.delete(ring);
      // The call tells by itself, if it was being taken.
      if (reason !== "accepted" && !byUs && !conversation) this.#closed(sender, reason);
    });
    this.tell({ type: "rtc:incoming", ...sender, code: null, connectRTC, hangup });
  }

  /** Hang up with those whose peer ids fit. */
  hangUp(fits: (peer: string) => boolean): void {
    for (const one of [...this.#conversations]) if (fits(one.peer)) one.hangUp();
    for (const [ring, hangup] of [...this.#ringing]) if (fits(ring.caller)) hangup();
  }
}

/** @throws SkapiError if there is no callback. */
export function requireCallback(callback: unknown): void {
  if (typeof callback !== "function") throw badParameter("Callback is required.");
}
