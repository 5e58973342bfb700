/** The keys of a realm: shown, made, changed, deleted. Their secrets pass through, unkept. */

import { confirmed, openDialog, toast } from "../shared/dialogs.js";
import { element, onClick } from "../shared/screen.js";
import { words, type Account } from "./account.js";
import { action, piece, renew, row } from "./pieces.js";

interface Limits {
  readonly role?: string;
  readonly tokenRequired?: boolean;
  readonly sessionSeconds?: number;
  readonly capacity?: number;
  readonly connect?: string;
}

interface Key {
  readonly key: string;
  readonly origins: readonly string[];
  readonly programs: boolean;
  readonly label: string;
  readonly disabled: boolean;
  readonly limits: Limits;
  readonly createdAt: string | null;
}

/** What is asked for in the form. */
interface Wanted {
  readonly title: string;
  readonly save: string;
  /** What the fields say at first. */
  readonly from: Key | null;
  readonly action: "make-key" | "make-alias" | "change-key";
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Shows the keys of one realm until it is stopped. */
export class Keys {
  #stopped = false;

  constructor(
    private readonly account: Account,
    private readonly realm: string,
    private readonly failed: (error: unknown) => void,
  ) {
    void this.refresh();
  }

  /** Show nothing any more. */
  stop(): void {
    this.#stopped = true;
    element("keys", "ul").replaceChildren();
  }

  /** Ask for the keys again: no client can listen to them. */
  async refresh(): Promise<void> {
    try {
      const { keys } = await this.account.ask<{ keys: Key[] }>("list-keys", { realm: this.realm });
      if (this.#stopped) return;
      element("no-keys", "p").hidden = keys.length > 0;
      renew(
        element("keys", "ul"),
        keys.map((key) => [key.key, this.#entry(key)]),
      );
    } catch (error) {
      if (!this.#stopped) this.failed(error);
    }
  }

  /** Ask for a new key's fields, and make it. */
  async make(): Promise<void> {
    await this.#edit({
      title: "New key",
      save: "Make key",
      from: null,
      action: "make-key",
      fields: { realm: this.realm },
    });
  }

  #entry(key: Key): HTMLElement {
    const name = key.label || key.key;
    const entry = piece("li", "", "card");
    const facts = document.createElement("dl");
    const fact = (term: string, text: string): void => {
      facts.append(piece("dt", term), piece("dd", text));
    };
    fact("Key", key.key);
    fact("For", [...key.origins, ...(key.programs ? ["programs"] : [])].join(", "));
    const limits = limitWords(key.limits);
    if (limits) fact("Limits", limits);
    if (key.createdAt) fact("Made", key.createdAt.slice(0, 10));
    const title = row(piece("h3", name));
    if (key.disabled) title.append(piece("span", "disabled", "badge bad"));
    entry.append(
      title,
      facts,
      row(
        action(key.disabled ? "Enable" : "Disable", name, () => void this.#turn(key)),
        action("Change", name, () => void this.#change(key)),
        action("New alias", name, () => void this.#alias(key)),
        action("Show secret", name, () => void this.#showSecret(key)),
        action("New secret", name, () => void this.#replaceSecret(key)),
        action("Delete", name, () => void this.#delete(key), "danger"),
      ),
    );
    return entry;
  }

  async #turn(key: Key): Promise<void> {
    const disabled = !key.disabled;
    await this.#ask("change-key", { key: key.key, disabled });
    toast(
      disabled
        ? "The key is disabled. Who is in stays until the session is renewed."
        : "The key is on.",
    );
  }

  async #change(key: Key): Promise<void> {
    const fields = { key: key.key };
    const title = `Change ${key.label || key.key}`;
    await this.#edit({ title, save: "Save", from: key, action: "change-key", fields });
  }

  async #alias(key: Key): Promise<void> {
    await this.#edit({
      title: `New alias of ${key.label || key.key}`,
      save: "Make alias",
      from: { ...key, label: "" },
      action: "make-alias",
      fields: { key: key.key },
    });
  }

  async #showSecret(key: Key): Promise<void> {
    const agreed = await confirmed({
      title: "Show the secret?",
      text: "Look who stands behind you. The project's log will say that you asked for it.",
      yes: "Show secret",
    });
    if (agreed) await this.#secret(key, "show-secret");
  }

  async #replaceSecret(key: Key): Promise<void> {
    const agreed = await confirmed({
      title: "Make a new secret?",
      text: "Tokens made with the old secret are refused at once, and who is in must join anew.",
      yes: "Make new secret",
      danger: true,
    });
    if (agreed) await this.#secret(key, "replace-secret");
  }

  async #secret(key: Key, name: "show-secret" | "replace-secret"): Promise<void> {
    const answer = await this.#ask<{ secret: string }>(name, { key: key.key });
    if (answer) await showSecret(key.key, answer.secret);
  }

  async #delete(key: Key): Promise<void> {
    const agreed = await confirmed({
      title: `Delete ${key.label || key.key}?`,
      text:
        "Pages and programs that come with this key are refused for good. " +
        "Who is in stays until the session is renewed, an hour at most.",
      yes: "Delete key",
      danger: true,
    });
    if (agreed && (await this.#ask("delete-key", { key: key.key }))) toast("The key is deleted.");
  }

  async #ask<Answer>(
    name: string,
    fields: Readonly<Record<string, unknown>>,
  ): Promise<Answer | null> {
    try {
      const answer = await this.account.ask<Answer>(name, fields);
      await this.refresh();
      return answer;
    } catch (error) {
      this.failed(error);
      return null;
    }
  }

  /** Fill the form, and save it as often as it takes: what is wrong is said in the dialog. */
  async #edit(wanted: Wanted): Promise<void> {
    const dialog = element("key-dialog", "dialog");
    const form = element("key-form", "form");
    const problem = element("key-problem", "p");
    element("key-dialog-title", "h2").textContent = wanted.title;
    element("key-save", "button").textContent = wanted.save;
    fill(wanted.from);
    problem.hidden = true;
    let made: { key: Key; secret?: string } | null = null;
    const save = async (): Promise<void> => {
      element("key-save", "button").disabled = true;
      try {
        made = await this.account.ask(wanted.action, { ...wanted.fields, ...written() });
        dialog.close("saved");
      } catch (error) {
        problem.textContent = words(error);
        problem.hidden = false;
      } finally {
        element("key-save", "button").disabled = false;
      }
    };
    form.onsubmit = (event) => {
      event.preventDefault();
      void save();
    };
    await openDialog(dialog);
    form.onsubmit = null;
    const saved = made as { key: Key; secret?: string } | null;
    if (!saved) return;
    void this.refresh();
    if (saved.secret === undefined) toast("The key is changed.");
    else await showSecret(saved.key.key, saved.secret);
  }
}

/** Make the secret's dialog work; once for the page. */
export function wireSecret(): void {
  for (const [id, from] of [
    ["copy-key", "secret-key"],
    ["copy-secret", "secret-text"],
  ] as const) {
    onClick(id, () => {
      navigator.clipboard.writeText(element(from, "output").textContent).then(
        () => {
          element(id, "button").textContent = "Copied";
        },
        () => {
          element(id, "button").textContent = "Mark and copy it by hand";
        },
      );
    });
  }
}

async function showSecret(key: string, secret: string): Promise<void> {
  element("secret-key", "output").textContent = key;
  element("secret-text", "output").textContent = secret;
  element("copy-key", "button").textContent = "Copy key";
  element("copy-secret", "button").textContent = "Copy secret";
  try {
    await openDialog(element("secret-dialog", "dialog"));
  } finally {
    element("secret-text", "output").textContent = "";
  }
}

function fill(key: Key | null): void {
  const limits = key?.limits ?? {};
  element("key-label", "input").value = key?.label ?? "";
  element("key-origins", "textarea").value = key?.origins.join("\n") ?? "";
  element("key-programs", "input").checked = key?.programs ?? false;
  element("key-role", "select").value = limits.role ?? "";
  element("key-token", "input").checked = limits.tokenRequired ?? false;
  element("key-capacity", "input").value = String(limits.capacity ?? "");
  element("key-session", "input").value = String(limits.sessionSeconds ?? "");
  connect = limits.connect;
}

/** Of the key whose fields are shown: the form doesn't ask for it, and saving keeps it. */
let connect: string | undefined;

function written(): Readonly<Record<string, unknown>> {
  const origins = element("key-origins", "textarea").value.split("\n");
  return {
    label: element("key-label", "input").value,
    origins: origins.map((line) => line.trim()).filter(Boolean),
    programs: element("key-programs", "input").checked,
    limits: {
      role: element("key-role", "select").value || null,
      tokenRequired: element("key-token", "input").checked || null,
      capacity: counted("key-capacity"),
      sessionSeconds: counted("key-session"),
      connect: connect ?? null,
    },
  };
}

function counted(id: string): number | null {
  const text = element(id, "input").value;
  return text ? Number(text) : null;
}

function limitWords(limits: Limits): string {
  return [
    limits.role,
    limits.tokenRequired && "token required",
    limits.capacity && `${String(limits.capacity)} peers a room`,
    limits.sessionSeconds && `renewed every ${String(limits.sessionSeconds)} s`,
    limits.connect && `connects ${limits.connect}`,
  ]
    .filter(Boolean)
    .join(", ");
}
