/** FireRTC: a one-off call, found by its code. */

import { Client, type Config, type Session } from "firertc";

const MEDIA = { receiving: [] } as const;

let waiting: Client | null = null;
let ready: { client: Client; session: Session } | null = null;

/** @returns the code to come with. */
export async function wait(config: Config): Promise<string> {
  await waiting?.close();
  waiting = new Client(config);
  const call = await waiting.waitAtCode({ media: MEDIA });
  // Answered or not: the next round closes it.
  call.answered(60).catch(() => undefined);
  return call.code;
}

/** Load what is loaded on demand, and open the connections, for {@link comeWarm}. */
export async function warm(config: Config): Promise<void> {
  const client = new Client(config);
  ready = { client, session: await client.join() };
  await client.comeWithCode("abandon ability able about").catch(() => undefined);
}

async function come(client: Client, code: string): Promise<number> {
  const began = performance.now();
  await client.comeWithCode(code, { media: MEDIA });
  const milliseconds = performance.now() - began;
  await client.close();
  return milliseconds;
}

/** Join and answer. */
export async function comeCold(config: Config, code: string): Promise<number> {
  return await come(new Client(config), code);
}

/** The same where everything is loaded; every one-off call joins anew. */
export async function comeWarm(_: Config, code: string): Promise<number> {
  if (!ready) throw new Error("warm() first");
  const { client } = ready;
  ready = null;
  return await come(client, code);
}
