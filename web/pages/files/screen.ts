/** What the files page shows of a transfer. All names are shown as text. */

import type { Progress } from "firertc/files";

import { sizeText, Speed, timeText } from "../shared/files.js";
import { element } from "../shared/screen.js";

/** Lines shown of a longer list. */
const LINES_MOST = 200;
const REDRAW_SECONDS = 0.2;

/** A file of a list. */
export interface Shown {
  readonly path: string;
  readonly size: number | null;
}

/** Show names and sizes, and what they are together. */
export function showFiles(list: "offered" | "moving-files", files: readonly Shown[]): void {
  const lines = files.slice(0, LINES_MOST).map((file) => lineOf(file));
  const left = files.length - lines.length;
  if (left > 0) {
    const more = document.createElement("li");
    more.textContent = `and ${String(left)} more`;
    lines.push(more);
  }
  element(list, "ul").replaceChildren(...lines);
}

function lineOf({ path, size }: Shown): HTMLLIElement {
  const line = document.createElement("li");
  const name = document.createElement("span");
  const note = document.createElement("span");
  name.className = "name";
  name.textContent = path;
  note.className = "note";
  note.textContent = size === null ? "of unknown size" : sizeText(size);
  line.append(name, " ", note);
  return line;
}

/** What files are together, in words. */
export function sumText(files: readonly Shown[]): string {
  const count = files.length === 1 ? "1 file" : `${String(files.length)} files`;
  const sizes = files.map(({ size }) => size);
  if (sizes.includes(null)) return count;
  return `${count}, ${sizeText(sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0))}`;
}

/** A file is whole: say so in its line, with what can be done with it. */
export function markWhole(index: number, save?: () => void): void {
  const line = index < LINES_MOST ? element("moving-files", "ul").children[index] : undefined;
  if (!line || line.classList.contains("whole")) return;
  line.classList.add("whole");
  const note = document.createElement("span");
  note.className = "note";
  note.textContent = " ✓ whole";
  line.append(note);
  if (!save) return;
  const button = document.createElement("button");
  button.className = "plain compact";
  button.textContent = "Save";
  button.setAttribute("aria-label", `Save ${line.querySelector(".name")?.textContent ?? ""}`);
  button.addEventListener("click", save);
  line.append(" ", button);
}

/** A progress bar, with rate and remaining time. */
export class Bar {
  #speed = new Speed();
  #drawn = -Infinity;

  constructor() {
    const bar = element("bar", "progress");
    bar.value = 0;
    bar.max = 1;
    element("bar-text", "p").textContent = "";
  }

  /** It is so far. */
  show({ path, bytes, total, moved }: Progress): void {
    const now = performance.now() / 1000;
    this.#speed.add(moved, now);
    const done = total !== null && bytes >= total;
    if (now - this.#drawn < REDRAW_SECONDS && !done) return;
    this.#drawn = now;
    const bar = element("bar", "progress");
    if (total === null) bar.removeAttribute("value");
    else {
      bar.max = Math.max(1, total);
      bar.value = total === 0 ? 1 : bytes;
    }
    const { rate } = this.#speed;
    const left = total !== null && rate ? (total - bytes) / rate : null;
    element("bar-text", "p").textContent = [
      total === null ? sizeText(bytes) : `${sizeText(bytes)} of ${sizeText(total)}`,
      rate === null ? "" : `${sizeText(rate)}/s`,
      left === null || done ? "" : `${timeText(left)} left`,
      path,
    ]
      .filter(Boolean)
      .join(" · ");
  }
}

/** Show the list of what moves, or moved. */
export function showList(on: boolean): void {
  element("list", "div").hidden = !on;
}
