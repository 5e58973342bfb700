"""What it is to be in a room: who is there, which calls are ours, what number the next one has.

:mod:`firertc.ringing` and :mod:`firertc.mesh` work on this; :class:`firertc.Room` fills it.
"""

from __future__ import annotations

import asyncio
import contextlib

from pyee.asyncio import AsyncIOEventEmitter

from . import schema
from .call import Call
from .errors import FireRTCError
from .negotiation import CallState
from .schema import Peer
from .sealing import Seal
from .session import Session
from .signaling import DISCARD_SECONDS

ELSEWHERE_SECONDS = 2.0
"""How long a ring that was answered elsewhere stays readable, so that the others learn why it
stopped."""


class Membership(AsyncIOEventEmitter):
    """A peer's place in a room.

    :param session: who we are.
    :param room: the room's id.
    """

    def __init__(self, session: Session, room: str) -> None:
        super().__init__()
        self.session = session
        self.id = room
        """The room's document id."""
        self.peers: dict[str, Peer] = {}
        """Everybody who is in, us included, by peer id."""
        self.path = schema.room_path(session.realm, room)
        self.peers_path = schema.peers_path(session.realm, room)
        self.calls_path = schema.calls_path(session.realm, room)
        self.seal: Seal | None = None
        """Seals what is written in the room; None: it is not sealed."""
        self._attempts: dict[str, int] = {}
        self._calls: set[Call] = set()
        self._dismissing: set[asyncio.Task[None]] = set()
        self._ending = asyncio.Event()
        """Set once nobody need be told any more why a call stopped."""

    @property
    def others(self) -> list[str]:
        """Ids of everybody else who is in."""
        return [peer for peer in self.peers if peer != self.session.peer]

    def next_attempt(self, peer: str) -> int:
        """The number of the next direct offer to a peer."""
        self._attempts[peer] = self._attempts.get(peer, -1) + 1
        return self._attempts[peer]

    def attempt(self, peer: str) -> int:
        """The number of the latest direct offer to a peer."""
        return self._attempts.get(peer, 0)

    def hold(self, call: Call) -> None:
        """A connected call belongs to the room: leaving ends it."""
        self._calls = {known for known in self._calls if known.state is not CallState.ENDED}
        self._calls.add(call)

    def dismiss(self, call: Call, reason: str) -> None:
        """End a call that waits, leaving the reason readable for 2 s."""

        async def work() -> None:
            with contextlib.suppress(FireRTCError, TimeoutError):
                async with asyncio.timeout(DISCARD_SECONDS):
                    await call.document.end(reason)
                if reason == "answered-elsewhere":
                    async with asyncio.timeout(ELSEWHERE_SECONDS):
                        await self._ending.wait()
            await call.close(reason)

        task = asyncio.create_task(work())
        self._dismissing.add(task)
        task.add_done_callback(self._dismissing.discard)

    async def end_calls(self) -> None:
        """End the calls that belong to the room, at once."""
        # Not cancelled: a call that is being closed still has its document to delete.
        self._ending.set()
        await asyncio.gather(*self._dismissing, return_exceptions=True)
        await asyncio.gather(*(call.close() for call in self._calls))
