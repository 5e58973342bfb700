/**
 * Firestore as one user: reads, writes, listening, and what they cost.
 *
 * Reads and writes are requests of their own, one round trip each, also for a page that has just
 * been loaded; the streams by which the Firebase SDK listens take several to open, and are opened
 * beside.
 */

import type { FirebaseApp } from "firebase/app";
import {
  arrayUnion,
  collection,
  connectFirestoreEmulator,
  doc,
  getDoc,
  getDocs,
  getFirestore,
  query,
  runTransaction,
  serverTimestamp,
  setLogLevel,
  terminate,
  Timestamp,
  where,
  writeBatch,
  type Firestore,
} from "firebase/firestore/lite";

import type { Config } from "./config.js";
import type { Fields, Place, Snapshot, Where } from "./documents.js";
import { DatabaseUnreachable, type FireRTCError } from "./errors.js";
import { Listener } from "./listener.js";
import type { Listening } from "./listening.js";
import { isPassing, translate } from "./refusals.js";
import { cancelled, sleep, within } from "./waiting.js";

/** How long a request may take; it is repeated meanwhile. */
const PATIENCE_SECONDS = 25;
/** After these it is asked again, the last one over and over. */
const AGAIN_SECONDS = [0.1, 0.25, 0.5, 1] as const;

export type { Fields, Place, Snapshot, Where };

// What is refused is told by an error, not on the console.
setLogLevel("silent");

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

/** A commit that is under way. */
interface Commit {
  readonly paths: readonly string[];
  /** Whether what it writes was deleted meanwhile, from a page that is being closed. */
  stopped: boolean;
  done: Promise<void>;
}

/** One user's access to one Firestore database. */
export class Database {
  readonly operations = new Operations();
  readonly #firestore: Firestore;
  /** Base address of the REST interface's documents. */
  readonly #rest: string;
  readonly #listeners = new Set<Listener>();
  readonly #watches = new Set<() => void>();
  readonly #listening: Promise<Listening>;
  /** In order: what is written in order happens in order. */
  readonly #committing = new Set<Commit>();

  constructor(app: FirebaseApp, config: Config) {
    const database = config.database ?? "(default)";
    const { firestoreEmulator } = config;
    const [host = "", port = ""] = firestoreEmulator?.split(":") ?? [];
    const place: Place = { database, emulator: firestoreEmulator ? [host, Number(port)] : null };
    this.#firestore = getFirestore(app, database);
    if (place.emulator) connectFirestoreEmulator(this.#firestore, ...place.emulator);
    this.#listening = import("./listening.js").then(({ Listening }) => new Listening(app, place));
    this.#listening.catch(() => undefined); // told to who listens
    const origin = firestoreEmulator
      ? `http://${firestoreEmulator}`
      : "https://firestore.googleapis.com";
    this.#rest = `${origin}/v1/projects/${config.project}/databases/${database}/documents`;
  }

  /**
   * Have the browser ask now whether this page may write at all (CORS), which is one round trip less
   * when it does: a commit of nothing, by somebody who is signed in. What comes of it is no matter.
   */
  warm(): void {
    runTransaction(this.#firestore, () => Promise.resolve(), { maxAttempts: 1 }).catch(
      () => undefined,
    );
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
    const read = (): Promise<{ data: () => Fields | undefined }> =>
      getDoc(doc(this.#firestore, path));
    return (await this.#ask(`read ${path}`, read, signal)).data() ?? null;
  }

  /**
   * Write all of these or none. Writes to the same document happen in the order they are asked for.
   *
   * @throws PermissionDenied if the rules refuse any of them.
   * @throws DatabaseUnreachable after 25 s without an answer. A write may happen all the same.
   */
  async commit(changes: readonly Change[], signal?: AbortSignal): Promise<void> {
    for (const { change } of changes) this.operations[change === "delete" ? "deletes" : "writes"]++;
    const paths = changes.map(({ path }) => path);
    const before = this.#underWay(paths).map(({ done }) => done);
    const commit: Commit = { paths, stopped: false, done: Promise.resolve() };
    const write = async (): Promise<void> => {
      await Promise.allSettled(before);
      if (commit.stopped) throw cancelled();
      const batch = writeBatch(this.#firestore);
      for (const change of changes) {
        const reference = doc(this.#firestore, change.path);
        if (change.change === "delete") batch.delete(reference);
        else if (change.change === "set") batch.set(reference, change.fields);
        else batch.update(reference, change.fields);
      }
      await batch.commit();
    };
    commit.done = this.#ask(`write ${paths.join(", ")}`, write, signal);
    this.#committing.add(commit);
    await commit.done.finally(() => this.#committing.delete(commit));
  }

  /** The commits under way that touch any of these paths. */
  #underWay(paths: readonly string[]): Commit[] {
    return [...this.#committing].filter((commit) =>
      commit.paths.some((path) => paths.includes(path)),
    );
  }

  /**
   * Read the documents that are there.
   *
   * @returns fields by path.
   * @throws PermissionDenied if the rules refuse it.
   * @throws DatabaseUnreachable after 25 s without an answer.
   */
  async query(asked: Where, signal?: AbortSignal): Promise<ReadonlyMap<string, Fields>> {
    const place = collection(this.#firestore, asked.collection);
    const wanted =
      asked.field === undefined ? place : query(place, where(asked.field, "==", asked.value));
    const { docs } = await this.#ask(`list ${asked.collection}`, () => getDocs(wanted), signal);
    this.operations.reads += Math.max(1, docs.length);
    return new Map(docs.map((document) => [document.ref.path, document.data()]));
  }

  /**
   * Listen to the documents that are there, and what becomes of them.
   *
   * @returns a function that ends it.
   */
  watch(
    asked: Where,
    told: (snapshot: Snapshot) => void,
    failed: (error: FireRTCError) => void,
  ): () => void {
    this.operations.reads++;
    const see = (snapshot: Snapshot, reads: number): void => {
      this.operations.reads += reads;
      told(snapshot);
    };
    const end = this.#listen(
      `listen to ${asked.collection}`,
      (listening, fail) => listening.documents(asked, see, fail),
      (error) => {
        this.#watches.delete(end);
        failed(error);
      },
    );
    this.#watches.add(end);
    return () => {
      this.#watches.delete(end);
      end();
    };
  }

  /** Listen to a document; close the listener when done. */
  listen(path: string): Listener {
    this.operations.reads++;
    const listener = new Listener((self) => {
      this.#listeners.delete(self);
    });
    this.#listeners.add(listener);
    let first = true;
    const see = (fields: Fields | null): void => {
      if (!first) this.operations.reads++;
      first = false;
      listener.deliver(fields);
    };
    listener.stopWith(
      this.#listen(
        `listen to ${path}`,
        (listening, fail) => listening.document(path, see, fail),
        (error) => {
          listener.fail(error);
        },
      ),
    );
    return listener;
  }

  /** Begin once there is what listens; returns what ends it. */
  #listen(
    what: string,
    begin: (listening: Listening, fail: (error: unknown) => void) => () => void,
    failed: (error: FireRTCError) => void,
  ): () => void {
    let stop: (() => void) | null = null;
    let ended = false;
    const fail = (error: unknown): void => {
      if (ended) return;
      ended = true;
      failed(translate(what, error));
    };
    this.#listening.then((listening) => {
      if (!ended) stop = begin(listening, fail);
    }, fail);
    return () => {
      ended = true;
      stop?.();
    };
  }

  /**
   * Delete a document from a page that is being closed: the request outlives the page. Nobody
   * learns what became of it; the document's lease is there for when it failed.
   *
   * Commits of these documents that wait for others, or to be asked again, are not sent any more. One
   * that was sent may happen after the deletion: if the page is still there by then (it was only put
   * aside), the document is deleted once more.
   */
  deleteOnExit(paths: readonly string[], token: string): void {
    const late = this.#underWay(paths);
    for (const commit of late) commit.stopped = true;
    this.#deleteOnExit(paths, token);
    if (late.length === 0) return;
    void Promise.allSettled(late.map(({ done }) => done)).then(() => {
      this.#deleteOnExit(paths, token);
    });
  }

  #deleteOnExit(paths: readonly string[], token: string): void {
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
    this.#watches.clear();
    const listening = await this.#listening.catch(() => null);
    await listening?.close();
    await terminate(this.#firestore);
  }

  /** Ask until there is an answer, or the patience is over. */
  async #ask<T>(what: string, request: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const late = (): Error =>
      new DatabaseUnreachable(`Could not ${what}: Firestore does not answer. Check the network.`);
    let over = false;
    const isOver = (): boolean => over;
    const insist = async (): Promise<T> => {
      for (let times = 0; ; times++) {
        try {
          return await request();
        } catch (error) {
          if (isOver() || !isPassing(error)) throw error;
          await sleep(AGAIN_SECONDS[Math.min(times, AGAIN_SECONDS.length - 1)] ?? 1);
          if (isOver()) throw error;
        }
      }
    };
    try {
      return await within(insist(), PATIENCE_SECONDS, late, signal);
    } catch (error) {
      throw translate(what, error);
    } finally {
      over = true;
    }
  }
}
