/** PeerJS with a PeerServer of its own. */

import { Peer } from "peerjs";

/** Where the PeerServer listens. */
export interface Server {
  readonly host: string;
  readonly port: number;
}

/** A peer that is open at its server. */
export async function open(server: Server, id?: string): Promise<Peer> {
  const options = { ...server, path: "/", secure: false, config: { iceServers: [] } };
  const peer = id === undefined ? new Peer(options) : new Peer(id, options);
  await new Promise<void>((resolve, reject) => {
    peer.on("open", () => {
      resolve();
    });
    peer.on("error", reject);
  });
  return peer;
}

let waiting: Peer | null = null;
let ready: Peer | null = null;

/** Wait for whoever connects. */
export async function wait(server: Server, id: string): Promise<void> {
  waiting?.destroy();
  waiting = await open(server, id);
}

/** Open a peer beforehand, for {@link comeWarm}. */
export async function warm(server: Server): Promise<void> {
  ready = await open(server);
}

async function connect(peer: Peer, id: string, began: number): Promise<number> {
  const connection = peer.connect(id, { reliable: true });
  await new Promise<void>((resolve, reject) => {
    connection.on("open", () => {
      resolve();
    });
    connection.on("error", reject);
    peer.on("error", reject);
  });
  const milliseconds = performance.now() - began;
  peer.destroy();
  return milliseconds;
}

/** Open a peer and connect; milliseconds from the act to the open channel. */
export async function comeCold(server: Server, id: string): Promise<number> {
  const began = performance.now();
  return await connect(await open(server), id, began);
}

/** Connect with a peer that is open already. */
export async function comeWarm(_: Server, id: string): Promise<number> {
  const peer = ready;
  if (!peer) throw new Error("warm() first");
  ready = null;
  return await connect(peer, id, performance.now());
}
