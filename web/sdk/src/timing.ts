/** When each step of a call was done. */
export class Timing {
  readonly #began = performance.now();
  /** Name and seconds since the beginning, in the order they were made. */
  readonly marks: [name: string, seconds: number][] = [];

  /** This step is done now. */
  mark(name: string): void {
    this.marks.push([name, (performance.now() - this.#began) / 1000]);
  }

  /** When a step was done, in seconds since the beginning; undefined if it wasn't. */
  seconds(name: string): number | undefined {
    return this.marks.find(([mark]) => mark === name)?.[1];
  }
}
