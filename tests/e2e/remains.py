"""What calls left behind in a realm, seen by the database's owner."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from google.cloud.firestore import Client as Owner

CLEAN_SECONDS = 20.0
"""How long the functions may take to clean up after who leaves, on a busy machine."""

BOOKS = frozenset({"ids", "usage"})
"""Collections that the functions keep for the realm: registrations and counters."""


def remains(owner: Owner, realm: str) -> list[str]:
    """Paths of every document under a realm but the functions' books."""
    found: list[str] = []

    def walk(document: Any) -> None:
        for collection in document.collections():
            if document.path == f"realms/{realm}" and collection.id in BOOKS:
                continue
            for inner in collection.list_documents():
                if inner.get().exists:
                    found.append(inner.path)
                walk(inner)

    walk(owner.document(f"realms/{realm}"))
    return sorted(found)


async def emptied(left: Callable[[], list[str]]) -> None:
    """Wait until nothing is left: what the last peer of a room leaves, the functions delete."""
    give_up = time.monotonic() + CLEAN_SECONDS
    while paths := await asyncio.to_thread(left):
        assert time.monotonic() < give_up, f"left behind: {paths}"
        await asyncio.sleep(0.1)
