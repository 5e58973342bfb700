/** PeerJS's `util`: what this browser can do. */

import { pack, unpack } from "peerjs-js-binarypack";

const webRTC = typeof RTCPeerConnection !== "undefined";

/** The letters, digits, and single spaces, `_` and `-` between them, that ids are made of. */
const ID = /^[A-Za-z0-9]+(?:[ _-][A-Za-z0-9]+)*$/;

export const util = {
  /** PeerJS's cloud is not used; addresses come from the Firebase project. */
  CLOUD_HOST: "",
  CLOUD_PORT: 443,
  /** Larger `json` messages are refused, as in PeerJS. */
  chunkedMTU: 16_300,
  browser: navigator.userAgent.includes("Firefox/") ? "firefox" : "chrome",
  supports: {
    browser: webRTC,
    webRTC,
    audioVideo: webRTC,
    data: webRTC,
    binaryBlob: true,
    reliable: true,
  },
  pack,
  unpack,
  validateId: (id: string): boolean => !id || ID.test(id),
  randomToken: (): string => crypto.randomUUID().replaceAll("-", "").slice(0, 11),
  isSecure: (): boolean => location.protocol === "https:",
};
