/**
 * SkywayJS's and SkylinkJS's words over FireRTC: the application key is a key of the realm, a room
 * is a room that connects all.
 *
 * @packageDocumentation
 */

import { Skyway } from "./skyway/skyway.js";

export { reasonOf, SkywayError } from "./skyway/errors.js";
export { attachMediaStream } from "./skyway/media.js";
export type { PeerInfo, UserInfo } from "./skyway/peers.js";
export type { InitOptions, JoinRoomOptions } from "./skyway/options.js";
export type { TransferInfo } from "./skyway/transfers.js";
export { Skyway };
export { Skyway as Skylink };
export default Skyway;
