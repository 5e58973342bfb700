"""The rules engine, one for the test session, and rows played against it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from .cases import Case
from .engine import OWNER, Engine, Reply
from .operations import Place, arrange, slug
from .world import keyed_realm, open_realm

RULES: Final = Path(__file__).parents[2] / "firestore.rules"
PRESETS_OFF: Final = "function presets() {\n      return false;"
PRESETS_ON: Final = "function presets() {\n      return true;"

Play = Callable[[Case], Reply]
"""Plays a row and tells what the engine said."""


@pytest.fixture(scope="session")
def rules() -> str:
    """The rules, as they are deployed."""
    return RULES.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The engine, without rules."""
    running = Engine(tmp_path_factory.mktemp("rules") / "engine.log")
    try:
        yield running
    finally:
        running.close()


class Stage:
    """Projects with the rules, and rows played in them, each in a realm of its own."""

    def __init__(self, engine: Engine, rules: str, name: str) -> None:
        if rules.count(PRESETS_OFF) != 1:
            raise ValueError("firestore.rules has no presets() that returns false")
        self.engine = engine
        self.project = f"demo-{name}"
        self.tutorials = f"demo-{name}-presets"
        engine.load(self.project, rules)
        engine.load(self.tutorials, rules.replace(PRESETS_OFF, PRESETS_ON))
        self._numbers = itertools.count()

    def play(self, case: Case) -> Reply:
        """Arrange a row's world, then make its request."""
        project = self.tutorials if case.world == "presets" else self.project
        realm = f"{next(self._numbers)}-{slug(case.id)[:20]}"
        place = Place(project, realm)
        base = {"keyed": keyed_realm, "open": open_realm, "presets": list}[case.world]()
        arrange(self.engine, place, OWNER, [*base, *case.given])
        return case.do.send(self.engine, place, case.who.claims(realm))


@pytest.fixture(scope="session")
def stage(engine: Engine, rules: str) -> Stage:
    """Two projects with the rules: as they are, and with the tutorial's paths opened."""
    return Stage(engine, rules, "rules")
