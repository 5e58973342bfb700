"""A room: who is there, and calls between them.

Presence is a lease in the peer's document, renewed every 6 minutes; a clean leave deletes it. In a
room that connects nobody (``connect="none"``) peers ring one another; in one that connects all,
:mod:`firertc.mesh` links every pair.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Literal, Self

from pyee.asyncio import AsyncIOEventEmitter

from . import schema
from .call import Call
from .database import Change, Create, Delete, Replace, Update, Where
from .errors import DocumentMalformed, FireRTCError, PermissionDenied, RoomLocked
from .negotiation import CallState
from .ringing import ANSWER_RULE_READS, ELSEWHERE_SECONDS, Ring
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


class Room(AsyncIOEventEmitter):
    """A room that this client is in. Made by :meth:`enter`; leave it in the end.

    Events:

    * ``joined`` (peer), ``left`` (peer), ``updated`` (peer): a :class:`firertc.schema.Peer` other
    than us.
    * ``ring`` (ring): somebody calls; a :class:`firertc.Ring`.
    * ``lost`` (error): the room can no longer be listened to.
    """

    def __init__(self, session: Session, room: str, connect: Connect) -> None:
        super().__init__()
        self.session = session
        self.id = room
        self.connect: Connect = connect
        self.peers: dict[str, Peer] = {}
        """Everybody who is in, us included, by peer id."""
        self.busy = False
        """Whether rings are turned away as busy."""
        self.path = schema.room_path(session.realm, room)
        self.peers_path = schema.peers_path(session.realm, room)
        self.calls_path = schema.calls_path(session.realm, room)
        self._me = f"{self.peers_path}/{session.peer}"
        self._rings: dict[str, Ring] = {}
        self._attempts: dict[str, int] = {}
        self._calls: set[Call] = set()
        self._dismissing: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._listeners: list[Listener] = []
        self._present = asyncio.Event()
        self._left = False

    @classmethod
    async def enter(
        cls,
        session: Session,
        name: str,
        *,
        connect: Connect = "none",
        data: Any = None,
        media: Mapping[str, bool] | None = None,
    ) -> Self:
        """Go into a room, making it if there is none.

        :param name: of the room.
        :param connect: for a room that doesn't exist yet: who is linked to whom.
        :param data: what to say of oneself: any JSON value of at most 8,192 characters.
        :param media: which of ``audio``, ``video``, ``screen`` one sends.
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
        fields = await session.database.get(room.path)
        if fields is not None:
            room.connect = "all" if fields.get("connect") == "all" else "none"
        peer = {
            "session": session.session,
            "data": text,
            "media": dict(media or {}),
            "role": room._role(fields),
            "can": ["trickle", "renegotiate"],
            "joinedAt": SERVER_TIME,
            "leaseUntil": schema.timestamp(session.now() + schema.PEER_LEASE_SECONDS),
            "shard": schema.new_shard(),
        }
        changes: list[Change] = [Replace(room._me, peer)]
        if fields is None:
            changes.insert(0, Create(room.path, room._fields()))
        try:
            await session.database.commit(*changes, rule_reads=JOIN_RULE_READS)
        except PermissionDenied:
            await room._enter_again(peer)
        await room._start()
        return room

    def _role(self, fields: Mapping[str, Any] | None) -> str:
        if self.session.config.key:
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

    async def _enter_again(self, peer: dict[str, Any]) -> None:
        """A refused commit doesn't say why: somebody made the room, it is locked, or we are in."""
        database = self.session.database
        fields = await database.get(self.path)
        if fields is None:
            raise PermissionDenied(
                "The rules refuse to make this room. Ask the owner for a key whose role may."
            )
        if fields.get("locked") is True:
            raise RoomLocked(
                "The room is locked: it takes no newcomer. Ask somebody inside to unlock it."
            )
        self.connect = "all" if fields.get("connect") == "all" else "none"
        mine = await database.get(self._me)
        if mine is not None and mine.get("session") == self.session.session:
            return
        peer["role"] = self._role(fields)
        await database.commit(Replace(self._me, peer), rule_reads=JOIN_RULE_READS)

    async def _start(self) -> None:
        watch_peers = self.session.snapshots.listen(Where(self.peers_path))
        watch_calls = self.session.snapshots.listen(Where(self.calls_path, "to", self.session.peer))
        self._listeners = [watch_peers, watch_calls]
        self._tasks = [
            asyncio.create_task(self._follow(watch_peers, self._see_peers)),
            asyncio.create_task(self._follow(watch_calls, self._see_calls)),
            asyncio.create_task(self._keep_lease()),
        ]
        present = asyncio.create_task(self._present.wait())
        try:
            # The first snapshot, or the refusal of the listener.
            await asyncio.wait({present, self._tasks[0]}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            present.cancel()

    @property
    def others(self) -> list[str]:
        """Ids of everybody else who is in."""
        return [peer for peer in self.peers if peer != self.session.peer]

    def next_attempt(self, peer: str) -> int:
        """The number of the next direct offer to a peer."""
        self._attempts[peer] = self._attempts.get(peer, -1) + 1
        return self._attempts[peer]

    def hold(self, call: Call) -> None:
        """A connected call belongs to the room: leaving ends it."""
        self._calls = {known for known in self._calls if known.state is not CallState.ENDED}
        self._calls.add(call)

    def dismiss(self, call: Call, reason: str) -> None:
        """End a call that waits, leaving the reason readable for 2 s."""

        async def work() -> None:
            with contextlib.suppress(FireRTCError):
                await call.document.end(reason)
                await asyncio.sleep(ELSEWHERE_SECONDS if reason == "answered-elsewhere" else 0)

        async def end() -> None:
            try:
                await work()
            finally:
                await call.close(reason)

        task = asyncio.create_task(end())
        self._dismissing.add(task)
        task.add_done_callback(self._dismissing.discard)

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
        for task in (*self._dismissing, *self._tasks):
            task.cancel()
        await asyncio.gather(*self._dismissing, *self._tasks, return_exceptions=True)
        for listener in self._listeners:
            listener.close()
        await asyncio.gather(*(call.close() for call in self._calls))
        changes: list[Change] = [Delete(self._me)]
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
            self._present.set()
            self.emit("lost", error)

    def _see_peers(self, snapshot: Snapshot) -> None:
        for path in snapshot.removed:
            peer = self.peers.pop(path.rsplit("/", 1)[1], None)
            if peer is not None and peer.id != self.session.peer:
                self.emit("left", peer)
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
                self.emit("left", before)
                before = None
            self.emit("joined" if before is None else "updated", peer)
        self._present.set()

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
            elif self._rings_now(call):
                self._ring(call)

    def _rings_now(self, call: schema.Call) -> bool:
        return (
            call.kind == "ring"
            and call.answer is None
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
        while True:
            await asyncio.sleep(schema.PEER_LEASE_RENEW_SECONDS)
            lease = schema.timestamp(self.session.now() + schema.PEER_LEASE_SECONDS)
            with contextlib.suppress(FireRTCError):
                await self.session.database.commit(Update(self._me, {"leaseUntil": lease}))
