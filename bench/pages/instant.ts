/** Two connections in one page that hand each other everything at once: what WebRTC itself takes. */

import { opened } from "./opening.js";

/** @returns milliseconds until both channels are open. */
export async function instant(): Promise<number> {
  const began = performance.now();
  const [one, other] = [new RTCPeerConnection(), new RTCPeerConnection()];
  one.onicecandidate = ({ candidate }) => void other.addIceCandidate(candidate ?? undefined);
  other.onicecandidate = ({ candidate }) => void one.addIceCandidate(candidate ?? undefined);
  const channels = [one, other].map((pc) =>
    pc.createDataChannel("bench", { negotiated: true, id: 0 }),
  );
  const both = Promise.all(channels.map(opened));
  await one.setLocalDescription();
  if (one.localDescription) await other.setRemoteDescription(one.localDescription);
  await other.setLocalDescription();
  if (other.localDescription) await one.setRemoteDescription(other.localDescription);
  await both;
  const milliseconds = performance.now() - began;
  one.close();
  other.close();
  return milliseconds;
}
