// The same cases as tests/unit/test_transfer.py: both clients read, refuse and order alike.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

import { FireRTCError, ProtocolError } from "../src/errors.js";
import { clash, pathProblem, type Problem } from "../src/paths.js";
import { Incoming, Outgoing } from "../src/transfer.js";
import { encode, parse, PIECE_MOST_BYTES, type Offer, type Said } from "../src/transferFrames.js";

interface Step {
  bytes?: number;
  accept?: { skip: number[]; have: { index: number; size: number }[] };
  finished?: number;
  problem?: string;
  next?: number | null;
  complete?: boolean;
}

interface Vectors {
  paths: { path: string; posix: Problem | null; windows: Problem | null }[];
  clashes: { paths: string[]; clash: [string, string] | null }[];
  messages: { text: string; said: Said | "error" | null; encodes?: boolean }[];
  sequences: {
    side: "sender" | "receiver";
    what: string;
    steps: (string | Step)[];
    refused: boolean;
  }[];
}

const file = new URL("../../../tests/vectors/transfer.json", import.meta.url);
const vectors = JSON.parse(readFileSync(file, "utf8")) as Vectors;

test.each(vectors.paths)("path $path", ({ path, posix, windows }) => {
  expect(pathProblem(path, "posix")).toBe(posix);
  expect(pathProblem(path, "windows")).toBe(windows);
});

test.each(vectors.clashes)("clash $paths", ({ paths, clash: wanted }) => {
  expect(clash(paths)).toEqual(wanted);
});

test.each(vectors.messages)("message $text", ({ text, said: wanted, encodes = true }) => {
  if (wanted === "error") {
    expect(() => parse(text)).toThrow(ProtocolError);
    return;
  }
  const said = parse(text);
  expect(said).toEqual(wanted);
  if (said && said.t !== "data") {
    expect(JSON.parse(encode(said))).toEqual(wanted);
    if (encodes) expect(encode(said)).toBe(text);
  }
});

test("pieces", () => {
  const content = new Uint8Array([120]);
  expect(parse(content.buffer)).toEqual({ t: "data", content });
  for (const length of [0, PIECE_MOST_BYTES + 1]) {
    expect(() => parse(new ArrayBuffer(length))).toThrow(ProtocolError);
  }
});

describe.each(["sender", "receiver"] as const)("%s", (side) => {
  const those = vectors.sequences.filter((sequence) => sequence.side === side);
  test.each(those)("$what", ({ steps, refused }) => {
    const files = [
      { path: "a", size: 3 },
      { path: "b", size: 2 },
    ];
    const outgoing = new Outgoing({ t: "offer", transfer: "x", files });
    const incoming = new Incoming();
    const act = (step: string | Step): void => {
      const receiving = side === "receiver";
      if (typeof step === "string") (receiving ? incoming : outgoing).take(step);
      else if (step.bytes !== undefined) {
        (receiving ? incoming : outgoing).take(new ArrayBuffer(step.bytes));
      } else if (step.accept) {
        const have = step.accept.have.map((held) => ({ ...held, sha256: "0".repeat(64) }));
        incoming.accept(step.accept.skip, have);
      } else if (step.finished !== undefined) incoming.finished(step.finished, step.problem);
      else if (step.next !== undefined) expect(outgoing.next()).toBe(step.next);
      else {
        expect(outgoing.isThrough).toBe(step.complete);
        if (outgoing.isThrough) outgoing.complete();
      }
    };
    for (const step of steps.slice(0, -1)) act(step);
    const last = (): void => {
      act(steps.at(-1) ?? "");
    };
    if (refused) expect(last).toThrow(FireRTCError);
    else last();
  });
});

test("an offer of all that is allowed", () => {
  const files = Array.from({ length: 10_000 }, (_, at) => ({ path: `f${String(at)}`, size: 1 }));
  const offer: Offer = { t: "offer", transfer: "x", files };
  expect(parse(encode(offer))).toEqual(offer);
  const longer = { ...offer, files: [...files, { path: "one more", size: 1 }] };
  expect(() => parse(encode(longer))).toThrow(ProtocolError);
});
