/** Events in OpenTok's forms: several names at once, maps of handlers, a context. */

type Handler = (event: never) => void;

/** One event, as handlers get it; its other fields are those of its kind. */
export class OTEvent {
  #prevented = false;

  constructor(
    readonly type: string,
    readonly target: unknown,
    /** Whether something follows that {@link preventDefault} prevents. */
    readonly cancelable: boolean,
    fields: object,
  ) {
    Object.assign(this, fields);
  }

  /** Not what follows by default. */
  preventDefault(): void {
    if (this.cancelable) this.#prevented = true;
  }

  /** Whether a handler prevented what follows by default. */
  isDefaultPrevented(): boolean {
    return this.#prevented;
  }
}

interface Listener {
  readonly handler: Handler;
  readonly context: unknown;
  readonly once: boolean;
}

/** One handler for names with spaces between, or several by their names. */
export type On =
  | [names: string, handler: Handler, context?: unknown]
  | [handlers: Readonly<Record<string, Handler>>, context?: unknown];

function sorted(given: readonly unknown[]): [string, Handler | undefined, unknown][] {
  const [first, second, third] = given;
  if (typeof first === "object" && first !== null) {
    return Object.entries(first as Record<string, Handler>).map(([name, handler]) => [
      name,
      handler,
      second,
    ]);
  }
  const names = typeof first === "string" ? first.split(/\s+/).filter(Boolean) : [];
  return names.map((name) => [name, second as Handler | undefined, third]);
}

/** Tells of events. */
export class Dispatcher {
  readonly #listeners = new Map<string, Listener[]>();

  /** Call a handler at each such event: `on("a b", handler, context)`, `on({ a: handler })`. */
  on(...given: On): this {
    return this.#add(given, false);
  }

  /** The same, at the first alone. */
  once(...given: On): this {
    return this.#add(given, true);
  }

  /** Call it no longer; without a handler none of these events', without a name none at all. */
  off(...given: [] | [names: string] | On): this {
    if (given[0] === undefined) this.#listeners.clear();
    for (const [name, handler, context] of sorted(given)) {
      const kept = (this.#listeners.get(name) ?? []).filter(
        (one) =>
          handler !== undefined &&
          (one.handler !== handler || (context !== undefined && one.context !== context)),
      );
      this.#listeners.set(name, kept);
    }
    return this;
  }

  /** The older word for {@link on}. */
  addEventListener(name: string, handler: Handler, context?: unknown): void {
    this.on(name, handler, context);
  }

  /** The older word for {@link off}. */
  removeEventListener(name: string, handler: Handler, context?: unknown): void {
    this.off(name, handler, context);
  }

  #add(given: readonly unknown[], once: boolean): this {
    for (const [name, handler, context] of sorted(given)) {
      if (typeof handler !== "function") {
        throw new TypeError(`What handles '${name}' must be a function.`);
      }
      const listeners = this.#listeners.get(name) ?? [];
      this.#listeners.set(name, [...listeners, { handler, context, once }]);
    }
    return this;
  }

  /** Tell all who listen, then do what follows by default. @internal */
  dispatch(type: string, fields: object = {}, byDefault?: () => void): void {
    const event = new OTEvent(type, this, byDefault !== undefined, fields);
    for (const listener of this.#listeners.get(type) ?? []) {
      if (listener.once) this.#drop(type, listener);
      try {
        listener.handler.call(listener.context ?? this, event as never);
      } catch (error) {
        // One handler's failure is neither the others' nor ours.
        reportError(error);
      }
    }
    if (!event.isDefaultPrevented()) byDefault?.();
  }

  #drop(type: string, listener: Listener): void {
    const left = (this.#listeners.get(type) ?? []).filter((one) => one !== listener);
    this.#listeners.set(type, left);
  }
}
