/** What moderators ask of the others' pages, and what pages do for them. */

import { RequestRefused, type Link } from "../../index.js";

import type { Entered } from "./entering.js";
import { OTError, type ErrorName } from "./errors.js";
import type { Outgoing } from "./outgoing.js";
import type { Publisher } from "./publisher.js";
import type { Said, Stream } from "./stream.js";

/** What comes of it here. */
export interface ModerationTold {
  muteForced(active: boolean): void;
  /** Somebody is about to be put out. */
  disconnecting(connectionId: string): void;
}

/** Moderation in one session: asked for here, or of us. */
export class Moderation {
  /** Whether all are to be silent, but these streams. */
  #muting: { readonly except: readonly string[]; readonly byUs: boolean } | null = null;

  constructor(
    private readonly entered: Entered,
    private readonly outgoing: Outgoing,
    private readonly told: ModerationTold,
  ) {}

  #require(name: ErrorName): void {
    if (this.entered.capabilities.forceDisconnect) return;
    throw new OTError(name, "Only a moderator may: have your server make a token with that role.");
  }

  /** Put somebody out. */
  async disconnect(connectionId: string): Promise<void> {
    this.#require("OT_UNABLE_TO_FORCE_DISCONNECT");
    const { room } = this.entered;
    if (!room.peers.has(connectionId)) {
      throw new OTError("OT_NO_SUCH_CONNECTION", "Nobody of that connection is in the session.");
    }
    const said: Said = { opentok: "disconnecting", connection: connectionId };
    room.send(said);
    this.told.disconnecting(connectionId);
    await room.remove(connectionId, "forceDisconnected");
  }

  /** End somebody's stream. */
  async unpublish({ streamId, connection }: Stream): Promise<void> {
    this.#require("OT_UNABLE_TO_FORCE_UNPUBLISH");
    await this.#ask(connection.connectionId, { opentok: "unpublish", stream: streamId });
  }

  /** Silence somebody's stream. */
  async mute({ streamId, connection }: Stream): Promise<void> {
    this.#require("OT_UNABLE_TO_FORCE_MUTE");
    await this.#ask(connection.connectionId, { opentok: "mute", stream: streamId, except: [] });
  }

  /** Silence all, those who publish later too. */
  async muteAll(excluded: readonly Stream[]): Promise<void> {
    this.#require("OT_UNABLE_TO_FORCE_MUTE");
    const except = excluded.map(({ streamId }) => streamId);
    this.#muting = { except, byUs: true };
    this.#silence();
    await this.#askAll({ opentok: "mute", stream: null, except });
  }

  /** Who publishes from now on may be heard. */
  async unmuteAll(): Promise<void> {
    this.#require("OT_UNABLE_TO_FORCE_MUTE");
    this.#muting = null;
    await this.#askAll({ opentok: "unmute" });
  }

  async #askAll(what: Said): Promise<void> {
    const { room } = this.entered;
    // Who leaves meanwhile, or has another program, can't be silenced.
    await Promise.allSettled([...room.links.keys()].map((peer) => this.#ask(peer, what)));
  }

  async #ask(peer: string, what: Said): Promise<void> {
    if (peer === this.entered.me.connectionId) this.#do(what);
    else await this.entered.room.request(peer, what);
  }

  /** Tell a newcomer that all are to be silent. */
  greet(link: Link): void {
    if (!this.#muting?.byUs) return;
    const what: Said = { opentok: "mute", stream: null, except: this.#muting.except };
    link.request(what).catch(() => undefined);
  }

  /** A stream of ours begins. */
  begin(publisher: Publisher): void {
    if (this.#muting) publisher.forceMute();
  }

  /**
   * Do what somebody asks, if it may.
   *
   * @throws RequestRefused if it is no moderator.
   */
  obey(peer: string, what: Said): true {
    if (this.entered.room.peers.get(peer)?.role !== "moderator") {
      throw new RequestRefused("not-a-moderator", "Only a moderator may ask for that.");
    }
    this.#do(what);
    return true;
  }

  #do(what: Said): void {
    if (what.opentok === "unpublish") {
      this.outgoing.publishers.get(what.stream)?.host?.stop("forceUnpublished");
    } else if (what.opentok === "unmute") {
      this.#muting = null;
      this.told.muteForced(false);
    } else if (what.opentok === "mute") {
      if (what.stream === null) {
        this.#muting = { except: what.except, byUs: false };
        this.#silence();
      } else {
        this.outgoing.publishers.get(what.stream)?.forceMute();
      }
      this.told.muteForced(true);
    }
  }

  #silence(): void {
    for (const [id, publisher] of this.outgoing.publishers) {
      if (!this.#muting?.except.includes(id)) publisher.forceMute();
    }
  }
}
