/** What the console listens to: realms, rooms, peers and counters, as they change. */

import {
  collection,
  documentId,
  onSnapshot,
  orderBy,
  query,
  startAt,
  type Firestore,
  type Query,
} from "firebase/firestore";

type Fields = Readonly<Record<string, unknown>>;

/** Ends a listener. */
export type Stop = () => void;

/** A realm of the project. */
export interface Realm {
  readonly id: string;
  /** Whether any signed-in user gets in without a key. */
  readonly open: boolean;
}

/** A room. */
export interface Room {
  readonly id: string;
  readonly locked: boolean;
  readonly listed: boolean;
  readonly sealed: boolean;
  readonly connect: string;
  readonly capacity: number | null;
  /** End of its lease, in Unix milliseconds. */
  readonly leaseUntil: number;
}

/** A peer in a room. */
export interface Peer {
  readonly id: string;
  readonly role: string;
  /** What it says of itself, as text; a stranger's words. */
  readonly data: string;
  /** What it sends: audio, video, screen. */
  readonly sends: readonly string[];
  /** Unix milliseconds; 0 if it doesn't say. */
  readonly joinedAt: number;
  readonly leaseUntil: number;
}

/** Counters of one day. */
export interface Day {
  /** `YYYY-MM-DD`, in UTC. */
  readonly day: string;
  readonly joins: number;
  readonly renewals: number;
  readonly rooms: number;
}

/** Told when a listener ends against our will. */
type Failed = (error: Error) => void;

/** Listen to the realms. */
export function listenRealms(
  firestore: Firestore,
  tell: (realms: Realm[]) => void,
  failed: Failed,
): Stop {
  return listen(
    query(collection(firestore, "realms")),
    (id, fields): Realm => ({ id, open: fields["open"] === true }),
    tell,
    failed,
  );
}

/** Listen to the rooms of a realm. */
export function listenRooms(
  firestore: Firestore,
  realm: string,
  tell: (rooms: Room[]) => void,
  failed: Failed,
): Stop {
  return listen(query(collection(firestore, "realms", realm, "rooms")), readRoom, tell, failed);
}

/** Listen to who is in a room. */
export function listenPeers(
  firestore: Firestore,
  realm: string,
  room: string,
  tell: (peers: Peer[]) => void,
  failed: Failed,
): Stop {
  const peers = collection(firestore, "realms", realm, "rooms", room, "peers");
  return listen(query(peers), readPeer, tell, failed);
}

/** Listen to the counters of a realm, from a day on. */
export function listenUsage(
  firestore: Firestore,
  realm: string,
  firstDay: string,
  tell: (days: Day[]) => void,
  failed: Failed,
): Stop {
  const counters = collection(firestore, "realms", realm, "usage");
  return listen(
    query(counters, orderBy(documentId()), startAt(firstDay)),
    (id, fields): Day => ({
      // A day has several documents, so that its counters are not one bottleneck.
      day: id.slice(0, 10),
      joins: number(fields["joins"]),
      renewals: number(fields["renewals"]),
      rooms: number(fields["rooms"]),
    }),
    tell,
    failed,
  );
}

function listen<Entry>(
  source: Query,
  read: (id: string, fields: Fields) => Entry,
  tell: (entries: Entry[]) => void,
  failed: Failed,
): Stop {
  return onSnapshot(
    source,
    (snapshot) => {
      tell(snapshot.docs.map((found) => read(found.id, found.data())));
    },
    failed,
  );
}

function readRoom(id: string, fields: Fields): Room {
  return {
    id,
    locked: fields["locked"] === true,
    listed: fields["listed"] === true,
    sealed: fields["sealed"] !== undefined,
    connect: text(fields["connect"]),
    capacity: typeof fields["capacity"] === "number" ? fields["capacity"] : null,
    leaseUntil: milliseconds(fields["leaseUntil"]),
  };
}

function readPeer(id: string, fields: Fields): Peer {
  const media = fields["media"];
  const sends =
    typeof media === "object" && media !== null
      ? Object.entries(media).flatMap(([kind, on]) => (on === true ? [kind] : []))
      : [];
  return {
    id,
    role: text(fields["role"]),
    data: text(fields["data"]),
    sends: sends.sort(),
    joinedAt: milliseconds(fields["joinedAt"]),
    leaseUntil: milliseconds(fields["leaseUntil"]),
  };
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function number(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

function milliseconds(value: unknown): number {
  const time = value as { toMillis?: () => number } | null | undefined;
  return typeof time?.toMillis === "function" ? time.toMillis() : 0;
}
