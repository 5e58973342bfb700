/** Forms in place of arguments: Skapi's methods may be a form's `onsubmit`. */

import { badParameter } from "./errors.js";

/**
 * What was given; of a form's submission, a form or its data, the fields by their names.
 *
 * Numbers are numbers, boxes without a value booleans, and names that come twice lists.
 *
 * @throws SkapiError if there is a file among them.
 */
export function valuesOf(given: unknown): unknown {
  if (given instanceof SubmitEvent) {
    given.preventDefault();
    const form = given.target as HTMLFormElement;
    return fieldsOf(new FormData(form, given.submitter), form);
  }
  if (given instanceof HTMLFormElement) return fieldsOf(new FormData(given), given);
  if (given instanceof FormData) return fieldsOf(given, null);
  return given;
}

/** Arguments by their names. */
export function paramsOf(given: unknown): Readonly<Record<string, unknown>> {
  const values = valuesOf(given) ?? {};
  if (typeof values !== "object") throw badParameter("Parameters must be an object, or a form.");
  return values as Readonly<Record<string, unknown>>;
}

function fieldsOf(data: FormData, form: HTMLFormElement | null): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const name of new Set(data.keys())) {
    const values = data.getAll(name).map((value) => valueOf(name, value, form));
    fields[name] = values.length > 1 ? values : values[0];
  }
  return fields;
}

function valueOf(name: string, value: FormDataEntryValue, form: HTMLFormElement | null): unknown {
  if (typeof value !== "string") {
    throw badParameter(`The form's "${name}" is a file: send files through a call's channel.`);
  }
  const field = form?.elements.namedItem(name);
  if (!(field instanceof HTMLInputElement)) return value;
  if (field.type === "number" || field.type === "range") return value && Number(value);
  return field.type === "checkbox" && value === "on" ? true : value;
}
