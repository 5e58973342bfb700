"""What is left in a realm, and the clients' settings."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from google.cloud.firestore import Client as Owner

from firertc.config import Config, load_config
from firertc.suite import LocalSuite, Seeds

from .namespaces import why_not

Left = Callable[[], list[str]]
"""Paths of the calls, peers and rooms that are left in the realm."""


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
