"""axe finds nothing serious on any page, in its main states, dark and light, wide and narrow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from google.cloud.firestore import Client
from playwright.sync_api import Browser, Page

from firertc.suite import LocalSuite, Seeds

from .scenes import HEIGHT, SCENES, WIDTH, Scene

AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
NARROW = 360
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
GRAVE = ("serious", "critical")

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


@pytest.mark.parametrize("name", SCENES)
def test_nothing_serious(scene: Scene, name: str) -> None:
    page = SCENES[name](scene)
    found = []
    for scheme in SCHEMES:
        for width in (WIDTH, NARROW):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.set_viewport_size({"width": width, "height": HEIGHT})
            found += [(scheme, width, violation) for violation in violations(page)]
    assert found == []


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
