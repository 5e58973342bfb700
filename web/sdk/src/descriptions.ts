/** What signaling reads in descriptions, and what it writes into them. */

import { DocumentMalformed } from "./errors.js";

/** An empty candidate ends the list (W3C WebRTC, section 4.8.1.2). */
export const END_OF_CANDIDATES = JSON.stringify({ candidate: "" });
const END_MARK = "a=end-of-candidates";

/** Whether a description says that no more candidates will come (RFC 8840, section 4.2). */
export function isComplete(sdp: string): boolean {
  return sdp.split(/\r?\n/).some((line) => line.trim() === END_MARK);
}

/**
 * Say in every section what browsers say in the first, which the others share: the candidates, and
 * that no more will come. aiortc 1.16 with max-bundle takes those of the last section alone.
 */
export function spreadCandidates(sdp: string, complete: boolean): string {
  const [head = "", ...sections] = sdp.split(/^(?=m=)/m);
  const lines = sections.flatMap((section) => section.match(/^a=candidate:.*\r\n/gm) ?? []);
  const said = [...new Set(lines), ...(complete ? [`${END_MARK}\r\n`] : [])].join("");
  const bare = sections.map((section) => section.replace(/^a=candidate:.*\r\n/gm, ""));
  return head + bare.map((section) => section + said).join("");
}

/**
 * Take the candidates out of a description: with nothing to send to, nothing is sent.
 *
 * @returns the rest, and the candidates as JSON texts of `RTCIceCandidateInit`, each once, the end
 *   mark last: of the first section, whose transport the others share.
 */
export function withoutCandidates(sdp: string): { bare: string; candidates: string[] } {
  const lines = new Set((sdp.match(/^a=candidate:.*/gm) ?? []).map((line) => line.trim().slice(2)));
  const candidates = [...lines].map((candidate) => JSON.stringify({ candidate, sdpMLineIndex: 0 }));
  if (isComplete(sdp)) candidates.push(END_OF_CANDIDATES);
  return { bare: sdp.replace(/^a=(candidate:.*|end-of-candidates)\s*/gm, ""), candidates };
}

/** What is thrown at a candidate that makes no sense. */
export const badCandidate = (): Error =>
  new DocumentMalformed("The other side wrote a candidate that is none.");

/**
 * A candidate of the other side.
 *
 * @throws DocumentMalformed if it is none.
 */
export function readCandidate(text: string): RTCIceCandidateInit & { candidate: string } {
  let content: RTCIceCandidateInit;
  try {
    content = JSON.parse(text) as RTCIceCandidateInit;
  } catch {
    throw badCandidate();
  }
  if (typeof content !== "object" || typeof content.candidate !== "string") throw badCandidate();
  return { ...content, candidate: content.candidate };
}
