"""One side of a call: its offer or answer, the states it goes through, and its link."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiortc import MediaStreamTrack

from . import negotiation
from .connection import Connection, is_complete
from .database import PATIENCE_SECONDS, Create, Replace, Update
from .errors import (
    AnsweredElsewhere,
    Busy,
    CallError,
    Cancelled,
    FireRTCError,
    NoAnswer,
    PeerGone,
    Rejected,
)
from .link import Link, LinkEnd, Side
from .negotiation import NEXT_STATES, Accept, CallState, Over
from .schema import Call as CallFields
from .session import Session
from .signaling import DISCARD_SECONDS, CallDocument, Part, Terms
from .timing import Timing

Calls = AsyncIterator[CallFields | None]
"""A call's states as its document shows them; None: the document is gone."""


@dataclass
class Media:
    """What a call carries."""

    sending: Mapping[str, MediaStreamTrack] = field(default_factory=dict)
    """Tracks by kind: ``audio``, ``video``."""
    receiving: frozenset[str] = frozenset({"audio", "video"})
    """The kinds wanted from the other side."""
    more: tuple[MediaStreamTrack, ...] = ()
    """Further tracks to send: several of one kind."""
    names: Mapping[MediaStreamTrack, str] = field(default_factory=dict)
    """What tracks that are sent are called, for the other side to see (:meth:`Link.name_of`)."""
    ice_servers: Sequence[Mapping[str, Any]] | None = None
    """``RTCIceServer`` dictionaries for this call and its repairs, in place of the session's; None:
    those of the session."""
    keep: bool = False
    """Leave the tracks that were sent running when the call ends, to send them in the next: whoever
    made them stops them. Else they end with it."""


class Call:
    """One side of a call that is being made, or stands.

    Made in :mod:`firertc.one_off` and by rooms. It ends when it is closed,
    and leaves nothing in the database.

    :param link: one that broke: the call then only brings it another connection.
    """

    def __init__(
        self,
        session: Session,
        document: CallDocument,
        media: Media,
        side: Side,
        *,
        code: str = "",
        timing: Timing | None = None,
        on_state: Callable[[CallState], None] | None = None,
        link: Link | None = None,
    ) -> None:
        self.session = session
        self.code = code
        """The code that was shared; empty in a room."""
        self.document = document
        self.media = media
        self.state = CallState.NEW
        self.states = [CallState.NEW]
        """Every state so far, in order."""
        self.timing = timing or Timing()
        self.remote = ""
        """Peer id of the other side, once known."""
        self.remote_session = ""
        """Its session."""
        self._on_state = on_state
        self._repairs = link is not None
        self._expected: tuple[str, str | None] | None = None
        if link is None:
            self.link = Link(
                Connection(
                    session.ice_servers,
                    own_ice_servers=media.ice_servers,
                    sending=media.sending,
                    more=media.more,
                    receiving=media.receiving,
                    names=media.names,
                ),
                side,
            )
            self.link.keeps_tracks = media.keep
            self.carrier = self.link.carrier
        else:
            self.link = link
            self.carrier = link.carry(Connection(session.ice_servers, like=link.connection))
        self._trickling: asyncio.Task[None] | None = None
        self._discarding: asyncio.Task[None] | None = None
        self._ours = False
        """Whether there may be a document that we have to delete."""
        self._complete = True
        """Whether our description has all our candidates."""
        self._offer = ""
        """The other side's offer, once read."""

    @property
    def connection(self) -> Connection:
        """The connection that is being made, or that the link runs on."""
        return (self.carrier if self._repairs else self.link.carrier).connection

    async def _opened(self) -> None:
        """Wait until what is being made is open."""
        if self._repairs:
            await self.carrier.opened(negotiation.UNREACHABLE_SECONDS)
        else:
            await self.link.opened()

    def _know(self, peer: str, session: str) -> None:
        wanted, within = self._expected or (peer, session)
        if wanted != peer or (within or session) != session:
            raise AnsweredElsewhere("Somebody else answered in the other side's place.")
        self.remote = self.link.remote = peer
        self.remote_session = session

    def expect(self, peer: str, session: str | None) -> None:
        """Take an answer of this peer only, and in this session; None: in any."""
        self._expected = (peer, session)

    # The waiting side.

    async def prepare_offer(self, terms: Terms) -> Create | Replace:
        """Make the offer, to be written with others in one commit; then :meth:`placed`."""
        offer = await self.connection.offer()
        self.timing.mark("offer")
        self._complete = offer.complete
        self._ours = True
        return self.document.offer_change(terms, offer.sdp)

    def placed(self) -> None:
        """The offer is written."""
        self.timing.mark("offer written")
        self._enter(CallState.WAITING)
        if not self._complete:
            self._trickle("offer", None)

    async def place(self, terms: Terms) -> None:
        """Make and write the offer.

        :raises PermissionDenied: if the rules refuse it.
        """
        await self.document.publish(await self.prepare_offer(terms))
        self.placed()

    async def answered(self, timeout: float) -> None:
        """Wait for the answer, take it, and wait until the link is open; then the document is
        deleted.

        :param timeout: seconds for the answer to come; the link has 20 s more.
        :raises NoAnswer: if nobody answers in time.
        :raises Rejected: (or :exc:`Busy`) if the other side said no.
        :raises PathUnreachable: if the link doesn't open.
        """
        if self._trickling is not None:
            # An answer can't be taken before our candidates are all found (see Connection.accept),
            # and a listener that comes after they are written has one change less to read.
            await asyncio.wait({self._trickling}, timeout=timeout)
        listener = self.document.listen()
        try:
            calls = self.document.calls(listener)
            call = await self._first_answer(calls, timeout)
            self._know(call.receiver, call.receiver_session)
            self.timing.mark("answer read")
            self._enter(CallState.CONNECTING)
            answer = self.document.description("answer", call)
            await self.connection.accept(answer)
            candidates = self.document.candidates("answer", call)
            await self.connection.add_candidates(candidates)
            if is_complete(answer, candidates):
                await self._opened()
            else:
                await self._open_with_candidates("answer", calls)
        finally:
            listener.close()
        await self._connected()

    async def _first_answer(self, calls: Calls, timeout: float) -> CallFields:
        try:
            async with asyncio.timeout(timeout):
                async for call in calls:
                    match negotiation.offerer_step(call, self.session.peer):
                        case Accept() if call is not None:
                            return call
                        case Over(reason):
                            raise ended(reason)
        except TimeoutError:
            raise NoAnswer(
                f"Nobody answered within {timeout:.0f} s. Try again with a new code."
                if self.code
                else f"Nobody answered within {timeout:.0f} s."
            ) from None
        raise PeerGone("The session ended while waiting for an answer.")

    # The side that comes.

    async def take(self, call: CallFields) -> None:
        """Answer an offer that was read, and wait until the link is open.

        :raises AnsweredElsewhere: if somebody else was faster.
        :raises NoAnswer: if the caller has given up.
        :raises PathUnreachable: if the link doesn't open.
        """
        change = await self.prepare_answer(call)
        opening = asyncio.create_task(
            self.carrier.opened(None) if self._repairs else self.link.opened(None)
        )
        writing = asyncio.create_task(self.document.answer(change))
        try:
            # If the link opens the answer has arrived, even if the database's reply was lost.
            await asyncio.wait({opening, writing}, return_when=asyncio.FIRST_COMPLETED)
            if not opening.done():
                await writing
        except CallError:
            if not self.carrier.is_open:
                raise
        finally:
            for task in (opening, writing):
                task.cancel()
            await asyncio.gather(opening, writing, return_exceptions=True)
        await self.follow(call)

    async def prepare_answer(self, call: CallFields) -> Update:
        """Make the answer, to be written with others in one commit; then :meth:`follow`.

        :raises DocumentMalformed: if the offer can't be used.
        """
        self._know(call.sender, call.sender_session)
        self._offer = self.document.description("offer", call)
        answer = await self.connection.answer(self._offer)
        self.timing.mark("answer")
        self._complete = answer.complete
        return self.document.answer_change(call, answer.sdp)

    async def follow(self, call: CallFields) -> None:
        """The answer is written: wait until the link is open.

        :raises PathUnreachable: if it doesn't open.
        """
        self._ours = True
        self.timing.mark("answer written")
        self._enter(CallState.CONNECTING)
        if not self._complete:
            self._trickle("answer", call)
        candidates = self.document.candidates("offer", call)
        await self.connection.add_candidates(candidates)
        if is_complete(self._offer, candidates):
            await self._opened()
        else:
            listener = self.document.listen()
            try:
                await self._open_with_candidates("offer", self.document.calls(listener))
            finally:
                listener.close()
        # The offerer deletes the document.
        self._ours = False
        await self._connected()

    # Both.

    async def _open_with_candidates(self, part: Part, calls: Calls) -> None:
        """Wait for the link while the other side's candidates come in."""

        async def follow() -> None:
            async for call in calls:
                if call is None:
                    return
                await self.connection.add_candidates(self.document.candidates(part, call))

        following = asyncio.create_task(follow())
        opening = asyncio.create_task(self._opened())
        try:
            await asyncio.wait({following, opening}, return_when=asyncio.FIRST_COMPLETED)
            if following.done() and not opening.done():
                following.result()
            await opening
        finally:
            for task in (following, opening):
                task.cancel()
            await asyncio.gather(following, opening, return_exceptions=True)

    def _trickle(self, part: Part, call: CallFields | None) -> None:
        async def send() -> None:
            texts = await self.connection.late_candidates()
            # Refused or unreachable: the link opens without them, or its opening times out.
            with contextlib.suppress(FireRTCError):
                await self.document.add_candidates(part, texts, call)

        self._trickling = asyncio.create_task(send(), name="firertc-trickle")

    async def _connected(self) -> None:
        self.timing.mark("open")
        self._enter(CallState.CONNECTED)
        await self._stop_trickling()
        if self._ours:
            self._ours = False
            self._discarding = asyncio.create_task(self._discard(), name="firertc-discard")

    async def _discard(self) -> None:
        """Beside the call: a database that is away for a while must not hold it up."""
        await self.document.discard(PATIENCE_SECONDS)
        self.timing.mark("document deleted")

    async def _stop_trickling(self) -> None:
        if self._trickling is not None:
            self._trickling.cancel()
            await asyncio.gather(self._trickling, return_exceptions=True)
            self._trickling = None

    def _enter(self, state: CallState) -> None:
        if state is self.state:
            return
        if state not in NEXT_STATES[self.state]:
            raise RuntimeError(f"a call can't go from {self.state.value} to {state.value}")
        self.state = state
        self.states.append(state)
        if self._on_state is not None:
            self._on_state(state)

    def disown(self) -> None:
        """Somebody else deletes the document, in a commit of several."""
        self._ours = False

    async def closed(self) -> LinkEnd:
        """Wait until the link ends, and say how."""
        return await self.link.closed()

    async def close(self, reason: str = "hangup") -> None:
        """Hang up, or give up: whatever state it is in, and leave nothing in the database."""
        if self.state is CallState.ENDED:
            return
        self._enter(CallState.ENDED)
        await self._stop_trickling()
        if self._repairs:
            self.link.abandon(self.carrier)
        else:
            await self.link.hang_up(reason)
        if self._ours:
            self._ours = False
            await self.document.discard()
        if self._discarding is not None:
            await asyncio.wait({self._discarding}, timeout=DISCARD_SECONDS)
            self._discarding.cancel()
            await asyncio.gather(self._discarding, return_exceptions=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close("hangup" if error is None else "failed")


_REASONS: Mapping[str, Callable[[], CallError]] = {
    "rejected": lambda: Rejected("The other side rejected the call."),
    "busy": lambda: Busy("The other side is in another call."),
    "cancelled": lambda: Cancelled("The caller gave up."),
    "answered-elsewhere": lambda: AnsweredElsewhere("Somebody else answered this call first."),
    "gone": lambda: PeerGone(
        "The other side left, or the call's document was deleted, before anybody answered."
    ),
    "no-answer": lambda: NoAnswer("Nobody answered in time."),
}


def ended(reason: str) -> CallError:
    """The error for a call that ended before it connected."""
    made = _REASONS.get(reason)
    return made() if made is not None else CallError(f"The call ended: {reason[:64]!r}.")
