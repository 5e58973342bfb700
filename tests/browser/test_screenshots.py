"""Every page fits a phone; with FIRERTC_SCREENSHOTS=1 the pictures of the docs are made anew."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud.firestore import Client
from playwright.sync_api import Browser, Page

from firertc.suite import LocalSuite, Seeds

from .scenes import PICTURES, SCENES, WIDTH, Scene

DOCS = Path(__file__).resolve().parents[2] / "docs"
NARROWEST = 360

TOO_WIDE = """() => [...document.querySelectorAll("body *")]
  .filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > innerWidth + 1
    && !one.closest(".hidden") && getComputedStyle(one).position !== "fixed")
  .map((one) => `${one.localName}#${one.id}.${one.className}`)"""


@pytest.fixture
def scene(
    pages: Path, suite: LocalSuite, browser: Browser, realm: Seeds, admin_sync: Client
) -> Iterator[Scene]:
    """A stage."""
    made = Scene(suite, browser, realm, admin_sync)
    yield made
    made.close()


def fits(page: Page) -> None:
    """Nothing reaches beyond the right edge."""
    page.set_viewport_size({"width": NARROWEST, "height": 740})
    size = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert size == [NARROWEST, NARROWEST], page.evaluate(TOO_WIDE)


@pytest.mark.parametrize("name", SCENES)
def test_fits_a_phone(scene: Scene, name: str) -> None:
    fits(SCENES[name](scene))


@pytest.mark.parametrize("name", PICTURES)
def test_picture(scene: Scene, name: str, tmp_path: Path) -> None:
    state, height = PICTURES[name]
    page = SCENES[state](scene)
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    wanted = os.environ.get("FIRERTC_SCREENSHOTS") == "1"
    path = (DOCS if wanted else tmp_path) / f"{name}-page.png"
    page.screenshot(path=path, animations="disabled", caret="hide")
    header = path.read_bytes()[:24]
    assert header[1:4] == b"PNG"
    assert int.from_bytes(header[16:20], "big") == WIDTH
    assert int.from_bytes(header[20:24], "big") == height
