"""Rooms as their project's owner sees them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from google.cloud import firestore

from ..errors import FireRTCError, Unknown
from ..schema import REALM_ID_BYTES, ROOM_ID_BYTES, decode_id, encode_id
from .access import ONCE, server_time
from .documents import ROOM_CHILDREN, Reference, Snapshot, pages

__all__ = ["CallInProgress", "Present", "Room", "close_room", "list_rooms", "show_room"]

CLOSE_PASSES: Final = 5
"""How often a room is looked through again: who is in it may write until its peer is deleted."""

_ROOM_FIELDS: Final = (
    "locked",
    "listed",
    "connect",
    "capacity",
    "createdBy",
    "createdAt",
    "leaseUntil",
)
_PEER_FIELDS: Final = ("role", "joinedAt", "leaseUntil")
# Of the answer its type alone: it says that there is one, and no SDP leaves the database.
_CALL_FIELDS: Final = ("kind", "from", "to", "createdAt", "leaseUntil", "answer.type", "ended")


@dataclass(frozen=True)
class Present:
    """Somebody who is in a room, or whose lease there has passed without a sweep yet."""

    id: str
    """Peer id."""
    role: str
    joined_at: datetime | None
    lease_until: datetime | None
    present: bool
    """Whether its lease holds."""

    @property
    def name(self) -> str:
        """The name that the id was made from: text of a stranger's choice."""
        return decode_id(self.id)


@dataclass(frozen=True)
class CallInProgress:
    """A call document of a room, without what was negotiated."""

    id: str
    kind: str
    """``standing``, ``direct`` or ``ring``."""
    sender: str
    """Id of the peer that offers."""
    receiver: str
    """Id of the peer that answers; ``*`` while anybody may."""
    state: str
    """``offered``, ``answered`` or ``ended``."""
    created_at: datetime | None
    lease_until: datetime | None


@dataclass(frozen=True)
class Room:
    """A room."""

    realm: str
    """Id of the realm."""
    id: str
    """Document id."""
    present: int
    """Peers in it whose lease holds."""
    locked: bool
    listed: bool
    connect: str
    """``all`` or ``none``."""
    capacity: int | None
    created_by: str
    """Peer id."""
    created_at: datetime | None
    lease_until: datetime | None
    peers: tuple[Present, ...] = ()
    """Only from :func:`show_room`."""
    calls: tuple[CallInProgress, ...] = ()
    """Only from :func:`show_room`."""

    @property
    def name(self) -> str:
        """The name that the id was made from: text of a stranger's choice."""
        return decode_id(self.id)


def list_rooms(database: firestore.Client, realm: str | None = None) -> list[Room]:
    """The live rooms of a realm, or of all: those whose lease holds, or where somebody is.

    Reads every room and every peer of the realm (or the project).

    :param realm: name of the realm.
    """
    now = server_time(database)
    present: Counter[str] = Counter()
    for peer in _everywhere(database, "peers", realm, ("leaseUntil",)):
        if _holds(_fields_of(peer), now):
            present[_parent(peer.reference).path] += 1
    rooms = []
    for found in _everywhere(database, "rooms", realm, _ROOM_FIELDS):
        count = present[found.reference.path]
        if count or _holds(_fields_of(found), now):
            rooms.append(_room(found.reference, _fields_of(found), count))
    return sorted(rooms, key=lambda room: (room.realm, room.id))


def show_room(database: firestore.Client, realm: str, room: str) -> tuple[Room, datetime]:
    """A room, who is in it, and their calls.

    :param realm: name of the realm.
    :param room: name of the room.
    :returns: the room, and the database's time.
    :raises Unknown: there is no such room.
    """
    place = _place(database, realm, room)
    found = place.get(_ROOM_FIELDS, **ONCE)
    if not found.exists:
        raise _unknown(realm, room)
    now: datetime = found.read_time
    peers = tuple(
        _present(peer, now)
        for peer in place.collection("peers").select(_PEER_FIELDS).stream(**ONCE)
    )
    calls = tuple(
        _call(call) for call in place.collection("calls").select(_CALL_FIELDS).stream(**ONCE)
    )
    count = sum(peer.present for peer in peers)
    return _room(place, _fields_of(found), count, peers, calls), now


def close_room(database: firestore.Client, realm: str, room: str) -> int:
    """Delete a room and all that is in it: peers, calls, messages, removals.

    Who is in it finds itself outside; the name may be used again at once.

    :param realm: name of the realm.
    :param room: name of the room.
    :returns: how many documents were deleted.
    :raises Unknown: there is no such room, nor anything left of one.
    """
    place = _place(database, realm, room)
    deleted = 0
    if place.get([], **ONCE).exists:
        # First of all: nobody can come into a room that isn't there.
        place.delete(**ONCE)
        deleted = 1
    for _ in range(CLOSE_PASSES):
        emptied = sum(_empty(database, place, name) for name in ROOM_CHILDREN)
        if not emptied:
            break
        deleted += emptied
    else:
        raise FireRTCError(
            "Somebody keeps writing into this room while it is closed. Disable the key that they "
            "come with, and close it again."
        )
    if not deleted:
        raise _unknown(realm, room)
    return deleted


def _empty(database: firestore.Client, place: Reference, name: str) -> int:
    deleted = 0
    query = place.collection(name).order_by("__name__").select([])
    for page in pages(query):
        batch = database.batch()
        for found in page:
            batch.delete(found.reference)
        batch.commit(**ONCE)
        deleted += len(page)
    return deleted


def _everywhere(
    database: firestore.Client, group: str, realm: str | None, fields: tuple[str, ...]
) -> list[Snapshot]:
    """The documents of a collection group, in one realm or in all."""
    if realm is None:
        query: firestore.Query = database.collection_group(group)
    else:
        realm_id = encode_id(realm, limit=REALM_ID_BYTES, what="realm")
        # A query of a group may begin below a document: then it is about that realm alone.
        query = firestore.Query(
            database.collection(f"realms/{realm_id}/{group}"), all_descendants=True
        )
    # In order of names, which needs no index of ours.
    ordered = query.order_by("__name__").select(fields)
    depth = {"rooms": 4, "peers": 6}[group]
    return [
        found
        for page in pages(ordered)
        for found in page
        # An app that shares the database may have collections of the same name.
        if found.reference.path.startswith("realms/")
        and found.reference.path.count("/") == depth - 1
    ]


def _place(database: firestore.Client, realm: str, room: str) -> Reference:
    realm_id = encode_id(realm, limit=REALM_ID_BYTES, what="realm")
    room_id = encode_id(room, limit=ROOM_ID_BYTES, what="room")
    return database.document(f"realms/{realm_id}/rooms/{room_id}")


def _unknown(realm: str, room: str) -> Unknown:
    return Unknown(
        f"There is no room {room!r} in the realm {realm!r}. 'firertc rooms list' shows those that "
        "are; --realm names another realm."
    )


def _parent(reference: Reference) -> Reference:
    parent: Reference = reference.parent.parent
    return parent


def _fields_of(found: Snapshot) -> dict[str, Any]:
    return found.to_dict() or {}


def _time(fields: Mapping[str, Any], name: str) -> datetime | None:
    value = fields.get(name)
    return value if isinstance(value, datetime) else None


def _holds(fields: Mapping[str, Any], now: datetime) -> bool:
    until = _time(fields, "leaseUntil")
    return until is not None and until >= now


def _room(
    reference: Reference,
    fields: Mapping[str, Any],
    present: int,
    peers: tuple[Present, ...] = (),
    calls: tuple[CallInProgress, ...] = (),
) -> Room:
    capacity = fields.get("capacity")
    return Room(
        realm=_parent(reference).id,
        id=reference.id,
        present=present,
        locked=fields.get("locked") is True,
        listed=fields.get("listed") is True,
        connect=str(fields.get("connect", "")),
        capacity=capacity if isinstance(capacity, int) else None,
        created_by=str(fields.get("createdBy", "")),
        created_at=_time(fields, "createdAt"),
        lease_until=_time(fields, "leaseUntil"),
        peers=peers,
        calls=calls,
    )


def _present(found: Snapshot, now: datetime) -> Present:
    fields = _fields_of(found)
    return Present(
        id=found.id,
        role=str(fields.get("role", "")),
        joined_at=_time(fields, "joinedAt"),
        lease_until=_time(fields, "leaseUntil"),
        present=_holds(fields, now),
    )


def _call(found: Snapshot) -> CallInProgress:
    fields = _fields_of(found)
    ended, answered = fields.get("ended") is not None, fields.get("answer") is not None
    return CallInProgress(
        id=found.id,
        kind=str(fields.get("kind", "")),
        sender=str(fields.get("from", "")),
        receiver=str(fields.get("to", "")),
        state="ended" if ended else "answered" if answered else "offered",
        created_at=_time(fields, "createdAt"),
        lease_until=_time(fields, "leaseUntil"),
    )
