"""PeerJS's Peer: somebody with an id whom others connect to and call."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, Self

from ... import Client, Config, Media, Ring, Room, load_config
from ...errors import FireRTCError
from ...schema import PEER_ID_BYTES, decode_id, encode_id
from .connection import Connection, DataConnection, MediaConnection, Stream, media_of
from .errors import Emitter, PeerError, PeerErrorType, type_of

ROOM: Final = "peerjs"
"""The room of all peers of a realm, unless ``key`` names another; that of pages is the same."""
RING_SECONDS: Final = 600.0
"""How long a call rings: PeerJS knows no end."""

EXPIRE_SECONDS: Final = 5.0
"""How long a peer that isn't there yet is waited for, as a PeerServer does by default."""

_ID: Final = re.compile(r"[A-Za-z0-9]+(?:[ _-][A-Za-z0-9]+)*")


class Peer(Emitter):
    """Somebody whom others connect to and call. Make it within a running event loop.

    Events: ``open`` (id), ``connection`` (:class:`DataConnection`), ``call``
    (:class:`MediaConnection`), ``disconnected`` (id), ``close``, ``error`` (:class:`PeerError`).

    :param id: letters and digits, with single spaces, ``-`` or ``_`` between them; None: random.
    :param config: where the project is; default: what :func:`firertc.load_config` finds.
    :param key: peers of another key are out of each other's reach.
    :param ice_servers: in place of the project's; with ``urls`` or, in the old form, ``url``.
    :param server_token: made by the realm's own server, where keys alone don't let anybody in.
    """

    def __init__(
        self,
        id: str | None = None,
        *,
        config: Config | None = None,
        key: str = ROOM,
        ice_servers: Iterable[Mapping[str, Any]] | None = None,
        server_token: str | None = None,
    ) -> None:
        super().__init__()
        self.id = id
        """Once it is open, the id under which others reach it."""
        self.open = False
        self.disconnected = False
        self.destroyed = False
        self._config = config
        self._key = key
        self._ice_servers = ice_servers
        self._server_token = server_token
        self._client: Client | None = None
        self._room: Room | None = None
        self._resume: str | None = None
        self._connections: dict[str, list[Connection]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._settled = asyncio.Event()
        """Set when it is open, and when it never will be."""
        self._error: PeerError | None = None
        self._start(self._enter())

    @property
    def connections(self) -> dict[str, list[Connection]]:
        """Every connection, by the other side's id."""
        return {peer: list(those) for peer, those in self._connections.items()}

    async def opened(self) -> str:
        """Wait until it is open.

        :returns: its id.
        :raises PeerError: if it can't be opened.
        """
        await self._settled.wait()
        if not self.open or self.id is None:
            raise self._error or PeerError(PeerErrorType.DISCONNECTED, "The peer is not open.")
        return self.id

    def connect(
        self,
        peer: str,
        *,
        label: str | None = None,
        metadata: Any = None,
        serialization: str = "binary",
        reliable: bool = False,
    ) -> DataConnection:
        """Connect to a peer for data; listen for ``open`` of what is returned.

        :param serialization: ``binary``, ``binary-utf8``, ``json``, ``raw`` or ``MsgPack``.
        :param reliable: told to the other side; every connection is.
        :raises PeerError: ``disconnected``.
        :raises ValueError: there is no such serialization.
        """
        self._require_connected()
        introduction = _introduction("data", "dc", label, metadata) | {
            "serialization": serialization,
            "reliable": reliable,
        }
        connection = DataConnection(peer, introduction, self._forget)
        self._keep(connection)
        self._start(self._ring(connection, introduction, Media(receiving=frozenset())))
        return connection

    def call(self, peer: str, stream: Stream = None, *, metadata: Any = None) -> MediaConnection:
        """Call a peer; listen for ``stream`` of what is returned.

        :param stream: what to send: what :func:`firertc.open_source` opened, a
            :class:`firertc.Media` or tracks.
        :raises PeerError: ``disconnected``.
        """
        self._require_connected()
        introduction = _introduction("media", "mc", None, metadata)
        connection = MediaConnection(peer, introduction, self._forget)
        self._keep(connection)
        self._start(self._ring(connection, introduction, media_of(stream)))
        return connection

    def get_connection(self, peer: str, connection_id: str) -> Connection | None:
        """A connection by the other side's id and its own."""
        those = self._connections.get(peer, [])
        return next((one for one in those if one.connection_id == connection_id), None)

    def list_all_peers(self) -> list[str]:
        """Ids of every peer there is, this one's among them."""
        room = self._room
        return [] if room is None else [decode_id(id) for id in (room.session.peer, *room.others)]

    async def disconnect(self) -> None:
        """Be out of reach. The connections end too: here they live in the room."""
        if self.disconnected:
            return
        self.disconnected = True
        self.open = False
        room, self._room = self._room, None
        if room is not None:
            await room.leave()
        self._settled.set()
        self.emit("disconnected", self.id or "")

    async def reconnect(self) -> str:
        """Come back under the same id, and wait until it is open.

        :raises PeerError: if it can't be opened.
        :raises RuntimeError: if it is destroyed, or not disconnected.
        """
        if self.destroyed:
            raise RuntimeError("This peer cannot reconnect: it has been destroyed.")
        if not self.disconnected:
            raise RuntimeError(f"Peer {self.id} cannot reconnect: it is not disconnected.")
        self.disconnected = False
        self._settled.clear()
        self._start(self._enter())
        return await self.opened()

    async def destroy(self) -> None:
        """End everything, for good."""
        if self.destroyed:
            return
        self.destroyed = True
        await asyncio.gather(*(one.close() for those in self.connections.values() for one in those))
        await self.disconnect()
        me = asyncio.current_task()
        tasks = [task for task in self._tasks if task is not me]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.close()
        self.emit("close")

    async def __aenter__(self) -> Self:
        try:
            await self.opened()
        except BaseException:
            await self.destroy()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.destroy()

    async def _enter(self) -> None:
        try:
            if self.id is not None and not _ID.fullmatch(self.id):
                raise PeerError(PeerErrorType.INVALID_ID, f'ID "{self.id[:80]}" is invalid')
            if self._client is None:
                self._client = Client(self._configured(), server_token=self._server_token)
            room = await self._client.enter(
                self._key,
                peer=self.id,
                resume=self._resume,
                connect="none",
                on_event=self._listen,
            )
        except PeerError as error:
            await self._abort(error)
            return
        except FireRTCError as error:
            refused = PeerError(type_of(error), str(error))
            refused.__cause__ = error
            await self._abort(refused)
            return
        if self.disconnected or self.destroyed:
            await room.leave()
            return
        self._room = room
        self._resume = room.session.resume or None
        self.id = decode_id(room.session.peer)
        self.open = True
        self._settled.set()
        self.emit("open", self.id)

    def _configured(self) -> Config:
        config = self._config or load_config()
        if self._ice_servers is None:
            return config
        servers = []
        for server in self._ice_servers:
            kept = {name: value for name, value in server.items() if name != "url"}
            kept.setdefault("urls", server.get("url", []))
            servers.append(kept)
        return replace(config, ice_servers=tuple(servers))

    async def _abort(self, error: PeerError) -> None:
        """It can't be opened: PeerJS destroys a peer that never had an id, disconnects others."""
        self._error = error
        self.tell(error.type, error)
        await (self.destroy() if self._resume is None else self.disconnect())

    def _listen(self, room: Room) -> None:
        room.on("ring", self._rung)

        def lose(reason: object) -> None:
            if self._room is room:
                self.tell(PeerErrorType.NETWORK, str(reason))
                self._start(self.disconnect())

        room.on("lost", lose)
        room.on("removed", lose)

    def _rung(self, ringing: Ring) -> None:
        introduction = ringing.metadata
        if not _is_introduction(introduction):
            self._start(ringing.reject())
            return
        peer = decode_id(ringing.caller)
        if introduction["type"] == "media":
            called = MediaConnection(peer, introduction, self._forget, ringing)
            self._keep(called)
            self.emit("call", called)
            return
        try:
            connection = DataConnection(peer, introduction, self._forget)
        except ValueError:
            self._start(ringing.reject())
            return
        self._keep(connection)
        self.emit("connection", connection)
        self._start(self._accept(connection, ringing))

    async def _accept(self, connection: DataConnection, ringing: Ring) -> None:
        try:
            connection.connected(await ringing.accept(Media(receiving=frozenset())))
        except FireRTCError as error:
            connection.fail(error)

    async def _ring(
        self, connection: Connection, introduction: Mapping[str, Any], media: Media
    ) -> None:
        try:
            await self._settled.wait()
            if self._room is None:
                raise PeerError(PeerErrorType.DISCONNECTED, "The peer is not open.")
            peer = encode_id(connection.peer, limit=PEER_ID_BYTES, what="peer")
            await self._room.wait_for(peer, EXPIRE_SECONDS)
            if connection.ended or self._room is None:
                return
            call = await self._room.ring(
                peer,
                media,
                timeout=RING_SECONDS,
                metadata=dict(introduction),
                on_call=connection.prepare,
            )
            connection.connected(call)
            if isinstance(connection, DataConnection):
                await connection.open_channel(call)
            else:
                connection.open = True
        except FireRTCError as error:
            if connection.ended:
                return
            if type_of(error) is PeerErrorType.PEER_UNAVAILABLE:
                self.tell(
                    PeerErrorType.PEER_UNAVAILABLE, f"Could not connect to peer {connection.peer}"
                )
                await connection.close()
            else:
                connection.fail(error)
        except PeerError as error:
            connection.fail(error)

    def _require_connected(self) -> None:
        if self.disconnected or self.destroyed:
            raise PeerError(
                PeerErrorType.DISCONNECTED,
                "Cannot connect to new Peer after disconnecting from server.",
            )

    def _keep(self, connection: Connection) -> None:
        self._connections.setdefault(connection.peer, []).append(connection)

    def _forget(self, connection: Connection) -> None:
        left = [one for one in self._connections.get(connection.peer, []) if one is not connection]
        if left:
            self._connections[connection.peer] = left
        else:
            self._connections.pop(connection.peer, None)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="firertc-peerjs")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _introduction(kind: str, prefix: str, label: str | None, metadata: Any) -> dict[str, Any]:
    """What the caller says of a connection when it rings."""
    introduction = {"type": kind, "connectionId": f"{prefix}_{secrets.token_hex(8)}"}
    given = {"label": label, "metadata": metadata}
    return introduction | {name: value for name, value in given.items() if value is not None}


def _is_introduction(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and value.get("type") in ("data", "media")
        and isinstance(value.get("connectionId"), str)
    )
