// The same cases as tests/browser/test_vectors.py: both clients make the same of the same input.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

import { decode, encode } from "../src/control.js";
import { FireRTCError } from "../src/errors.js";
import {
  answerOutcome,
  attemptsDue,
  calleeStep,
  connects,
  offererStep,
  endsBreak,
  pulse,
} from "../src/negotiation.js";
import { encodeId, type CallFields, type Ended } from "../src/schema.js";
import { normalizeCode, Seal, stretch, type Context } from "../src/sealing.js";

interface Sketch {
  to: string;
  toSession?: string;
  answer?: boolean;
  ended?: Ended;
}

interface Vectors {
  ids: { name: string; limit: number; id?: string; error?: string }[];
  codes: { text: string; code?: string; error?: string }[];
  stretched: { code: string; project: string; call: string; key: string }[];
  sealed: { key: string; context: Context; sealed: string; text?: string; error?: string }[];
  frames: { text: string; frame?: object | null; error?: string }[];
}

interface Decisions {
  pulse: [number, string][];
  ends: { moved: boolean; pong: number | null; pingedBefore: number; ends: boolean }[];
  attemptsDue: [number, number][];
  connects: { me: [string, number]; other: [string, number]; connects: boolean }[];
  offererSteps: { call: Sketch | null; step: string; reason: string | null }[];
  calleeSteps: { call: Sketch | null; step: string; reason: string | null }[];
  answerOutcomes: { call: Sketch | null; outcome: string }[];
}

function read(name: string): unknown {
  const file = new URL(`../../../tests/vectors/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, "utf8"));
}

const vectors = read("one_off") as Vectors;
const decisions = read("negotiation") as Decisions;

/** What an act gives, or the code of its error. */
async function outcome(act: () => unknown): Promise<unknown> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof FireRTCError) return { error: error.code };
    throw error;
  }
}

function callOf(sketch: Sketch | null): CallFields | null {
  return (
    sketch && {
      path: "realms/demo/calls/0",
      kind: "open",
      from: "them",
      fromSession: "s",
      to: sketch.to,
      toSession: sketch.toSession ?? "",
      attempt: 0,
      offer: { type: "offer", sdp: "" },
      answer: sketch.answer ? { type: "answer", sdp: "" } : null,
      offerCandidates: [],
      answerCandidates: [],
      metadata: null,
      ended: sketch.ended ?? null,
      leaseUntil: 0,
    }
  );
}

const bytes = (hex: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(hex, "hex"));

test.each(vectors.ids)("id of $name", async ({ name, limit, id, error }) => {
  expect(await outcome(() => encodeId(name, limit, "room"))).toEqual(id ?? { error });
});

test.each(vectors.codes)("code $text", async ({ text, code, error }) => {
  expect(await outcome(() => normalizeCode(text))).toEqual(code ?? { error });
});

test.each(vectors.stretched)("stretch $code", async ({ code, project, call, key }) => {
  const seal = await stretch(code, project);
  expect(seal.call).toBe(call);
  const context = { path: "p", name: "n", from: "f", fromSession: "s", to: "t", toSession: "u" };
  const same = await Seal.of(call, bytes(key));
  expect(await same.open(await seal.close("text", context), context)).toBe("text");
});

test.each(vectors.sealed)("seal $sealed", async ({ key, context, sealed, text, error }) => {
  const seal = await Seal.of("0".repeat(32), bytes(key));
  expect(await outcome(() => seal.open(sealed, context))).toEqual(text ?? { error });
});

test.each(vectors.frames)("frame $text", async ({ text, frame, error }) => {
  const decoded = await outcome(() => decode(text));
  expect(decoded).toEqual(error ? { error } : frame);
  const again = decoded as Parameters<typeof encode>[0] | null;
  if (frame) expect(JSON.parse(encode(again ?? { t: "ack", n: 0 }))).toEqual(frame);
});

test("decisions", () => {
  for (const [seconds, word] of decisions.pulse) expect(pulse(seconds)).toBe(word);
  for (const { moved, pong, pingedBefore, ends } of decisions.ends) {
    expect(endsBreak(moved, pong, pingedBefore)).toBe(ends);
  }
  for (const [seconds, due] of decisions.attemptsDue) expect(attemptsDue(seconds)).toBe(due);
  for (const { me, other, connects: mine } of decisions.connects) {
    const [one, two] = [me, other].map(([peer, joinedAt]) => ({ peer, joinedAt }));
    expect(one && two && connects(one, two)).toBe(mine);
  }
  for (const { call, step, reason } of decisions.offererSteps) {
    expect(offererStep(callOf(call), "me")).toEqual(reason === null ? { step } : { step, reason });
  }
  for (const { call, step, reason } of decisions.calleeSteps) {
    expect(calleeStep(callOf(call), "me")).toEqual(reason === null ? { step } : { step, reason });
  }
  for (const { call, outcome: word } of decisions.answerOutcomes) {
    expect(answerOutcome(callOf(call), "me", "mine")).toBe(word);
  }
});
