"""What is left in a realm, the clients' settings, and what takes long, all at the same time."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.cloud.firestore import Client as Owner

from firertc.config import Config, load_config
from firertc.suite import LocalSuite, Seeds, add_key

from . import soak
from .lab import Lab
from .namespaces import why_not
from .outcomes import SCENARIOS
from .soak import Plan

Left = Callable[[], list[str]]
"""Paths of the calls, peers and rooms that are left in the realm."""
Results = dict[str, Any]
"""What became of each that ran: figures of a soak, nothing of a scenario, or the error."""
GONE_SECONDS = 30.0
"""How long the functions may take to delete what a scenario left."""
PLANS = {"call": Plan("call", 5, 26, 35), "room": Plan("room", 5, 26, 265)}
"""With seeds that have a cut of the path which is too long for a link to stand without repair."""

LONGEST = ("a_process_is_killed", *PLANS)


def remains(owner: Owner, realm: str) -> list[str]:
    """Paths of every document under a realm but registrations and counters."""
    found: list[str] = []

    def walk(document: Any) -> None:
        for collection in document.collections():
            if document.path == f"realms/{realm}" and collection.id in ("ids", "usage"):
                continue
            for inner in collection.list_documents():
                if inner.get().exists:
                    found.append(inner.path)
                walk(inner)

    walk(owner.document(f"realms/{realm}"))
    return sorted(found)


@pytest.fixture
def config(suite: LocalSuite, realm: Seeds) -> Config:
    """The settings of a client in the test's realm."""
    return load_config({"realm": realm.realm, "key": realm.key}, environ=suite.environment())


@pytest.fixture
def left(admin_sync: Owner, realm: Seeds) -> Left:
    """What is left of calls and rooms in the realm."""
    return lambda: remains(admin_sync, realm.realm)


@pytest.fixture
def environment(suite: LocalSuite, realm: Seeds) -> dict[str, str]:
    """The environment of programs in the test's realm."""
    environment = {**os.environ, **suite.environment()}
    return environment | {"FIRERTC_REALM": realm.realm, "FIRERTC_KEY": realm.key}


@pytest.fixture(scope="session")
def hosts() -> None:
    """Hosts can be made on this machine."""
    if (reason := why_not()) is not None:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def together(request: pytest.FixtureRequest, suite: LocalSuite, hosts: None) -> Iterator[Results]:
    """The scenarios and soaks whose tests are to run, each in a realm and on hosts of its own, at
    the same time: a minute is a minute, but it passes for all of them together."""
    owner = Owner(project=suite.project)
    wanted = {
        value
        for item in request.session.items
        if "together" in getattr(item, "fixturenames", ())
        for value in item.callspec.params.values()  # type: ignore[attr-defined]
    }

    async def attempt(name: str) -> Any:
        began = time.monotonic()
        try:
            return await make(name)
        finally:
            print(f"{name}: {time.monotonic() - began:.0f} s")

    async def make(name: str) -> Any:
        token = secrets.token_hex(6)
        seeds = add_key(suite.addresses, f"faults-{token}", f"key-{token}")
        environment = {**os.environ, **suite.environment()}
        environment |= {"FIRERTC_REALM": seeds.realm, "FIRERTC_KEY": seeds.key}
        if name in PLANS:
            return await soak.run(environment, PLANS[name], lambda: remains(owner, seeds.realm))
        async with Lab(environment, 2, seed=1) as lab:
            await SCENARIOS[name](lab)
        errors = "\n".join(program.errors for program in lab.programs)
        assert not errors.strip(), f"{errors}\nof {lab.programs}"
        give_up = time.monotonic() + GONE_SECONDS
        while left := await asyncio.to_thread(remains, owner, seeds.realm):
            assert time.monotonic() < give_up, f"left in the database: {left}"
            await asyncio.sleep(0.5)
        return None

    async def attempt_all() -> Results:
        # In the order in which they begin: what takes longest comes first.
        names = [name for name in dict.fromkeys((*LONGEST, *SCENARIOS)) if name in wanted]
        results = await asyncio.gather(*map(attempt, names), return_exceptions=True)
        return dict(zip(names, results, strict=True))

    yield asyncio.run(attempt_all())
    owner.close()  # type: ignore[no-untyped-call]
