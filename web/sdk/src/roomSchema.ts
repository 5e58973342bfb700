/** What the documents of a room say: its peers and their messages (docs/protocol.md, section 3). */

import { ANYONE, BODY_CHARS, isMap, Reader } from "./schema.js";

/** A peer document as read. */
export interface Peer {
  /** Peer id. */
  readonly id: string;
  readonly session: string;
  /** What it says of itself; null: nothing. */
  readonly data: unknown;
  /** Which of `audio`, `video`, `screen` it sends. */
  readonly media: Readonly<Record<string, boolean>>;
  readonly role: string;
  /** What its program can do. */
  readonly can: readonly string[];
  /** Unix seconds, the server's. */
  readonly joinedAt: number;
  /** Unix seconds. */
  readonly leaseUntil: number;
  /** Whether it is we. */
  readonly isSelf: boolean;
  /**
   * Why it is no longer in: `left` by itself (or put out by a moderator other than us), `removed` by
   * us, `gone` with its lease, `replaced` by the same peer in another session; empty while it is in.
   */
  readonly left: "" | "left" | "removed" | "gone" | "replaced";
}

/**
 * Check a peer document that somebody else wrote.
 *
 * @param data what it says of itself, opened if it was sealed.
 * @param me our own peer id.
 * @throws DocumentMalformed says which field and why.
 */
export function readPeer(
  path: string,
  fields: Readonly<Record<string, unknown>>,
  data: unknown,
  me: string,
): Peer {
  const reader = new Reader(path, fields);
  const id = path.slice(path.lastIndexOf("/") + 1);
  const media = fields["media"];
  const can = fields["can"];
  return {
    id,
    session: reader.session("session"),
    data,
    media: isMap(media)
      ? Object.fromEntries(Object.entries(media).map(([kind, on]) => [kind, on === true]))
      : {},
    role: reader.text("role"),
    can: Array.isArray(can) ? can.filter((word) => typeof word === "string") : [],
    joinedAt: reader.time("joinedAt"),
    leaseUntil: reader.time("leaseUntil"),
    isSelf: id === me,
    left: "",
  };
}

/** A message's document as read. */
export interface MessageFields {
  readonly path: string;
  readonly from: string;
  readonly fromSession: string;
  /** A peer id or `*`. */
  readonly to: string;
  /** Counts the sender's messages, to whomever. */
  readonly n: number;
  /** JSON, or sealed JSON. */
  readonly body: string;
  /** Unix seconds, the server's. */
  readonly createdAt: number;
}

/** Check a message that somebody else wrote. */
export function readMessage(
  path: string,
  fields: Readonly<Record<string, unknown>>,
): MessageFields {
  const reader = new Reader(path, fields);
  const body = reader.text("body");
  if (body.length > BODY_CHARS) throw reader.bad("the body is too long");
  return {
    path,
    from: reader.id("from"),
    fromSession: reader.session("fromSession"),
    to: fields["to"] === ANYONE ? ANYONE : reader.id("to"),
    n: reader.integer("n"),
    body,
    createdAt: reader.time("createdAt"),
  };
}
