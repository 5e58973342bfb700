"""Moderation: putting somebody out of a room, locking it, and hearing of its being locked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from . import schema
from .database import Create, Delete, Update
from .errors import FireRTCError, PermissionDenied, Removed, RoomLocked
from .membership import Membership
from .snapshots import Listener
from .values import SERVER_TIME

REMOVAL_SECONDS = 23 * 3600
"""How long who was removed is kept out; the rules allow 24 hours."""

_MODERATORS = "Only a moderator of the room may do that: it is a role that comes with the key."


def removed_path(room: Membership, peer: str) -> str:
    """Path of the document that keeps a peer out of a room."""
    return f"{room.path}/removed/{peer}"


async def remove(room: Membership, peer: str, reason: str = "") -> None:
    """Put a peer out of the room, and keep it out for 23 hours; moderators only.

    :param reason: told to the peer: at most 256 characters.
    :raises ConfigError: if the reason is too long.
    :raises PermissionDenied: if we are no moderator, or it was removed before.
    """
    schema.check_chars(reason, schema.REMOVAL_REASON_CHARS, "reason of a removal")
    session = room.session
    removal = Create(
        removed_path(room, peer),
        {
            "by": session.peer,
            "reason": reason,
            "at": SERVER_TIME,
            "leaseUntil": schema.timestamp(session.now() + REMOVAL_SECONDS),
            "shard": schema.new_shard(),
        },
    )
    try:
        await session.database.commit(removal, Delete(f"{room.peers_path}/{peer}"))
    except PermissionDenied:
        raise PermissionDenied(f"The rules refuse to remove anybody. {_MODERATORS}") from None


async def lock(room: Membership, locked: bool) -> None:
    """Let nobody else into the room, or again; moderators only.

    :raises PermissionDenied: if we are no moderator.
    """
    try:
        await room.session.database.commit(Update(room.path, {"locked": locked}))
    except PermissionDenied:
        word = "lock" if locked else "unlock"
        raise PermissionDenied(f"The rules refuse to {word} the room. {_MODERATORS}") from None


async def removal(room: Membership) -> Removed | None:
    """Whether we were put out of the room, and why."""
    fields = await room.session.database.get(removed_path(room, room.session.peer))
    if fields is None:
        return None
    reason = fields.get("reason")
    return Removed(reason[: schema.REMOVAL_REASON_CHARS] if isinstance(reason, str) else "")


def refuse_if_locked(fields: Mapping[str, Any] | None) -> None:
    """Whether a room takes newcomers.

    :param fields: of the room's document; None: there is no room yet.
    :raises RoomLocked: if it doesn't.
    """
    if fields is not None and fields.get("locked") is True:
        raise RoomLocked(
            "The room is locked: it takes no newcomer. Ask somebody inside to unlock it."
        )


class LockWatch:
    """Listens to the room's document: one read, and one for each change of it.

    :param room: emits ``locked`` and ``unlocked``.
    :param on_locked: told which it is, at first and at each change.
    :param on_error: told why listening has ended, if it has.
    """

    def __init__(
        self,
        room: Membership,
        on_locked: Callable[[bool], None],
        on_error: Callable[[FireRTCError], None],
    ) -> None:
        self._room = room
        self._on_locked = on_locked
        self._on_error = on_error
        self._listener: Listener | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def listening(self) -> bool:
        """Whether it has begun."""
        return self._listener is not None

    def listen(self) -> None:
        """Begin to listen."""
        if self._listener is None:
            self._listener = self._room.session.snapshots.listen(self._room.path)
            self._task = asyncio.create_task(self._follow(self._listener))

    async def _follow(self, listener: Listener) -> None:
        try:
            async for snapshot in listener:
                fields = snapshot.documents.get(self._room.path)
                if fields is not None:
                    self._on_locked(fields.get("locked") is True)
        except FireRTCError as error:
            self._on_error(error)

    async def close(self) -> None:
        """Listen no longer."""
        if self._listener is not None and self._task is not None:
            self._listener.close()
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
