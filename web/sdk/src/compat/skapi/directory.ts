/** Who is connected and in which group: what every user's data in the directory says. */

import { decodeId, type Peer } from "../../index.js";

import { badParameter } from "./errors.js";

/** One connected user. */
export interface RealtimeUser {
  readonly user_id: string;
  /** `cid:…`: whom to give to `connectRTC`. */
  readonly cid: string;
}

/** A group that somebody is in. */
export interface RealtimeGroup {
  readonly group: string;
  readonly number_of_users: number;
}

/** A list as Skapi gives it; this one is always whole. */
export interface DatabaseResponse<T> {
  readonly list: T[];
  readonly startKey: "end";
  readonly endOfList: true;
  readonly startKeyHistory: string[];
}

const CONDITIONS = {
  ">": (order: number) => order > 0,
  ">=": (order: number) => order >= 0,
  "=": (order: number) => order === 0,
  "<": (order: number) => order < 0,
  "<=": (order: number) => order <= 0,
  "!=": (order: number) => order !== 0,
};
const WORDS = { gt: ">", gte: ">=", eq: "=", lt: "<", lte: "<=", ne: "!=" } as const;

/** How `value` is compared. */
export type Condition = keyof typeof CONDITIONS | keyof typeof WORDS;

/** Which groups to list; default: all. */
export interface GroupSearch {
  readonly searchFor?: "group" | "number_of_users";
  readonly value?: string | number;
  /** Default: `=`. Texts are compared letter by letter. */
  readonly condition?: Condition;
  /** The other end of a range that begins with `value`; in place of a condition. */
  readonly range?: string | number;
}

/** What a user writes into its data. */
export interface Card {
  readonly skapi: { readonly group: string | null };
}

/** The group that a peer is in; null: none. */
export function groupOf(peer: Peer | undefined): string | null {
  const said = (peer?.data as Partial<Card> | null | undefined)?.skapi;
  return typeof said?.group === "string" ? said.group : null;
}

/** A connection's id from a peer's, and back. */
export function cidOf(peer: string): string {
  return `cid:${peer}`;
}

/**
 * The peer id of a connection.
 *
 * @throws SkapiError if it is no connection's id.
 */
export function peerOf(cid: unknown): string {
  if (typeof cid !== "string") throw badParameter('"cid" should be type: <string>.');
  if (!cid.startsWith("cid:") || cid.length < 5) {
    throw badParameter('"cid" should be a valid connection id.');
  }
  return cid.slice(4);
}

/** Who is in a group. */
export function usersOf(peers: Iterable<Peer>, group: string, user?: string): RealtimeUser[] {
  return [...peers]
    .filter((peer) => groupOf(peer) === group)
    .map(({ id }) => ({ user_id: decodeId(id), cid: cidOf(id) }))
    .filter(({ user_id }) => user === undefined || user_id === user);
}

/**
 * The groups that somebody is in.
 *
 * @throws SkapiError if the search is none.
 */
export function groupsOf(peers: Iterable<Peer>, search: GroupSearch | null): RealtimeGroup[] {
  const numbers = new Map<string, number>();
  for (const peer of peers) {
    const group = groupOf(peer);
    if (group !== null) numbers.set(group, (numbers.get(group) ?? 0) + 1);
  }
  const fits = filterOf(search ?? {});
  return [...numbers]
    .map(([group, number_of_users]) => ({ group, number_of_users }))
    .filter(fits)
    .sort((one, other) => compare(one.group, other.group));
}

function filterOf(search: GroupSearch): (found: RealtimeGroup) => boolean {
  const { searchFor = "group", value, condition, range } = search;
  // Typed, but not everybody who calls this is.
  const field = ["group", "number_of_users"].find((known) => known === searchFor);
  if (!field) throw badParameter('"searchFor" must be "group" or "number_of_users".');
  if (value === undefined || value === " ") return () => true;
  const type = searchFor === "group" ? "string" : "number";
  if (typeof value !== type) throw badParameter(`"value" must be a ${type}.`);
  if (range !== undefined) {
    if (typeof range !== type) throw badParameter(`"range" must be a ${type}.`);
    return (found) =>
      compare(found[searchFor], value) >= 0 && compare(found[searchFor], range) <= 0;
  }
  const name = condition ?? "=";
  const sign = Object.hasOwn(WORDS, name) ? WORDS[name as keyof typeof WORDS] : name;
  if (!Object.hasOwn(CONDITIONS, sign)) throw badParameter(`"condition" can't be "${name}".`);
  const holds = CONDITIONS[sign as keyof typeof CONDITIONS];
  return (found) => holds(compare(found[searchFor], value));
}

function compare(one: string | number, other: string | number): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

/** A whole list. */
export function response<T>(list: T[]): DatabaseResponse<T> {
  return { list, startKey: "end", endOfList: true, startKeyHistory: [] };
}
