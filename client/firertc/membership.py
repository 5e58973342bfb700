"""What it is to be in a room: who is there, which calls are ours, what number the next one has.

:mod:`firertc.ringing` and :mod:`firertc.mesh` work on this; :class:`firertc.Room` fills it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from pyee.asyncio import AsyncIOEventEmitter

from . import mending, schema
from .call import Call
from .errors import FireRTCError
from .link import Link, LinkState
from .mending import Attempt
from .negotiation import UNREACHABLE_SECONDS, CallState
from .repair import takes_repair
from .schema import Call as CallFields
from .schema import Peer
from .sealing import Seal
from .session import Session
from .signaling import DISCARD_SECONDS, CallDocument, Terms

REPAIR_RULE_READS = 2
"""To allow a repair's offer the rules read both peers' documents; to allow its answer one."""
REPAIR_ANSWER_RULE_READS = 1
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
        self._linked: set[Call] = set()
        """Calls whose links are mended in the room."""
        self._taking: dict[Call, asyncio.Task[None]] = {}
        """Repairs of theirs that are being answered."""
        self.take_direct: Callable[[CallFields], None] = lambda fields: None
        """Given a direct offer that repairs nothing: the mesh's, in a room that connects all."""
        self._dismissing: set[asyncio.Task[None]] = set()
        self._ending = asyncio.Event()
        """Set once nobody need be told any more why a call stopped."""
        self.on("left", self._on_left)

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
        self.mend(call)
        self.emit("link", call.link)
        call.link.once("closed", lambda end: self.emit("unlinked", call.link, end))

    # Repair.

    def mend(self, call: Call) -> None:
        """Let a call's link be repaired in the room while it and its peer are in."""

        def next_attempt() -> Attempt | None:
            peer = self.peers.get(call.remote)
            if peer is None or peer.session != call.remote_session:
                return None
            number = self.next_attempt(call.remote)
            path = f"{self.calls_path}/"
            path += schema.direct_id(self.session.peer, call.remote, number)
            terms = Terms(
                "direct",
                UNREACHABLE_SECONDS + schema.LEASE_SLACK_SECONDS,
                receiver=call.remote,
                receiver_session=call.remote_session,
                attempt=number,
                metadata=mending.mark(call),
                replace=True,
            )
            document = CallDocument(self.session, path, self.seal, rule_reads=REPAIR_RULE_READS)
            return Attempt(document, terms)

        async def mend(link: Link) -> None:
            if link.side == "offerer":
                await mending.offer_repairs(call, next_attempt)
            else:
                # The other side offers: see `offered`.
                await link.settled()

        self._linked.add(call)
        call.link.mend = mend
        call.link.once("closed", lambda end: self._linked.discard(call))

    def offered(self, fields: CallFields) -> None:
        """A direct offer to us: the repair of a link, or a new one."""
        document = CallDocument(
            self.session, fields.path, self.seal, rule_reads=REPAIR_ANSWER_RULE_READS
        )
        if not mending.is_repair(document, fields):
            self.take_direct(fields)
            return
        offer = mending.offered(document, fields)
        fitting = [call for call in self._linked if takes_repair(offer, mending.standing(call))]
        if not fitting:
            return
        # Of several the broken one.
        call = next((c for c in fitting if c.link.state is LinkState.RECONNECTING), fitting[0])
        older = self._taking.get(call)

        async def take() -> None:
            if older is not None:
                older.cancel()
                await asyncio.gather(older, return_exceptions=True)
            await mending.take_repair(call, document, fields)

        task = self._taking[call] = asyncio.create_task(take(), name="firertc-take-repair")
        task.add_done_callback(lambda done: self._taken(call, done))

    def _taken(self, call: Call, task: asyncio.Task[None]) -> None:
        if self._taking.get(call) is task:
            del self._taking[call]
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error

    def _on_left(self, peer: Peer) -> None:
        for call in list(self._linked):
            if call.remote == peer.id and call.remote_session == peer.session:
                self._spawn(call.close("left"))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._dismissing.add(task)
        task.add_done_callback(self._dismissing.discard)

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

        self._spawn(work())

    async def end_calls(self) -> None:
        """End the calls that belong to the room, at once."""
        # Not cancelled: a call that is being closed still has its document to delete.
        self._ending.set()
        for task in list(self._taking.values()):
            task.cancel()
        await asyncio.gather(*self._taking.values(), return_exceptions=True)
        await asyncio.gather(*self._dismissing, return_exceptions=True)
        await asyncio.gather(*(call.close() for call in self._calls))
