/** What signaling reads in descriptions, and what it writes into them. */

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
