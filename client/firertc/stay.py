"""Being in a room: what its documents tell, what becomes of us, and the way out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any, Literal

from . import moderation, presence, schema
from .broadcast import Broadcasts
from .database import Change, Delete, Replace
from .errors import (
    Denied,
    DocumentMalformed,
    FireRTCError,
    PermissionDenied,
    Removed,
    RoomClosed,
    SessionExpired,
)
from .link import Link, LinkEnd
from .membership import Membership
from .mesh import Mesh
from .moderation import LockWatch, refuse_if_locked
from .presence import Presence
from .ringing import ANSWER_RULE_READS, Ring
from .schema import Peer
from .sealing import RoomSeal, check_room_seal
from .session import Session
from .shared import SharedTracks
from .signaling import CallDocument
from .snapshots import Listener
from .targets import Snapshot

Connect = Literal["all", "none"]
Handler = Callable[[str, Any], Awaitable[Any] | Any]
"""Answers a request: given the peer's id and the body, returns the reply's."""
JOIN_RULE_READS = 3
"""To let a peer in the rules read the room, its own ``removed`` document and, in an open realm, the
realm."""
KEPT = ("message", "channel")
"""What a link keeps until somebody listens."""
LEAVE_SECONDS = 5.0
"""How long the way out waits for the database; after that the lease ends our presence."""


class Stay(Membership):
    """A peer's stay in a room, from when it is inside: :class:`firertc.Room` is one.

    :param session: who we are.
    :param room: the room's id.
    :param connect: who is linked to whom.
    """

    def __init__(self, session: Session, room: str, connect: Connect) -> None:
        super().__init__(session, room)
        self.connect: Connect = connect
        """Who is linked to whom."""
        self.busy = False
        """Whether rings are turned away as busy."""
        self.mesh: Mesh | None = None
        """The links, in a room that connects all."""
        self.over: FireRTCError | None = None
        """Why the room was left, if that was not our wish."""
        self._locked = False
        self._lock_noted = asyncio.Event()
        self._handler: Handler | None = None
        self._rings: dict[str, Ring] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._listeners: list[Listener] = []
        self._presence = Presence(self, None, {})
        self._broadcasts = Broadcasts(self, self._blind)
        self._locks = LockWatch(self, self._note_lock, self._blind)
        self._shared = SharedTracks()
        self._forwarded: dict[Link, set[str]] = {}
        """Links that stand, and which of the events that they keep we tell of."""
        self._written = False
        """Whether there may be documents of ours to delete."""
        self._inside = False
        self._seated = False
        """Whether we have seen our own document."""
        self._taken_over = False
        """Whether another session of our peer is in our place: then nothing here is ours."""
        self._put_out: set[str] = set()
        """Sessions of those whom we removed."""
        self._told_lost = False
        self._leaving: asyncio.Task[None] | None = None
        self.on("new_listener", self._on_listener)
        self.on("link", self._on_link)
        self.on("unlinked", self._on_unlinked)

    def _read_room(self, fields: Mapping[str, Any]) -> None:
        """What the room's document says of it, to whoever comes in."""
        self.connect = "all" if fields.get("connect") == "all" else "none"
        self._presence.saw_room(fields)
        refuse_if_locked(fields)
        check_room_seal(self.seal if isinstance(self.seal, RoomSeal) else None, fields)

    def _role(self, fields: Mapping[str, Any] | None) -> str:
        if self.session.keyed:
            return self.session.role
        mine = fields is None or fields.get("createdBy") == self.session.peer
        return "moderator" if mine else "publisher"

    # Going out.

    async def leave(self) -> None:
        """Go: end the calls, delete what is ours."""
        await asyncio.shield(self._go())

    def _go(self) -> asyncio.Task[None]:
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._leave(), name="firertc-leave")
        return self._leaving

    async def _leave(self) -> None:
        for ring in self._rings.values():
            ring.settle("left")
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for listener in self._listeners:
            listener.close()
        await self._locks.close()
        changes: list[Change] = [Delete(self._presence.path), *await self._broadcasts.close()]
        await self.end_calls()
        if self.mesh is not None:
            changes += await self.mesh.close()
        await self._shared.close()
        if not self._written or self._taken_over:
            return
        me = self.peers.get(self.session.peer)
        if me is not None and me.role == "moderator" and not self.others:
            changes.append(Delete(self.path))
        # Unreachable: the lease ends our presence.
        with contextlib.suppress(FireRTCError, TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await self.session.database.commit(*changes)

    def _end(self, error: FireRTCError) -> None:
        """We can't stay."""
        if self._leaving is not None:
            return
        self.over = error
        if isinstance(error, Removed):
            self.emit("removed", error.reason)
        else:
            self._tell_lost(error)
        self._go()

    def _tell_lost(self, error: FireRTCError) -> None:
        if not self._told_lost:
            self._told_lost = True
            self.emit("lost", error)

    # What the listeners see.

    async def _follow(self, listener: Listener, see: Callable[[Snapshot], None]) -> None:
        try:
            async for snapshot in listener:
                see(snapshot)
        except FireRTCError as error:
            self._blind(error)

    def _blind(self, error: FireRTCError) -> None:
        """Something can no longer be listened to."""
        if self._leaving is None:
            self._begin(self._explain(error))

    async def _explain(self, error: FireRTCError) -> None:
        if isinstance(error, PermissionDenied):
            # Put out of a locked room, perhaps.
            with contextlib.suppress(FireRTCError):
                if removed := await moderation.removal(self):
                    self._end(removed)
                    return
        elif isinstance(error, Denied):
            self._end(error)
            return
        self._tell_lost(error)

    async def _end_with_session(self) -> None:
        self._end(await self.session.ended())

    async def _keep(self) -> None:
        keeping = asyncio.ensure_future(self._presence.keep())
        try:
            while not keeping.done():
                await asyncio.wait({keeping}, timeout=schema.PEER_LEASE_RENEW_SECONDS)
                self._lapse()
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    def _lapse(self) -> None:
        """Whose lease is over is gone, where no sweep says so."""
        now = self.session.now()
        for peer in list(self.peers.values()):
            if not peer.is_self and peer.lease_until.timestamp() < now:
                self._set_peer(peer.id, None, ghost=True)

    def _see_peers(self, snapshot: Snapshot) -> None:
        for path in snapshot.removed:
            self._set_peer(path.rsplit("/", 1)[1], None)
        for path in snapshot.changed:
            try:
                peer = presence.read_card(
                    path, snapshot.documents[path], self.session.peer, self.seal
                )
            except DocumentMalformed:
                # The rules let nothing malformed in; what an owner's tool wrote is not a peer.
                continue
            ghost = peer.lease_until.timestamp() < self.session.now() and not peer.is_self
            self._set_peer(peer.id, None if ghost else peer, ghost=ghost)
        if self.mesh is not None and self._leaving is None:
            for peer in self.peers.values():
                if not peer.is_self:
                    self.mesh.see(peer)

    def _set_peer(self, peer: str, after: Peer | None, *, ghost: bool = False) -> None:
        before = self.peers.pop(peer, None)
        if after is not None:
            self.peers[peer] = after
        told = presence.told(before, after)
        if peer == self.session.peer:
            self._see_self(after, told)
            return
        if before is not None and told in ("left", "replaced"):
            if self.mesh is not None:
                self.mesh.lose(peer)
            removed = before.session in self._put_out
            now = self.session.now()
            why = presence.why_left(before, after, now=now, removed=removed, ghost=ghost)
            self.emit("left", replace(before, left=why))
        if after is not None and told in ("joined", "replaced", "updated"):
            self.emit("updated" if told == "updated" else "joined", after)

    def _see_self(self, me: Peer | None, told: presence.Told) -> None:
        ours = me is not None and me.session == self.session.session
        if me is None and self._seated:
            self._seated = False
            self._begin(self._come_back())
        elif me is not None and not ours and self._seated:
            self._taken_over = True
            self._end(SessionExpired("The same peer came in again, elsewhere: this one is out."))
        elif ours:
            self._seated = True
            self._broadcasts.hand_on()
            if told == "updated":
                self.emit("updated", me)

    async def _come_back(self) -> None:
        """Our document is gone: a moderator put us out, the owner closed the room, or our lease
        was over, because this machine slept or was off the network: then we come in again."""
        database = self.session.database
        try:
            if removed := await moderation.removal(self):
                raise removed
            fields = await database.get(self.path)
            if fields is None:
                raise RoomClosed("The room was closed by its owner, or ran empty while we slept.")
            self._read_room(fields)
            card = Replace(self._presence.path, self._presence.card(self._role(fields)))
            await database.commit(card, rule_reads=JOIN_RULE_READS)
        except FireRTCError as error:
            self._end(error)

    def _see_calls(self, snapshot: Snapshot) -> None:
        for path in snapshot.removed:
            ring = self._rings.pop(path, None)
            if ring is not None:
                ring.update(None)
        for path in snapshot.changed:
            try:
                call = schema.read_call(path, snapshot.documents[path])
            except DocumentMalformed:
                continue
            # Candidates may come behind an answer that is still being made: that is no other ring.
            if path in self._rings and self._rings[path].is_of(call):
                self._rings[path].update(call)
            elif call.kind == "ring" and self._fresh(call):
                self._ring(call)
            elif call.kind == "direct" and self._fresh(call):
                self.offered(call)

    def _fresh(self, call: schema.Call) -> bool:
        """Whether this is an offer to us that still waits."""
        return (
            call.answer is None
            and call.ended is None
            and call.receiver_session == self.session.session
            and call.lease_until.timestamp() > self.session.now()
        )

    def _ring(self, call: schema.Call) -> None:
        document = CallDocument(self.session, call.path, self.seal, rule_reads=ANSWER_RULE_READS)
        ring = Ring(self, document, call)
        self._rings[call.path] = ring
        if self.busy:
            self._begin(ring.reject("busy"))
        else:
            self.emit("ring", ring)

    # What the links say, and who listens.

    def _on_link(self, link: Link) -> None:
        peer = link.remote
        for event in ("track", "track_removed", "mute"):
            link.on(event, lambda value, event=event: self.emit(event, peer, value))
        self._forwarded[link] = set()
        for event in KEPT:
            if self.listeners(event):
                self._forward(link, event)
        link.on("reconnecting", lambda *_: self.emit("reconnecting", peer))
        link.on("reconnected", lambda *_: self.emit("reconnected", peer))
        for track in link.tracks:
            self.emit("track", peer, track)
        if self._handler is not None:
            self._answer_requests(peer, link)
        self._begin(self._shared.serve(link))

    def _forward(self, link: Link, event: str) -> None:
        # A link keeps them until somebody listens: not before somebody does.
        if event not in self._forwarded[link]:
            self._forwarded[link].add(event)
            link.on(event, lambda value: self.emit(event, link.remote, value))

    def _on_unlinked(self, link: Link, _: LinkEnd) -> None:
        self._shared.forget(link)
        self._forwarded.pop(link, None)

    def _answer_requests(self, peer: str, link: Link) -> None:
        handler = self._handler
        link.on_request = None if handler is None else lambda body: handler(peer, body)

    def _on_listener(self, event: str, _: object) -> None:
        if event in KEPT:
            for link in list(self._forwarded):
                self._forward(link, event)
        if self._inside:
            self._listen_for(event)

    def _listen_for(self, event: str) -> None:
        if self._leaving is not None:
            return
        if event == "broadcast":
            self._broadcasts.listen()
        elif event in ("locked", "unlocked"):
            self._locks.listen()

    def _note_lock(self, locked: bool) -> None:
        if locked != self._locked:
            self._locked = locked
            self._lock_noted.set()
            self.emit("locked" if locked else "unlocked")

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
