/** Blobs: each on a channel of its own, sent once the other side has said yes. */

import type { Channel, Link, Room } from "../../index.js";

const LABEL = "skyway:blob";
const PIECE_BYTES = 49_152;

/** What is said of a transfer. */
export interface TransferInfo {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly mimeType: string;
  /** Seconds that the other side has to say yes. */
  readonly timeout: number;
  readonly dataType: "blob";
  readonly isPrivate: boolean;
  readonly direction: "upload" | "download";
  /** Per cent. */
  readonly percentage: number;
}

/** What transfers tell of. */
export interface Told {
  state: (state: string, id: string, peer: string, info: TransferInfo, error?: Error) => void;
  request: (id: string, peer: string, info: TransferInfo) => void;
  data: (blob: Blob, id: string, peer: string, info: TransferInfo) => void;
}

interface Waiting {
  readonly channel: Channel;
  readonly info: TransferInfo;
}

/** The transfers of one who is in a room. */
export class Transfers {
  readonly #waiting = new Map<string, Waiting>();
  readonly #channels = new Map<string, Channel>();

  constructor(private readonly told: Told) {}

  /** Send a blob to one, some or all of those we are linked to. */
  async sendToSome(
    room: Room,
    blob: Blob,
    timeout: number,
    target?: string | string[],
  ): Promise<unknown> {
    const chosen = target === undefined ? [...room.links.keys()] : [target].flat();
    const transferId = crypto.randomUUID();
    const info: TransferInfo = {
      name: blob instanceof File ? blob.name : transferId,
      size: blob.size,
      mimeType: blob.type,
      timeout,
      dataType: "blob",
      isPrivate: target !== undefined,
      direction: "upload",
      percentage: 0,
    };
    await Promise.all(
      chosen.map(async (peer) => {
        const link = room.link(peer);
        if (!link) throw new Error(`There is no connection to the peer ${peer}.`);
        await this.send(link, blob, info, transferId);
      }),
    );
    return { transferId, listOfPeers: chosen, transferInfo: { ...info, percentage: 100 } };
  }

  /** Send a blob to a peer; done when all of it has arrived. */
  async send(link: Link, blob: Blob, info: TransferInfo, id: string): Promise<void> {
    const peer = link.remote;
    const channel = await link.openChannel(LABEL, { metadata: { id, ...info } });
    this.#channels.set(id, channel);
    const say = (state: string, sent: number, error?: Error): void => {
      const percentage = blob.size ? Math.floor((100 * sent) / blob.size) : 100;
      this.told.state(state, id, peer, { ...info, percentage }, error);
    };
    say("request", 0);
    try {
      if ((await answer(channel, info.timeout)) !== "accept") {
        say("rejected", 0);
        throw new Error("The transfer was rejected.");
      }
      say("uploadStarted", 0);
      for (let at = 0; at < blob.size; at += PIECE_BYTES) {
        const piece = await blob.slice(at, at + PIECE_BYTES).arrayBuffer();
        await channel.send(piece);
        say("uploading", at + piece.byteLength);
      }
      await channel.flush();
      say("uploadCompleted", blob.size);
    } catch (error) {
      const why = error instanceof Error ? error : new Error(String(error));
      if (!why.message.endsWith("rejected.")) say("error", 0, why);
      throw why;
    } finally {
      this.#channels.delete(id);
      void channel.close();
    }
  }

  /** A channel that the other side opened: a transfer, if it is one. */
  take(link: Link, channel: Channel): void {
    if (channel.label !== LABEL) return;
    const { id, ...rest } = channel.metadata as TransferInfo & { id: string };
    const info: TransferInfo = { ...rest, direction: "download", percentage: 0 };
    this.#waiting.set(id, { channel, info });
    this.#channels.set(id, channel);
    this.told.state("request", id, link.remote, info);
    this.told.request(id, link.remote, info);
  }

  /** Say yes or no to what was asked. */
  respond(id: string, peer: string, accept: boolean): void {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    const { channel, info } = waiting;
    void channel.send(accept ? "accept" : "reject").catch(() => undefined);
    if (accept) this.#receive(id, peer, channel, info);
    else this.told.state("userRejected", id, peer, info);
  }

  #receive(id: string, peer: string, channel: Channel, info: TransferInfo): void {
    const pieces: ArrayBuffer[] = [];
    let size = 0;
    const say = (state: string, error?: Error): void => {
      const percentage = info.size ? Math.floor((100 * size) / info.size) : 100;
      this.told.state(state, id, peer, { ...info, percentage }, error);
    };
    const finish = (): void => {
      this.#channels.delete(id);
      say("downloadCompleted");
      this.told.data(new Blob(pieces, { type: info.mimeType }), id, peer, {
        ...info,
        percentage: 100,
      });
    };
    say("downloadStarted");
    if (info.size === 0) {
      finish();
      return;
    }
    channel.on("message", (piece) => {
      if (typeof piece === "string" || size >= info.size) return;
      pieces.push(piece);
      size += piece.byteLength;
      say("downloading");
      if (size >= info.size) finish();
    });
    channel.on("closed", () => {
      if (size < info.size) say("error", new Error("The other side ended the transfer."));
    });
  }

  /** End a transfer. */
  cancel(id: string): void {
    this.#waiting.delete(id);
    void this.#channels.get(id)?.close();
    this.#channels.delete(id);
  }
}

/** What the other side says first; `reject` if it says nothing in time. */
async function answer(channel: Channel, seconds: number): Promise<string> {
  return await new Promise((resolve) => {
    const timer = setTimeout(() => {
      resolve("reject");
    }, seconds * 1000);
    const settle = (value: string): void => {
      clearTimeout(timer);
      resolve(value);
    };
    channel.on("message", (message) => {
      settle(typeof message === "string" ? message : "reject");
    });
    channel.on("closed", () => {
      settle("reject");
    });
  });
}
