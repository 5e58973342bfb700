"""Reading many documents page by page, and deleting only what nobody has touched since."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from google.api_core.exceptions import Aborted, FailedPrecondition, NotFound
from google.cloud import firestore

from .access import ONCE

__all__ = ["PAGE_DOCUMENTS", "ROOM_CHILDREN", "Reference", "Snapshot", "delete_unchanged", "pages"]

Reference: TypeAlias = firestore.DocumentReference
Snapshot: TypeAlias = "firestore.DocumentSnapshot[firestore.DocumentReference]"

ROOM_CHILDREN: Final = ("peers", "calls", "messages", "removed")
"""Sub-collections of a room."""

PAGE_DOCUMENTS: Final = 300
"""Documents read, and deleted in one commit, at a time."""


def pages(query: firestore.Query) -> Iterator[list[Snapshot]]:
    """A query's results, page by page; it must be ordered by a field it selects, or by name."""
    start = query
    while True:
        page: list[Snapshot] = start.limit(PAGE_DOCUMENTS).get(**ONCE)
        if page:
            yield page
        if len(page) < PAGE_DOCUMENTS:
            return
        start = query.start_after(page[-1])


def delete_unchanged(database: firestore.Client, snapshots: Sequence[Snapshot]) -> int:
    """Delete documents, but none that was renewed or used again after it was read.

    :returns: how many were deleted.
    """
    if not snapshots:
        return 0
    batch = database.batch()
    for found in snapshots:
        batch.delete(found.reference, database.write_option(last_update_time=found.update_time))
    try:
        batch.commit(**ONCE)
    except (Aborted, FailedPrecondition, NotFound):
        if len(snapshots) == 1:
            return 0
        # One of them changed, so none was deleted: one by one, then.
        return sum(delete_unchanged(database, [found]) for found in snapshots)
    return len(snapshots)
