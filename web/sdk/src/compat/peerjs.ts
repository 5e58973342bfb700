/**
 * PeerJS's words over FireRTC: change the import, and put the Firebase project's settings in place
 * of the PeerServer's.
 *
 * Every peer enters one room of its realm; a connection is a call that rings there, accepted at
 * once for data, by `answer()` for media.
 *
 * @packageDocumentation
 */

export { DataConnection } from "./peerjs/data.js";
export {
  BaseConnectionErrorType,
  ConnectionType,
  DataConnectionErrorType,
  PeerError,
  PeerErrorType,
  SerializationType,
} from "./peerjs/errors.js";
export { MediaConnection } from "./peerjs/media.js";
export { Peer as default, Peer } from "./peerjs/peer.js";
export type {
  AnswerOption,
  CallOption,
  PeerConnectOption,
  PeerEvents,
  PeerOptions,
} from "./peerjs/peer.js";
export { util } from "./peerjs/util.js";
