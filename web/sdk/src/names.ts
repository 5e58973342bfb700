/**
 * Names of tracks: `camera`, `screen`, or whatever the sender calls them.
 *
 * They travel in the descriptions, as the label of the section that a track is sent in (`a=label`,
 * RFC 4574): so the receiver has the name with the track, also after a renegotiation or a repair.
 */

import { ConfigError } from "./errors.js";

const NAME_CHARS = 64;
/** What is written of a name: UTF-8, percent-encoded but for these (RFC 3986, section 2.3). */
const LABEL = /^a=label:((?:[\w.~-]|%[\da-fA-F]{2})+)\s*$/m;

/**
 * The same name.
 *
 * @throws ConfigError if it has more than 64 characters, or is no proper text.
 */
export function checkName(name: string): string {
  if (Array.from(name).length > NAME_CHARS || /\p{Cs}/u.test(name)) {
    throw new ConfigError(`A track's name has at most ${String(NAME_CHARS)} characters.`);
  }
  return name;
}

/**
 * A description that says what its sections are called.
 *
 * @param names by audio and video section, in order; empty: none.
 */
export function writeNames(sdp: string, names: readonly string[]): string {
  let section = 0;
  const [head = "", ...sections] = split(sdp);
  const named = sections.map((text) => {
    const name = isMedia(text) && names[section++];
    return name ? `${text.replace(/\r?\n?$/, "\r\n")}a=label:${token(name)}\r\n` : text;
  });
  return head + named.join("");
}

/** What the other side calls its audio and video sections, in order; empty: nothing. */
export function readNames(sdp: string): string[] {
  return split(sdp).slice(1).filter(isMedia).map(nameOf);
}

const split = (sdp: string): string[] => sdp.split(/^(?=m=)/m);

const isMedia = (section: string): boolean => /^m=(audio|video) /.test(section);

function token(name: string): string {
  const rest = (character: string): string =>
    `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(name).replace(/[!'()*]/g, rest);
}

function nameOf(section: string): string {
  try {
    const name = decodeURIComponent(LABEL.exec(section)?.[1] ?? "");
    return Array.from(name).length > NAME_CHARS ? "" : name;
  } catch {
    return "";
  }
}
