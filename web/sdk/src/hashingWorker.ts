/** What a worker runs that hashes files for its page; importing it is all. See `hashIn`. */

import { hashHere, type Answered, type Asked, type Digest } from "./hashing.js";

const digests = new Map<number, Digest>();
let last: Promise<void> = Promise.resolve();

async function take(asked: Asked): Promise<Answered | null> {
  const { id } = asked;
  const digest = digests.get(id) ?? hashHere();
  digests.set(id, digest);
  switch (asked.t) {
    case "add":
      await digest.update(asked.content);
      return { t: "added", id, bytes: asked.content.length };
    case "hex":
      return { t: "hex", id, hex: await digest.hex() };
    case "close":
      digests.delete(id);
      return null;
  }
}

addEventListener("message", ({ data }: MessageEvent<Asked>) => {
  // One after the other, as they came.
  last = last.then(async () => {
    const answer = await take(data);
    if (answer) postMessage(answer);
  });
});
