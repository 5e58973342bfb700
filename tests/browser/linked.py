"""Two pages with the SDK, linked by a call with a code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page

from firertc.suite import LocalSuite

from .screen import open_blank

STEP_MILLISECONDS = 40_000

# What the tests do in a page: one call, what it tells of, and waiting for things.
SCENE = """
window.log = [];
window.messages = [];
window.channels = [];
window.until = async (condition, seconds = 30) => {
  const end = performance.now() + seconds * 1000;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`in vain: ${condition}; ${JSON.stringify(log)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
window.codeOf = (promise) => promise.then(() => "settled", (error) => error.code ?? String(error));
window.hear = (made) => {
  const { link } = made;
  window.call = made;
  window.link = link;
  link.on("message", (body) => messages.push(body));
  link.on("channel", (channel) => channels.push(channel));
  link.on("reconnecting", (how) => log.push(["reconnecting", how]));
  link.on("reconnected", () => log.push(["reconnected"]));
  link.on("track", (track) => log.push(["track", track.kind]));
  link.on("trackRemoved", (track) => log.push(["trackRemoved", track.kind]));
  link.on("mute", (kinds) => log.push(["mute", { ...kinds }]));
  link.on("closed", (end) => log.push(["closed", end.reason]));
};
window.picture = () => {
  const canvas = document.createElement("canvas");
  canvas.width = 160;
  canvas.height = 120;
  const drawing = canvas.getContext("2d");
  let count = 0;
  setInterval(() => {
    drawing.fillStyle = ["red", "green", "blue"][count++ % 3];
    drawing.fillRect(0, 0, 160, 120);
  }, 40);
  return canvas.captureStream(25).getVideoTracks()[0];
};
window.hash = async (data) => {
  const raw = typeof data === "string" ? new TextEncoder().encode(data) : data;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", raw));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
};
window.wait = async (config, media) => {
  window.client = new firertc.Client(config);
  const code = await new Promise((resolve, reject) => {
    const made = client.waitAtCode({ media, onCode: resolve, onCall: hear });
    made.then((call) => { window.answered = call.answered(60); }).catch(reject);
  });
  return code;
};
window.come = async (config, code, media) => {
  window.client = new firertc.Client(config);
  await client.comeWithCode(code, { media, onCall: hear });
};
null;
"""


@dataclass
class Linked:
    """A page that has a call."""

    page: Page
    network: CDPSession
    errors: list[str] = field(default_factory=list)

    def lose(self, percent: int) -> None:
        """Lose so many of the packets of WebRTC."""
        # With no latency at all Chromium emulates nothing; a socket made before is left alone.
        conditions = {"offline": False, "downloadThroughput": -1, "uploadThroughput": -1}
        self.network.send(
            "Network.emulateNetworkConditions",
            {**conditions, "latency": 1, "packetLoss": percent},
        )

    def do(self, work: str, argument: Any = None) -> Any:
        """Run statements in the page; what they return."""
        return self.page.evaluate(f"async (given) => {{ {work} }}", argument)

    def until(self, condition: str) -> None:
        """Wait until something is true in the page."""
        self.do(f"await until(async () => {condition});")

    @property
    def log(self) -> list[Any]:
        """What the link told of, without tracks and mutes."""
        told: list[Any] = self.do("return log;")
        return [entry for entry in told if entry[0] in ("reconnecting", "reconnected", "closed")]

    def wait(self, settings: dict[str, Any], media: str = "{}") -> str:
        """Wait at a code; the code."""
        code: str = self.do(f"return await wait(given, {media});", settings)
        return code

    def come(self, settings: dict[str, Any], code: str, media: str = "{}") -> None:
        """Come with a code."""
        self.do(f"await come(given[0], given[1], {media});", [settings, code])


@contextmanager
def blank(browser: Browser, script: Path, suite: LocalSuite) -> Iterator[Linked]:
    """A page with the SDK and nothing else; no error may show in its console."""
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(STEP_MILLISECONDS)
    linked = Linked(page, context.new_cdp_session(page))
    linked.network.send("Network.enable")
    linked.lose(0)
    page.on("pageerror", lambda error: linked.errors.append(str(error)))
    open_blank(page, suite.addresses.hosting)
    page.add_script_tag(path=script)
    page.evaluate(SCENE)
    yield linked
    context.close()
    assert linked.errors == []


def link(ann: Linked, bob: Linked, settings: dict[str, Any], media: str = "{}") -> None:
    """Call: Ann waits at a code (she offers), Bob comes."""
    code = ann.wait(settings, media)
    bob.come(settings, code, media)
    ann.do("await answered;")
