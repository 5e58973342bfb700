/** Typed events: the little that a link needs of an emitter. */

type Listener<T> = (value: T) => void;

/**
 * Something that tells listeners of events.
 *
 * `Events` maps an event's name to what its listeners are given.
 */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<Listener<never>>>();

  /**
   * Listen to an event.
   *
   * @returns a function that ends it.
   */
  on<Name extends keyof Events>(event: Name, listener: Listener<Events[Name]>): () => void {
    const those = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, those.add(listener));
    return () => {
      those.delete(listener);
    };
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
