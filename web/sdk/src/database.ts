/** Firestore as one user: reads, writes, listening, and what they cost. */

import type { FirebaseApp } from "firebase/app";
import {
  arrayUnion,
  collection,
  connectFirestoreEmulator,
  doc,
  getDocFromServer,
  getDocsFromServer,
  getFirestore,
  onSnapshot,
  query,
  serverTimestamp,
  terminate,
  Timestamp,
  where,
  writeBatch,
  type Firestore,
  type Query,
  type QueryDocumentSnapshot,
} from "firebase/firestore";

import type { Config } from "./config.js";
import { DatabaseUnreachable, FireRTCError, PermissionDenied } from "./errors.js";
import { deferred, within, type Deferred } from "./waiting.js";

/** How long a request may take; the Firebase SDK repeats it meanwhile. */
const PATIENCE_SECONDS = 25;

/** The fields of a document. */
export type Fields = Readonly<Record<string, unknown>>;

/** What Firestore bills, as this client can count it (what the rules read is not among it). */
export class Operations {
  /** Documents read; a listener costs at least one. */
  reads = 0;
  writes = 0;
  deletes = 0;

  /** Add another client's. */
  add(other: Operations): void {
    this.reads += other.reads;
    this.writes += other.writes;
    this.deletes += other.deletes;
  }
}

/** One change of a document: `set` writes it whole, `update` changes these top-level fields. */
export type Change =
  | { readonly change: "set" | "update"; readonly path: string; readonly fields: Fields }
  | { readonly change: "delete"; readonly path: string };

/** The documents of one collection, or those of them in which a field has a value. */
export interface Where {
  /** Path of the collection, from `realms/` on. */
  readonly collection: string;
  readonly field?: string;
  readonly value?: string;
}

/** What has changed among the documents of a {@link Where}; the first holds them all. */
export interface Snapshot {
  /** Fields by path. */
  readonly changed: ReadonlyMap<string, Fields>;
  /** Paths. */
  readonly removed: readonly string[];
}

/** The server's time of the write. */
export const SERVER_TIME: unknown = serverTimestamp();

/** Append these to a list. */
export function append(entries: readonly string[]): unknown {
  return arrayUnion(...entries);
}

/** A Firestore timestamp from Unix seconds. */
export function timestamp(unixSeconds: number): unknown {
  return Timestamp.fromMillis(Math.round(unixSeconds * 1000));
}

/** One user's access to one Firestore database. */
export class Database {
  readonly operations = new Operations();
  readonly #firestore: Firestore;
  /** Base address of the REST interface's documents. */
  readonly #rest: string;
  readonly #listeners = new Set<Listener>();
  readonly #watches = new Set<() => void>();

  constructor(app: FirebaseApp, config: Config) {
    const database = config.database ?? "(default)";
    this.#firestore = getFirestore(app, database);
    const emulator = config.firestoreEmulator;
    if (emulator) {
      const [host = "", port = ""] = emulator.split(":");
      connectFirestoreEmulator(this.#firestore, host, Number(port));
    }
    const origin = emulator ? `http://${emulator}` : "https://firestore.googleapis.com";
    this.#rest = `${origin}/v1/projects/${config.project}/databases/${database}/documents`;
  }

  /**
   * Read one document.
   *
   * @param path from `realms/` on.
   * @returns its fields, or null if there is none.
   * @throws PermissionDenied if the rules refuse it.
   * @throws DatabaseUnreachable after 25 s without an answer.
   */
  async get(path: string, signal?: AbortSignal): Promise<Fields | null> {
    this.operations.reads++;
    const snapshot = await this.#wait(
      `read ${path}`,
      getDocFromServer(doc(this.#firestore, path)),
      signal,
    );
    return snapshot.data() ?? null;
  }

  /**
   * Write all of these or none.
   *
   * @throws PermissionDenied if the rules refuse any of them.
   * @throws DatabaseUnreachable after 25 s without an answer. A write may happen all the same.
   */
  async commit(changes: readonly Change[], signal?: AbortSignal): Promise<void> {
    const batch = writeBatch(this.#firestore);
    for (const change of changes) {
      const reference = doc(this.#firestore, change.path);
      if (change.change === "delete") batch.delete(reference);
      else if (change.change === "set") batch.set(reference, change.fields);
      else batch.update(reference, change.fields);
      this.operations[change.change === "delete" ? "deletes" : "writes"]++;
    }
    const paths = changes.map((change) => change.path).join(", ");
    await this.#wait(`write ${paths}`, batch.commit(), signal);
  }

  /**
   * Read the documents that are there.
   *
   * @returns fields by path.
   * @throws PermissionDenied if the rules refuse it.
   * @throws DatabaseUnreachable after 25 s without an answer.
   */
  async query(asked: Where, signal?: AbortSignal): Promise<ReadonlyMap<string, Fields>> {
    const found = await this.#wait(
      `list ${asked.collection}`,
      getDocsFromServer(this.#query(asked)),
      signal,
    );
    this.operations.reads += Math.max(1, found.size);
    return new Map(found.docs.map((document) => [document.ref.path, document.data()]));
  }

  /**
   * Listen to the documents that are there, and what becomes of them.
   *
   * What we write ourselves is told once the server has it.
   *
   * @returns a function that ends it.
   */
  watch(
    asked: Where,
    told: (snapshot: Snapshot) => void,
    failed: (error: FireRTCError) => void,
  ): () => void {
    this.operations.reads++;
    let first = true;
    let stop = (): void => undefined;
    const end = (): void => {
      this.#watches.delete(end);
      stop();
    };
    this.#watches.add(end);
    stop = onSnapshot(
      this.#query(asked),
      { includeMetadataChanges: true },
      (snapshot) => {
        // Without the network the local cache is asked, which doesn't know.
        if (first && snapshot.metadata.fromCache) return;
        const changed = new Map<string, Fields>();
        const removed: string[] = [];
        const take = (document: QueryDocumentSnapshot): void => {
          if (document.metadata.hasPendingWrites) return;
          changed.set(document.ref.path, document.data());
        };
        // Changes count from the last snapshot, which may be one of the cache that was passed over.
        if (first) snapshot.docs.forEach(take);
        else {
          for (const { type, doc: document } of snapshot.docChanges({
            includeMetadataChanges: true,
          })) {
            if (type === "removed") removed.push(document.ref.path);
            else take(document);
          }
        }
        this.operations.reads += first ? Math.max(0, changed.size - 1) : changed.size;
        if (!first && changed.size + removed.length === 0) return;
        first = false;
        told({ changed, removed });
      },
      (error) => {
        end();
        failed(translate(`listen to ${asked.collection}`, error));
      },
    );
    return end;
  }

  #query(asked: Where): Query {
    const place = collection(this.#firestore, asked.collection);
    return asked.field === undefined ? place : query(place, where(asked.field, "==", asked.value));
  }

  /** Listen to a document; close the listener when done. */
  listen(path: string): Listener {
    this.operations.reads++;
    const listener = new Listener((self) => {
      this.#listeners.delete(self);
    });
    this.#listeners.add(listener);
    let first = true;
    const stop = onSnapshot(
      doc(this.#firestore, path),
      (snapshot) => {
        // Without the network the local cache is asked, which doesn't know.
        if (snapshot.metadata.fromCache && !snapshot.exists()) return;
        if (!snapshot.metadata.hasPendingWrites && !first) this.operations.reads++;
        first = false;
        listener.deliver(snapshot.data() ?? null);
      },
      (error) => {
        listener.fail(translate(`listen to ${path}`, error));
      },
    );
    listener.stopWith(stop);
    return listener;
  }

  /**
   * Delete a document from a page that is being closed: the request outlives the page. Nobody
   * learns what became of it; the document's lease is there for when it failed.
   */
  deleteOnExit(paths: readonly string[], token: string): void {
    for (const path of paths) {
      this.operations.deletes++;
      fetch(`${this.#rest}/${path.split("/").map(encodeURIComponent).join("/")}`, {
        method: "DELETE",
        headers: { Authorization: `Bearer ${token}` },
        keepalive: true,
      }).catch(() => undefined);
    }
  }

  /** End every listener and the connection; what waits to be written is dropped. */
  async close(): Promise<void> {
    for (const listener of [...this.#listeners]) listener.close();
    for (const end of [...this.#watches]) end();
    await terminate(this.#firestore);
  }

  async #wait<T>(what: string, request: Promise<T>, signal?: AbortSignal): Promise<T> {
    const late = (): Error =>
      new DatabaseUnreachable(`Could not ${what}: Firestore does not answer. Check the network.`);
    try {
      return await within(request, PATIENCE_SECONDS, late, signal);
    } catch (error) {
      throw translate(what, error);
    }
  }
}

/** The states of one document as they come; those that nobody has asked for in time are skipped. */
export class Listener {
  #latest: { fields: Fields | null } | null = null;
  #error: Error | null = null;
  #waiting: Deferred<Fields | null> | null = null;
  #stop: (() => void) | null = null;
  #closed = false;

  constructor(private readonly onClose: (self: Listener) => void) {}

  /** The next state; null: there is no such document (any more). */
  async next(): Promise<Fields | null> {
    if (this.#error) throw this.#error;
    if (this.#latest) {
      const { fields } = this.#latest;
      this.#latest = null;
      return fields;
    }
    this.#waiting ??= deferred();
    return await this.#waiting.promise;
  }

  /** End it; who still waits is told that the session ended. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stop?.();
    this.onClose(this);
    this.fail(new DatabaseUnreachable("The listener was closed."));
  }

  /** @internal */
  stopWith(stop: () => void): void {
    this.#stop = stop;
    if (this.#closed) stop();
  }

  /** @internal */
  deliver(fields: Fields | null): void {
    if (this.#waiting) {
      this.#waiting.resolve(fields);
      this.#waiting = null;
    } else {
      this.#latest = { fields };
    }
  }

  /** @internal */
  fail(error: Error): void {
    this.#error = error;
    this.#waiting?.reject(error);
    this.#waiting = null;
  }
}

const REFUSED = new Set([
  "permission-denied",
  "already-exists",
  "not-found",
  "failed-precondition",
  "unauthenticated",
]);
const SILENT = new Set(["unavailable", "deadline-exceeded", "internal", "aborted", "cancelled"]);

function translate(what: string, error: unknown): FireRTCError {
  if (error instanceof FireRTCError) return error;
  const { code, message } = error as { code?: string; message?: string };
  const word = (code ?? "").replace("firestore/", "");
  if (REFUSED.has(word)) {
    return new PermissionDenied(`Could not ${what}: the security rules refuse it.`);
  }
  if (SILENT.has(word)) {
    return new DatabaseUnreachable(
      `Could not ${what}: Firestore does not answer (${word}). Check the network.`,
    );
  }
  return new FireRTCError(`Could not ${what}: ${message ?? String(error)}`);
}
