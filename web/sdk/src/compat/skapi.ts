/**
 * Skapi's realtime and WebRTC words over FireRTC: everybody is a peer of one room, groups are what
 * one says of oneself, calls are rings.
 *
 * @packageDocumentation
 */

import { Skapi } from "./skapi/skapi.js";

export { DataChannel } from "./skapi/channel.js";
export type { ChannelSettings, DataChannelInit } from "./skapi/channel.js";
export type {
  Condition,
  DatabaseResponse,
  GroupSearch,
  RealtimeGroup,
  RealtimeUser,
} from "./skapi/directory.js";
export { SkapiError } from "./skapi/errors.js";
export type { RealtimeCallback, RealtimeMessage, RTCCallback, RTCEvent } from "./skapi/events.js";
export type {
  Ice,
  RTCConnector,
  RTCConnectorParams,
  RTCReceiverParams,
  RTCResolved,
} from "./skapi/params.js";
export type { RealtimeConnection, SkapiOptions, Success } from "./skapi/skapi.js";
export { Skapi };
export default Skapi;
