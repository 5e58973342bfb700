// The same cases as tests/unit/test_repair.py: both clients repair at the same times, the same way.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

import { readOpening } from "../src/channel.js";
import {
  repairDelay,
  repairMark,
  repairStep,
  takesRepair,
  type Offered,
  type Standing,
} from "../src/repair.js";

interface Repairs {
  delays: [attempt: number, seconds: number][];
  steps: { elapsed: number; made: number; canRestart: boolean; step: string }[];
  marks: { metadata: string | null; mark: object | null }[];
  takes: { about: string; call: Offered; link: Standing; takes: boolean }[];
}

interface Openings {
  openings: { protocol: string; opening: object | null }[];
}

function read(name: string): unknown {
  const file = new URL(`../../../tests/vectors/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, "utf8"));
}

const repairs = read("repair") as Repairs;
const { openings } = read("channels") as Openings;

test.each(repairs.delays)("attempt %d begins after %d s", (attempt, seconds) => {
  expect(repairDelay(attempt)).toBe(seconds);
});

test.each(repairs.steps)(
  "after $elapsed s and $made attempts: $step",
  ({ elapsed, made, canRestart, step }) => {
    expect(repairStep(elapsed, made, canRestart)).toBe(step);
  },
);

test.each(repairs.marks)("mark $metadata", ({ metadata, mark }) => {
  expect(repairMark(metadata)).toEqual(mark);
});

test.each(repairs.takes)("$about", ({ call, link, takes }) => {
  expect(takesRepair(call, link)).toBe(takes);
});

test.each(openings)("channel $protocol", ({ protocol, opening }) => {
  expect(readOpening(protocol)).toEqual(opening);
});
