// The same cases as tests/unit/test_control.py: both clients say and understand the same.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

import { decode, encode, Inbox, Outbox } from "../src/control.js";
import { ConfigError, FireRTCError, TooMuch } from "../src/errors.js";

interface Vectors {
  frames: { text: string; frame?: object | null; error?: string }[];
  inbox: { about: string; numbers: number[]; taken: boolean[]; acknowledged: number }[];
  outbox: { sent: number; acknowledged: number[]; waiting: number[] }[];
  sizes: { body: string; repeat: number; fits: boolean }[];
  bytes: { length: number; fits: boolean }[];
}

const file = new URL("../../../tests/vectors/control.json", import.meta.url);
const vectors = JSON.parse(readFileSync(file, "utf8")) as Vectors;

test.each(vectors.frames)("frame $text", ({ text, frame, error }) => {
  if (error !== undefined) {
    let thrown: unknown;
    try {
      decode(text);
    } catch (refused) {
      thrown = refused;
    }
    expect(thrown).toBeInstanceOf(FireRTCError);
    expect((thrown as FireRTCError).code).toBe(error);
    return;
  }
  const read = decode(text);
  expect(read && JSON.parse(encode(read))).toEqual(frame);
});

test("bytes arrive as bytes", () => {
  const body = Uint8Array.from({ length: 45_000 }, (_, index) => index % 256);
  const read = decode(encode({ t: "message", n: 1, body }));
  expect(read?.t === "message" && read.body).toEqual(body);
});

test("what is nested too deep is refused", () => {
  const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
  const framed = (body: string): string => `{"t":"message","n":1,"body":${body}}`;
  expect(decode(framed(nested(64)))).toMatchObject({ n: 1 });
  for (const body of [nested(65), nested(5_000), `{"a":${nested(64)}}`]) {
    expect(() => decode(framed(body))).toThrow(FireRTCError);
  }
});

test.each(vectors.inbox)("inbox: $about", ({ numbers, taken, acknowledged }) => {
  const inbox = new Inbox();
  expect(numbers.map((n) => inbox.take({ t: "message", n, body: null }))).toEqual(taken);
  expect(inbox.last).toBe(acknowledged);
});

test.each(vectors.outbox)("outbox: $sent, $acknowledged", ({ sent, acknowledged, waiting }) => {
  const outbox = new Outbox();
  for (let count = 0; count < sent; count++) outbox.add(count);
  for (const number of acknowledged) outbox.acknowledge(number);
  expect(outbox.waiting.map(({ n }) => n)).toEqual(waiting);
});

test.each(vectors.sizes)("$repeat times '$body' fits: $fits", ({ body, repeat, fits }) => {
  const add = (): unknown => new Outbox().add(body.repeat(repeat));
  if (fits) expect(add()).toMatchObject({ n: 1 });
  else expect(add).toThrow(ConfigError);
});

test.each(vectors.bytes)("$length bytes fit: $fits", ({ length, fits }) => {
  for (const body of [new Uint8Array(length), new ArrayBuffer(length)]) {
    const add = (): unknown => new Outbox().add(body);
    if (fits) expect(add()).toMatchObject({ n: 1 });
    else expect(add).toThrow(ConfigError);
  }
});

test("16 MiB may wait, no more", () => {
  const outbox = new Outbox();
  const body = "x".repeat(59_998);
  for (let count = 0; count < 279; count++) outbox.add(body);
  expect(() => outbox.add(body)).toThrow(TooMuch);
  outbox.acknowledge(1);
  expect(outbox.add(body).n).toBe(280);
});

test("a message is what it was when it was sent", () => {
  const outbox = new Outbox();
  const body = { a: [1], when: new Date(0), how: (): number => 1 };
  const message = outbox.add(body);
  body.a.push(2);
  expect(JSON.parse(encode(message))).toEqual({
    t: "message",
    n: 1,
    body: { a: [1], when: "1970-01-01T00:00:00.000Z" },
  });
});
