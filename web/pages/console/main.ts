/** The console page: the owner signs in, and sees and changes what the project lets in. */

import { confirmed, openDialog, toast } from "../shared/dialogs.js";
import { element, hideProblem, onClick, say, show, showProblem } from "../shared/screen.js";
import { Account, words, type Owner } from "./account.js";
import { backFromGoogle, goToGoogle, googleClient } from "./google.js";
import { Keys, wireSecret } from "./keys.js";
import { listenRealms, type Realm, type Stop } from "./live.js";
import { nameOf } from "./pieces.js";
import { Rooms } from "./rooms.js";
import { showUsage } from "./usage.js";

/** What is shown of one realm. */
interface View {
  readonly realm: string;
  readonly keys: Keys;
  readonly stop: Stop;
}

let account: Account;
let stopRealms: Stop | null = null;
let realms: readonly Realm[] = [];
let view: View | null = null;
/** A realm that was made a moment ago, to be shown when it comes. */
let awaited: string | null = null;

/** Show what is for whoever is signed in. */
function welcome(owner: Owner | null): void {
  hideProblem();
  say("");
  if (owner?.isAdmin) {
    element("who", "span").textContent = owner.name;
    show("console");
    stopRealms ??= listenRealms(account.firestore, takeRealms, fail);
    return;
  }
  leave();
  if (!owner) {
    show("sign-in");
    return;
  }
  element("no-rights-name", "b").textContent = owner.name;
  element("grant-command", "code").textContent = grantCommand(owner);
  show("no-rights");
}

/** Listen to nothing any more, and show nothing of what was there. */
function leave(): void {
  stopRealms?.();
  stopRealms = null;
  realms = [];
  view?.stop();
  view = null;
  element("realm", "select").replaceChildren();
  element("of-realm", "div").hidden = true;
  element("parts", "nav").hidden = true;
}

function grantCommand({ uid, name }: Owner): string {
  // What a shell could take for more than a word is not put into a command.
  const who = /^[\w.+-]+@[\w.-]+$/.test(name) && !name.startsWith("-") ? name : uid;
  const { project, firestoreEmulator } = account.config;
  return `firertc admin grant ${who}${firestoreEmulator ? "" : ` --project ${project}`}`;
}

function takeRealms(found: Realm[]): void {
  realms = found;
  const select = element("realm", "select");
  const known = (id: string | null | undefined): boolean => found.some((one) => one.id === id);
  const chosen = [awaited, view?.realm, found[0]?.id].find(known) ?? null;
  select.replaceChildren(
    ...found.map(({ id }) => {
      const name = nameOf(id);
      return new Option(name, id, false, id === chosen);
    }),
  );
  select.disabled = found.length === 0;
  if (chosen === awaited) awaited = null;
  showRealm(chosen);
}

function showRealm(id: string | null): void {
  const realm = realms.find((one) => one.id === id);
  element("of-realm", "div").hidden = !realm;
  element("parts", "nav").hidden = !realm;
  const turn = element("turn-open", "button");
  turn.hidden = !realm;
  element("realm-open", "p").textContent = !realm
    ? "There is no realm yet. Make one: it is one app's own space of rooms."
    : realm.open
      ? "Open: any signed-in user gets in without a key."
      : "Closed: one gets in with a key.";
  if (realm) turn.textContent = realm.open ? "Close realm" : "Open realm";
  if (view?.realm === realm?.id) return;
  view?.stop();
  view = null;
  if (!realm) return;
  const { firestore } = account;
  const rooms = new Rooms(account, realm.id, perform, fail);
  const keys = new Keys(account, realm.id, failed);
  const stopUsage = showUsage(firestore, realm.id, fail);
  view = {
    realm: realm.id,
    keys,
    stop: () => {
      rooms.stop();
      keys.stop();
      stopUsage();
    },
  };
}

async function perform(
  name: string,
  fields: Readonly<Record<string, unknown>>,
  done: string,
): Promise<void> {
  try {
    await account.ask(name, fields);
    hideProblem();
    toast(done);
  } catch (error) {
    failed(error);
  }
}

function failed(error: unknown): void {
  showProblem(words(error), {});
}

/** The database lets this account listen no longer. */
function fail(error: Error): void {
  const code = (error as { code?: unknown }).code;
  leave();
  showProblem(
    code === "permission-denied"
      ? "This account may no longer look. Its right may have been taken away."
      : "The database does not answer. Check the network.",
    { again: () => void account.checkAgain().catch(failed) },
  );
}

async function makeRealm(): Promise<void> {
  const dialog = element("realm-dialog", "dialog");
  const problem = element("realm-problem", "p");
  const form = element("realm-form", "form");
  form.reset();
  problem.hidden = true;
  form.onsubmit = (event) => {
    event.preventDefault();
    const name = element("realm-name", "input").value;
    const open = element("realm-is-open", "input").checked;
    account.ask<{ realm: string }>("make-realm", { name, open }).then(
      ({ realm }) => {
        awaited = realm;
        takeRealms([...realms]);
        dialog.close();
        toast("The realm is made.");
      },
      (error: unknown) => {
        problem.textContent = words(error);
        problem.hidden = false;
      },
    );
  };
  await openDialog(dialog);
}

async function turnOpen(): Promise<void> {
  const realm = realms.find(({ id }) => id === view?.realm);
  if (!realm) return;
  const agreed =
    realm.open ||
    (await confirmed({
      title: `Open ${nameOf(realm.id)}?`,
      text:
        "Any signed-in user of this project gets in without a key, an anonymous one too: no " +
        "origins, no limits.",
      yes: "Open realm",
      danger: true,
    }));
  if (!agreed) return;
  const open = !realm.open;
  await perform(
    "change-realm",
    { realm: realm.id, open },
    open ? "The realm is open." : "The realm is closed.",
  );
}

async function signIn(work: Promise<void>): Promise<void> {
  hideProblem();
  say("Signing in…");
  element("sign-in", "button").disabled = true;
  try {
    await work;
  } catch (error) {
    failed(error);
  } finally {
    element("password", "input").value = "";
    element("sign-in", "button").disabled = false;
    say("");
  }
}

function wire(): void {
  element("sign-in-form", "form").addEventListener("submit", (event) => {
    event.preventDefault();
    const email = element("email", "input").value;
    void signIn(account.signIn(email, element("password", "input").value));
  });
  for (const id of ["sign-out", "other-account"]) onClick(id, () => void account.signOut());
  onClick("check-again", () => void account.checkAgain().catch(failed));
  onClick("new-realm", () => void makeRealm());
  onClick("turn-open", () => void turnOpen());
  onClick("new-key", () => void view?.keys.make());
  element("realm", "select").addEventListener("change", (event) => {
    showRealm((event.target as HTMLSelectElement).value);
  });
  for (const button of document.querySelectorAll<HTMLElement>("dialog [data-close]")) {
    button.addEventListener("click", () => {
      button.closest("dialog")?.close();
    });
  }
  wireSecret();
  // Keys may have been changed elsewhere: they can't be listened to.
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") void view?.keys.refresh();
  });
}

async function begin(): Promise<void> {
  try {
    account = await Account.open();
  } catch (error) {
    say("");
    showProblem(words(error), {
      again: () => {
        location.reload();
      },
    });
    return;
  }
  wire();
  account.onChange(welcome);
  const came = backFromGoogle();
  if (came) await signIn(account.signInWithGoogle(came));
  const client = await googleClient();
  if (client) {
    element("google", "button").hidden = false;
    onClick("google", () => {
      goToGoogle(client);
    });
  }
}

void begin();
