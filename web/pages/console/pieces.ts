/** Pieces that lists are made of. No text is ever taken for HTML. */

import { decodeId } from "firertc/schema";

/** A new element with a text. */
export function piece<Name extends keyof HTMLElementTagNameMap>(
  tag: Name,
  text: string,
  kind = "",
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(tag);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

/** A button; `about` tells screen readers what it is about. */
export function action(
  text: string,
  about: string,
  act: () => void,
  kind = "plain",
): HTMLButtonElement {
  const made = piece("button", text, `${kind} compact`);
  made.type = "button";
  made.setAttribute("aria-label", `${text}: ${about}`);
  made.addEventListener("click", act);
  return made;
}

/** A row of things. */
export function row(...content: Node[]): HTMLDivElement {
  const made = document.createElement("div");
  made.className = "row";
  made.append(...content);
  return made;
}

/** The name that an id was made from. */
export function nameOf(id: string): string {
  try {
    return decodeId(id);
  } catch {
    return id;
  }
}

/**
 * Replace the entries of a list, but leave alone those that say the same as before: so the keyboard
 * stays where it is while others come and go.
 */
export function renew(list: HTMLElement, entries: readonly [string, HTMLElement][]): void {
  const known = new Map(
    [...list.children].map((child) => [(child as HTMLElement).dataset["entry"], child]),
  );
  const wanted = entries.map(([id, fresh]) => {
    fresh.dataset["entry"] = id;
    const old = known.get(id);
    if (!old?.isEqualNode(fresh)) return fresh;
    return old;
  });
  const focused = document.activeElement;
  const lost = focused instanceof HTMLElement && list.contains(focused) ? focused : null;
  const label = lost?.getAttribute("aria-label") ?? null;
  const place = lost?.closest<HTMLElement>("[data-entry]")?.dataset["entry"];
  wanted.forEach((entry, index) => {
    if (list.children[index] !== entry) list.insertBefore(entry, list.children[index] ?? null);
  });
  while (list.children.length > wanted.length) list.lastElementChild?.remove();
  if (lost && !lost.isConnected) {
    const entry = wanted.find((one) => (one as HTMLElement).dataset["entry"] === place);
    const same = [...(entry?.querySelectorAll("button") ?? [])];
    (same.find((one) => one.getAttribute("aria-label") === label) ?? same[0])?.focus();
  }
}
