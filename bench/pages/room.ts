/** FireRTC: a room that connects all, where one waits with a standing offer. */

import { Client, type Config, type EnterOptions, type Room } from "firertc";

export const DATA_ONLY: EnterOptions = { connect: "all", media: () => ({ receiving: [] }) };

let waiting: Client | null = null;
let ready: { client: Client; join: () => Promise<Room> } | null = null;

/** Wait in a room of this name. */
export async function wait(config: Config, name: string): Promise<void> {
  await waiting?.close();
  waiting = new Client(config);
  await waiting.enter(name, DATA_ONLY);
}

/**
 * Join the realm beforehand, and load what is loaded on demand, for {@link comeWarm}: what is left is
 * to go into the room.
 */
export async function warm(config: Config, name: string): Promise<void> {
  const client = new Client(config);
  const session = await client.join({ room: name });
  // Opens the connection to Firestore, and loads the rooms.
  await client.look(`${name}-warm`);
  await session.database.get(`realms/${session.realm}/rooms/${name}`);
  ready = { client, join: () => client.enter(name, { ...DATA_ONLY, session }) };
}

/** Milliseconds until the first link is open; then all is closed. */
export async function linked(client: Client, join: () => Promise<Room>): Promise<number> {
  const began = performance.now();
  const room = await join();
  if (room.links.size === 0) {
    await new Promise<void>((resolve) => {
      room.on("link", () => {
        resolve();
      });
    });
  }
  const milliseconds = performance.now() - began;
  await client.close();
  return milliseconds;
}

/** Join and go in. */
export async function comeCold(config: Config, name: string): Promise<number> {
  const client = new Client(config);
  return await linked(client, () => client.enter(name, DATA_ONLY));
}

/** Go in where the session is there already. */
export async function comeWarm(): Promise<number> {
  if (!ready) throw new Error("warm() first");
  const { client, join } = ready;
  ready = null;
  return await linked(client, join);
}
