"""Pages written in other systems' own style, on the address that Hosting serves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page, Route

from firertc.suite import LocalSuite

from .console import complaint
from .screen import READING, STEP_MILLISECONDS

EXAMPLES = Path(__file__).resolve().parents[2] / "web" / "examples"


@dataclass
class Example:
    """One open page."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    """Errors in the console, exceptions."""

    def note(self, message: ConsoleMessage) -> None:
        """Keep what the console shows."""
        self.complaints.extend(complaint(message))


@contextmanager
def examples(browser: Browser, suite: LocalSuite, script: Path, key: str) -> Iterator[Opener]:
    """Opens example pages; at the end none of them may have complained.

    :param script: the SDK's one file for a script tag; the systems' are in a folder beside it.
    :param key: of the realm.
    """
    opener = Opener(browser, suite, script.parent, key)
    try:
        yield opener
    finally:
        for example in opener.opened:
            example.page.context.close()


class Opener:
    """Opens example pages."""

    def __init__(self, browser: Browser, suite: LocalSuite, dist: Path, key: str) -> None:
        self.opened: list[Example] = []
        self._browser = browser
        self._suite = suite
        self._dist = dist
        self._key = key

    def __call__(self, name: str, fragment: str = "", query: str = "") -> Page:
        """Open ``web/examples/{name}.html``."""
        context = self._browser.new_context(viewport={"width": 900, "height": 800})
        page = context.new_page()
        page.set_default_timeout(STEP_MILLISECONDS)
        example = Example(page)
        self.opened.append(example)
        page.on("console", example.note)
        page.on("pageerror", lambda error: example.complaints.append(f"exception: {error}"))
        page.route("**/script/*", self._script)
        hosting = self._suite.addresses.hosting
        # A file that is really there: see open_blank.
        page.goto(f"{hosting}/firertc.json?key={self._key}{query}{fragment}")
        page.set_content((EXAMPLES / f"{name}.html").read_text("utf-8"))
        page.evaluate(READING)
        return page

    def _script(self, route: Route) -> None:
        path = self._dist / "script" / route.request.url.rsplit("/", 1)[1]
        route.fulfill(path=path, content_type="text/javascript; charset=utf-8")

    @property
    def complaints(self) -> list[str]:
        """What the pages complained of."""
        return [line for example in self.opened for line in example.complaints]
