/** What a page shows: its views, its problems, its texts. No text is ever taken for HTML. */

const NEAR_END_PIXELS = 60;

/** An element of the page, which must be there. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  id: string,
  tag: Name,
): HTMLElementTagNameMap[Name] {
  const found = document.getElementById(id);
  if (found?.localName !== tag) throw new TypeError(`the page has no <${tag}> #${id}`);
  return found as HTMLElementTagNameMap[Name];
}

/** A drawing of the page, or a part of one. */
export function drawing(id: string): SVGElement {
  const found = document.getElementById(id);
  if (!(found instanceof SVGElement)) throw new TypeError(`the page has no drawing #${id}`);
  return found;
}

/** Do something at every click. */
export function onClick(id: string, act: () => void): void {
  element(id, "button").addEventListener("click", act);
}

/** Show one view and hide the others; the keyboard goes to its title. */
export function show(view: string): void {
  const page = element("page", "main");
  if (page.dataset["view"] === view) return;
  page.dataset["view"] = view;
  for (const section of page.querySelectorAll<HTMLElement>("section[data-for]")) {
    section.hidden = section.dataset["for"] !== view;
  }
  page.querySelector<HTMLElement>(`section[data-for="${view}"] h1`)?.focus();
}

/** Say something that screen readers read, too. */
export function say(text: string): void {
  element("status", "p").textContent = text;
}

/** What can be done about a problem. */
export interface WayOut {
  readonly again?: () => void;
  /** To go on without camera and microphone. */
  readonly without?: () => void;
}

/** Say what is wrong, with a way out. */
export function showProblem(text: string, wayOut: WayOut): void {
  element("problem-text", "p").textContent = text;
  const buttons = [
    ["problem-again", wayOut.again],
    ["problem-without", wayOut.without],
  ] as const;
  for (const [id, act] of buttons) {
    const button = element(id, "button");
    button.hidden = !act;
    button.onclick = () => {
      hideProblem();
      act?.();
    };
  }
  element("problem", "section").hidden = false;
}

/** The problem is over. */
export function hideProblem(): void {
  element("problem", "section").hidden = true;
}

/** Add a line to the messages. */
export function addMessage(
  from: string,
  text: string,
  kind: "you" | "they" | "private" = "they",
): void {
  const who = document.createElement("b");
  const what = document.createElement("span");
  who.textContent = from;
  what.textContent = text;
  addLine(kind, who, " ", what);
}

/** Say among the messages what happens: who came, who left. */
export function addNotice(text: string): void {
  addLine("notice", text);
}

/** Add a line of any content to the messages. */
export function addLine(kind: string, ...content: (Node | string)[]): HTMLLIElement {
  const line = document.createElement("li");
  line.className = kind;
  line.append(...content);
  const list = element("messages", "ol");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_END_PIXELS;
  list.append(line);
  // Who reads what was said before is left there.
  if (kind === "you" || atEnd) list.scrollTop = list.scrollHeight;
  return line;
}

/** Say on a switch whether its kind is on. */
export function showSwitch(id: "microphone" | "camera", on: boolean): void {
  const button = element(id, "button");
  const name = id === "microphone" ? "Microphone" : "Camera";
  button.setAttribute("aria-pressed", String(on));
  button.textContent = `${name} ${on ? "on" : "off"}`;
}
