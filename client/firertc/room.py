"""A room: who is there, and calls between them.

Presence is a lease in the peer's document, renewed every 6 minutes; a clean leave deletes it. In a
room that connects nobody (``connect="none"``) peers ring one another; in one that connects all,
:mod:`firertc.mesh` links every pair.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Self

from . import schema
from .call import Media
from .database import PATIENCE_SECONDS, Change, Create, Delete, Replace, Update, Where
from .errors import (
    DatabaseUnreachable,
    DocumentMalformed,
    FireRTCError,
    PeerGone,
    PermissionDenied,
    RoomLocked,
)
from .membership import Membership
from .mesh import Mesh
from .ringing import ANSWER_RULE_READS, Ring
from .schema import Peer
from .session import Session
from .signaling import CallDocument
from .snapshots import Listener
from .targets import Snapshot
from .values import SERVER_TIME

Connect = Literal["all", "none"]
CAPACITY = 50
JOIN_RULE_READS = 3
"""To let a peer in the rules read the room, its own ``removed`` document and, in an open realm, the
realm."""


class Room(Membership):
    """A room that this client is in. Made by :meth:`enter`; leave it in the end.

    Events:

    * ``joined``, ``left``, ``updated`` (peer): a :class:`firertc.schema.Peer` other than us.
    * ``ring`` (ring): somebody calls; a :class:`firertc.Ring`.
    * ``link`` (link), ``unlinked`` (link, end): in a room that connects all, a link has opened or
      ended; ``unreachable`` (peer, error): none opened within 20 s.
    * ``message`` (peer id, body): somebody linked to us said something.
    * ``lost`` (error): the room can no longer be listened to.
    """

    def __init__(self, session: Session, room: str, connect: Connect) -> None:
        super().__init__(session, room)
        self.connect: Connect = connect
        self.busy = False
        """Whether rings are turned away as busy."""
        self._me = f"{self.peers_path}/{session.peer}"
        self._rings: dict[str, Ring] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._listeners: list[Listener] = []
        self.mesh: Mesh | None = None
        """The links, in a room that connects all."""
        self._room_lease = session.now() + schema.ROOM_LEASE_SECONDS
        """When the room's own lease ends, as far as we know: Unix seconds, the server's."""
        self._present = False
        """Whether there may be documents of ours to delete."""
        self._left = False

    @classmethod
    async def enter(
        cls,
        session: Session,
        name: str,
        *,
        connect: Connect = "none",
        data: Any = None,
        media: Callable[[], Media] = Media,
        sends: Mapping[str, bool] | None = None,
        on_event: Callable[[Room], None] | None = None,
    ) -> Self:
        """Go into a room, making it if there is none: two hops, three into a crowd.

        :param name: of the room.
        :param connect: for a room that doesn't exist yet: who is linked to whom.
        :param data: what to say of oneself: any JSON value of at most 8,192 characters.
        :param media: asked once for each link of a room that connects all, what it carries.
        :param sends: which of ``audio``, ``video``, ``screen`` one sends, for others to see.
        :param on_event: given the room before it is entered, to register for its events.
        :raises RoomLocked: if it takes no newcomer.
        :raises PermissionDenied: if the rules refuse it for another reason.
        """
        room_id = schema.encode_id(name, limit=schema.ROOM_ID_BYTES, what="room")
        text = (
            ""
            if data is None
            else schema.json_text(data, limit=schema.DATA_CHARS, what="peer's data")
        )
        room = cls(session, room_id, connect)
        if on_event is not None:
            on_event(room)
        card = {
            "session": session.session,
            "data": text,
            "media": dict(sends or {}),
            "can": ["trickle", "renegotiate"],
            "joinedAt": SERVER_TIME,
            "leaseUntil": schema.timestamp(session.now() + schema.PEER_LEASE_SECONDS),
            "shard": schema.new_shard(),
        }
        try:
            await room._come_in(card, media)
        except BaseException:
            await room.leave()
            raise
        return room

    async def _come_in(self, card: dict[str, Any], media: Callable[[], Media]) -> None:
        snapshots, database = self.session.snapshots, self.session.database
        watch_peers = snapshots.listen(Where(self.peers_path))
        watch_calls = snapshots.listen(Where(self.calls_path, "to", self.session.peer))
        self._listeners = [watch_peers, watch_calls]
        if self.connect == "all":
            self.mesh = Mesh(self, media)
        fields, peers, _ = await asyncio.gather(
            database.get(self.path),
            self._first(watch_peers),
            self._find_standing_offers(self.mesh),
        )
        if fields is not None:
            self.connect = "all" if fields.get("connect") == "all" else "none"
            if isinstance(lease := fields.get("leaseUntil"), datetime):
                self._room_lease = lease.timestamp()
        self._refuse_if_locked(fields)
        if peers is None:
            raise PermissionDenied("The rules refuse to show who is in this room. Join again.")
        self._see_peers(peers)
        presence: list[Change] = [Replace(self._me, {**card, "role": self._role(fields)})]
        if fields is None:
            presence.insert(0, Create(self.path, self._fields()))
        extra: list[Change] = []
        if self.connect == "all":
            if self.mesh is None:
                self.mesh = Mesh(self, media)
                await self._find_standing_offers(self.mesh)
            extra = await self.mesh.prepare()
        elif self.mesh is not None:
            await self.mesh.close()
            self.mesh = None
        rule_reads = JOIN_RULE_READS + (self.mesh.rule_reads if self.mesh else 0)
        self._present = True
        try:
            await database.commit(*presence, *extra, rule_reads=rule_reads)
        except PermissionDenied:
            await self._come_in_again(card)
        if self.mesh is not None:
            self.mesh.written()
        self._tasks = [
            asyncio.create_task(self._follow(watch_peers, self._see_peers)),
            asyncio.create_task(self._follow(watch_calls, self._see_calls)),
            asyncio.create_task(self._keep_lease()),
        ]

    async def _first(self, listener: Listener) -> Snapshot | None:
        """The first snapshot; None if the rules refuse it, which the room's document explains."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await anext(listener)
        except PermissionDenied:
            return None
        except TimeoutError:
            raise DatabaseUnreachable("The room does not answer. Check the network.") from None

    async def _find_standing_offers(self, mesh: Mesh | None) -> None:
        """Read the offers that wait for whoever comes, if we are to be linked to all."""
        if mesh is None:
            return
        try:
            found = await self.session.database.query(Where(self.calls_path, "to", schema.ANYONE))
        except PermissionDenied:
            return
        calls = []
        for path, fields in found.items():
            with contextlib.suppress(DocumentMalformed):
                calls.append(schema.read_call(path, fields))
        mesh.found(calls)

    def _refuse_if_locked(self, fields: Mapping[str, Any] | None) -> None:
        if fields is not None and fields.get("locked") is True:
            raise RoomLocked(
                "The room is locked: it takes no newcomer. Ask somebody inside to unlock it."
            )

    def _role(self, fields: Mapping[str, Any] | None) -> str:
        if self.session.keyed:
            return self.session.role
        mine = fields is None or fields.get("createdBy") == self.session.peer
        return "moderator" if mine else "publisher"

    def _fields(self) -> dict[str, Any]:
        return {
            "v": schema.PROTOCOL_VERSION,
            "connect": self.connect,
            "capacity": CAPACITY,
            "locked": False,
            "listed": False,
            "createdBy": self.session.peer,
            "createdAt": SERVER_TIME,
            "leaseUntil": schema.timestamp(self.session.now() + schema.ROOM_LEASE_SECONDS),
            "shard": schema.new_shard(),
        }

    async def _come_in_again(self, card: dict[str, Any]) -> None:
        """A refused commit doesn't say why: somebody took an offer, made the room, or locked it."""
        database = self.session.database
        fields, mine = await asyncio.gather(database.get(self.path), database.get(self._me))
        if mine is not None and mine.get("session") == self.session.session:
            # Our own success, whose reply was lost.
            return
        self._refuse_if_locked(fields)
        if fields is None:
            raise PermissionDenied(
                "The rules refuse to make this room. Ask the owner for a key whose role may."
            )
        self.connect = "all" if fields.get("connect") == "all" else "none"
        extra = await self.mesh.refused() if self.mesh is not None else []
        rule_reads = JOIN_RULE_READS + (self.mesh.rule_reads if self.mesh else 0)
        presence = Replace(self._me, {**card, "role": self._role(fields)})
        await database.commit(presence, *extra, rule_reads=rule_reads)

    async def wait_for(self, peer: str, timeout: float) -> Peer | None:
        """Wait until a peer is in the room.

        :returns: None if it doesn't come within ``timeout`` seconds.
        """
        came = asyncio.Event()

        def check(newcomer: Peer) -> None:
            if newcomer.id == peer:
                came.set()

        self.on("joined", check)
        try:
            if peer not in self.peers:
                async with asyncio.timeout(timeout):
                    await came.wait()
            return self.peers.get(peer)
        except TimeoutError:
            return None
        finally:
            self.remove_listener("joined", check)

    def send(self, body: Any, to: Iterable[str] | None = None) -> list[str]:
        """Say something to those we are linked to: any JSON value of at most 60,000 bytes.

        :param to: peer ids; default: all.
        :returns: ids of the peers it was sent to; those of ``to`` that are not linked are left out.
        :raises ConfigError: if it is no such value.
        """
        links = self.mesh.links if self.mesh is not None else {}
        chosen = [peer for peer in (links if to is None else to) if peer in links]
        reached = []
        for peer in chosen:
            # A link that ended this very moment: its peer is no longer linked.
            with contextlib.suppress(PeerGone):
                links[peer].link.send(body)
                reached.append(peer)
        return reached

    async def set_data(self, data: Any) -> None:
        """Change what one says of oneself; all in the room see it."""
        text = schema.json_text(data, limit=schema.DATA_CHARS, what="peer's data")
        await self.session.database.commit(Update(self._me, {"data": text}))

    async def lock(self, locked: bool = True) -> None:
        """Let nobody else in (or in again); moderators only."""
        await self.session.database.commit(Update(self.path, {"locked": locked}))

    async def leave(self) -> None:
        """Go: end the calls, delete what is ours."""
        if self._left:
            return
        self._left = True
        for ring in self._rings.values():
            ring.settle("left")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for listener in self._listeners:
            listener.close()
        await self.end_calls()
        changes: list[Change] = [Delete(self._me)]
        if self.mesh is not None:
            changes += await self.mesh.close()
        if not self._present:
            return
        moderator = self.session.peer in self.peers and (
            self.peers[self.session.peer].role == "moderator"
        )
        if moderator and not self.others:
            changes.append(Delete(self.path))
        # Unreachable: the lease ends our presence.
        with contextlib.suppress(FireRTCError, TimeoutError):
            async with asyncio.timeout(5):
                await self.session.database.commit(*changes)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.leave()

    # What the listeners see.

    async def _follow(self, listener: Listener, see: Any) -> None:
        try:
            async for snapshot in listener:
                see(snapshot)
        except FireRTCError as error:
            self.emit("lost", error)

    def _see_peers(self, snapshot: Snapshot) -> None:
        for path in snapshot.removed:
            peer = self.peers.pop(path.rsplit("/", 1)[1], None)
            if peer is not None and peer.id != self.session.peer:
                self._gone(peer)
        for path in snapshot.changed:
            try:
                peer = schema.read_peer(path, snapshot.documents[path])
            except DocumentMalformed:
                # The rules let nothing malformed in; what an owner's tool wrote is not a peer.
                continue
            before = self.peers.get(peer.id)
            self.peers[peer.id] = peer
            if peer.id == self.session.peer:
                continue
            if before is not None and before.session != peer.session:
                self._gone(before)
                before = None
            self.emit("joined" if before is None else "updated", peer)
        if self.mesh is not None:
            for peer in self.peers.values():
                if peer.id != self.session.peer:
                    self.mesh.see(peer)

    def _gone(self, peer: Peer) -> None:
        if self.mesh is not None:
            self.mesh.lose(peer.id)
        self.emit("left", peer)

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
            if path in self._rings and self._rings[path].ringing:
                self._rings[path].update(call)
            elif call.kind == "ring" and self._fresh(call):
                self._ring(call)
            elif call.kind == "direct" and self.mesh is not None and self._fresh(call):
                self.mesh.offered(call)

    def _fresh(self, call: schema.Call) -> bool:
        """Whether this is an offer to us that still waits."""
        return (
            call.answer is None
            and call.ended is None
            and call.receiver_session == self.session.session
            and call.lease_until.timestamp() > self.session.now()
        )

    def _ring(self, call: schema.Call) -> None:
        document = CallDocument(self.session, call.path, rule_reads=ANSWER_RULE_READS)
        ring = Ring(self, document, call)
        self._rings[call.path] = ring
        if self.busy:
            self._tasks.append(asyncio.create_task(ring.reject("busy")))
        else:
            self.emit("ring", ring)

    async def _keep_lease(self) -> None:
        """Prolong our presence, and the room's life when half of it is over."""
        database = self.session.database
        while True:
            now = self.session.now()
            if self._room_lease - now < schema.ROOM_LEASE_SECONDS / 2:
                lease = now + schema.ROOM_LEASE_SECONDS
                # Refused if another member prolonged it further: then that is done.
                with contextlib.suppress(FireRTCError):
                    await database.commit(
                        Update(self.path, {"leaseUntil": schema.timestamp(lease)})
                    )
                    self._room_lease = lease
            await asyncio.sleep(schema.PEER_LEASE_RENEW_SECONDS)
            presence = schema.timestamp(self.session.now() + schema.PEER_LEASE_SECONDS)
            with contextlib.suppress(FireRTCError):
                await database.commit(Update(self._me, {"leaseUntil": presence}))
