"""The sweep from a terminal or a cron job: what nobody renewed goes.

The same decisions as the scheduled function's (``functions/sweep.py``), for projects without
functions; a test holds the two together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from google.api_core.exceptions import Aborted
from google.cloud import firestore

from ..schema import SHARDS
from .access import ONCE
from .documents import ROOM_CHILDREN, Reference, Snapshot, delete_unchanged, pages

__all__ = ["LEASED", "leased_query", "registrations_query", "sweep"]

LEASED: Final = ("peers", "calls", "messages", "callers", "removed")
"""Collection groups whose documents go when ``leaseUntil`` has passed; peers first."""


def sweep(database: firestore.Client, now: datetime, *, dry_run: bool = False) -> dict[str, int]:
    """Delete what expired, and rooms that ran empty by it.

    Peers, calls, messages, callers and removals go when their lease has passed; registrations of
    peer ids when their session has; a room when its last peer is swept, or when its own lease has
    passed and nobody is in it. What is renewed in the meantime stays, so it may run at any time.

    :param now: the time to judge by; :func:`server_time`.
    :param dry_run: count only.
    :returns: documents by collection group; ``contents`` are those that went with their room.
    """
    swept: Counter[str] = Counter()
    gone: set[str] = set()
    emptied: dict[str, Reference] = {}

    def take(group: str, page: list[Snapshot]) -> None:
        # An app that shares the database may have collections of the same name.
        ours = [found for found in page if found.reference.path.startswith("realms/")]
        swept[group] += len(ours) if dry_run else delete_unchanged(database, ours)
        if dry_run:
            gone.update(found.reference.path for found in ours)
        if group == "peers":
            for found in ours:
                room = found.reference.parent.parent
                emptied[room.path] = room

    for group in LEASED:
        for page in _expired(database, group, now):
            take(group, page)
    for page in _expired(database, "rooms", now):
        emptied |= {
            found.reference.path: found.reference
            for found in page
            if found.reference.path.startswith("realms/")
        }
    for room in emptied.values():
        if _would_be_empty(room, gone) if dry_run else _delete_if_empty(database, room):
            swept["rooms"] += 1
            swept["contents"] += _contents(database, room, None if not dry_run else gone)
    for page in pages(registrations_query(database, now)):
        take("ids", page)
    return {group: number for group, number in swept.items() if number}


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
        database.collection_group("ids")
        .where(filter=firestore.FieldFilter("until", "<", int(now.timestamp())))
        .order_by("until")
        .select(["until"])
    )


def _expired(database: firestore.Client, group: str, now: datetime) -> Iterator[list[Snapshot]]:
    for shard in range(SHARDS):
        yield from pages(leased_query(database, group, shard, now))


def _delete_if_empty(database: firestore.Client, room: Reference) -> bool:
    @firestore.transactional
    def run(transaction: firestore.Transaction) -> bool:
        if not room.get([], transaction=transaction, **ONCE).exists:
            return False
        if room.collection("peers").select([]).limit(1).get(transaction=transaction, **ONCE):
            return False
        transaction.delete(room)
        return True

    try:
        return bool(run(database.transaction()))
    except (Aborted, ValueError):  # ValueError: five attempts met another's transaction
        return False


def _would_be_empty(room: Reference, gone: set[str]) -> bool:
    if not room.get([], **ONCE).exists:
        return False
    query = room.collection("peers").order_by("__name__").select([])
    return all(found.reference.path in gone for page in pages(query) for found in page)


def _contents(database: firestore.Client, room: Reference, gone: set[str] | None) -> int:
    """Delete (or, with what is gone already, count) the sub-collections of a deleted room.

    Who was put out stays out until that lease passes, and not only while the room lasts; but for an
    open realm, where whoever makes a room moderates it.
    """
    found = room.get([], **ONCE)
    realm = room.parent.parent.get(["open"], **ONCE).to_dict() or {}
    number = 0
    for name in ROOM_CHILDREN:
        if name == "removed" and realm.get("open") is not True:
            continue
        for page in pages(room.collection(name).order_by("__name__").select([])):
            if gone is not None:
                number += sum(child.reference.path not in gone for child in page)
                continue
            # If the name is used again already, what was written in the new room stays.
            old = [
                child
                for child in page
                if (
                    child.update_time < found.create_time
                    if found.exists
                    else child.update_time <= found.read_time
                )
            ]
            number += delete_unchanged(database, old)
    return number
