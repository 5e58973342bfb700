"""What goes when a peer or a room goes.

Triggers are delivered at least once, late and in any order, so a handler looks at what is there
now, and judges by sessions and by Firestore's own times, never by the order of events.
"""

from __future__ import annotations

from typing import Final

import settings
import usage
from cleanup import Snapshot, clean_after_peer, clean_after_room
from database import client
from firebase_functions import firestore_fn, logger

_PEER: Final = "realms/{realm}/rooms/{room}/peers/{peer}"
_ROOM: Final = "realms/{realm}/rooms/{room}"


@firestore_fn.on_document_deleted(
    document=_PEER, region=settings.region(), database=settings.database_id(), memory=512
)
def peer_deleted(event: firestore_fn.Event[Snapshot | None]) -> None:
    """A peer left, was removed, or its lease passed: its documents follow."""
    if event.data is None:
        return
    realm, room, peer = (event.params[name] for name in ("realm", "room", "peer"))
    session = (event.data.to_dict() or {}).get("session")
    if not isinstance(session, str):
        return
    clean_after_peer(client(), realm, room, peer, session, event.data.create_time)


@firestore_fn.on_document_deleted(
    document=_ROOM, region=settings.region(), database=settings.database_id(), memory=512
)
def room_deleted(event: firestore_fn.Event[Snapshot | None]) -> None:
    """A room was closed or ran empty: its sub-collections follow."""
    realm, room = event.params["realm"], event.params["room"]
    deleted = clean_after_room(client(), realm, room)
    usage.count(realm, "rooms")
    logger.info("room deleted", realm=realm, room=room, documents=deleted)
