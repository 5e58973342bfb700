/** Typed events: the little that a link needs of an emitter. */

type Listener<T> = (value: T) => void;

/**
 * Something that tells listeners of events.
 *
 * `Events` maps an event's name to what its listeners are given.
 */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<Listener<never>>>();
  readonly #kept = new Map<keyof Events, unknown[]>();

  /**
   * Listen to an event.
   *
   * @returns a function that ends it.
   */
  on<Name extends keyof Events>(event: Name, listener: Listener<Events[Name]>): () => void {
    const those = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, those.add(listener));
    queueMicrotask(() => {
      this.listened(event);
    });
    return () => {
      those.delete(listener);
    };
  }

  /** Listen to an event until it is told once. */
  once<Name extends keyof Events>(event: Name, listener: Listener<Events[Name]>): () => void {
    const off = this.on(event, (value) => {
      off();
      listener(value);
    });
    return off;
  }

  /** Somebody has begun to listen. */
  protected listened(event: keyof Events): void {
    const kept = this.#kept.get(event) ?? [];
    while (kept.length > 0 && this.heard(event)) {
      this.emit(event, kept.shift() as Events[typeof event]);
    }
  }

  /** Tell who listens, or keep it, in order, until somebody does. */
  protected handOn<Name extends keyof Events>(event: Name, value: Events[Name]): void {
    const kept = this.#kept.get(event) ?? [];
    this.#kept.set(event, kept);
    kept.push(value);
    this.listened(event);
  }

  /** Whether anybody listens. */
  protected heard(event: keyof Events): boolean {
    return (this.#listeners.get(event)?.size ?? 0) > 0;
  }

  /** Tell everybody who listens; an error of one listener does not keep the others from it. */
  protected emit<Name extends keyof Events>(event: Name, value: Events[Name]): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])] as Listener<Events[Name]>[]) {
      try {
        listener(value);
      } catch (error) {
        reportError(error);
      }
    }
  }
}
