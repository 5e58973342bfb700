/**
 * Files from one side of a link to the other, of any size; the same as `firertc send` and `firertc
 * receive` in a terminal.
 *
 * @packageDocumentation
 */

export { hashHere, hashIn } from "./hashing.js";
export type { Digest, NewDigest } from "./hashing.js";
export { explain, pathProblem } from "./paths.js";
export type { Problem, System } from "./paths.js";
export { receiveFiles } from "./receiving.js";
export type { ReceiveOptions } from "./receiving.js";
export { sendFiles, sourcesOf, Stopped } from "./sending.js";
export type { Progress, SendOptions, Source, TransferOptions } from "./sending.js";
export { BrowserSink, DiskFull, saveInto } from "./sinks.js";
export type { ReceivedFile, Sink } from "./sinks.js";
export { BlobStore, openStore } from "./stores.js";
export type { Store } from "./stores.js";
export { TransferError } from "./transfer.js";
export { LABEL } from "./transferFrames.js";
export type { Entry, Have, Offer } from "./transferFrames.js";
