/**
 * FireRTC for the browser: WebRTC calls with no signaling server, over Cloud Firestore.
 *
 * @packageDocumentation
 */

export type { Call, CallOptions, Media } from "./call.js";
export type { WaitOptions } from "./oneOff.js";
export type { Channel, ChannelEvents, ChannelState, Data, Sendable } from "./channel.js";
export type { ChannelOptions } from "./channels.js";
export { Client } from "./client.js";
export type { EnterOptions } from "./client.js";
export type { Config } from "./config.js";
export type { Kind } from "./connection.js";
export type { Operations } from "./database.js";
export * from "./errors.js";
export type { Link, LinkEnd, LinkEvents, LinkState, Mend, Side } from "./link.js";
export type { Connect, RoomView } from "./looking.js";
export { openMedia, openScreen } from "./media.js";
export type { MediaWanted } from "./media.js";
export type { CallState, Pulse } from "./negotiation.js";
export type { RoomEvents } from "./membership.js";
export type { Ring, RingFirstOptions, RingOptions } from "./ringing.js";
export type { Room, RoomOptions } from "./room.js";
export type { Peer } from "./roomSchema.js";
export { decodeId, DEFAULT_ROOM, encodeId, newRoomName } from "./schema.js";
export { newCode, normalizeCode, Seal } from "./sealing.js";
export { join, Session } from "./session.js";
export type { Credentials, JoinOptions } from "./session.js";
export type { Resumption, ResumeOptions } from "./resuming.js";
export type { RequestHandler } from "./requests.js";
export type { Path, Statistics } from "./statistics.js";
export type { RoomRequestHandler } from "./stay.js";
export { Timing } from "./timing.js";
export type { Waiting } from "./waiting.js";
