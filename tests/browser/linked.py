"""Pages with one call each, by a code, whose network can be taken away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page

from firertc.suite import LocalSuite

from .blank import blank

# One call and what it tells of.
SCENE = """
window.log = [];
window.messages = [];
window.channels = [];
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
def linked_page(browser: Browser, script: Path, suite: LocalSuite) -> Iterator[Linked]:
    """A page with no call yet, in a context of its own."""
    with blank(browser, script, suite) as page:
        linked = Linked(page, page.context.new_cdp_session(page))
        linked.network.send("Network.enable")
        linked.lose(0)
        page.evaluate(SCENE)
        yield linked


def link(ann: Linked, bob: Linked, settings: dict[str, Any], media: str = "{}") -> None:
    """Call: Ann waits at a code (she offers), Bob comes."""
    code = ann.wait(settings, media)
    bob.come(settings, code, media)
    ann.do("await answered;")
