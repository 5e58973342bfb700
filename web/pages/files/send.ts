/** Sending: a code, whoever comes with it, and the files. */

import { Client, PathUnreachable, PeerGone } from "firertc";
import { sendFiles, type Source } from "firertc/files";

import { findProject } from "../project.js";
import { element, say, show } from "../shared/screen.js";
import { newDigest } from "../shared/hashing.js";
import { Bar, markWhole, showFiles, showList, sumText } from "./screen.js";

export const WAIT_SECONDS = 600;

/** What a page does at one time. */
export interface Work {
  readonly abort: AbortController;
  client: Client | null;
}

/**
 * Wait at a code, again and again, until somebody has it all.
 *
 * @param showCode shows the code, for the other side to come.
 */
export async function send(
  work: Work,
  sources: readonly Source[],
  showCode: (code: string) => void,
): Promise<void> {
  let code: string | undefined;
  let lost = "";
  for (;;) {
    const known = code;
    try {
      await sendOnce(work, sources, known, (made) => {
        code = made;
        showCode(made);
        say(lost);
      });
      return;
    } catch (error) {
      const again = error instanceof PeerGone || (known && error instanceof PathUnreachable);
      if (!again || work.abort.signal.aborted) throw error;
      lost = "The receiver was lost: it can come again with the same code, and goes on.";
    } finally {
      await work.client?.close();
      work.client = null;
    }
  }
}

async function sendOnce(
  work: Work,
  sources: readonly Source[],
  code: string | undefined,
  onCode: (code: string) => void,
): Promise<void> {
  const { signal } = work.abort;
  work.client = new Client(await findProject());
  const call = await work.client.waitAtCode({
    code,
    media: { receiving: [] },
    signal,
    waitSeconds: WAIT_SECONDS,
    onState: (state) => {
      if (state === "connecting") show("connecting");
    },
  });
  onCode(call.code);
  await call.answered(WAIT_SECONDS, signal);
  // Meeting at the code again does more than a repair: it finds a page that was loaded anew, too.
  call.link.mend = null;
  const files = sources.map(({ path, file }) => ({ path, size: file.size }));
  showFiles("moving-files", files);
  element("moving-title", "h1").textContent = "Sending";
  element("moving-sum", "p").textContent = sumText(files);
  const bar = new Bar();
  show("moving");
  showList(true);
  say("Offered: the other side is asked.");
  await sendFiles(call.link, sources, {
    signal,
    digest: newDigest,
    onAccept: () => {
      say("Accepted.");
    },
    onProgress: (progress) => {
      bar.show(progress);
    },
    onFile: (_, index) => {
      markWhole(index);
    },
  });
  await call.close();
}
