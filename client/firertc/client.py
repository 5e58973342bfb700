"""The front door: one object that makes calls and enters rooms with one configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from . import session as sessions
from .call import Call, Media
from .config import Config, load_config
from .database import Operations
from .looking import RoomView
from .negotiation import CallState
from .one_off import WAIT_SECONDS, come_with_code, wait_at_code
from .resuming import BACK_SECONDS, resume_call
from .room import Room
from .schema import DEFAULT_ROOM
from .sealing import Seal
from .session import Credentials, Session
from .stay import Connect
from .timing import Timing


class Client:
    """Makes calls and enters rooms.

    ::

        async with Client() as client:
            call = await client.wait_at_code(Media())
            print(call.code)
            await call.answered(60)
            call.link.send("hello")

    :param config: default: what :func:`firertc.load_config` finds.
    :param server_token: made by the realm's own server, where keys alone don't let anybody in.
    """

    def __init__(self, config: Config | None = None, *, server_token: str | None = None) -> None:
        self.config = config or load_config()
        self._server_token = server_token
        self._sessions: list[Session] = []
        self._open: list[Call | Room] = []
        self._looking: Session | None = None
        """Looks into rooms without being bound to one."""
        self.on_outage: Callable[[bool], None] = lambda down: None
        """Told ``True`` when the database stops answering, ``False`` when it does again."""

    async def join(
        self,
        *,
        room: str | None = None,
        peer: str | None = None,
        call: str | None = None,
        resume: str | None = None,
        credentials: Credentials | None = None,
    ) -> Session:
        """Join the realm; see :func:`firertc.join`. The session is closed with the client.

        :param credentials: in place of the client's server-made token.
        """
        session = await sessions.join(
            self.config,
            room=room,
            peer=peer,
            call=call,
            resume=resume,
            server_token=self._server_token if credentials is None else None,
            credentials=credentials,
        )
        session.database.on_outage = lambda down: self.on_outage(down)
        self._sessions.append(session)
        return session

    async def wait_at_code(
        self,
        media: Media | None = None,
        *,
        code: str | None = None,
        wait_seconds: float = WAIT_SECONDS,
        on_code: Callable[[str], None] | None = None,
        on_state: Callable[[CallState], None] | None = None,
        timing: Timing | None = None,
    ) -> Call:
        """Make a code and wait at it; see :func:`firertc.wait_at_code`."""

        async def open_session(seal: Seal) -> Session:
            return await self.join(call=seal.call)

        call = await wait_at_code(
            open_session,
            self.config.project,
            media or Media(),
            code=code,
            wait_seconds=wait_seconds,
            on_code=on_code,
            on_state=on_state,
            timing=timing,
        )
        self._open.append(call)
        return call

    async def come_with_code(
        self,
        code: str,
        media: Media | None = None,
        *,
        on_state: Callable[[CallState], None] | None = None,
        on_call: Callable[[Call], object] | None = None,
        timing: Timing | None = None,
    ) -> Call:
        """Answer who waits at a code; see :func:`firertc.come_with_code`."""
        call = await come_with_code(
            self.join,
            self.config.project,
            code,
            media or Media(),
            on_state=on_state,
            on_call=on_call,
            timing=timing,
        )
        self._open.append(call)
        return call

    async def resume(
        self,
        lost: Call,
        media: Media | None = None,
        *,
        wait_seconds: float = BACK_SECONDS,
        on_state: Callable[[CallState], None] | None = None,
        on_call: Callable[[Call], object] | None = None,
    ) -> Call:
        """Go on with a call by code whose other side's page is being loaded anew.

        ::

            end = await call.closed()
            while end.may_return:
                call = await client.resume(call)
                end = await call.closed()

        The page comes back as the same peer, and both meet at their code again; nobody else is let
        in. It is another call with a link of its own: its events are to be registered for again,
        and a message that was not confirmed (:meth:`Link.flush`) is lost.

        :param media: default: those of the lost call, if it sent nothing or ``keep`` is set in it.
        :param on_state: told of every state of each attempt.
        :param on_call: given the call of each attempt before it connects, to hear of its tracks.
        :returns: a connected call; close it in the end.
        :raises ConfigError: if the call has no code, or its tracks ended with it.
        :raises NoAnswer: if the other side does not come back in time.
        :raises PathUnreachable: if it does, and no connection opens.
        """
        call = await resume_call(
            lost, media, wait_seconds=wait_seconds, on_state=on_state, on_call=on_call
        )
        self._open.append(call)
        return call

    async def enter(
        self,
        room: str = DEFAULT_ROOM,
        *,
        peer: str | None = None,
        connect: Connect = "none",
        data: Any = None,
        media: Callable[[], Media] = Media,
        sends: Mapping[str, bool] | None = None,
        passphrase: str | None = None,
        on_event: Callable[[Room], object] | None = None,
        resume: str | None = None,
        credentials: Credentials | None = None,
    ) -> Room:
        """Go into a room; see :meth:`firertc.Room.enter`.

        :param room: its name; default: ``main``.
        :param peer: the name to be known by; default: a random id.
        :param media: asked once for each link of a room that connects all, what it carries.
        :param passphrase: seals a room that doesn't exist yet, opens a sealed one.
        :param on_event: given the room before it is entered, to register for its events.
        :param resume: ``room.session.resume`` of an earlier stay: the same peer comes back, also
            after a crash, in another session.
        :param credentials: signed for this room; in place of the client's server-made token.
        :raises RoomFull: if it holds as many as it takes.
        """
        session = await self.join(room=room, peer=peer, resume=resume, credentials=credentials)
        entered = await Room.enter(
            session,
            room,
            connect=connect,
            data=data,
            media=media,
            sends=sends,
            passphrase=passphrase,
            on_event=on_event,
        )
        self._open.append(entered)
        return entered

    async def look(self, room: str = DEFAULT_ROOM, *, passphrase: str | None = None) -> RoomView:
        """See who is in a room without going in; see :func:`firertc.looking.look`.

        It takes a session of its own, made at the first look; the key must not want server-made
        tokens that are bound to a room.

        :param passphrase: of a sealed room, to read what its peers say of themselves.
        """
        if self._looking is None:
            self._looking = await self.join()
        return await Room.look(self._looking, room, passphrase)

    @property
    def operations(self) -> Operations:
        """What all of this cost so far."""
        total = Operations()
        for session in self._sessions:
            total.add(session.operations)
        return total

    async def close(self) -> None:
        """End every call, leave every room, close every session."""
        opened, self._open = self._open, []
        for item in opened:
            await (item.close() if isinstance(item, Call) else item.leave())
        await asyncio.gather(*(session.close() for session in self._sessions))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
