/** What peers say of themselves, and how Skyway shows it. */

import type { Peer } from "../../index.js";

/** What a peer writes into its data. */
export interface UserInfo {
  readonly userData: unknown;
  readonly audio: boolean;
  readonly video: boolean;
  readonly audioMuted: boolean;
  readonly videoMuted: boolean;
  /** Whether its picture is its screen. */
  readonly screen: boolean;
}

/** What Skyway's events say of a peer. */
export interface PeerInfo {
  readonly userData: unknown;
  readonly settings: { readonly audio: boolean; readonly video: boolean; readonly data: boolean };
  readonly mediaStatus: { readonly audioMuted: boolean; readonly videoMuted: boolean };
  readonly agent: { readonly name: string; readonly version: string };
  readonly room: string;
}

/** What a peer says of itself; of one without these words, as much as is known. */
export function userInfo(peer: Peer): UserInfo {
  const said = (peer.data as { skyway?: Partial<UserInfo> } | null)?.skyway;
  return {
    userData: said ? (said.userData ?? "") : (peer.data ?? ""),
    audio: said?.audio ?? peer.media["audio"] ?? false,
    video: said?.video ?? peer.media["video"] ?? false,
    audioMuted: said?.audioMuted ?? false,
    videoMuted: said?.videoMuted ?? false,
    screen: said?.screen ?? peer.media["screen"] ?? false,
  };
}

/** As the events show it. */
export function peerInfo(said: UserInfo, room: string): PeerInfo {
  return {
    userData: said.userData,
    settings: { audio: said.audio, video: said.video, data: true },
    mediaStatus: {
      audioMuted: !said.audio || said.audioMuted,
      videoMuted: !said.video || said.videoMuted,
    },
    agent: { name: "firertc", version: "1" },
    room,
  };
}
