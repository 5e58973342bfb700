"""The sweep: what nobody renewed goes.

A plain function of (database, now): the schedule calls it in the cloud, ``firertc sweep`` has the
same logic, and the tests give it a time of their choice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import schema
from cleanup import Snapshot, clean_after_room, delete_room_if_empty, delete_unchanged, pages
from google.cloud import firestore

LEASED: Final = (
    schema.PEERS,
    schema.CALLS,
    schema.MESSAGES,
    schema.CALLERS,
    schema.REMOVED,
)
"""Collection groups whose documents go when ``leaseUntil`` has passed; peers first."""


@dataclass
class Swept:
    """What a sweep deleted."""

    documents: dict[str, int] = field(default_factory=dict)
    """Documents by collection group; ``contents`` are those that went with their room."""

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.documents.values())

    def add(self, group: str, number: int) -> None:
        """Count documents of a collection group."""
        if number:
            self.documents[group] = self.documents.get(group, 0) + number


def sweep(database: firestore.Client, now: datetime) -> Swept:
    """Delete what expired, and rooms that ran empty by it.

    Peers, calls, messages, callers and removals go when their lease has passed; registrations
    when their session has; a room when its last peer is swept, or when its own lease has passed
    and nobody is in it. Every deletion is refused by the database if the document was renewed
    after it was read, so a sweep may run twice, and beside the clients.

    Args:
        database: the database, with an administrator's rights.
        now: the time to judge by, with time zone.

    Returns:
        What was deleted.
    """
    swept = Swept()
    emptied: dict[str, firestore.DocumentReference] = {}
    for group in LEASED:
        for page in _expired(database, group, now):
            swept.add(group, delete_unchanged(database, page))
            if group == schema.PEERS:
                for peer in page:
                    room = peer.reference.parent.parent
                    emptied[room.path] = room
    for page in _expired(database, schema.ROOMS, now):
        emptied |= {room.reference.path: room.reference for room in page}
    for room in emptied.values():
        if delete_room_if_empty(database, room):
            swept.add(schema.ROOMS, 1)
            _, realm, _, name = room.path.split("/")
            swept.add("contents", clean_after_room(database, realm, name))
    for page in pages(registrations_query(database, now)):
        swept.add(schema.IDS, delete_unchanged(database, _ours(page)))
    return swept


def leased_query(
    database: firestore.Client, group: str, shard: int, now: datetime
) -> firestore.Query:
    """Documents of a collection group and a shard whose lease has passed, oldest first.

    Index: (``shard``, ``leaseUntil``), collection-group scope.
    """
    return (
        database.collection_group(group)
        .where(filter=firestore.FieldFilter("shard", "==", shard))
        .where(filter=firestore.FieldFilter("leaseUntil", "<", now))
        .order_by("leaseUntil")
        .select(["leaseUntil"])
    )


def registrations_query(database: firestore.Client, now: datetime) -> firestore.Query:
    """Registrations whose session is over. Index: ``until``, collection-group scope."""
    return (
        database.collection_group(schema.IDS)
        .where(filter=firestore.FieldFilter("until", "<", int(now.timestamp())))
        .order_by("until")
        .select(["until"])
    )


def _expired(database: firestore.Client, group: str, now: datetime) -> Iterator[list[Snapshot]]:
    for shard in range(schema.SHARDS):
        for page in pages(leased_query(database, group, shard, now)):
            yield _ours(page)


def _ours(page: list[Snapshot]) -> list[Snapshot]:
    """Without the documents of an app that shares the database and a collection's name."""
    return [found for found in page if found.reference.path.startswith(f"{schema.REALMS}/")]
