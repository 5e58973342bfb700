// Write src/words.ts from the list that Python has; with --check, only say whether it is the same.
import { readFileSync, writeFileSync } from "node:fs";

const list = new URL("../../../client/firertc/words.txt", import.meta.url);
const copy = new URL("../src/words.ts", import.meta.url);

const words = readFileSync(list, "ascii").trim().split(/\s+/);
const text = `/** The words codes are made of; made from client/firertc/words.txt by scripts/words.mjs. */
export const WORDS: readonly string[] =
  // prettier-ignore
  "${words.join(" ")}".split(" ");
`;
if (process.argv.includes("--check")) {
  if (readFileSync(copy, "utf8") !== text) {
    console.error("src/words.ts differs from client/firertc/words.txt: run npm run words");
    process.exit(1);
  }
} else {
  writeFileSync(copy, text);
}
