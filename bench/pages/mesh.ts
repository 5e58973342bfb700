/** One peer of a room in which each is linked to each: FireRTC beside PeerJS. */

import { Client, type Config, type Room } from "firertc";
import { type DataConnection, Peer } from "peerjs";

import { open, type Server } from "./peerjs.js";

/** How long a mesh may take. */
const MESHED_MILLISECONDS = 60_000;

/** A peer of either kind, ready to come in. */
interface Member {
  /** Come in, and connect to those who are there, or to those named. */
  come(others: readonly string[] | null): Promise<void>;
  /** How many peers it is linked to. */
  readonly linked: number;
  leave(): Promise<void>;
}

class Ours implements Member {
  private constructor(
    private readonly client: Client,
    private readonly room: Room,
  ) {}

  static async ready(config: Config, name: string, peer: string, told: () => void): Promise<Ours> {
    const client = new Client(config);
    const media = (): { receiving: [] } => ({ receiving: [] });
    const room = await client.prepare(name, { connect: "all", media, peer });
    room.on("link", told);
    return new Ours(client, room);
  }

  async come(): Promise<void> {
    await this.room.comeIn();
  }

  get linked(): number {
    return this.room.links.size;
  }

  leave(): Promise<void> {
    return this.client.close();
  }
}

class Theirs implements Member {
  readonly #open = new Set<string>();

  constructor(
    private readonly peer: Peer,
    private readonly told: () => void,
  ) {
    peer.on("connection", (connection) => {
      this.#take(connection);
    });
  }

  static async ready(server: Server, peer: string, told: () => void): Promise<Theirs> {
    return new Theirs(await open(server, peer), told);
  }

  async come(others: readonly string[] | null): Promise<void> {
    const listed = new Promise<string[]>((resolve) => {
      if (others) resolve([...others]);
      else this.peer.listAllPeers(resolve);
    });
    for (const other of await listed) {
      if (other !== this.peer.id) this.#take(this.peer.connect(other, { reliable: true }));
    }
  }

  #take(connection: DataConnection): void {
    connection.on("open", () => {
      this.#open.add(connection.peer);
      this.told();
    });
  }

  get linked(): number {
    return this.#open.size;
  }

  leave(): Promise<void> {
    this.peer.destroy();
    return Promise.resolve();
  }
}

let member: Member | null = null;
let changed: () => void = () => undefined;

/** Get a peer ready: FireRTC's has its session, PeerJS's is open at its server. */
export async function ready(
  kind: "firertc" | "peerjs",
  place: unknown,
  room: string,
  peer: string,
): Promise<void> {
  const told = (): void => {
    changed();
  };
  member =
    kind === "firertc"
      ? await Ours.ready(place as Config, room, peer, told)
      : await Theirs.ready(place as Server, peer, told);
}

/**
 * Come in at a moment (Unix milliseconds), and wait until linked to so many.
 *
 * @param others - Whom to connect to, by PeerJS, which has no rooms; null: whom its server lists.
 *   FireRTC finds them itself.
 * @returns When that was: Unix milliseconds.
 */
export async function come(at: number, others: string[] | null, links: number): Promise<number> {
  const coming = member;
  if (!coming) throw new Error("ready() first");
  await new Promise((resolve) => {
      setTimeout(resolve, at - Date.now());
    });
  const began = coming.come(others);
  return await linkedTo(links, began);
}

/** Wait until linked to so many; Unix milliseconds. */
export async function linkedTo(links: number, began?: Promise<void>): Promise<number> {
  const coming = member;
  if (!coming) throw new Error("ready() first");
  await new Promise<void>((resolve, reject) => {
    const giveUp = setTimeout(() => {
      reject(new Error(`linked to ${String(coming.linked)} of ${String(links)}`));
    }, MESHED_MILLISECONDS);
    changed = (): void => {
      if (coming.linked < links) return;
      clearTimeout(giveUp);
      resolve();
    };
    began?.catch(reject);
    changed();
  });
  await began;
  return performance.timeOrigin + performance.now();
}

/** Go. */
export async function leave(): Promise<void> {
  await member?.leave();
  member = null;
}
