"""Looking into a room before going in: whether it is there, who is in it, whether it takes one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Literal

from . import schema
from .database import Where
from .errors import PermissionDenied
from .presence import read_cards
from .schema import Peer
from .sealing import check_room_seal, room_seal_aside
from .session import Session


@dataclass(frozen=True)
class RoomView:
    """A room as seen from outside."""

    name: str
    exists: bool
    """Whether anybody made it; who enters it otherwise does."""
    connect: Literal["all", "none"] | None = None
    """Who is linked to whom; None: there is no room."""
    capacity: int | None = None
    """How many it takes; None: there is no room."""
    locked: bool = False
    sealed: bool = False
    """Whether it takes a passphrase."""
    peers: tuple[Peer, ...] | None = ()
    """Who is in it, the eldest first, without those whose lease is over; None: it is locked and
    doesn't say."""


async def look(session: Session, name: str, passphrase: str | None = None) -> RoomView:
    """See who is in a room, without going in: one read, and one for each peer (at least one).

    :param session: one that isn't bound to another room.
    :param name: of the room.
    :param passphrase: of a sealed room, to read what its peers say of themselves; without it their
        ``data`` is None.
    :raises WrongPassphrase: if it is another.
    """
    room = schema.encode_id(name, limit=schema.ROOM_ID_BYTES, what="room")
    database = session.database
    path = schema.room_path(session.realm, room)
    fields, found = await asyncio.gather(database.get(path), _peers(session, room))
    if fields is None:
        return RoomView(name, exists=False)
    sealed = "sealed" in fields
    seal = None
    if passphrase is not None:
        seal = await room_seal_aside(passphrase, session.config.project, session.realm, room)
        check_room_seal(seal, fields)
    elif sealed and found is not None:
        # What is sealed and can't be opened is left out.
        found = {path: {**card, "data": ""} for path, card in found.items()}
    peers = None
    if found is not None:
        present = read_cards(found, session.peer, seal, session.now())
        peers = tuple(sorted(present.values(), key=lambda peer: (peer.joined_at, peer.id)))
    capacity = fields.get("capacity")
    return RoomView(
        name=name,
        exists=True,
        connect="all" if fields.get("connect") == "all" else "none",
        capacity=capacity if isinstance(capacity, int) else None,
        locked=fields.get("locked") is True,
        sealed=sealed,
        peers=peers,
    )


async def _peers(session: Session, room: str) -> dict[str, dict[str, Any]] | None:
    try:
        return await session.database.query(Where(schema.peers_path(session.realm, room)))
    except PermissionDenied:
        return None
