"""Deleting what a peer or a room leaves behind, and only what nobody has touched since it was read.

Used by the triggers and the sweep; every function may run twice, late, and beside the clients.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, TypeAlias

import schema
from google.api_core.exceptions import (
    Aborted,
    FailedPrecondition,
    InternalServerError,
    NotFound,
    ServiceUnavailable,
)
from google.api_core.retry import Retry, if_exception_type
from google.cloud import firestore

Snapshot: TypeAlias = "firestore.DocumentSnapshot[firestore.DocumentReference]"

OPERATION_SECONDS: Final = 30.0
"""The longest that one database operation of a clean-up may take."""

RETRY: Final = Retry(
    predicate=if_exception_type(ServiceUnavailable, InternalServerError),
    initial=0.1,
    maximum=5.0,
    timeout=OPERATION_SECONDS,
)
"""The library's own tries for five minutes; the next sweep comes sooner."""

PAGE_DOCUMENTS: Final = 300
"""Documents read, and deleted in one commit, at a time; a commit takes 500."""

_AFTER_TILDE: Final = "\x7f"
"""Sorts after every id that continues with ``~``."""


def delete_unchanged(database: firestore.Client, snapshots: Sequence[Snapshot]) -> int:
    """Delete documents, but none that changed after it was read.

    A lease may be renewed, or a slot used again, between the query and the deletion.

    Args:
        database: the database.
        snapshots: what was read; at most 500 (a commit's limit).

    Returns:
        How many were deleted.
    """
    if not snapshots:
        return 0
    batch = database.batch()
    for snapshot in snapshots:
        batch.delete(snapshot.reference, _as_read(database, snapshot))
    try:
        batch.commit(retry=RETRY, timeout=OPERATION_SECONDS)
    except (Aborted, FailedPrecondition, NotFound):
        # One document of the commit changed, so none was deleted: one by one, then.
        return sum(_delete_one(database, snapshot) for snapshot in snapshots)
    return len(snapshots)


def delete_room_if_empty(
    database: firestore.Client,
    room: firestore.DocumentReference,
    existed_at: datetime | None = None,
) -> bool:
    """Delete a room without peers, in a transaction that reads its peers again.

    Args:
        database: the database.
        room: the room's document.
        existed_at: a time at which the room that is meant was there; a room created later, under
            the same name, is left alone.

    Returns:
        Whether it was deleted; not if somebody is joining or deleting it at the same time. Its
        sub-collections are not deleted here.
    """

    @firestore.transactional
    def run(transaction: firestore.Transaction) -> bool:
        found = room.get([], transaction=transaction, retry=RETRY, timeout=OPERATION_SECONDS)
        if not found.exists:
            return False
        if existed_at is not None and found.create_time > existed_at:
            return False
        anyone = room.collection(schema.PEERS).select([]).limit(1)
        if anyone.get(transaction=transaction, retry=RETRY, timeout=OPERATION_SECONDS):
            return False
        transaction.delete(room)
        return True

    try:
        deleted: bool = run(database.transaction())
    except (Aborted, ValueError):  # ValueError: five attempts met another's transaction
        return False
    return deleted


def clean_after_peer(
    database: firestore.Client,
    realm: str,
    room: str,
    peer: str,
    session: str,
    joined_at: datetime | None = None,
) -> int:
    """Delete a departed session's calls, messages and registration, and its room if empty.

    Documents of the same peer in another session stay. Safe to repeat at any later time.

    Args:
        database: the database.
        realm: id of the realm.
        room: id of the room it left.
        peer: id of the peer.
        session: the session that ended.
        joined_at: when Firestore created the peer's document; keeps the hands off a room of the
            same name that was created later.

    Returns:
        How many documents were deleted, the room not counted.
    """
    place = database.document(schema.room_path(realm, room))
    deleted = 0
    for name in (schema.CALLS, schema.MESSAGES):
        # Slots are named after their sender: a range of names needs no index.
        collection = place.collection(name)
        own = (
            collection.order_by("__name__")
            .start_at({"__name__": collection.document(f"{peer}~")})
            .end_before({"__name__": collection.document(f"{peer}{_AFTER_TILDE}")})
            .select(["fromSession"])
        )
        deleted += _delete_of_session(database, own, "fromSession", session)
    addressed = (
        place.collection(schema.CALLS)
        .where(filter=firestore.FieldFilter("to", "==", peer))
        .order_by("__name__")
        .select(["toSession"])
    )
    deleted += _delete_of_session(database, addressed, "toSession", session)
    deleted += _release_id(database, realm, peer, session)
    delete_room_if_empty(database, place, joined_at)
    return deleted


def clean_after_room(
    database: firestore.Client, realm: str, room: str, *, with_removals: bool | None = None
) -> int:
    """Delete the sub-collections of a deleted room, page by page.

    Args:
        database: the database.
        realm: id of the realm.
        room: id of the room.
        with_removals: whether it is forgotten who was put out. Default: only in an open realm,
            where whoever makes a room moderates it; else it lasts as long as its lease, and nobody
            comes back because the room ran empty.

    If a room of the same name has been made since, what was written in it stays: only documents
    last written before that room's creation go. Safe to repeat at any later time.

    Returns:
        How many documents were deleted.
    """
    place = database.document(schema.room_path(realm, room))
    found = place.get([], retry=RETRY, timeout=OPERATION_SECONDS)
    # At the time of this reading no later room existed yet, or it was created at create_time.
    limit: datetime = found.create_time if found.exists else found.read_time
    if with_removals is None:
        with_removals = _is_open(database, realm)
    deleted = 0
    for name in schema.ROOM_CHILDREN:
        if name == schema.REMOVED and not with_removals:
            continue
        query = place.collection(name).order_by("__name__").select([])
        for page in pages(query):
            old = [
                child
                for child in page
                if child.update_time < limit or (not found.exists and child.update_time == limit)
            ]
            deleted += delete_unchanged(database, old)
    return deleted


def _is_open(database: firestore.Client, realm: str) -> bool:
    place = database.document(f"{schema.REALMS}/{realm}")
    found = place.get(["open"], retry=RETRY, timeout=OPERATION_SECONDS)
    return (found.to_dict() or {}).get("open") is True


def _delete_of_session(
    database: firestore.Client, query: firestore.Query, field: str, session: str
) -> int:
    deleted = 0
    for page in pages(query):
        deleted += delete_unchanged(
            database, [found for found in page if found.get(field) == session]
        )
    return deleted


def pages(query: firestore.Query) -> Iterator[list[Snapshot]]:
    """A query's results, page by page; it must be ordered by a field it selects, or by name."""
    page: list[Snapshot] = query.limit(PAGE_DOCUMENTS).get(retry=RETRY, timeout=OPERATION_SECONDS)
    while page:
        yield page
        if len(page) < PAGE_DOCUMENTS:
            return
        page = (
            query.start_after(page[-1])
            .limit(PAGE_DOCUMENTS)
            .get(retry=RETRY, timeout=OPERATION_SECONDS)
        )


def _release_id(database: firestore.Client, realm: str, peer: str, session: str) -> int:
    reference = database.document(schema.id_path(realm, peer))
    held = reference.get(["session"], retry=RETRY, timeout=OPERATION_SECONDS)
    if not held.exists or held.get("session") != session:
        return 0
    # Not if it has been taken over, or renewed, since it was read.
    return delete_unchanged(database, [held])


def _delete_one(database: firestore.Client, snapshot: Snapshot) -> bool:
    try:
        snapshot.reference.delete(
            _as_read(database, snapshot), retry=RETRY, timeout=OPERATION_SECONDS
        )
    except (Aborted, FailedPrecondition, NotFound):
        return False
    return True


def _as_read(database: firestore.Client, snapshot: Snapshot) -> firestore.WriteOption:
    return database.write_option(last_update_time=snapshot.update_time)
