/**
 * Codes and seals: what the database's operator may not read is encrypted here.
 *
 * A code is four speakable words. Stretched with scrypt it gives both the id of the call's document
 * and the key that seals what is in it; the code itself never reaches the database.
 */

import { InsecureContext, SealBroken } from "./errors.js";
import { toBase64Url } from "./schema.js";

/** RFC 7914; a few tenths of a second and 32 MiB of memory. */
export const SCRYPT = { N: 2 ** 15, r: 8, p: 1 } as const;
export const KEY_BYTES = 32;
/** NIST SP 800-38D, section 5.2.1.1: 96 bits is the length GCM is made for. */
export const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Other work gets its turn this often while a code is stretched. */
const STRETCH_TURN_MILLISECONDS = 8;
const VERSION = "firertc/1";

const utf8 = new TextEncoder();

/** A fresh code: four words drawn at random, joined with `-`; the words are loaded with the first. */
export async function newCode(): Promise<string> {
  return (await import("./codes.js")).newCode();
}

/**
 * Bring a code as a person typed it into its one form.
 *
 * @throws CodeUnknown if it isn't four words of the list; names the word and the nearest one.
 */
export async function normalizeCode(text: string): Promise<string> {
  return (await import("./codes.js")).normalizeCode(text);
}

/** Where a sealed text stands; bound to it as associated data, so that it opens nowhere else. */
export interface Context {
  /** Document path, from `realms/` on. */
  readonly path: string;
  /** Field: `offer`, `answer`, `offerCandidates`… */
  readonly name: string;
  readonly from: string;
  readonly fromSession: string;
  /** `*` for what is said to whoever comes. */
  readonly to: string;
  readonly toSession: string;
}

/** The bytes that AES-GCM authenticates beside the text (docs/protocol.md, section 5). */
export function associatedData(context: Context): Uint8Array<ArrayBuffer> {
  const { path, name, from, fromSession, to, toSession } = context;
  return utf8.encode([VERSION, path, name, from, fromSession, to, toSession].join("\n"));
}

/** What a code opens: the id of one call's document, and the key of its fields. */
export class Seal {
  readonly #key: CryptoKey;

  /**
   * @param call 32 hex digits; empty for a room's.
   * @param key AES-256-GCM.
   */
  constructor(
    readonly call: string,
    key: CryptoKey,
  ) {
    this.#key = key;
  }

  /** A seal with a key of 32 bytes. */
  static async of(call: string, key: Uint8Array<ArrayBuffer>): Promise<Seal> {
    return new Seal(call, await importKey(key));
  }

  /**
   * Seal a text for one field of one document.
   *
   * @returns base64url of nonce, ciphertext and tag.
   */
  async close(text: string, context: Context): Promise<string> {
    const iv = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    const additionalData = associatedData(context);
    const sealed = await crypto.subtle.encrypt(
      { name: "AES-GCM", iv, additionalData },
      this.#key,
      utf8.encode(text),
    );
    const whole = new Uint8Array(NONCE_BYTES + sealed.byteLength);
    whole.set(iv);
    whole.set(new Uint8Array(sealed), NONCE_BYTES);
    return toBase64Url(whole);
  }

  /**
   * Open what {@link close} made with the same key and context.
   *
   * @throws SealBroken if key or context differ, or a byte was changed.
   */
  async open(sealed: string, context: Context): Promise<string> {
    try {
      const raw = fromBase64Url(sealed);
      if (raw.length < NONCE_BYTES + TAG_BYTES) throw new TypeError("too short");
      const iv = raw.subarray(0, NONCE_BYTES);
      const additionalData = associatedData(context);
      const text = await crypto.subtle.decrypt(
        { name: "AES-GCM", iv, additionalData },
        this.#key,
        raw.subarray(NONCE_BYTES),
      );
      return new TextDecoder("utf-8", { fatal: true }).decode(text);
    } catch {
      throw new SealBroken(
        `The sealed ${context.name} does not open: somebody changed it, or it was sealed with ` +
          (this.call ? "another code. Hang up and make a new code." : "another passphrase."),
      );
    }
  }
}

function fromBase64Url(text: string): Uint8Array<ArrayBuffer> {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) throw new TypeError("no base64url");
  const binary = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

/**
 * Turn a code into a document id and a key: some tenths of a second of work, in small turns, so
 * that the page goes on.
 *
 * @param code in its normal form.
 * @param project Firebase project id; part of the salt.
 * @throws InsecureContext if the page was not loaded from HTTPS or localhost.
 */
export async function stretch(code: string, project: string): Promise<Seal> {
  const expand = await scrypt(code, `code/${project}`);
  const [call, key] = await Promise.all([expand("call-id", 16), expand("call-key", KEY_BYTES)]);
  const hex = Array.from(call, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return await Seal.of(hex, key);
}

/** Gives as many bytes for one purpose as are asked for. */
type Expand = (purpose: string, length: number) => Promise<Uint8Array<ArrayBuffer>>;

/** Stretch a secret: some tenths of a second of work. */
export async function scrypt(secret: string, salt: string): Promise<Expand> {
  // Typed as always there, but a page on plain HTTP has none.
  if (!(crypto.subtle as SubtleCrypto | undefined)) {
    throw new InsecureContext(
      "Browsers encrypt only for pages from HTTPS or localhost: open this page at such an address.",
    );
  }
  const { scryptAsync } = await import("@noble/hashes/scrypt.js");
  const stretched = await scryptAsync(utf8.encode(secret), utf8.encode(`${VERSION}/${salt}`), {
    ...SCRYPT,
    dkLen: KEY_BYTES,
    asyncTick: STRETCH_TURN_MILLISECONDS,
  });
  const material = await crypto.subtle.importKey("raw", new Uint8Array(stretched), "HKDF", false, [
    "deriveBits",
  ]);
  return async (purpose, length) => {
    const info = utf8.encode(`${VERSION}/${purpose}`);
    const derivation = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info };
    return new Uint8Array(await crypto.subtle.deriveBits(derivation, material, length * 8));
  };
}

/** The key of a seal, of its bytes. */
export async function importKey(key: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  return await crypto.subtle.importKey("raw", key, "AES-GCM", false, ["encrypt", "decrypt"]);
}
