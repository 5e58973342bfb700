"""Terminals, clients and what is left in a realm."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from google.cloud.firestore import Client as Owner

from firertc.client import Client
from firertc.config import Config, load_config
from firertc.recording import Recorded
from firertc.sample import make_clip
from firertc.suite import LocalSuite, Seeds

from .remains import remains
from .terminal import Terminal

CLIP_SECONDS = 1.5

Run = Callable[..., Terminal]
"""``run("call", "--json", FIRERTC_CODE=…)`` starts ``firertc call --json``."""
Left = Callable[[], list[str]]
"""Paths of the documents that are left in the realm."""


@pytest.fixture
def environment(suite: LocalSuite, realm: Seeds, tmp_path: Path) -> dict[str, str]:
    """The environment of a person who calls in the test's realm."""
    environment = {**os.environ, **suite.environment()}
    environment.pop("FIRERTC_CODE", None)
    # The folder that a person's settings are kept in.
    environment["XDG_CONFIG_HOME"] = str(tmp_path / "config")
    return environment | {"FIRERTC_REALM": realm.realm, "FIRERTC_KEY": realm.key}


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Iterator[Run]:
    """Start ``firertc``; nothing of it outlives the test."""
    started: list[Terminal] = []

    def start(*arguments: str, **variables: str) -> Terminal:
        terminal = Terminal(arguments, environment | variables, tmp_path)
        started.append(terminal)
        return terminal

    yield start
    for terminal in started:
        terminal.close()


@pytest.fixture
def config(suite: LocalSuite, realm: Seeds) -> Config:
    """The settings of a client in the test's realm."""
    return load_config({"realm": realm.realm, "key": realm.key}, environ=suite.environment())


@pytest_asyncio.fixture
async def client(config: Config) -> AsyncIterator[Client]:
    """One client in the test's realm."""
    async with Client(config) as made:
        yield made


@pytest_asyncio.fixture
async def other(config: Config) -> AsyncIterator[Client]:
    """Another."""
    async with Client(config) as made:
        yield made


@pytest.fixture
def left(admin_sync: Owner, realm: Seeds) -> Left:
    """What is left of calls and rooms in the realm."""
    return lambda: remains(admin_sync, realm.realm)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """A short film with picture and sound."""
    return make_clip(tmp_path_factory.mktemp("media") / "clip.mp4", CLIP_SECONDS)
