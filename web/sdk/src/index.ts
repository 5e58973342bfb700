/**
 * FireRTC for the browser: WebRTC calls with no signaling server, over Cloud Firestore.
 *
 * @packageDocumentation
 */

export { Call, comeWithCode, waitAtCode, WAIT_MOST_SECONDS, WAIT_SECONDS } from "./call.js";
export type { CallOptions, Media, WaitOptions } from "./call.js";
export { Channel } from "./channel.js";
export type { ChannelEvents, ChannelState, Data, Sendable } from "./channel.js";
export type { ChannelOptions } from "./channels.js";
export { Client } from "./client.js";
export type { EnterOptions } from "./client.js";
export type { Config } from "./config.js";
export type { Kind } from "./connection.js";
export type { Operations } from "./database.js";
export * from "./errors.js";
export { Link } from "./link.js";
export type { LinkEnd, LinkEvents, LinkState, Mend, Side } from "./link.js";
export { openMedia, openScreen } from "./media.js";
export type { MediaWanted } from "./media.js";
export type { CallState, Pulse } from "./negotiation.js";
export type { RoomEvents } from "./membership.js";
export { ring, ringFirst } from "./ringing.js";
export type { Ring, RingOptions } from "./ringing.js";
export type { Connect, Room, RoomOptions, RoomRequestHandler, RoomView } from "./room.js";
export { decodeId, DEFAULT_ROOM, encodeId, newRoomName } from "./schema.js";
export type { Peer } from "./schema.js";
export { newCode, normalizeCode, Seal } from "./sealing.js";
export { join, Session } from "./session.js";
export type { Credentials, JoinOptions } from "./session.js";
export type { RequestHandler } from "./requests.js";
export type { Path, Statistics } from "./statistics.js";
export { Timing } from "./timing.js";
export type { Waiting } from "./waiting.js";
