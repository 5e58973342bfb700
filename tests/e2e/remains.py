"""What calls left behind in a realm, seen by the database's owner."""

from __future__ import annotations

from typing import Any

from google.cloud.firestore import Client as Owner

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
