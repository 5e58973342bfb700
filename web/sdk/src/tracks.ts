/** The tracks of a connection that stands: they come and go, take another's place, have bounds. */

import { kindOf, type Connection, type Kind, type Limits } from "./connection.js";
import { ConfigError, ProtocolError } from "./errors.js";
import { Turns } from "./waiting.js";

/** Audio and video sections of one connection: each costs a transceiver for good. */
const SECTIONS_MOST = 16;

/** A fresh offer on the connection that exists. */
export async function renegotiationOffer(connection: Connection): Promise<string> {
  const { pc } = connection;
  await pc.setLocalDescription(await pc.createOffer());
  return connection.named();
}

/** Adds tracks one after the other: two must not take the same idle section. */
export class Adding {
  readonly #turns = new Turns();

  /**
   * Send a track in a section that is idle, or in a new one; to be offered afterwards.
   *
   * @throws ConfigError if there are 16 sections.
   */
  async add(connection: Connection, track: MediaStreamTrack): Promise<void> {
    await this.#turns.take(() => add(connection, track));
  }
}

async function add(connection: Connection, track: MediaStreamTrack): Promise<void> {
  const { pc } = connection;
  const idle = pc
    .getTransceivers()
    .find((each) => kindOf(each) === track.kind && !each.sender.track);
  if (idle) {
    await idle.sender.replaceTrack(track);
    idle.direction = connection.directionOf(idle);
  } else {
    if (pc.getTransceivers().length >= SECTIONS_MOST) {
      throw new ConfigError(
        `A link has ${String(SECTIONS_MOST)} media sections at most: remove a track.`,
      );
    }
    connection.addSection(track);
  }
  connection.sections();
}

/**
 * Make room for more tracks of the other side's, one for each; to be offered afterwards.
 *
 * @throws ProtocolError if that makes more than 16 sections.
 */
export function makeRoom({ pc }: Connection, kinds: readonly Kind[]): void {
  const silent = ["sendonly", "inactive"];
  const idle = pc
    .getTransceivers()
    .filter((each) =>
      [each.direction, each.currentDirection ?? ""].some((d) => silent.includes(d)),
    );
  for (const kind of kinds) {
    const at = idle.findIndex((each) => kindOf(each) === kind);
    const [known] = at < 0 ? [] : idle.splice(at, 1);
    if (known) known.direction = known.sender.track ? "sendrecv" : "recvonly";
    else if (pc.getTransceivers().length >= SECTIONS_MOST) {
      throw new ProtocolError(
        `The other side wants more than ${String(SECTIONS_MOST)} media sections.`,
      );
    } else pc.addTransceiver(kind, { direction: "recvonly" });
  }
}

/**
 * Send a track no longer; to be offered afterwards.
 *
 * @returns false if it is not sent.
 */
export async function remove(connection: Connection, track: MediaStreamTrack): Promise<boolean> {
  const { pc, waiting, names } = connection;
  names.delete(track);
  const at = waiting.indexOf(track);
  if (at >= 0) {
    waiting.splice(at, 1);
    return false;
  }
  const transceiver = pc.getTransceivers().find(({ sender }) => sender.track === track);
  if (!transceiver) return false;
  await transceiver.sender.replaceTrack(null);
  const receives = ["sendrecv", "recvonly"].includes(transceiver.direction);
  transceiver.direction = receives ? "recvonly" : "inactive";
  connection.sections();
  return true;
}

/**
 * Send another track of the same kind in a track's place, under its name; nothing is
 * negotiated.
 *
 * @param old default: the first of the new one's kind.
 * @returns false if there is none such.
 */
export async function replace(
  connection: Connection,
  track: MediaStreamTrack,
  old?: MediaStreamTrack,
): Promise<boolean> {
  const fits = (sent: MediaStreamTrack | null): boolean =>
    sent !== null && sent.kind === track.kind && (!old || sent === old);
  const { pc, waiting, names } = connection;
  const at = waiting.findIndex(fits);
  const sender = at < 0 && pc.getSenders().find((one) => fits(one.track));
  const before = sender ? sender.track : waiting[at];
  if (!before) return false;
  const name = names.get(before);
  if (name !== undefined) names.set(track, name);
  if (!sender) {
    waiting[at] = track;
    return true;
  }
  await sender.replaceTrack(track);
  connection.sections();
  return true;
}

/** The application's tracks flow on `now`; what the old one was given since it was made waits. */
export function takeOver(now: Connection, old: Connection): void {
  now.limits = old.limits;
  void now.limits?.apply(now.pc);
  const mine = now.tracks;
  now.waiting.push(...old.tracks.filter((track) => !mine.includes(track)));
}

/**
 * Bound what the encoders of a kind may take, in bits per second; null: as they please.
 *
 * @throws ConfigError if the number is not positive.
 */
export async function limit(
  connection: Connection,
  kind: Kind,
  bitsPerSecond: number | null,
): Promise<void> {
  if (bitsPerSecond !== null && !(bitsPerSecond > 0)) {
    throw new ConfigError("A bitrate is a positive number of bits per second, or null.");
  }
  // Those of a connection are those of the one it is like.
  const bounds = connection.limits instanceof Bounds ? connection.limits : new Bounds();
  connection.limits = bounds;
  if (bitsPerSecond === null) bounds.of.delete(kind);
  else bounds.of.set(kind, bitsPerSecond);
  await bounds.apply(connection.pc);
}

class Bounds implements Limits {
  /** In bits per second. */
  readonly of = new Map<Kind, number>();

  async apply(pc: RTCPeerConnection): Promise<void> {
    for (const { sender } of pc.getTransceivers()) {
      const kind = sender.track?.kind as Kind | undefined;
      const bound = kind && this.of.get(kind);
      const parameters = sender.getParameters();
      if (parameters.encodings.every(({ maxBitrate }) => maxBitrate === bound)) continue;
      for (const encoding of parameters.encodings) {
        if (bound === undefined) delete encoding.maxBitrate;
        else encoding.maxBitrate = bound;
      }
      // A section that is not negotiated yet takes none: they are applied again when it is.
      await sender.setParameters(parameters).catch(() => undefined);
    }
  }
}
