/**
 * Which names of files may be taken from a stranger; no I/O.
 *
 * A transfer names its files by relative paths with `/` between the parts. What could lead out of
 * the folder, stand for a device, or fall together with another name is refused whole: a name is
 * never repaired behind the person's back.
 */

import { byteLength } from "./channel.js";

export type System = "posix" | "windows";
export type Problem =
  | "empty"
  | "encoding"
  | "control"
  | "absolute"
  | "drive"
  | "backslash"
  | "parent"
  | "too-long"
  | "too-deep"
  | "reserved"
  | "clash";

/** Of one name: 255 (NAME_MAX of Linux, macOS and Windows) less `.part`. */
export const PART_BYTES = 250;
export const PATH_BYTES = 1_024;
export const DEPTH_MOST = 64;
export const PARTIAL_ENDING = ".part";

/** Names of devices, with any ending (Windows, "Naming Files, Paths, and Namespaces"). */
const RESERVED = /^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(\..*)?$/i;
const FORBIDDEN = /[<>:"|?*]/;

const WORDS: Readonly<Record<Problem, string>> = {
  empty: "it is empty, or has an empty part",
  encoding: "it is no valid Unicode",
  control: "it has control characters",
  absolute: "it is absolute",
  drive: "it names a drive",
  backslash: "it has a backslash",
  parent: "it leads out of the folder ('.' or '..')",
  "too-long": `it is too long (a name ${String(PART_BYTES)} bytes, in all ${String(PATH_BYTES)})`,
  "too-deep": `it is more than ${String(DEPTH_MOST)} folders deep`,
  reserved: "this system can't have such a name",
  clash: "it falls together with another name of the same transfer",
};

/** A problem in words. */
export function explain(problem: Problem): string {
  return WORDS[problem];
}

/**
 * Whether a path from a stranger may be used below a folder of ours.
 *
 * @param path relative, parts joined with `/`.
 * @param system `windows` also refuses what Windows can't have.
 * @returns what is wrong with it; null: nothing.
 */
export function pathProblem(path: string, system: System = "posix"): Problem | null {
  if (/\p{Surrogate}/u.test(path)) return "encoding";
  if (!path) return "empty";
  if (/\p{Control}/u.test(path)) return "control";
  if (/^[/\\]/.test(path)) return "absolute";
  if (/^[A-Za-z]:/.test(path)) return "drive";
  if (path.includes("\\")) return "backslash";
  const parts = path.split("/");
  if (parts.includes("")) return "empty";
  if (parts.includes(".") || parts.includes("..")) return "parent";
  if (byteLength(path) > PATH_BYTES || parts.some((part) => byteLength(part) > PART_BYTES)) {
    return "too-long";
  }
  if (parts.length > DEPTH_MOST) return "too-deep";
  return system === "windows" && parts.some(isReserved) ? "reserved" : null;
}

function isReserved(part: string): boolean {
  return RESERVED.test(part) || /[ .]$/.test(part) || FORBIDDEN.test(part);
}

/**
 * Two paths of one transfer that could be the same file: twice the same, or but for case or
 * Unicode's composition; one a folder of the other; one the partial file of the other.
 *
 * @returns the two, the later one first; null: there are none.
 */
export function clash(paths: Iterable<string>): [later: string, earlier: string] | null {
  const seen = new Map<string, string>();
  const folders = new Map<string, string>();
  for (const path of paths) {
    const key = path.normalize("NFC").toLowerCase();
    const partial = key + PARTIAL_ENDING;
    const parts = key.split("/");
    const above = parts.slice(1).map((_, end) => parts.slice(0, end + 1).join("/"));
    const taken =
      seen.get(key) ??
      seen.get(partial) ??
      seen.get(whole(key)) ??
      folders.get(key) ??
      folders.get(partial) ??
      above.map((folder) => seen.get(folder) ?? seen.get(whole(folder))).find(Boolean);
    if (taken !== undefined) return [path, taken];
    for (const folder of above) if (!folders.has(folder)) folders.set(folder, path);
    seen.set(key, path);
  }
  return null;
}

/** Without the ending of partial files. */
function whole(key: string): string {
  return key.endsWith(PARTIAL_ENDING) ? key.slice(0, -PARTIAL_ENDING.length) : key;
}
