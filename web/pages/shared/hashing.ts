/** Where pages hash files: not where they draw. */

import { hashIn, type NewDigest } from "firertc/files";

let inWorker: NewDigest | null = null;

/** One worker for as long as the page lives, from the first file on. */
export const newDigest: NewDigest = () => {
  inWorker ??= hashIn(
    new Worker(new URL("./hashingWorker.ts", import.meta.url), { type: "module" }),
  );
  return inWorker();
};
