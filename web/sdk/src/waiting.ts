/** Every promise settles: by its own doing, a time limit, or an AbortSignal. */

import { Cancelled } from "./errors.js";

/** How long, and until when, something may be waited for. */
export interface Waiting {
  /** Gives up when it is aborted; the promise is rejected with {@link Cancelled}. */
  signal?: AbortSignal | undefined;
}

/** A promise and the means to settle it from outside. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
  readonly settled: () => boolean;
}

/** Make a {@link Deferred}; a rejection nobody waits for is no unhandled one. */
export function deferred<T>(): Deferred<T> {
  let settled = false;
  let take: (value: T) => void = () => undefined;
  let refuse: (error: Error) => void = () => undefined;
  const promise = new Promise<T>((resolve, reject) => {
    take = resolve;
    refuse = reject;
  });
  promise.catch(() => undefined);
  return {
    promise,
    resolve: (value) => {
      settled = true;
      take(value);
    },
    reject: (error) => {
      settled = true;
      refuse(error);
    },
    settled: () => settled,
  };
}

/**
 * Wait for a promise, but not for ever.
 *
 * @param late makes the error for when the time is up.
 */
export async function within<T>(
  promise: Promise<T>,
  seconds: number,
  late: () => Error,
  signal?: AbortSignal,
): Promise<T> {
  promise.catch(() => undefined); // it may settle after nobody waits any more
  let clean = (): void => undefined;
  const end = new Promise<never>((_, reject) => {
    const abort = (): void => {
      reject(cancelled());
    };
    const timer = setTimeout(() => {
      reject(late());
    }, seconds * 1000);
    signal?.addEventListener("abort", abort);
    clean = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
    if (signal?.aborted) abort();
  });
  try {
    return await Promise.race([promise, end]);
  } finally {
    clean();
  }
}

/** @throws Cancelled if the signal was aborted. */
export function check(signal?: AbortSignal): void {
  if (signal?.aborted) throw cancelled();
}

/** The error for an aborted signal. */
export function cancelled(): Cancelled {
  return new Cancelled("It was given up.");
}

/** Do nothing for so long. */
export async function sleep(seconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

/** Something has changed that others wait for. */
export class Changes {
  readonly #waiting = new Set<() => void>();

  /** Wait for the next change. */
  async next(): Promise<void> {
    await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  /** Wake all who wait. */
  tell(): void {
    const those = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of those) wake();
  }
}

/** One piece of work after the other, in the order they were given. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** Do it when those before are done, however they ended. */
  async take<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work);
    this.#last = mine.catch(() => undefined);
    return await mine;
  }
}
