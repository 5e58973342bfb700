/** Codes as people say and type them: four words of a list. */

import { CodeUnknown } from "./errors.js";
import { WORDS } from "./words.js";

const CODE_WORDS = 4;

/** A fresh code: four words drawn at random, joined with `-`. */
export function newCode(): string {
  const drawn = crypto.getRandomValues(new Uint16Array(CODE_WORDS));
  // 65,536 is a multiple of the 2,048 words: every word is as likely as any other.
  return Array.from(drawn, (number) => WORDS[number % WORDS.length] ?? "").join("-");
}

/**
 * Bring a code as a person typed it into its one form.
 *
 * @throws CodeUnknown if it isn't four words of the list; names the word and the nearest one.
 */
export function normalizeCode(text: string): string {
  const parts = text
    .toLowerCase()
    .split(/[\s-]+/)
    .filter(Boolean);
  if (parts.length !== CODE_WORDS) {
    throw new CodeUnknown(
      `A code has ${String(CODE_WORDS)} words joined with '-'; this one has ${String(parts.length)}.`,
    );
  }
  for (const part of parts) {
    if (!WORDS.includes(part)) {
      const near = nearest(part, WORDS);
      const hint = near ? ` Did you mean '${near}'?` : "";
      throw new CodeUnknown(`'${part}' is not a word that codes are made of.${hint}`);
    }
  }
  return parts.join("-");
}

/** The word that takes the fewest changes, if it takes at most two. */
function nearest(word: string, list: readonly string[]): string | undefined {
  let [best, least]: [string | undefined, number] = [undefined, 3];
  for (const known of list) {
    const changes = Math.abs(known.length - word.length) < least ? distance(word, known) : least;
    if (changes < least) [best, least] = [known, changes];
  }
  return best;
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
