"""Every page in its main states: axe finds nothing serious, dark and light, wide and narrow, and it
fits a phone.

With FIRERTC_SCREENSHOTS=1 the pictures of the docs are made anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from google.cloud.firestore import Client
from playwright.sync_api import Browser, Page

from firertc.suite import LocalSuite, Seeds

from .scenes import HEIGHT, PICTURES, SCENES, WIDTH, Scene

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
NARROW = 360
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
GRAVE = ("serious", "critical")

TOO_WIDE = """() => [...document.querySelectorAll("body *")]
  .filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > innerWidth + 1
    && !one.closest(".hidden") && getComputedStyle(one).position !== "fixed")
  .map((one) => `${one.localName}#${one.id}.${one.className}`)"""

RUN = """async () => {
  const found = await axe.run(document, {resultTypes: ["violations"]});
  return found.violations.map(({id, impact, help, nodes}) => ({
    id, impact, help, where: nodes.map(({target, failureSummary}) => [target, failureSummary])}));
}"""


@pytest.fixture
def scene(
    pages: Path, suite: LocalSuite, browser: Browser, realm: Seeds, admin_sync: Client
) -> Iterator[Scene]:
    """A stage; at the end no page may have complained."""
    made = Scene(suite, browser, realm, admin_sync)
    yield made
    complaints = list(made.complaints)
    made.close()
    assert complaints == []


def violations(page: Page) -> list[dict[str, Any]]:
    """What axe calls serious or critical."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(f"() => {{ {AXE.read_text('utf-8')} }}")
    found: list[dict[str, Any]] = page.evaluate(RUN)
    return [violation for violation in found if violation["impact"] in GRAVE]


def check_fits(page: Page) -> None:
    """Nothing reaches beyond the right edge."""
    page.set_viewport_size({"width": NARROW, "height": 740})
    size = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert size == [NARROW, NARROW], page.evaluate(TOO_WIDE)


def check_picture(page: Page, name: str, height: int, folder: Path) -> None:
    """Take the picture that the docs show."""
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    path = folder / f"{name}-page.png"
    page.screenshot(path=path, animations="disabled", caret="hide")
    page.emulate_media(reduced_motion="no-preference")
    header = path.read_bytes()[:24]
    assert header[1:4] == b"PNG"
    assert int.from_bytes(header[16:20], "big") == WIDTH
    assert int.from_bytes(header[20:24], "big") == height


@pytest.mark.parametrize("name", SCENES)
def test_looks(scene: Scene, name: str, tmp_path: Path) -> None:
    page = SCENES[name](scene)
    wanted = os.environ.get("FIRERTC_SCREENSHOTS") == "1"
    for picture, (state, height) in PICTURES.items():
        if state == name:
            check_picture(page, picture, height, ROOT / "docs" if wanted else tmp_path)
    found = []
    for scheme in SCHEMES:
        for width in (WIDTH, NARROW):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": HEIGHT})
            found += [(scheme, width, violation) for violation in violations(page)]
    assert found == []
    check_fits(page)


def test_every_picture_shows_a_state() -> None:
    assert {state for state, _ in PICTURES.values()} <= set(SCENES)


def test_axe_sees(scene: Scene) -> None:
    """Grey on grey, and a picture without words, would be found."""
    page = scene.open("/")
    page.evaluate(
        """() => {
          const bad = document.createElement("p");
          bad.textContent = "hard to read";
          bad.style.cssText = "color: #777; background: #888";
          document.querySelector("main").append(bad, document.createElement("img"));
        }"""
    )
    assert {violation["id"] for violation in violations(page)} == {"color-contrast", "image-alt"}
