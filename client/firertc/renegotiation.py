"""Changing the tracks of a link that stands: offers and answers on its control channel.

Only the link's original offerer offers (aiortc has no rollback, so two must not cross); the other
side asks it to.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiortc import MediaStreamTrack

from .carrier import Carrier
from .control import Description, Want
from .errors import ConfigError, PeerGone, ProtocolError

if TYPE_CHECKING:
    from .link import Link

RENEGOTIATION_SECONDS = 10.0
WANTS_MOST = 32
"""Wants of the other side that may wait: each costs a negotiation."""


class Renegotiation:
    """Offers, answers and wants of one link."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._lock = asyncio.Lock()
        self._generation = 0
        self._wanting = asyncio.Lock()
        self._met = asyncio.Event()
        """Set when a wish of ours was met, or the link has ended."""
        self._wants = 0
        """Of the other side, not met yet."""
        self._answers: dict[int, asyncio.Future[str | None]] = {}

    @property
    def in_flight(self) -> bool:
        """Whether an offer waits for its answer."""
        return bool(self._answers)

    async def add(self, track: MediaStreamTrack, name: str) -> None:
        """Send one more track."""
        await self._link.settled()
        connection = self._link.connection
        if connection.sends(track):
            raise ConfigError("That track is sent on this link already.")
        connection.name(track, name)
        if self._link.side == "offerer":
            connection.add(track)
            await self.offer()
        else:
            connection.waiting.append(track)
            await self._wish(track.kind)

    async def remove(self, track: MediaStreamTrack) -> None:
        """Send a track no longer."""
        await self._link.settled()
        self._link.connection.remove(track)
        if self._link.side == "offerer":
            await self.offer()
        else:
            await self._wish()

    async def ask(self) -> None:
        """Negotiate anew what there is: see :meth:`Link.renegotiate`."""
        await self._link.settled()
        if self._link.side == "offerer":
            await self.offer()
        else:
            await self._wish()

    async def _wish(self, *kinds: str) -> None:
        """Ask for an offer (answerer only), one wish at a time, and wait until it is answered.

        :raises PeerGone: if none comes within 10 s.
        """
        async with self._wanting:
            self._link.say(Want(kinds))
            self._met.clear()
            try:
                async with asyncio.timeout(RENEGOTIATION_SECONDS):
                    await self._met.wait()
            except TimeoutError:
                raise PeerGone("The other side didn't offer what was asked for.") from None
            # If the link broke meanwhile, the new connection has it.
            await self._link.settled()

    async def offer(self) -> None:
        """Offer what has changed (offerer only); one at a time.

        :raises PeerGone: if no answer comes within 10 s.
        """
        async with self._lock:
            await self._link.settled()
            connection = self._link.connection
            self._generation += 1
            generation = self._generation
            answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
            self._answers[generation] = answer
            try:
                sdp = await connection.renegotiation()
                self._link.say(Description("offer", generation, sdp))
                async with asyncio.timeout(RENEGOTIATION_SECONDS):
                    accepted = await answer
                    if accepted is not None:
                        await connection.accept(accepted)
                self._link.reconcile()
            except (TimeoutError, asyncio.CancelledError):
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                raise PeerGone("The other side didn't answer the renegotiation.") from None
            finally:
                del self._answers[generation]

    async def take_offer(self, offer: Description) -> None:
        """Answer an offer."""
        async with self._lock:
            carrier = self._link.carrier
            answer = await carrier.connection.answer(offer.sdp)
            carrier.send(Description("answer", offer.generation, answer.sdp))
            self._link.reconcile()
            self._met.set()

    def take_answer(self, answer: Description) -> None:
        """Our offer was answered."""
        waiting = self._answers.get(answer.generation)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer.sdp)

    async def take_want(self, want: Want) -> None:
        """The answerer wants to send more, or no longer sends something."""
        self._wants += 1
        if self._wants > WANTS_MOST:
            raise ProtocolError("The other side wants more and more, without waiting for any.")
        try:
            # One after the other: what one has freed the next may use.
            async with self._wanting:
                async with self._lock:
                    self._link.connection.make_room(want.kinds)
                await self.offer()
        finally:
            self._wants -= 1

    def moved(self, carrier: Carrier) -> None:
        """There is another connection: it has all that was being negotiated."""
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_result(None)
        self._met.set()
        waiting_tracks = carrier.connection.waiting
        if waiting_tracks and self._link.side == "answerer":
            carrier.send(Want(tuple(track.kind for track in waiting_tracks)))
        elif waiting_tracks:
            for track in list(waiting_tracks):
                waiting_tracks.remove(track)
                carrier.connection.add(track)
            self._link.spawn(self.offer())

    def close(self) -> None:
        """The link has ended."""
        for waiting in self._answers.values():
            waiting.cancel()
        self._met.set()
