// The same cases as tests/unit/test_channel.py: both clients cut, number and join alike.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

import * as frames from "../src/channelFrames.js";
import type { Bytes, Piece, PieceAck } from "../src/channelFrames.js";
import { FireRTCError, ProtocolError } from "../src/errors.js";

interface Written {
  kind: "binary" | "text" | "ack" | "fin";
  number: number;
  payload?: string;
  more?: boolean;
}

interface Vectors {
  frames: { hex: string; frame?: Written | null; error?: string; encodes?: boolean }[];
  after: [number, number, boolean][];
  cuts: {
    kind: "binary" | "text";
    unit: string;
    repeat: number;
    pieces: number[];
    more: boolean[];
  }[];
  inbox: {
    about: string;
    events: (["take", Written] | ["consume"])[];
    results: (boolean | string)[];
    acknowledged: number[];
  }[];
}

const file = new URL("../../../tests/vectors/channels.json", import.meta.url);
const vectors = JSON.parse(readFileSync(file, "utf8")) as Vectors;

const bytes = (hex: string): Bytes => new Uint8Array(Buffer.from(hex, "hex"));
const hex = (raw: Uint8Array): string => Buffer.from(raw).toString("hex");

function written(frame: Piece | PieceAck | null): Written | null {
  if (!frame || frame.kind === "ack") return frame;
  return { ...frame, payload: hex(frame.payload) };
}

const piece = ({ kind, number, payload = "", more = false }: Written): Piece => ({
  kind: kind === "ack" ? "fin" : kind,
  number,
  payload: bytes(payload),
  more,
});

test.each(vectors.frames)("frame $hex", ({ hex: text, frame, error, encodes = true }) => {
  let read: Piece | PieceAck | null;
  try {
    read = frames.decode(bytes(text).buffer);
  } catch (thrown) {
    if (!(thrown instanceof FireRTCError)) throw thrown;
    expect(thrown.code).toBe(error);
    return;
  }
  expect(written(read)).toEqual(frame);
  if (read && encodes) expect(hex(frames.encode(read))).toBe(text);
});

test.each(["text", null, new ArrayBuffer(65_537)])("%o is no frame", (data) => {
  expect(() => frames.decode(data)).toThrow(ProtocolError);
});

test.each(vectors.after)("whether %d comes after %d", (number, other, after) => {
  expect(frames.isAfter(number, other)).toBe(after);
});

test.each(vectors.cuts)("cut $repeat of '$unit'", ({ kind, unit, repeat, pieces, more }) => {
  const whole = kind === "text" ? unit.repeat(repeat) : bytes(unit.repeat(repeat));
  const parts = [...frames.cut(whole)];
  expect(parts.map(({ payload }) => payload.length)).toEqual(pieces);
  expect(parts.map((part) => part.more)).toEqual(more);
  const inbox = new frames.PieceInbox();
  for (const [index, part] of parts.entries()) inbox.take({ ...part, number: index + 1 });
  const joined = inbox.consume();
  if (typeof whole === "string") expect(joined).toBe(whole);
  else expect(Buffer.from(joined as ArrayBuffer).equals(whole)).toBe(true);
});

test.each(vectors.inbox)("inbox: $about", ({ events, results, acknowledged }) => {
  const inbox = new frames.PieceInbox();
  for (const [index, [what, frame]] of events.entries()) {
    const result = what === "take" ? inbox.take(piece(frame)) : inbox.consume();
    expect(result).toEqual(results[index]);
    expect(inbox.acknowledged).toBe(acknowledged[index]);
  }
});

test("a message that is too long, or no text, is refused", () => {
  const inbox = new frames.PieceInbox(3);
  inbox.take(piece({ kind: "binary", number: 1, payload: "0000", more: true }));
  const next = piece({ kind: "binary", number: 2, payload: "0000" });
  expect(() => inbox.take(next)).toThrow("more than 3 bytes");
  const text = piece({ kind: "text", number: 1, payload: "ff" });
  expect(() => new frames.PieceInbox().take(text)).toThrow("no UTF-8");
});

test("what is not acknowledged is sent again, as far as the window goes", () => {
  const outbox = new frames.PieceOutbox();
  const [part] = frames.cut("x".repeat(60_000));
  if (!part) throw new Error("no part");
  while (outbox.hasRoom) outbox.add(part);
  expect(outbox.waiting.length).toBe(70);
  const sent = (): number[] => {
    const numbers: number[] = [];
    for (let next = outbox.next(); next; next = outbox.next()) numbers.push(next.number);
    return numbers;
  };
  expect(sent().length).toBe(70);
  outbox.acknowledge(68);
  expect([outbox.hasRoom, outbox.size, sent()]).toEqual([true, 120_000, []]);
  outbox.rewind();
  expect(sent()).toEqual([69, 70]);
  expect(() => {
    outbox.acknowledge(71);
  }).toThrow(ProtocolError);
});
