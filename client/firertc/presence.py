"""Presence: the card that a peer shows to the others in its room, and the lease it stands on.

A peer is in a room as long as its document is. The document carries a lease of 15 minutes, renewed
every 6; who leaves deletes it, and who crashes is gone with its lease.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from . import schema
from .database import Update
from .errors import DocumentMalformed, FireRTCError, SealBroken
from .membership import Membership
from .schema import Peer
from .sealing import Context, Seal
from .values import SERVER_TIME

CAN = ("trickle", "renegotiate", "files")
"""What this program can do beyond the protocol's least."""

Told = Literal["joined", "left", "replaced", "updated", "nothing"]


def told(before: Peer | None, after: Peer | None) -> Told:
    """What there is to tell of a peer whose document has changed.

    :returns: ``replaced`` if the same peer is there in another session; ``nothing`` if it only
        renewed its lease.
    """
    if before is None:
        return "nothing" if after is None else "joined"
    if after is None:
        return "left"
    if before.session != after.session:
        return "replaced"
    shown = [(peer.data, peer.media, peer.can, peer.role) for peer in (before, after)]
    return "nothing" if shown[0] == shown[1] else "updated"


def why_left(before: Peer, after: Peer | None, *, now: float, removed: bool, ghost: bool) -> str:
    """Why somebody is no longer in: see :attr:`firertc.schema.Peer.left`.

    :param now: Unix seconds, the server's.
    :param removed: whether we put it out.
    :param ghost: whether its document is still there, with a lease that is over.
    """
    if after is not None:
        return "replaced"
    if removed:
        return "removed"
    return "gone" if ghost or before.lease_until.timestamp() < now else "left"


def eldest(peers: Iterable[Peer]) -> Peer | None:
    """Who was here first: the earliest to come, of two at the same moment the lower id."""
    return min(peers, key=lambda peer: (peer.joined_at, peer.id), default=None)


def read_card(path: str, fields: Mapping[str, Any], me: str, seal: Seal | None) -> Peer:
    """A peer's document as read; its ``data`` is None if it is sealed and doesn't open.

    :param me: our own peer id.
    :param seal: of the room.
    :raises DocumentMalformed: if it makes no sense.
    """
    text = fields.get("data")
    data: Any = None
    if seal is not None and isinstance(text, str):
        with contextlib.suppress(SealBroken, ValueError):
            session = schema.read_session(path, fields, "session")
            data = schema.parse_json(seal.open(text, _context(path, session))) if text else None
        fields = {**fields, "data": ""}
    peer = schema.read_peer(path, fields)
    peer = peer if seal is None else replace(peer, data=data)
    return replace(peer, is_self=peer.id == me)


def _context(path: str, session: str) -> Context:
    return Context(path, "data", path.rsplit("/", 1)[1], session, "", "")


class Presence:
    """That we are in a room.

    :param room: the room.
    :param data: what to say of oneself: any JSON value; None: nothing.
    :param sends: which of ``audio``, ``video``, ``screen`` one sends.
    :raises ConfigError: if the data is too long or no JSON value.
    """

    def __init__(self, room: Membership, data: Any, sends: Mapping[str, bool]) -> None:
        self._room = room
        self._data = data
        self._sends = dict(sends)
        # Refused here, not in the middle of coming in.
        schema.json_text(data, limit=schema.DATA_CHARS, what="peer's data")
        self.path = f"{room.peers_path}/{room.session.peer}"
        """Of our document."""
        self.room_lease = room.session.now() + schema.ROOM_LEASE_SECONDS
        """When the room's own lease ends, as far as we know: Unix seconds, the server's."""

    def card(self, role: str) -> dict[str, Any]:
        """All the fields of our document, as of now."""
        session = self._room.session
        return {
            "session": session.session,
            "data": self._text(self._data),
            "media": self._sends,
            "role": role,
            "can": list(CAN),
            "joinedAt": SERVER_TIME,
            "leaseUntil": schema.timestamp(session.now() + schema.PEER_LEASE_SECONDS),
            "shard": schema.new_shard(),
        }

    def _text(self, data: Any) -> str:
        if data is None:
            return ""
        text = schema.json_text(data, limit=schema.DATA_CHARS, what="peer's data")
        seal = self._room.seal
        if seal is None:
            return text
        sealed = seal.close(text, _context(self.path, self._room.session.session))
        return schema.check_chars(sealed, schema.DATA_CHARS, "sealed data of the peer")

    async def set_data(self, data: Any) -> None:
        """Say something else of oneself.

        :raises ConfigError: if it is too long or no JSON value.
        """
        await self._room.session.database.commit(Update(self.path, {"data": self._text(data)}))
        self._data = data

    def saw_room(self, fields: Mapping[str, Any]) -> None:
        """The room's document as read."""
        if isinstance(lease := fields.get("leaseUntil"), datetime):
            self.room_lease = lease.timestamp()

    async def keep(self) -> None:
        """Prolong our presence, and the room's life when half of it is over, for ever."""
        await self._keep_room()
        while True:
            await asyncio.sleep(schema.PEER_LEASE_RENEW_SECONDS)
            session = self._room.session
            lease = schema.timestamp(session.now() + schema.PEER_LEASE_SECONDS)
            # Unreachable for now: two more come before the lease is over.
            with contextlib.suppress(FireRTCError):
                await session.database.commit(Update(self.path, {"leaseUntil": lease}))
            await self._keep_room()

    async def _keep_room(self) -> None:
        session = self._room.session
        if self.room_lease - session.now() >= schema.ROOM_LEASE_SECONDS / 2:
            return
        lease = session.now() + schema.ROOM_LEASE_SECONDS
        # Refused if another member prolonged it further: then that is done.
        with contextlib.suppress(FireRTCError):
            await session.database.commit(
                Update(self._room.path, {"leaseUntil": schema.timestamp(lease)})
            )
            self.room_lease = lease


def read_cards(
    documents: Mapping[str, Mapping[str, Any]], me: str, seal: Seal | None, now: float
) -> dict[str, Peer]:
    """The peers of a room, by id: those whose lease holds and whose document makes sense.

    :param documents: fields by path.
    :param now: Unix seconds, the server's.
    """
    peers = {}
    for path, fields in documents.items():
        with contextlib.suppress(DocumentMalformed):
            peer = read_card(path, fields, me, seal)
            if peer.lease_until.timestamp() > now:
                peers[peer.id] = peer
    return peers
