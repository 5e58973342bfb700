/** What people are called in a room, and what this browser remembers of its person. */

import { decodeId, type Peer } from "firertc";

const NAME_KEY = "firertc.name";
const RESUME_KEY = "firertc.resume.";
const NAME_CHARS = 40;
/** Somebody who said no name. */
export const NAMELESS = "Somebody";

/** What somebody in a room is called. */
export function nameOf(peer: Peer): string {
  const name = (peer.data as { name?: unknown } | null)?.name;
  if (typeof name === "string" && name.trim()) return name.slice(0, NAME_CHARS);
  // Programs are known by the id they chose; random ones say nothing.
  return peer.id.startsWith("p-") ? NAMELESS : decodeId(peer.id);
}

/** The name that was used last. */
export function lastName(): string {
  return localStorage.getItem(NAME_KEY) ?? "";
}

/** Keep the name for the next time. */
export function rememberName(name: string): void {
  localStorage.setItem(NAME_KEY, name);
}

/** By what a page that is loaded anew is the same peer of a room again. */
export function resumeOf(room: string): string | undefined {
  return sessionStorage.getItem(RESUME_KEY + room) ?? undefined;
}

/** Keep that for this tab. */
export function rememberResume(room: string, resume: string): void {
  if (resume) sessionStorage.setItem(RESUME_KEY + room, resume);
}

/** The room that the address names, or one that nobody else is in. */
export function roomOfAddress(): string {
  const name = new URLSearchParams(location.search).get("room");
  // Not randomUUID: a page from an insecure address lacks it, and shall come as far as to say so.
  const random = [...crypto.getRandomValues(new Uint8Array(4))];
  return name ?? `room-${random.map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** The passphrase that the address carries behind the hash: that part is sent to no server. */
export function passphraseOfAddress(): string {
  return decodeURIComponent(location.hash.slice(1));
}

/** The address that leads others here. */
export function addressOf(room: string, passphrase: string): string {
  const query = new URLSearchParams(location.search);
  query.set("room", room);
  const hash = passphrase && `#${encodeURIComponent(passphrase)}`;
  return `${location.pathname}?${query.toString()}${hash}`;
}
