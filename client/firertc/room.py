"""A room: who is there, and calls between them.

Presence is a lease in the peer's document, renewed every 6 minutes; a clean leave deletes it. In a
room that connects nobody (``connect="none"``) peers ring one another; in one that connects all,
:mod:`firertc.mesh` links every pair.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from aiortc import MediaStreamTrack

from . import looking, moderation, presence, ringing, schema
from .call import Call, Media
from .database import PATIENCE_SECONDS, Change, Create, Replace, Where
from .errors import DatabaseUnreachable, DocumentMalformed, PeerGone, PermissionDenied
from .link import Link, LinkState
from .looking import RoomView
from .mesh import Mesh
from .presence import Presence
from .schema import Peer
from .sealing import RoomSeal, room_seal_aside
from .session import Session
from .snapshots import Listener
from .stay import JOIN_RULE_READS, Connect, Handler, Stay
from .targets import Snapshot
from .values import SERVER_TIME

CAPACITY = 50
Sealing = asyncio.Task[RoomSeal]
"""A passphrase that is being stretched."""


class Room(Stay):
    """A room that this client is in. Made by :meth:`enter`; leave it in the end.

    Events:

    * ``joined``, ``left`` (peer): a :class:`firertc.schema.Peer` other than us; ``peer.left`` is
      why. ``updated`` (peer): it says something else of itself; our own data too
      (``peer.is_self``).
    * ``ring`` (ring): somebody calls; a :class:`firertc.Ring`.
    * ``link`` (link), ``unlinked`` (link, end): a link has opened or ended, made by the room or by
      a ring; ``unreachable`` (peer, error): in a room that connects all, none opened within 20 s.
    * ``reconnecting``, ``reconnected`` (peer id): a link has broken and is being mended; it is
      back.
    * ``message`` (peer id, body): somebody linked to us said something; ``track`` and
      ``track_removed`` (peer id, track), ``channel`` (peer id, channel), ``mute`` (peer id, kinds):
      as :class:`firertc.Link` has them.
    * ``broadcast`` (peer id, body, is_private): somebody said something through the database, to
      all or (``is_private``) to us alone. Listened for once somebody registers: 2 reads.
    * ``locked``, ``unlocked`` (): by a moderator. Listened for once somebody registers: 1 read.
    * ``removed`` (reason): a moderator put us out; the room is being left.
    * ``lost`` (error): the room can no longer be listened to. If :attr:`over` says so as well, it
      is being left: the session or the room is over. Else what is linked stays linked.
    """

    # Going in.

    @classmethod
    async def enter(
        cls,
        session: Session,
        name: str = schema.DEFAULT_ROOM,
        *,
        connect: Connect = "none",
        data: Any = None,
        media: Callable[[], Media] = Media,
        sends: Mapping[str, bool] | None = None,
        passphrase: str | None = None,
        on_event: Callable[[Room], object] | None = None,
    ) -> Self:
        """Go into a room, making it if there is none: two hops, three into a crowd.

        :param name: of the room.
        :param connect: for a room that doesn't exist yet: who is linked to whom. A key may say
            otherwise.
        :param data: what to say of oneself: any JSON value of at most 8,192 characters.
        :param media: asked once for each link of a room that connects all, what it carries.
        :param sends: which of ``audio``, ``video``, ``screen`` one sends, for others to see.
        :param passphrase: seals a room that doesn't exist yet, opens a sealed one.
        :param on_event: given the room before it is entered, to register for its events.
        :raises RoomLocked: if it takes no newcomer.
        :raises Removed: if a moderator put us out.
        :raises PassphraseNeeded: if it is sealed, and no passphrase was given.
        :raises WrongPassphrase: if it is sealed with another.
        :raises SealBroken: if a passphrase was given, and it is not sealed.
        :raises PermissionDenied: if the rules refuse it for another reason.
        """
        room_id = schema.encode_id(name, limit=schema.ROOM_ID_BYTES, what="room")
        room = cls(session, room_id, "all" if (session.connect or connect) == "all" else "none")
        room._presence = Presence(room, data, sends or {})
        if on_event is not None:
            on_event(room)
        sealing: Sealing | None = None
        if passphrase is not None:
            project = session.config.project
            sealing = asyncio.create_task(
                room_seal_aside(passphrase, project, session.realm, room_id)
            )
        try:
            await room._come_in(media, sealing)
        except BaseException:
            if sealing is not None:
                await asyncio.gather(sealing, return_exceptions=True)
            await room.leave()
            raise
        return room

    @staticmethod
    async def look(session: Session, name: str, passphrase: str | None = None) -> RoomView:
        """See who is in a room without going in; see :func:`firertc.looking.look`."""
        return await looking.look(session, name, passphrase)

    async def _come_in(self, media: Callable[[], Media], sealing: Sealing | None) -> None:
        snapshots, database = self.session.snapshots, self.session.database
        watch_peers = snapshots.listen(Where(self.peers_path))
        watch_calls = snapshots.listen(Where(self.calls_path, "to", self.session.peer))
        self._listeners = [watch_peers, watch_calls]
        if self.connect == "all":
            self.mesh = Mesh(self, media)
        fields, peers, _ = await asyncio.gather(
            database.get(self.path),
            self._first(watch_peers),
            self._find_standing_offers(self.mesh, sealing),
        )
        if fields is not None:
            self._read_room(fields)
        if peers is None:
            raise PermissionDenied("The rules refuse to show who is in this room. Join again.")
        self._see_peers(peers)
        card = Replace(self._presence.path, self._presence.card(self._role(fields)))
        changes: list[Change] = [card] if fields else [Create(self.path, self._fields()), card]
        if self.connect == "all":
            if self.mesh is None:
                self.mesh = Mesh(self, media)
                await self._find_standing_offers(self.mesh, None)
            changes += await self.mesh.prepare()
        elif self.mesh is not None:
            await self.mesh.close()
            self.mesh = None
        self._written = True
        try:
            await database.commit(*changes, rule_reads=self._rule_reads())
        except PermissionDenied:
            await self._come_in_again()
        if self.mesh is not None:
            self.mesh.written()
        self._inside = True
        self._begin(self._follow(watch_peers, self._see_peers))
        self._begin(self._follow(watch_calls, self._see_calls))
        self._begin(self._keep())
        self._begin(self._end_with_session())
        for event in ("broadcast", "locked", "unlocked"):
            if self.listeners(event):
                self._listen_for(event)

    def _rule_reads(self) -> int:
        return JOIN_RULE_READS + (self.mesh.rule_reads if self.mesh is not None else 0)

    async def _first(self, listener: Listener) -> Snapshot | None:
        """The first snapshot; None if the rules refuse it, which the room's document explains."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await anext(listener)
        except PermissionDenied:
            return None
        except TimeoutError:
            raise DatabaseUnreachable("The room does not answer. Check the network.") from None

    async def _find_standing_offers(self, mesh: Mesh | None, sealing: Sealing | None) -> None:
        """Read the offers that wait for whoever comes, if we are to be linked to all."""
        found: dict[str, dict[str, Any]] = {}
        if mesh is not None:
            with contextlib.suppress(PermissionDenied):
                found = await self.session.database.query(
                    Where(self.calls_path, "to", schema.ANYONE)
                )
        if sealing is not None:
            self.seal = await sealing
        calls = []
        for path, fields in found.items():
            with contextlib.suppress(DocumentMalformed):
                calls.append(schema.read_call(path, fields))
        if mesh is not None:
            mesh.found(calls)

    def _fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "v": schema.PROTOCOL_VERSION,
            "connect": self.connect,
            "capacity": self.session.capacity or CAPACITY,
            "locked": False,
            "listed": False,
            "createdBy": self.session.peer,
            "createdAt": SERVER_TIME,
            "leaseUntil": schema.timestamp(self.session.now() + schema.ROOM_LEASE_SECONDS),
            "shard": schema.new_shard(),
        }
        if isinstance(self.seal, RoomSeal):
            fields["sealed"] = self.seal.fields()
        return fields

    async def _come_in_again(self) -> None:
        """A refused commit doesn't say why: somebody took an offer, made the room, or locked it."""
        database, path = self.session.database, self._presence.path
        fields, mine = await asyncio.gather(database.get(self.path), database.get(path))
        if mine is not None and mine.get("session") == self.session.session:
            # Our own success, whose reply was lost.
            return
        if removed := await moderation.removal(self):
            raise removed
        if fields is None:
            raise PermissionDenied(
                "The rules refuse to make this room. Ask the owner for a key whose role may."
            )
        self._read_room(fields)
        extra = await self.mesh.refused() if self.mesh is not None else []
        card = Replace(path, self._presence.card(self._role(fields)))
        await database.commit(card, *extra, rule_reads=self._rule_reads())

    # Who is there.

    @property
    def locked(self) -> bool:
        """Whether it takes no newcomer, as far as we know: exactly so only if somebody listens for
        ``locked`` or ``unlocked``."""
        return self._locked

    @property
    def eldest(self) -> Peer | None:
        """Who was here first, of those who still are."""
        return presence.eldest(self.peers.values())

    @property
    def links(self) -> dict[str, Link]:
        """The links that stand, by the other side's peer id: those of the mesh, or of rings."""
        if self.mesh is not None:
            return {peer: call.link for peer, call in self.mesh.links.items()}
        held = [call for call in self._calls if call.link.state is not LinkState.CLOSED]
        return {call.remote: call.link for call in held}

    def link(self, peer: str) -> Link | None:
        """The link to a peer, if there is one."""
        return self.links.get(peer)

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
        """Change what one says of oneself; all in the room see it.

        :raises ConfigError: if it is too long or no JSON value.
        """
        await self._presence.set_data(data)

    # What is said.

    def send(self, body: Any, to: str | Iterable[str] | None = None) -> list[str]:
        """Say something to those we are linked to: any JSON value of at most 60,000 bytes.

        :param to: a peer id, or several; default: all.
        :returns: ids of the peers it was sent to; those of ``to`` that are not linked are left out.
        :raises ConfigError: if it is no such value.
        """
        links = self.links
        wanted = links if to is None else [to] if isinstance(to, str) else to
        reached = []
        for peer in [peer for peer in wanted if peer in links]:
            # A link that ended this very moment: its peer is no longer linked.
            with contextlib.suppress(PeerGone):
                links[peer].send(body)
                reached.append(peer)
        return reached

    async def broadcast(self, body: Any, to: str | Iterable[str] | None = None) -> None:
        """Say something through the database: those who are not linked to us hear it as well.

        One write, or one for each of ``to``. At most 16 a second; who reads too slowly misses
        those that 16 others have followed.

        :param body: any JSON value of at most 16,384 characters.
        :param to: a peer id, or several (16 at most): heard by them alone; default: all.
        :raises ConfigError: if it is no such value.
        """
        await self._broadcasts.send(body, to)

    async def request(self, peer: str, body: Any, timeout: float = 10.0) -> Any:
        """Ask a peer we are linked to, and wait for its reply.

        :returns: the reply's body.
        :raises PeerGone: if we are not linked to it.
        :raises NoReply: if none comes within ``timeout`` seconds.
        :raises RequestRefused: if it has no handler, or that failed.
        """
        link = self.link(peer)
        if link is None:
            raise PeerGone(f"There is no link to {schema.decode_id(peer)!r}: it can't be asked.")
        return await link.request(body, timeout)

    @property
    def on_request(self) -> Handler | None:
        """Answers the others' requests: given the peer's id and the body, it returns the reply's,
        or an awaitable of it."""
        return self._handler

    @on_request.setter
    def on_request(self, handler: Handler | None) -> None:
        self._handler = handler
        for peer, link in self.links.items():
            self._answer_requests(peer, link)

    # What is sent.

    async def add_track(self, track: MediaStreamTrack, name: str = "") -> None:
        """Send one more track to everybody we are linked to, and to those to come.

        :param name: what the others see it called: ``camera``, ``screen``, at most 64 characters.
        :raises ConfigError: if it is sent already, or that is no name.
        """
        await self._shared.add(track, name)

    async def remove_track(self, track: MediaStreamTrack) -> None:
        """Send a track no longer that was added."""
        await self._shared.remove(track)

    async def replace_track(self, old: MediaStreamTrack, new: MediaStreamTrack) -> None:
        """Send another track of the same kind in the place of one that was added."""
        await self._shared.replace(old, new)

    # Rings.

    async def ring(
        self,
        peer: str,
        media: Media,
        *,
        timeout: float = schema.RING_SECONDS,
        metadata: Any = None,
        on_call: Callable[[Call], object] | None = None,
    ) -> Call:
        """Call one peer of the room and wait until it is connected.

        :param peer: id of a peer that is in the room.
        :param timeout: seconds it rings.
        :param metadata: any JSON value, for the other side to read before it answers.
        :param on_call: given the call before it connects, to hear of its tracks.
        :returns: a connected call; close it in the end.
        :raises NoAnswer: if there is no such peer, or it doesn't answer in time.
        :raises Rejected: (or :exc:`Busy`) if it says no.
        :raises PathUnreachable: if no connection opens.
        """
        return await ringing.ring(
            self, peer, media, timeout=timeout, metadata=metadata, on_call=on_call
        )

    async def ring_first(
        self,
        peers: Iterable[str],
        media: Media,
        *,
        timeout: float = schema.RING_SECONDS,
        metadata: Any = None,
    ) -> Call:
        """Call several peers at once; the first to accept gets the call, the others learn that.

        :raises NoAnswer: (or another error) if none of them accepts: why the last one didn't.
        """
        return await ringing.ring_first(self, peers, media, timeout=timeout, metadata=metadata)

    # Moderation.

    async def remove(self, peer: str, reason: str = "") -> None:
        """Put a peer out of the room, and keep it out; moderators only.

        :param reason: told to the peer.
        """
        known = self.peers.get(peer)
        session = known.session if known is not None else ""
        # Noted first: that it has gone may be seen before the commit returns.
        self._put_out.add(session)
        try:
            await moderation.remove(self, peer, reason)
        except PermissionDenied:
            self._put_out.discard(session)
            raise

    async def lock(self, locked: bool = True) -> None:
        """Let nobody else in (or in again), or do again; moderators only. Those inside stay."""
        await moderation.lock(self, locked)
        if not self._locks.listening:
            self._note_lock(locked)
            return
        # The listener tells it, once: after what it was still about to tell.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while self._locked != locked:
                    self._lock_noted.clear()
                    await self._lock_noted.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.leave()
