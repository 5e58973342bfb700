/** What is asked of the database, and what it tells: the words of reading and listening. */

/** The fields of a document. */
export type Fields = Readonly<Record<string, unknown>>;

/** The documents of one collection, or those of them in which a field has a value. */
export interface Where {
  /** Path of the collection, from `realms/` on. */
  readonly collection: string;
  readonly field?: string;
  readonly value?: string;
}

/** Where the database is. @internal */
export interface Place {
  /** Its name. */
  readonly database: string;
  readonly emulator: readonly [host: string, port: number] | null;
}

/** What has changed among the documents of a {@link Where}; the first holds them all. */
export interface Snapshot {
  /** Fields by path. */
  readonly changed: ReadonlyMap<string, Fields>;
  /** Paths. */
  readonly removed: readonly string[];
}
