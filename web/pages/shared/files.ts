/** Files as a person chooses, reads of and keeps them. */

import { type Source } from "firertc/files";

const UNITS = ["B", "kB", "MB", "GB", "TB"];
/** The address of a download is good for so long: a person may be asked where to keep it. */
const DOWNLOAD_SECONDS = 600;

/** How much, in words: `12.4 MB`. */
export function sizeText(bytes: number): string {
  let unit = 0;
  let value = bytes;
  for (; value >= 999.5 && unit < UNITS.length - 1; unit++) value /= 1000;
  const digits = unit > 0 && value < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${UNITS[unit] ?? ""}`;
}

/** How long, in words. */
export function timeText(seconds: number): string {
  if (seconds < 60) return `${String(Math.max(1, Math.round(seconds)))} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${String(minutes)} min`;
  return `${String(Math.floor(minutes / 60))} h ${String(minutes % 60)} min`;
}

/** How fast something moves, over the last few seconds. */
export class Speed {
  static readonly #SPAN_SECONDS = 5;
  #samples: { at: number; bytes: number }[] = [];

  /** So much has moved by now, since the beginning. */
  add(bytes: number, at = performance.now() / 1000): void {
    this.#samples.push({ at, bytes });
    const oldest = at - Speed.#SPAN_SECONDS;
    while (this.#samples.length > 2 && (this.#samples[1]?.at ?? at) < oldest) this.#samples.shift();
  }

  /** Bytes per second; null: not known yet. */
  get rate(): number | null {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (!first || !last || last.at - first.at < 0.5) return null;
    return (last.bytes - first.bytes) / (last.at - first.at);
  }
}

/** The files of an `<input type="file">`, which can be used anew. */
export function chosen(input: HTMLInputElement): Source[] {
  const files = [...(input.files ?? [])];
  input.value = "";
  return files.map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

/** What was dropped: files, and folders with all that is in them. */
export async function dropped(data: DataTransfer): Promise<Source[]> {
  // Both are empty as soon as anything has been waited for.
  const entries = [...data.items].map((item) => item.webkitGetAsEntry());
  const files = [...data.files];
  const found = await Promise.all(
    entries.filter((entry) => entry !== null).map((entry) => below(entry, "")),
  );
  return found.length > 0 ? found.flat() : files.map((file) => ({ path: file.name, file }));
}

async function below(entry: FileSystemEntry, above: string): Promise<Source[]> {
  const path = above + entry.name;
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => {
      (entry as FileSystemFileEntry).file(resolve, reject);
    });
    return [{ path, file }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: Source[] = [];
  for (;;) {
    // A hundred or so at a time; none: that was all.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => {
      reader.readEntries(resolve, reject);
    });
    if (some.length === 0) return found;
    for (const one of some) found.push(...(await below(one, `${path}/`)));
  }
}

/** Take what is dropped anywhere on an element. */
export function onDrop(target: HTMLElement, act: (sources: Source[]) => void): void {
  const hold = (event: DragEvent): void => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    target.classList.toggle("over", event.type === "dragover");
  };
  target.addEventListener("dragover", hold);
  target.addEventListener("dragleave", hold);
  target.addEventListener("drop", (event) => {
    hold(event);
    if (event.dataTransfer) void dropped(event.dataTransfer).then(act);
  });
}

/** Have the browser keep a file where it keeps downloads. */
export function download(path: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = url;
  link.download = path.slice(path.lastIndexOf("/") + 1);
  link.click();
  setTimeout(() => {
    URL.revokeObjectURL(url);
  }, DOWNLOAD_SECONDS * 1000);
}
