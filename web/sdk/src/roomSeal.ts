/** What seals a room: the key that its passphrase is stretched to. */

import {
  ConfigError,
  PassphraseNeeded,
  ProtocolError,
  SealBroken,
  WrongPassphrase,
} from "./errors.js";
import { toBase64Url } from "./schema.js";
import { importKey, KEY_BYTES, scrypt, Seal, SCRYPT } from "./sealing.js";

const CHECK_BYTES = 16;

/** What a room's passphrase opens: the key of all that is sealed in the room. */
export class RoomSeal extends Seal {
  /** Stands in the room's document: tells a wrong passphrase from the right one. */
  check = "";

  /** `sealed` of the room's document. */
  fields(): Readonly<Record<string, string | number>> {
    const { N: n, r, p } = SCRYPT;
    return { kdf: "scrypt", n, r, p, check: this.check };
  }
}

/**
 * Turn a room's passphrase into its key; as much work as {@link stretch}.
 *
 * @param passphrase any text but none; written in Unicode's form NFC first.
 * @param project Firebase project id; part of the salt, as are the ids of realm and room.
 * @throws ConfigError if it is empty.
 * @throws InsecureContext if the page was not loaded from HTTPS or localhost.
 */
export async function stretchRoom(
  passphrase: string,
  project: string,
  realm: string,
  room: string,
): Promise<RoomSeal> {
  if (!passphrase) throw new ConfigError("A passphrase needs at least one character.");
  const expand = await scrypt(passphrase.normalize("NFC"), `room/${project}/${realm}/${room}`);
  const [check, key] = await Promise.all([
    expand("room-check", CHECK_BYTES),
    expand("room-key", KEY_BYTES),
  ]);
  const seal = new RoomSeal("", await importKey(key));
  seal.check = toBase64Url(check);
  return seal;
}

/**
 * Whether we have what a room's document says its contents are sealed with.
 *
 * @param seal made of the passphrase that was given; null: none was.
 * @param found `sealed` of the room's document.
 * @throws PassphraseNeeded the room is sealed, and no passphrase was given.
 * @throws WrongPassphrase it is sealed with another.
 * @throws SealBroken a passphrase was given, and the room is not sealed.
 * @throws ProtocolError it is sealed in a way that is not known here.
 */
export function checkRoomSeal(seal: RoomSeal | null, found: unknown): void {
  if (found == null) {
    if (!seal) return;
    throw new SealBroken("The room is not sealed, though a passphrase was given. Choose another.");
  }
  if (!seal) throw new PassphraseNeeded("The room is sealed: it takes a passphrase.");
  const theirs = found as Readonly<Record<string, unknown>>;
  const ours = seal.fields();
  // Anything weaker would let whoever wrote it guess the passphrase more cheaply.
  if (["kdf", "n", "r", "p"].some((name) => theirs[name] !== ours[name])) {
    throw new ProtocolError("The room is sealed in a way that this program doesn't know.");
  }
  if (theirs["check"] !== seal.check) {
    throw new WrongPassphrase("The passphrase is not this room's. Ask somebody inside for it.");
  }
}
