"""Pages with the SDK and nothing else, and the words in which tests speak in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from firertc.suite import LocalSuite

from .screen import STEP_MILLISECONDS

Settings = dict[str, Any]
"""What a page gives to `firertc.Client`."""

# Waiting for things, and things to send.
WORDS = """
window.until = async (what, seconds = 30) => {
  const end = performance.now() + seconds * 1000;
  while (!(await what())) {
    if (performance.now() > end) {
      throw new Error(`in vain: ${what}; ${JSON.stringify(window.log ?? null)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
window.codeOf = (promise) => promise.then(() => "settled", (error) => error.code ?? String(error));
window.picture = (colour = "red") => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 160, height: 120 });
  const drawing = canvas.getContext("2d");
  let turn = 0;
  setInterval(() => {
    drawing.fillStyle = colour;
    drawing.fillRect(0, 0, 160, 120);
    drawing.fillStyle = "grey";
    drawing.fillRect(turn++ % 8, 0, 8, 8);
  }, 40);
  return canvas.captureStream(25).getVideoTracks()[0];
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
null;
"""


def open_blank(page: Page, hosting: str) -> None:
    """Open a page without a policy of its own, from the address that Hosting serves.

    A file that is really there: Chromium keeps pages that a test made up away from local servers.
    """
    page.goto(f"{hosting}/firertc.json")


@contextmanager
def blank(browser: Browser, script: Path, suite: LocalSuite) -> Iterator[Page]:
    """A page with the SDK in a context of its own; no error may show in its console."""
    context = browser.new_context()
    errors: list[str] = []
    page = context.new_page()
    page.set_default_timeout(STEP_MILLISECONDS)
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_blank(page, suite.addresses.hosting)
    page.add_script_tag(content=_text(script))
    page.evaluate(WORDS)
    yield page
    context.close()
    assert errors == []


@cache
def _text(script: Path) -> str:
    # Once: what is built anew meanwhile is not half of it.
    return script.read_text("utf-8")


def config(suite: LocalSuite) -> Settings:
    """The settings, as a web developer writes them."""
    addresses = suite.addresses
    return {
        "project": addresses.project,
        "key": addresses.key,
        "functionsUrl": addresses.functions,
        "firestoreEmulator": addresses.firestore,
        "authEmulator": addresses.auth,
    }
