"""What the SDK loads while a link opens: links open without waiting for it, and miss nothing."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route

from firertc.suite import LocalSuite

from .blank import WORDS, config, open_blank
from .conftest import BUILD_SECONDS, ROOT
from .screen import STEP_MILLISECONDS
from .sides import SIDES

# As a program's production build does: modules that are loaded when they are needed.
BUILD = """
import { build } from "vite";
const [input, outDir] = process.argv.slice(1);
await build({
  configFile: false,
  base: "/modules/",
  logLevel: "error",
  build: {
    outDir,
    target: "es2022",
    rolldownOptions: {
      input,
      output: { entryFileNames: "main.js", chunkFileNames: "[name].js" },
    },
  },
});
"""
ENTRY = """
import * as firertc from "{sdk}";
window.firertc = firertc;
window.loaded = true;
"""
LATE = ("linkParts", "mending")


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the SDK's modules, bundled as a page has them."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the web part can't be built")
    place = tmp_path_factory.mktemp("modules")
    entry = place / "entry.ts"
    entry.write_text(ENTRY.format(sdk=ROOT / "web" / "sdk" / "src" / "index.ts"), "utf-8")
    built = subprocess.run(
        [node, "--input-type=module", "-e", BUILD, str(entry), str(place / "dist")],
        cwd=ROOT / "web" / "sdk",
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return place / "dist"


class Parted:
    """A page with one side of a link, whose late parts can be held back."""

    def __init__(self, page: Page, modules: Path) -> None:
        self.page = page
        self.asked: list[str] = []
        self._modules = modules
        self._held: list[Route] | None = None
        self._lost = 0

    def open(self, hosting: str) -> None:
        """Open it."""
        open_blank(self.page, hosting)
        self.page.route("**/modules/*.js", self._serve)
        self.page.evaluate("import('/modules/main.js')")
        self.page.evaluate(WORDS)
        self.page.evaluate(SIDES)

    def hold(self) -> None:
        """Let the late parts wait from now on."""
        self._held = []

    def lose(self, times: int) -> None:
        """Let so many requests for late parts fail."""
        self._lost = times

    def let_go(self) -> None:
        """Let the late parts come."""
        held, self._held = self._held or [], None
        for route in held:
            self._give(route)

    def _serve(self, route: Route) -> None:
        name = self._name(route)
        late = name.split(".")[0] in LATE
        if late:
            self.asked.append(name)
        if late and self._lost:
            self._lost -= 1
            route.abort()
        elif late and self._held is not None:
            self._held.append(route)
        else:
            self._give(route)

    def _give(self, route: Route) -> None:
        route.fulfill(path=self._modules / self._name(route), content_type="text/javascript")

    @staticmethod
    def _name(route: Route) -> str:
        return route.request.url.rsplit("/", 1)[1]


@pytest.fixture
def pages(browser: Browser, modules: Path, suite: LocalSuite) -> Iterator[list[Parted]]:
    """Two pages with the SDK's modules."""
    opened = []
    errors: list[str] = []
    for _ in range(2):
        page = browser.new_context().new_page()
        page.set_default_timeout(STEP_MILLISECONDS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        opened.append(Parted(page, modules))
        opened[-1].open(suite.addresses.hosting)
    yield opened
    for parted in opened:
        parted.page.context.close()
    assert errors == []


def link(pages: list[Parted], settings: dict[str, Any]) -> tuple[Page, Page]:
    """Make a call from the first page to the second; returns when it stands on both."""
    ann, bob = (parted.page for parted in pages)
    code = ann.evaluate("(config) => wait('ann', config)", settings)
    bob.evaluate("([config, code]) => come('bob', config, code)", [settings, code])
    ann.evaluate("sides.ann.answered")
    return ann, bob


SAY = """async (n) => {
  const { link } = Object.values(sides)[0];
  link.send(["said", n]);
  return await link.request(["asked", n]);
}"""
HEAR = """() => {
  const [side] = Object.values(sides);
  side.link.onRequest = (body) => { side.heard.push(body); return ["answer", ...body]; };
  side.got = [];
  side.link.on("channel", (channel) => {
    channel.on("message", (data) => side.got.push(data));
    channel.on("closed", () => side.got.push("closed"));
  });
}"""
CHANNEL = """async () => {
  const { link } = sides.bob;
  const channel = await link.openChannel("early");
  for (let n = 0; n < 20; n++) await channel.send(`${n}`);
  const loose = await link.openChannel("loose", { ordered: false, maxRetransmits: 5 });
  await loose.send("loose");
  window.closing = channel.close();
  const media = document.createElement("canvas");
  media.getContext("2d").fillRect(0, 0, 9, 9);
  window.adding = link.addTrack(media.captureStream(5).getVideoTracks()[0]);
}"""


@pytest.mark.parametrize("late", [0, 1], ids=["offerer", "answerer"])
def test_a_link_opens_before_its_parts_are_there(
    pages: list[Parted], suite: LocalSuite, late: int
) -> None:
    held = pages[late]
    if late == 0:
        pages.reverse()
    held.hold()
    # Whoever has everything is bob, and uses it at once.
    other = next(parted for parted in pages if parted is not held)
    settings = config(suite)
    waiting, coming = pages
    code = waiting.page.evaluate(
        "([who, config]) => wait(who, config)",
        ["ann" if waiting is held else "bob", settings],
    )
    coming.page.evaluate(
        "([who, config, code]) => come(who, config, code)",
        ["ann" if coming is held else "bob", settings, code],
    )
    waiting.page.evaluate("Object.values(sides)[0].answered")
    for parted in pages:
        parted.page.evaluate(HEAR)
    assert {name.split(".")[0] for name in held.asked} == set(LATE), "loaded while it opened"
    # What needs no part works; and what the other side begins waits.
    assert held.page.evaluate(SAY, 1) == ["answer", "asked", 1]
    other.page.evaluate(CHANNEL)
    assert other.page.evaluate(SAY, 2) == ["answer", "asked", 2]
    assert held.page.evaluate("sides.ann.got.length + sides.ann.tracks.length") == 0
    assert held.page.evaluate("sides.ann.heard") == [["said", 2], ["asked", 2]]
    held.let_go()
    held.page.evaluate("until(() => sides.ann.got.length === 22 && sides.ann.tracks.length === 1)")
    got = held.page.evaluate("sides.ann.got")
    assert [each for each in got if each != "loose"] == [*map(str, range(20)), "closed"]
    other.page.evaluate("closing.then(() => adding)")
    assert held.page.evaluate("sides.ann.link.statistics().then((s) => s.bytesSent > 0)")
    assert [one.page.evaluate("Object.values(sides)[0].log") for one in pages] == [[], []]
    for parted in pages:
        parted.page.evaluate("closeAll()")


@pytest.mark.parametrize("cut", [0, 1], ids=["offerer", "answerer"])
def test_a_link_that_is_cut_right_after_opening_comes_back(
    pages: list[Parted], suite: LocalSuite, cut: int
) -> None:
    for parted in pages:
        parted.hold()
    sides = ann, bob = link(pages, config(suite))
    for page in sides:
        page.evaluate(HEAR)
    ann.evaluate("sides.ann.link.send('last words')")
    sides[cut].evaluate("Object.values(sides)[0].link.connection.pc.close()")
    for page in sides:
        page.evaluate("until(() => Object.values(sides)[0].log.includes('reconnecting failed'))")
    bob.evaluate("sides.bob.link.send('meanwhile')")
    for parted in pages:
        parted.let_go()
    for page in sides:
        page.evaluate("until(() => Object.values(sides)[0].log.includes('reconnected'), 40)")
    assert ann.evaluate(SAY, 3) == ["answer", "asked", 3]
    assert bob.evaluate("sides.bob.heard") == ["last words", ["said", 3], ["asked", 3]]
    assert ann.evaluate("sides.ann.heard") == ["meanwhile"]
    bob.evaluate(CHANNEL)
    ann.evaluate("until(() => sides.ann.got.length === 22 && sides.ann.tracks.length === 1)")
    for page in sides:
        page.evaluate("closeAll()")


def test_what_can_not_be_loaded_is_loaded_later(pages: list[Parted], suite: LocalSuite) -> None:
    for parted in pages:
        parted.lose(3)
    ann, bob = link(pages, config(suite))
    for page in (ann, bob):
        page.evaluate(HEAR)
    bob.evaluate(CHANNEL)
    ann.evaluate("until(() => sides.ann.got.length === 22 && sides.ann.tracks.length === 1)")
    bob.evaluate("sides.bob.link.connection.pc.close()")
    for page in (ann, bob):
        page.evaluate("until(() => Object.values(sides)[0].log.includes('reconnected'), 40)")
    for parted in pages:
        assert len(parted.asked) > len(LATE)
        parted.page.evaluate("closeAll()")
