"""Rooms as the console changes them: locked, closed, and somebody put out."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import schema
from cleanup import clean_after_room
from consoleform import REASON_CHARS, Refusal, read_flag, read_id, read_realm, read_text
from database import ATTEMPT_SECONDS, RETRY
from google.api_core.exceptions import NotFound
from google.cloud import firestore

CLOSE_PASSES: Final = 5
"""How often a room is looked through again: who is in it may write until its peer is deleted."""
REMOVAL_HOURS: Final = 24
"""How long who was put out is kept out; as long as the rules allow."""
BY_OWNER: Final = "*"
"""Who put a peer out: no peer has this id."""

_ONCE: Final[dict[str, Any]] = {"retry": RETRY, "timeout": ATTEMPT_SECONDS}


def lock_room(database: firestore.Client, data: Mapping[str, Any]) -> dict[str, Any]:
    """Let no newcomer into a room, or again."""
    place, locked = _place(database, data), read_flag(data, "locked")
    try:
        place.update({"locked": locked}, **_ONCE)
    except NotFound:
        raise _unknown_room() from None
    return {"locked": locked}


def close_room(database: firestore.Client, data: Mapping[str, Any]) -> dict[str, Any]:
    """Delete a room and all that is in it.

    Who is in it finds itself outside, and may make the room anew.
    """
    place = _place(database, data)
    realm, room = place.parent.parent.id, place.id
    deleted = 0
    if place.get([], **_ONCE).exists:
        # First of all: nobody can come into a room that isn't there.
        place.delete(**_ONCE)
        deleted = 1
    for _ in range(CLOSE_PASSES):
        emptied = clean_after_room(database, realm, room, with_removals=True)
        deleted += emptied
        if not emptied:
            break
    else:
        raise Refusal(
            "room-in-use",
            "Somebody keeps writing into this room while it is closed. Disable the key that they "
            "come with, and close it again.",
        )
    if not deleted:
        raise _unknown_room()
    return {"deleted": deleted}


def remove_peer(
    database: firestore.Client, data: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """Put a peer out of a room, and keep its id out for a day.

    Args:
        database: the database.
        data: the request.
        now: the time, with time zone.
    """
    place = _place(database, data)
    peer = read_id(data, "peer", schema.PEER_ID_BYTES)
    reason = read_text(data, "reason", REASON_CHARS, default="")
    seat = place.collection(schema.PEERS).document(peer)
    if not seat.get([], **_ONCE).exists:
        raise Refusal("unknown-peer", "This peer is not in the room any more.")
    batch = database.batch()
    batch.set(
        place.collection(schema.REMOVED).document(peer),
        {
            "by": BY_OWNER,
            "reason": reason,
            "at": firestore.SERVER_TIMESTAMP,
            "leaseUntil": now + timedelta(hours=REMOVAL_HOURS),
            "shard": secrets.randbelow(schema.SHARDS),
        },
    )
    batch.delete(seat)
    batch.commit(**_ONCE)
    return {"peer": peer}


def _place(database: firestore.Client, data: Mapping[str, Any]) -> firestore.DocumentReference:
    room = read_id(data, "room", schema.ROOM_ID_BYTES)
    return database.document(schema.room_path(read_realm(data), room))


def _unknown_room() -> Refusal:
    return Refusal("unknown-room", "There is no such room any more.")
