/** Going into a session with a token, and what the token allows. */

import { Client, type Config, type Room } from "../../index.js";
import { findProject } from "../../hosting.js";

import { connectionData, isMap, parsed, type Connection } from "./stream.js";

/** What a token's role allows, as OpenTok shows it: 1 or 0. */
export class Capabilities {
  readonly publish: 0 | 1;
  readonly subscribe: 0 | 1;
  readonly forceDisconnect: 0 | 1;
  readonly forceUnpublish: 0 | 1;
  readonly forceMute: 0 | 1;

  constructor(role: string) {
    const moderates = role === "moderator" ? 1 : 0;
    this.publish = role === "subscriber" || role === "" ? 0 : 1;
    this.subscribe = role === "publisheronly" || role === "" ? 0 : 1;
    this.forceDisconnect = moderates;
    this.forceUnpublish = moderates;
    this.forceMute = moderates;
  }

  /** Whether something can be done. */
  permittedTo(action: "publish" | "subscribe" | "forceDisconnect" | "forceUnpublish"): boolean {
    return this[action] === 1;
  }
}

/** A session that was entered. */
export interface Entered {
  readonly client: Client;
  readonly room: Room;
  readonly me: Connection;
  readonly capabilities: Capabilities;
}

/**
 * Go in.
 *
 * @param onRoom given the room before it is entered.
 * @throws FireRTCError if key, token or room refuse.
 */
export async function enter(
  apiKey: string,
  sessionId: string,
  token: string | undefined,
  config: Config | undefined,
  onRoom: (room: Room) => void,
): Promise<Entered> {
  const client = new Client({ ...(config ?? (await findProject())), key: apiKey });
  try {
    const session = await client.join({ room: sessionId, serverToken: token });
    const about = parsed(session.data);
    const data = connectionData(about);
    const room = await client.enter(sessionId, {
      session,
      connect: "all",
      data: { opentok: { connectionData: data } },
      onRoom,
    });
    // `publisheronly` is a word of OpenTok's: to the rules it is a publisher.
    const only = isMap(about) && about["role"] === "publisheronly";
    const creationTime = Math.round(session.now() * 1000);
    return {
      ...{ client, room, me: { connectionId: session.peer, data, creationTime } },
      capabilities: new Capabilities(
        only && session.role === "publisher" ? "publisheronly" : session.role,
      ),
    };
  } catch (error) {
    await client.close();
    throw error;
  }
}
