/**
 * Listening to Firestore: what the Firebase SDK's streams are for. It is a large part of that SDK and
 * comes once a session is made; reading and writing don't wait for it.
 */

import type { FirebaseApp } from "firebase/app";
import {
  collection,
  connectFirestoreEmulator,
  doc,
  getFirestore,
  onSnapshot,
  query,
  setLogLevel,
  terminate,
  waitForPendingWrites,
  where,
  type Firestore,
  type QueryDocumentSnapshot,
} from "firebase/firestore";

import type { Fields, Place, Snapshot, Where } from "./documents.js";

// A stream that breaks is mended; who must know is told by an error, not on the console.
setLogLevel("silent");

/** Listens for one user. */
export class Listening {
  readonly #firestore: Firestore;

  constructor(app: FirebaseApp, { database, emulator }: Place) {
    this.#firestore = getFirestore(app, database);
    if (emulator) connectFirestoreEmulator(this.#firestore, ...emulator);
    // The SDK gets its machinery going with the first request: better now than when it is urgent.
    waitForPendingWrites(this.#firestore).catch(() => undefined);
  }

  /**
   * Listen to the documents that are there, and what becomes of them.
   *
   * @param told given what has changed; the first time everything, and how many reads it cost.
   * @returns a function that ends it.
   */
  documents(
    asked: Where,
    told: (snapshot: Snapshot, reads: number) => void,
    failed: (error: unknown) => void,
  ): () => void {
    const place = collection(this.#firestore, asked.collection);
    const wanted =
      asked.field === undefined ? place : query(place, where(asked.field, "==", asked.value));
    let first = true;
    return onSnapshot(
      wanted,
      { includeMetadataChanges: true },
      (snapshot) => {
        // Without the network the local cache is asked, which doesn't know.
        if (first && snapshot.metadata.fromCache) return;
        const changed = new Map<string, Fields>();
        const removed: string[] = [];
        const take = (document: QueryDocumentSnapshot): void => {
          changed.set(document.ref.path, document.data());
        };
        // Changes count from the last snapshot, which may be one of the cache that was passed over.
        if (first) snapshot.docs.forEach(take);
        else {
          for (const { type, doc: document } of snapshot.docChanges()) {
            if (type === "removed") removed.push(document.ref.path);
            else take(document);
          }
        }
        if (!first && changed.size + removed.length === 0) return;
        const reads = first ? Math.max(0, changed.size - 1) : changed.size;
        first = false;
        told({ changed, removed }, reads);
      },
      failed,
    );
  }

  /**
   * Listen to one document.
   *
   * @param told given its fields, or null if there is none (any more).
   * @returns a function that ends it.
   */
  document(
    path: string,
    told: (fields: Fields | null) => void,
    failed: (error: unknown) => void,
  ): () => void {
    return onSnapshot(
      doc(this.#firestore, path),
      { includeMetadataChanges: true },
      (snapshot) => {
        // As above: it may remember what was there when somebody listened last.
        if (!snapshot.metadata.fromCache) told(snapshot.data() ?? null);
      },
      failed,
    );
  }

  /** End the streams. */
  async close(): Promise<void> {
    await terminate(this.#firestore);
  }
}
