/** Seeing who is in a room without going in. */

import type { Fields } from "./database.js";
import { PermissionDenied } from "./errors.js";
import { readCard } from "./presence.js";
import type { Peer } from "./roomSchema.js";
import { checkRoomSeal, stretchRoom, type RoomSeal } from "./roomSeal.js";
import { DEFAULT_ROOM, encodeId, ROOM_ID_BYTES, roomPath } from "./schema.js";
import type { Session } from "./session.js";

/** How many a room takes that says nothing of it. */
export const CAPACITY = 50;

/** Who is linked to whom. */
export type Connect = "all" | "none";

/** What can be seen of a room without going in. */
export interface RoomView {
  readonly exists: boolean;
  readonly connect: Connect;
  readonly capacity: number;
  readonly locked: boolean;
  readonly sealed: boolean;
  /** Who is in; null if the room is locked. What they say of themselves takes the passphrase. */
  readonly peers: readonly Peer[] | null;
}

/**
 * See who is in a room without going in: two reads and one for each further peer.
 *
 * @param passphrase of a sealed room: then what its peers say of themselves can be read, too.
 * @throws WrongPassphrase if it is not the room's.
 */
export async function look(
  session: Session,
  name: string = DEFAULT_ROOM,
  passphrase?: string,
): Promise<RoomView> {
  const { config, database, realm } = session;
  const id = encodeId(name, ROOM_ID_BYTES, "room");
  const path = roomPath(realm, id);
  const refused = (error: unknown): null => {
    if (error instanceof PermissionDenied) return null;
    throw error;
  };
  const [fields, cards, seal] = await Promise.all([
    database.get(path),
    database.query({ collection: `${path}/peers` }).catch(refused),
    passphrase ? stretchRoom(passphrase, config.project, realm, id) : null,
  ]);
  if (fields && seal) checkRoomSeal(seal, fields["sealed"]);
  const sealed = fields?.["sealed"] != null;
  const peers = cards && (await readCards(sealed && !seal ? silent(cards) : cards, session, seal));
  return {
    exists: fields !== null,
    connect: fields?.["connect"] === "all" ? "all" : "none",
    capacity: Number(fields?.["capacity"] ?? session.capacity ?? CAPACITY),
    locked: fields?.["locked"] === true,
    sealed,
    peers: peers && [...peers.values()],
  };
}

/** These cards without what is sealed in them and can't be opened. */
function silent(cards: ReadonlyMap<string, Fields>): Map<string, Fields> {
  return new Map([...cards].map(([path, fields]) => [path, { ...fields, data: "" }]));
}

/** The peers that documents tell of, by their ids. */
export async function readCards(
  documents: ReadonlyMap<string, Fields>,
  session: Session,
  seal: RoomSeal | null,
): Promise<Map<string, Peer>> {
  const peers = new Map<string, Peer>();
  for (const [path, fields] of documents) {
    // The rules let nothing malformed in; what an owner's tool wrote is no peer.
    const peer = await readCard(path, fields, session.peer, seal).catch(() => null);
    if (peer) peers.set(peer.id, peer);
  }
  return peers;
}
