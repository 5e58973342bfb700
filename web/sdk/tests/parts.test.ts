import { readFileSync } from "node:fs";
import { expect, test, vi } from "vitest";

import { Inbox, Outbox } from "../src/control.js";
import { isComplete, spreadCandidates, withoutCandidates } from "../src/descriptions.js";
import { Cancelled, ConfigError, DocumentMalformed, NoAnswer } from "../src/errors.js";
import { Emitter } from "../src/events.js";
import { decodeId, encodeId, readCall } from "../src/schema.js";
import { newCode, normalizeCode } from "../src/sealing.js";
import { deferred, within } from "../src/waiting.js";
import { WORDS } from "../src/words.js";

test("the words are those of Python", () => {
  const list = new URL("../../../client/firertc/words.txt", import.meta.url);
  expect(WORDS).toEqual(readFileSync(list, "ascii").trim().split(/\s+/));
});

test("a new code is a code, and another one each time", async () => {
  const codes = await Promise.all(Array.from({ length: 50 }, newCode));
  for (const code of codes) expect(await normalizeCode(code)).toBe(code);
  expect(new Set(codes).size).toBe(50);
});

test("a misspelt word is told with its neighbour", async () => {
  await expect(normalizeCode("abandon ability able abuot")).rejects.toThrow("'about'");
  await expect(normalizeCode("abandon ability able xxxxxx")).rejects.not.toThrow("Did you mean");
});

test("an id leads back to its name", () => {
  for (const name of ["room", "a b/c", "Zoë 😀 100%", "__x__"]) {
    expect(decodeId(encodeId(name, 128, "room"))).toBe(name);
  }
});

const call = {
  v: 1,
  kind: "open",
  from: "p-1",
  fromSession: "s".repeat(20),
  to: "*",
  toSession: "",
  attempt: 0,
  offer: { type: "offer", sdp: "v=0" },
  leaseUntil: { toMillis: () => 5000 },
};

test("a call document is read", () => {
  const read = readCall("realms/r/calls/c", call);
  expect(read).toMatchObject({ from: "p-1", to: "*", leaseUntil: 5, answer: null, ended: null });
});

test.each([
  { v: 2 },
  { v: "1" },
  { kind: "other" },
  { from: "a/b" },
  { from: 1 },
  { fromSession: "short" },
  { to: "" },
  { toSession: undefined },
  { attempt: 0.5 },
  { offer: "v=0" },
  { offer: { type: "answer", sdp: "v=0" } },
  { offer: { type: "offer", sdp: "x".repeat(65_537) } },
  { answer: { type: "answer" } },
  { offerCandidates: Array.from({ length: 41 }, () => "") },
  { offerCandidates: [1] },
  { answerCandidates: ["x".repeat(24_001)] },
  { metadata: 5 },
  { ended: "yes" },
  { ended: { by: "", reason: "x" } },
  { leaseUntil: 5 },
])("a malformed call document is refused: %o", (change) => {
  expect(() => readCall("realms/r/calls/c", { ...call, ...change })).toThrow(DocumentMalformed);
});

test("messages are numbered, and wait until they are acknowledged", () => {
  const outbox = new Outbox();
  expect([outbox.add("a"), outbox.add("b")].map(({ n }) => n)).toEqual([1, 2]);
  outbox.acknowledge(1);
  expect(outbox.waiting.map(({ body }) => body)).toEqual(["b"]);
});

test.each([undefined, () => 1, Number.NaN, { x: Infinity }, 1n])("%o is no message", (body) => {
  expect(() => new Outbox().add(body)).toThrow(ConfigError);
});

test("a message has at most 60,000 bytes of JSON", () => {
  expect(new Outbox().add("x".repeat(59_998)).n).toBe(1);
  expect(() => new Outbox().add("x".repeat(59_999))).toThrow("60001 bytes");
  expect(() => new Outbox().add("ä".repeat(30_000))).toThrow(ConfigError);
});

test("a message is handed on once, in order", () => {
  const inbox = new Inbox();
  const taken = [1, 1, 3, 2, 3].map((n) => inbox.take({ t: "message", n, body: null }));
  expect(taken).toEqual([true, false, false, true, true]);
});

test("candidates are said in every section", () => {
  const sdp =
    "v=0\r\ns=-\r\nm=audio 9 X 0\r\na=candidate:1\r\na=mid:0\r\nm=application 9 X y\r\na=mid:1\r\n";
  const spread = spreadCandidates(sdp, true);
  expect(spread).toBe(
    "v=0\r\ns=-\r\nm=audio 9 X 0\r\na=mid:0\r\na=candidate:1\r\na=end-of-candidates\r\n" +
      "m=application 9 X y\r\na=mid:1\r\na=candidate:1\r\na=end-of-candidates\r\n",
  );
  expect([isComplete(spread), isComplete(spreadCandidates(sdp, false))]).toEqual([true, false]);
  expect(spreadCandidates(spread, true)).not.toMatch(/candidate:1\r\na=candidate:1/);
});

test("candidates are taken out of a description", () => {
  const sdp =
    "v=0\r\nm=audio 9 X 0\r\na=candidate:1\r\na=mid:0\r\nm=application 9 X y\r\na=candidate:2\r\n";
  const bare = "v=0\r\nm=audio 9 X 0\r\na=mid:0\r\nm=application 9 X y\r\n";
  const one = JSON.stringify({ candidate: "candidate:1", sdpMLineIndex: 0 });
  const two = JSON.stringify({ candidate: "candidate:2", sdpMLineIndex: 0 });
  expect(withoutCandidates(sdp)).toEqual({ bare, candidates: [one, two] });
  const spread = withoutCandidates(spreadCandidates(sdp, true).trimEnd());
  expect(spread.bare).toBe(bare);
  expect(spread.candidates).toEqual([one, two, JSON.stringify({ candidate: "" })]);
});

test("waiting ends: by its promise, by time, by a signal", async () => {
  const late = (): Error => new NoAnswer("late");
  expect(await within(Promise.resolve(5), 1, late)).toBe(5);
  await expect(within(deferred().promise, 0.01, late)).rejects.toThrow(NoAnswer);
  await expect(within(deferred().promise, 1, late, AbortSignal.abort())).rejects.toThrow(Cancelled);
  const abort = new AbortController();
  const waiting = within(deferred().promise, 5, late, abort.signal);
  abort.abort();
  await expect(waiting).rejects.toThrow(Cancelled);
});

test("a listener that throws doesn't keep others from the event", () => {
  class Bell extends Emitter<{ ring: number }> {
    ring(): void {
      this.emit("ring", 7);
    }
  }
  const reported = vi.fn();
  vi.stubGlobal("reportError", reported);
  const bell = new Bell();
  const heard: number[] = [];
  bell.on("ring", () => {
    throw new RangeError("mine");
  });
  const off = bell.on("ring", (n) => heard.push(n));
  bell.ring();
  off();
  bell.ring();
  vi.unstubAllGlobals();
  expect(heard).toEqual([7]);
  expect(reported).toHaveBeenCalledTimes(2);
});
