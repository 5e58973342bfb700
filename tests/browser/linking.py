"""Links between pages, and between a page and Python, for tests to send on and to break."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from playwright.sync_api import Browser, Page

from firertc.suite import LocalSuite

from .screen import open_blank

STEP_MILLISECONDS = 30_000
STEP_SECONDS = 60.0

T = TypeVar("T")

# Sides of links by name, and what each was told; `made` are channels by their labels.
LINKING = """
window.sides = {};
window.keep = (who, client, link, call) => {
  const side = { client, call, link, heard: [], log: [], made: {}, tracks: [] };
  sides[who] = side;
  link.on("message", (body) => side.heard.push(body));
  link.on("reconnecting", (reason) => side.log.push(`reconnecting ${reason}`));
  link.on("reconnected", () => side.log.push("reconnected"));
  link.on("closed", ({ reason }) => side.log.push(`closed ${reason}`));
  link.on("track", (track) => side.tracks.push(track));
  return side;
};
window.wait = async (who, config, media = () => ({ receiving: [] })) => {
  const client = new firertc.Client(config);
  const call = await client.waitAtCode({ media: media() });
  keep(who, client, call.link, call).answered = call.answered(30);
  return call.code;
};
window.come = async (who, config, code, media = () => ({ receiving: [] })) => {
  const client = new firertc.Client(config);
  const onCall = (call) => keep(who, client, call.link, call);
  await client.comeWithCode(code, { media: media(), onCall });
};
window.two = async (config, media) => {
  await come("bob", config, await wait("ann", config, media), media);
  await sides.ann.answered;
};
window.codeOf = (promise) => promise.then(() => "settled", (error) => error.code ?? String(error));
window.until = async (what, seconds = 20) => {
  const end = Date.now() + seconds * 1000;
  while (!(await what())) {
    if (Date.now() > end) throw new Error(`in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
window.next = (channel) => new Promise((resolve) => {
  const off = channel.on("message", (data) => { off(); resolve(data); });
});
window.bytes = (size) => {
  const made = new Uint8Array(size);
  for (let at = 0; at < size; at += 65536) crypto.getRandomValues(made.subarray(at, at + 65536));
  return made;
};
window.hash = async (data) => {
  const raw = typeof data === "string" ? new TextEncoder().encode(data) : data;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", raw));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
};
window.closeAll = async () => {
  await Promise.all(Object.values(sides).map(({ client }) => client.close()));
};
null;
"""


@contextmanager
def linking_page(browser: Browser, script: Path, suite: LocalSuite) -> Iterator[Page]:
    """A page with the SDK in a context of its own; no error may show in its console."""
    context = browser.new_context()
    errors: list[str] = []
    opened = context.new_page()
    opened.set_default_timeout(STEP_MILLISECONDS)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    open_blank(opened, suite.addresses.hosting)
    opened.add_script_tag(content=_text(script))
    opened.evaluate(LINKING)
    yield opened
    if not opened.is_closed():
        context.close()
    assert errors == []


@cache
def _text(script: Path) -> str:
    # Once: what is built anew meanwhile is not half of it.
    return script.read_text("utf-8")


class Aside:
    """An event loop beside the browser's, for a Python peer in the test's process."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], seconds: float = STEP_SECONDS) -> T:
        """Do it there, and wait until it is done."""

        async def bounded() -> T:
            async with asyncio.timeout(seconds):
                return await work

        return asyncio.run_coroutine_threadsafe(bounded(), self._loop).result(seconds + 5)

    def close(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
