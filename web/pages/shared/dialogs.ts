/** Dialogs and passing notices. All text is shown as text. */

const TOAST_MILLISECONDS = 6000;

/** What a person is asked. */
export interface Question {
  readonly title: string;
  readonly text: string;
  /** What the button that agrees says. */
  readonly yes: string;
  /** Whether agreeing destroys something. */
  readonly danger?: boolean;
}

/**
 * Open a dialog of the page and wait until it is closed.
 *
 * The keyboard goes into it, Escape closes it, and the keyboard comes back to where it was.
 *
 * @returns the value of the button that closed it; empty if it was given up.
 */
export function openDialog(dialog: HTMLDialogElement): Promise<string> {
  return new Promise((resolve) => {
    dialog.returnValue = "";
    dialog.addEventListener(
      "close",
      () => {
        resolve(dialog.returnValue);
      },
      { once: true },
    );
    dialog.showModal();
  });
}

/** Ask a person to confirm; the button that gives up is the first. */
export async function confirmed(question: Question): Promise<boolean> {
  const dialog = document.createElement("dialog");
  const title = document.createElement("h2");
  const text = document.createElement("p");
  const row = document.createElement("form");
  title.id = "question-title";
  title.textContent = question.title;
  text.id = "question-text";
  text.textContent = question.text;
  row.method = "dialog";
  row.className = "row";
  row.append(
    button("Cancel", "plain", ""),
    button(question.yes, question.danger ? "danger" : "", "yes"),
  );
  dialog.setAttribute("aria-labelledby", title.id);
  dialog.setAttribute("aria-describedby", text.id);
  dialog.append(title, text, row);
  document.body.append(dialog);
  try {
    return (await openDialog(dialog)) === "yes";
  } finally {
    dialog.remove();
  }
}

/** Say something that passes: at the lower edge, and to screen readers. */
export function toast(text: string): void {
  const known = document.getElementById("toasts");
  const list = known ?? document.createElement("div");
  if (!known) {
    list.id = "toasts";
    list.setAttribute("role", "status");
    document.body.append(list);
  }
  const line = document.createElement("p");
  line.textContent = text;
  list.append(line);
  setTimeout(() => {
    line.remove();
  }, TOAST_MILLISECONDS);
}

function button(text: string, kind: string, value: string): HTMLButtonElement {
  const made = document.createElement("button");
  made.textContent = text;
  made.value = value;
  if (kind) made.className = kind;
  return made;
}
