/** FireRTC: a room that connects all, which the newcomer got ready to go into before its act. */

import { Client, type Config, type Room } from "firertc";

import { DATA_ONLY, linked } from "./room.js";

export { wait } from "./room.js";

let ready: { client: Client; room: Room } | null = null;

/** Get ready, for {@link comeWarm}: as PeerJS is open at its server. */
export async function warm(config: Config, name: string): Promise<void> {
  const client = new Client(config);
  ready = { client, room: await client.prepare(name, DATA_ONLY) };
}

/** Go in. */
export async function comeWarm(): Promise<number> {
  if (!ready) throw new Error("warm() first");
  const { client, room } = ready;
  ready = null;
  return await linked(client, async () => {
    await room.comeIn();
    return room;
  });
}
