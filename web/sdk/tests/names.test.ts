// The same cases as tests/unit/test_names.py: both clients call tracks the same.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

import { ConfigError } from "../src/errors.js";
import { checkName, readNames, writeNames } from "../src/names.js";

interface Vectors {
  written: { name: string; token: string }[];
  refused: string[];
  read: { sdp: string; names: string[] }[];
}

const file = new URL("../../../tests/vectors/names.json", import.meta.url);
const vectors = JSON.parse(readFileSync(file, "utf8")) as Vectors;
const SDP = "v=0\r\nm=audio 9 X 0\r\nm=video 9 X 96\r\na=mid:1\r\nm=application 9 Y z\r\n";

test.each(vectors.written)("written as $token", ({ name, token }) => {
  const written = writeNames(SDP, ["", checkName(name)]);
  expect(written).toContain(`a=mid:1\r\na=label:${token}\r\nm=application`);
  expect(readNames(written)).toEqual(["", name]);
});

test.each(vectors.refused)("refused: %s", (name) => {
  expect(() => checkName(name)).toThrow(ConfigError);
});

test("half a character is no name", () => {
  expect(() => checkName("\ud83d")).toThrow(ConfigError);
});

test.each(vectors.read)("read: $names", ({ sdp, names }) => {
  expect(readNames(sdp)).toEqual(names);
});

test("a description without an end", () => {
  const written = "v=0\r\nm=video 9 X 96\r\na=label:a\r\n";
  expect(writeNames("v=0\r\nm=video 9 X 96", ["a"])).toBe(written);
  expect(writeNames(SDP, [])).toBe(SDP);
});
