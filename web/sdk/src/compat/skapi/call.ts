/** One call with another user: what is negotiated, told, and given back. */

import {
  Cancelled,
  openMedia,
  type Call,
  type ChannelOptions,
  type Link,
  type Ring,
} from "../../index.js";

import { DataChannel } from "./channel.js";
import { skapiError } from "./errors.js";
import { forward, stateEvent, type RTCCallback, type RTCEvent } from "./events.js";
import type { Ice, RTCConnectorParams, RTCReceiverParams, RTCResolved } from "./params.js";
import type { Realtime } from "./realtime.js";

/** What links carry for this adapter: the side that answered asks for an offer. */
const NEGOTIATE = { skapi: "negotiate" };

/** A call from its first ring to its end. */
export class Conversation {
  media: MediaStream | undefined;
  /** The other side names some of them: without a prototype every name is one. */
  readonly #channels = Object.create(null) as Record<string, DataChannel>;
  readonly #abort = new AbortController();
  #ours = false;
  #call: Call | null = null;
  #wired: RTCPeerConnection | null = null;
  #connected = false;
  #over = false;
  #negotiation: "none" | "running" | "again" = "none";

  /**
   * @param peer id of the other side.
   * @param callback told of everything.
   * @param ended given why, and whether the other side or fate did it.
   */
  constructor(
    readonly peer: string,
    private readonly callback: RTCCallback,
    private readonly ended: (reason: string, byUs: boolean) => void,
  ) {}

  /** Open what is to be sent. */
  async open(media: RTCReceiverParams["media"]): Promise<void> {
    if (media instanceof MediaStream) this.media = media;
    else if (media?.audio || media?.video) {
      this.media = new MediaStream(await openMedia(media));
      this.#ours = true;
      if (this.#over) this.#stop();
    }
  }

  /** Call, and open channels. */
  async place(
    realtime: Realtime,
    channels: ReadonlyMap<string, ChannelOptions>,
    options: Pick<RTCConnectorParams, "ice" | "timeoutSeconds">,
  ): Promise<RTCResolved> {
    const { ice, timeoutSeconds } = options;
    return await this.#connect(async () => {
      const call = await realtime.inside().ring(this.peer, {
        media: { sending: this.media?.getTracks() ?? [] },
        signal: this.#abort.signal,
        timeoutSeconds,
        onCall: this.#attach.bind(this, ice),
      });
      const tell = this.#tell.bind(this);
      await Promise.all(
        [...channels].map(async ([name, how]) => {
          this.#channels[name] = await DataChannel.open(call.link, name, how, tell);
        }),
      );
      return call;
    });
  }

  /** Take a call. */
  async accept(ring: Ring, ice?: Ice): Promise<RTCResolved> {
    return await this.#connect(
      async () =>
        await ring.accept({
          media: { sending: this.media?.getTracks() ?? [] },
          signal: this.#abort.signal,
          onCall: this.#attach.bind(this, ice),
        }),
    );
  }

  async #connect(work: () => Promise<Call>): Promise<RTCResolved> {
    try {
      if (this.#over) throw new Cancelled("It was hung up.");
      const call = await work();
      const { link } = call;
      this.#connected = true;
      void call.closed().then(({ reason }) => {
        this.#finish(reason, false);
      });
      link.on("message", (said) => {
        if (asks(said)) this.#negotiate(link);
      });
      // Whoever awaits the call gets it first.
      setTimeout(this.#begin.bind(this, link));
      return this.#resolved(link);
    } catch (error) {
      const why = skapiError(error);
      await this.#call?.close("failed");
      this.#finish(why.code.toLowerCase().replaceAll("_", "-"), false);
      throw why;
    }
  }

  #begin(link: Link): void {
    for (const channel of Object.values(this.#channels)) channel.begin();
    link.on("channel", (one) => {
      const channel = new DataChannel(one, this.#tell.bind(this));
      this.#channels[channel.label] = channel;
      channel.begin();
    });
  }

  #resolved(link: Link): RTCResolved {
    return {
      get target() {
        return link.connection.pc;
      },
      channels: this.#channels,
      hangup: this.hangUp.bind(this),
      media: this.media,
    };
  }

  /** The call is made, and not connected yet. */
  #attach(ice: Ice | undefined, call: Call): void {
    this.#call = call;
    const { link } = call;
    this.#wire(link);
    if (ice !== undefined) {
      const { pc } = link.connection;
      pc.setConfiguration({ ...pc.getConfiguration(), iceServers: serversOf(ice) });
    }
    link.on("track", (track) => {
      const { pc: target } = link.connection;
      const timeStamp = performance.now();
      this.#tell({ type: "track", target, timeStamp, streams: [link.stream], track });
    });
    link.on("reconnecting", () => {
      this.#tell(stateEvent("connectionstatechange", link.connection.pc, "connecting"));
    });
    link.on("reconnected", () => {
      this.#wire(link);
      this.#tell(stateEvent("connectionstatechange", link.connection.pc, "connected"));
    });
  }

  #wire(link: Link): void {
    const { pc } = link.connection;
    if (this.#wired === pc) return;
    this.#wired = pc;
    forward(pc, (event) => {
      if (pc !== this.#wired || this.#over) return;
      // What breaks is mended; if it can't be, the call ends and says so.
      const broken = event.state === "disconnected" || event.state === "failed";
      if (event.type === "connectionstatechange" && broken) return;
      if (event.type !== "negotiationneeded") this.#tell(event);
      else if (this.#connected) {
        this.#tell(event);
        if (link.side === "answerer") link.send(NEGOTIATE);
        else this.#negotiate(link);
      }
    });
  }

  /** Offer what has changed; what changes meanwhile is offered once more. */
  #negotiate(link: Link): void {
    if (link.side === "answerer") return;
    if (this.#negotiation !== "none") {
      this.#negotiation = "again";
      return;
    }
    this.#negotiation = "running";
    const done = (): void => {
      const again = this.#negotiation === "again";
      this.#negotiation = "none";
      if (again && !this.#over) this.#negotiate(link);
    };
    // It breaks off with the link; what the other side refuses ends the link by itself.
    link.renegotiate().then(done, done);
  }

  /** Give up, or hang up; the other side is told. */
  hangUp(): void {
    if (this.#over) return;
    this.#finish("hangup", true);
    this.#abort.abort();
    void this.#call?.close();
  }

  #finish(reason: string, byUs: boolean): void {
    if (this.#over) return;
    this.#over = true;
    this.#stop();
    const pc = this.#wired;
    if (pc) this.#tell(stateEvent("connectionstatechange", pc, "closed"));
    this.ended(reason, byUs);
  }

  /** What was opened for this call is closed with it. */
  #stop(): void {
    if (this.#ours) for (const track of this.media?.getTracks() ?? []) track.stop();
  }

  #tell(event: RTCEvent): void {
    try {
      this.callback(event);
    } catch (error) {
      reportError(error);
    }
  }
}

function asks(said: unknown): boolean {
  return (said as Partial<typeof NEGOTIATE> | null)?.skapi === NEGOTIATE.skapi;
}

function serversOf(ice: Ice): RTCIceServer[] {
  const list = Array.isArray(ice) ? (ice as readonly (string | RTCIceServer)[]) : [ice as string];
  return list.map((one) => (typeof one === "string" ? { urls: one } : one));
}
