/**
 * Paths, fields, ids and sizes: the one place on this side that spells them.
 *
 * The form of every document is in docs/protocol.md; `firestore.rules` enforces it. What is read
 * from the database was written by somebody else: {@link readCall} checks it.
 */

import { ConfigError, DocumentMalformed, FireRTCError } from "./errors.js";

export const PROTOCOL_VERSION = 1;

export const REALM_ID_BYTES = 32;
/** `{realm}:{peer}` must fit the 128 characters of a Firebase uid. */
export const PEER_ID_BYTES = 80;
export const ROOM_ID_BYTES = 128;

export const SDP_CHARS = 65_536;
export const SEALED_CHARS = 98_304;
export const METADATA_CHARS = 4_096;
export const CANDIDATES_MAX = 40;
export const CANDIDATES_CHARS = 24_000;
export const REASON_CHARS = 64;
export const REMOVAL_REASON_CHARS = 256;
/** How deep free-form data may be nested: what parses here must not overflow where it is shown. */
export const JSON_DEPTH = 64;
export const DATA_CHARS = 8_192;
/** Of a message through the database. */
export const BODY_CHARS = 16_384;

export const SHARDS = 8;
export const DIRECT_SLOTS = 4;
export const STANDING_SLOTS = 2;
export const MESSAGE_SLOTS = 16;

export const PEER_LEASE_SECONDS = 15 * 60;
export const PEER_LEASE_RENEW_SECONDS = 6 * 60;
export const RING_SECONDS = 30;
export const ROOM_LEASE_SECONDS = 12 * 3600;
export const MESSAGE_LEASE_SECONDS = 9 * 60;
/** The longest that a removal can last (docs/protocol.md, section 3.7). */
export const REMOVAL_LEASE_SECONDS = 23 * 3600;
/** The room of those who name none. */
export const DEFAULT_ROOM = "main";

/** A standing offer's maximum age: NAT mappings and TURN credentials don't live longer. */
export const STANDING_OFFER_SECONDS = 30 * 60;
/** A lease outlives what it covers by this much. */
export const LEASE_SLACK_SECONDS = 30;

/** `to` of a call that whoever comes may answer. */
export const ANYONE = "*";

const KINDS = ["open", "standing", "direct", "ring"] as const;
export type CallKind = (typeof KINDS)[number];

const ID = /^[A-Za-z0-9_%-]+$/;
const SESSION = /^[A-Za-z0-9_-]{16,32}$/;

/**
 * Make a document id from a name.
 *
 * @param name any text of at least one character.
 * @param limit how many bytes the id may have.
 * @param what what it is the name of, for the error: `room`, `peer`.
 * @throws ConfigError if the name is empty or its id too long.
 */
export function encodeId(name: string, limit: number, what: string): string {
  if (!name) throw new ConfigError(`A ${what} needs a name of at least one character.`);
  let encoded = "";
  for (const byte of new TextEncoder().encode(name)) {
    const character = String.fromCharCode(byte);
    encoded += /[A-Za-z0-9_-]/.test(character) ? character : percent(byte);
  }
  if (/^__.*__$/.test(encoded)) encoded = `%5F${encoded.slice(1)}`;
  if (encoded.length > limit) {
    throw new ConfigError(
      `The ${what} name is too long: ${String(encoded.length)} bytes as a document id, ` +
        `${String(limit)} at most. Choose a shorter one.`,
    );
  }
  return encoded;
}

function percent(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
}

/** The name that {@link encodeId} made this id from (for display). */
export function decodeId(id: string): string {
  const bytes: number[] = [];
  const text = new TextEncoder().encode(id);
  for (let at = 0; at < text.length; at++) {
    const hex = /^%[0-9A-F]{2}/.exec(String.fromCharCode(...text.subarray(at, at + 3)));
    bytes.push(hex ? parseInt(hex[0].slice(1), 16) : (text[at] ?? 0));
    if (hex) at += 2;
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}

/** Random bytes as base64url without padding. */
export function randomText(bytes: number): string {
  return toBase64Url(crypto.getRandomValues(new Uint8Array(bytes)));
}

/** Bytes as base64url without padding (RFC 4648, section 5). */
export function toBase64Url(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/** A random session id for an open realm: its prefix tells it from those that `join` makes. */
export function newSession(): string {
  return `open-${randomText(16)}`;
}

/** A random shard: spreads the index the sweep reads over eight ranges. */
export function newShard(): number {
  return Math.floor(Math.random() * SHARDS);
}

// Paths: relative to the database's documents.

/** Path of a one-off call. */
export function oneOffPath(realm: string, call: string): string {
  return `realms/${realm}/calls/${call}`;
}

/** Path of the document that names the one-off call a peer may create. */
export function callerPath(realm: string, peer: string): string {
  return `realms/${realm}/callers/${peer}`;
}

/** Path of a room. */
export function roomPath(realm: string, room: string): string {
  return `realms/${realm}/rooms/${room}`;
}

/** Id of a peer's message number `number`. */
export function messageId(peer: string, number: number): string {
  return `${peer}~m${String(number % MESSAGE_SLOTS)}`;
}

/** The name for a room that nobody guesses: a UUID. */
export function newRoomName(): string {
  return crypto.randomUUID();
}

/** Id of a peer's standing offer number `attempt`. */
export function standingId(peer: string, attempt: number): string {
  return `${peer}~s${String(attempt % STANDING_SLOTS)}`;
}

/** Id of the direct or ring call number `attempt` between two peers. */
export function directId(from: string, to: string, attempt: number): string {
  return `${from}~${to}~${String(attempt % DIRECT_SLOTS)}`;
}

// Documents.

/** An offer or an answer: plain or sealed. */
export type Description = { type: string; sdp: string } | { type: string; sealed: string };

/** Who ended a call, and why. */
export interface Ended {
  /** Peer id. */
  readonly by: string;
  /** `rejected`, `busy`, `answered-elsewhere`, `failed`… */
  readonly reason: string;
}

/** A call document as read; the fields have the document's names. */
export interface CallFields {
  readonly path: string;
  readonly kind: CallKind;
  readonly from: string;
  readonly fromSession: string;
  /** A peer id or `*`. */
  readonly to: string;
  readonly toSession: string;
  readonly attempt: number;
  readonly offer: Description;
  readonly answer: Description | null;
  readonly offerCandidates: readonly string[];
  readonly answerCandidates: readonly string[];
  /** JSON, or sealed JSON. */
  readonly metadata: string | null;
  readonly ended: Ended | null;
  /** Unix seconds. */
  readonly leaseUntil: number;
}

/**
 * Check a call document that somebody else wrote.
 *
 * @param path from `realms/` on.
 * @param fields as decoded from Firestore.
 * @throws DocumentMalformed says which field and why.
 */
export function readCall(path: string, fields: Readonly<Record<string, unknown>>): CallFields {
  const reader = new Reader(path, fields);
  const version = reader.integer("v");
  if (version !== PROTOCOL_VERSION) {
    throw reader.bad(
      `protocol version ${String(version)}; this program speaks ${String(PROTOCOL_VERSION)}`,
    );
  }
  const kind = KINDS.find((known) => known === fields["kind"]);
  if (!kind) throw reader.bad("unknown kind of call");
  const metadata = fields["metadata"] ?? null;
  if (metadata !== null && (typeof metadata !== "string" || metadata.length > 2 * METADATA_CHARS)) {
    throw reader.bad(`metadata must be text of at most ${String(METADATA_CHARS)} characters`);
  }
  return {
    path,
    kind,
    from: reader.id("from"),
    fromSession: reader.session("fromSession"),
    to: fields["to"] === ANYONE ? ANYONE : reader.id("to"),
    toSession: reader.text("toSession"),
    attempt: reader.integer("attempt"),
    offer: reader.description("offer"),
    answer: fields["answer"] == null ? null : reader.description("answer"),
    offerCandidates: reader.candidates("offerCandidates"),
    answerCandidates: reader.candidates("answerCandidates"),
    metadata,
    ended: fields["ended"] == null ? null : reader.ended(),
    leaseUntil: reader.time("leaseUntil"),
  };
}

type Map = Readonly<Record<string, unknown>>;

/** Whether it is a map of Firestore's. */
export function isMap(value: unknown): value is Map {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reads the fields of one document that somebody else wrote, and says what is wrong with one. */
export class Reader {
  constructor(
    readonly path: string,
    readonly fields: Map,
  ) {}

  bad(what: string): DocumentMalformed {
    return new DocumentMalformed(`${this.path}: ${what}.`);
  }

  text(name: string, from: Map = this.fields): string {
    const value = from[name];
    if (typeof value !== "string") throw this.bad(`field '${name}' must be text`);
    return value;
  }

  integer(name: string): number {
    const value = this.fields[name];
    if (typeof value !== "number" || !Number.isSafeInteger(value)) {
      throw this.bad(`field '${name}' must be an integer`);
    }
    return value;
  }

  id(name: string, from: Map = this.fields): string {
    const value = this.text(name, from);
    if (!ID.test(value) || value.length > ROOM_ID_BYTES) {
      throw this.bad(`field '${name}' is no valid id`);
    }
    return value;
  }

  session(name: string): string {
    const value = this.text(name);
    if (!SESSION.test(value)) throw this.bad(`field '${name}' is no session id`);
    return value;
  }

  time(name: string): number {
    const value = this.fields[name];
    if (isMap(value) && typeof value["toMillis"] === "function") {
      return (value as { toMillis: () => number }).toMillis() / 1000;
    }
    throw this.bad(`field '${name}' must be a time`);
  }

  description(name: string): Description {
    const value = this.fields[name];
    if (!isMap(value) || value["type"] !== name) {
      throw this.bad(`field '${name}' must be a map with type '${name}'`);
    }
    const { sdp, sealed } = value;
    if (typeof sdp === "string" && sdp.length <= SDP_CHARS) return { type: name, sdp };
    if (typeof sealed === "string" && sealed.length <= SEALED_CHARS) return { type: name, sealed };
    throw this.bad(`field '${name}' has neither 'sdp' nor 'sealed' text, or it is too long`);
  }

  candidates(name: string): string[] {
    const value: unknown = this.fields[name] ?? [];
    if (!Array.isArray(value) || value.length > CANDIDATES_MAX) {
      throw this.bad(`'${name}' must be a list of at most ${String(CANDIDATES_MAX)}`);
    }
    const texts = value.filter((entry): entry is string => typeof entry === "string");
    if (texts.length < value.length) throw this.bad(`every entry of '${name}' must be text`);
    if (texts.join("").length > CANDIDATES_CHARS) {
      throw this.bad(`'${name}' has over ${String(CANDIDATES_CHARS)} characters`);
    }
    return texts;
  }

  ended(): Ended {
    const value = this.fields["ended"];
    if (!isMap(value)) throw this.bad("field 'ended' must be a map");
    return { by: this.id("by", value), reason: this.text("reason", value).slice(0, REASON_CHARS) };
  }
}

/**
 * Free-form data as bounded JSON text.
 *
 * @throws ConfigError if it is no JSON value or too long.
 */
export function jsonText(value: unknown, limit: number, what: string): string {
  const text = strictJson(value, what);
  if (text.length > limit) {
    throw new ConfigError(
      `The ${what} has ${String(text.length)} characters of JSON, ${String(limit)} at most.`,
    );
  }
  return text;
}

/** What `JSON.stringify` is: it returns undefined for what is no value. */
type Stringify = (
  value: unknown,
  replace: (name: string, part: unknown) => unknown,
) => string | undefined;

/**
 * JSON, but nothing is silently changed: `undefined`, functions and NaN are errors.
 *
 * @throws ConfigError if it is no JSON value.
 */
export function strictJson(value: unknown, what: string): string {
  const refuse = (why: string): ConfigError =>
    new ConfigError(`The ${what} must be a JSON value: ${why}.`);
  const finite = (_: string, part: unknown): unknown => {
    if (typeof part === "number" && !Number.isFinite(part)) throw refuse("NaN and ∞ are none");
    return part;
  };
  let text: string | undefined;
  try {
    text = (JSON.stringify as Stringify)(value, finite);
  } catch (error) {
    throw error instanceof FireRTCError ? error : refuse(String(error));
  }
  if (text === undefined) throw refuse(`${typeof value} is none`);
  if (!isShallow(value, JSON_DEPTH)) throw refuse(`it is over ${String(JSON_DEPTH)} deep`);
  return text;
}

/**
 * JSON that somebody else wrote.
 *
 * @param depth how deep it may be nested.
 * @throws SyntaxError if it is none, or so deeply nested that it can only be meant badly.
 */
export function parseJson(text: string, depth = JSON_DEPTH): unknown {
  const value: unknown = JSON.parse(text);
  if (!isShallow(value, depth)) throw new SyntaxError("nested too deep");
  return value;
}

function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return depth > 0 && Object.values(value).every((inner) => isShallow(inner, depth - 1));
}
