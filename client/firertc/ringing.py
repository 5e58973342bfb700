"""Ringing: a call that connects only if the one who is called accepts it.

A ring is always a direct offer to one peer of a room. Every way it can go settles what the caller
awaits: accepted, rejected, busy, cancelled, unanswered, answered elsewhere, gone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from . import schema
from .call import Call, Media
from .errors import FireRTCError, NoAnswer, SealBroken
from .membership import Membership
from .negotiation import Over, callee_step
from .schema import Call as CallFields
from .signaling import CallDocument, Terms
from .timing import Timing

if TYPE_CHECKING:
    from aiortc.contrib.media import MediaRelay

RING_RULE_READS = 2
"""To allow a ring the rules read both peers' documents; to allow its answer one."""
ANSWER_RULE_READS = 1


class Ring:
    """A call that rings here.

    Accept or reject it; :meth:`stopped` settles if it ends without that.
    """

    def __init__(self, room: Membership, document: CallDocument, call: CallFields) -> None:
        self._room = room
        self._document = document
        self._call = call
        loop = asyncio.get_running_loop()
        self._stopped: asyncio.Future[str] = loop.create_future()
        # A caller that dies without a word deletes nothing: its lease ends the ringing.
        lease = max(0.0, call.lease_until.timestamp() - room.session.now())
        self._expiry = loop.call_later(lease, self.settle, "no-answer")
        self.caller = call.sender
        """Peer id of who calls."""
        self.metadata = _metadata(document, call)
        """What the caller said with it: any JSON value."""

    @property
    def ringing(self) -> bool:
        """Whether it can still be accepted."""
        return not self._stopped.done()

    async def accept(
        self, media: Media, *, on_call: Callable[[Call], object] | None = None
    ) -> Call:
        """Take the call.

        :param on_call: given the call before it connects, to hear of its tracks.
        :returns: a connected call; close it in the end.
        :raises CallError: if the caller has stopped meanwhile.
        :raises PathUnreachable: if no connection opens.
        """
        if self._stopped.done():
            raise NoAnswer(f"It no longer rings: {self._stopped.result()}.")
        self.settle("accepted")
        call = Call(self._room.session, self._document, media, "answerer", timing=Timing())
        try:
            if on_call is not None:
                on_call(call)
            await call.take(self._call)
        except BaseException:
            await call.close("failed")
            raise
        self._room.hold(call)
        return call

    async def reject(self, reason: str = "rejected") -> None:
        """Say no; the caller is told the reason: ``rejected`` or ``busy``."""
        if self._stopped.done():
            return
        self.settle(reason)
        # The caller may be gone already, and its document with it.
        with contextlib.suppress(FireRTCError):
            await self._document.end(reason)

    async def stopped(self) -> str:
        """Wait until it no longer rings.

        :returns: ``accepted``, ``rejected``, ``busy``, ``cancelled``, ``answered-elsewhere``,
            ``no-answer``…
        """
        return await asyncio.shield(self._stopped)

    def is_of(self, call: CallFields) -> bool:
        """Whether a document at its path is still this ring."""
        return call.sender_session == self._call.sender_session

    def update(self, call: CallFields | None) -> None:
        """What the document says now; None: it is gone."""
        step = callee_step(call, self._room.session.peer)
        if isinstance(step, Over):
            self.settle(step.reason)

    def settle(self, reason: str) -> None:
        """It rings no longer."""
        self._expiry.cancel()
        if not self._stopped.done():
            self._stopped.set_result(reason)


def _metadata(document: CallDocument, call: CallFields) -> Any:
    try:
        text = document.metadata(call)
        return None if text is None else schema.parse_json(text)
    except (SealBroken, ValueError):
        return None


async def ring(
    room: Membership,
    peer: str,
    media: Media,
    *,
    timeout: float = schema.RING_SECONDS,
    metadata: Any = None,
    timing: Timing | None = None,
    on_call: Callable[[Call], object] | None = None,
) -> Call:
    """Call one peer of the room and wait until it is connected.

    :param peer: id of a peer that is in the room.
    :param timeout: seconds it rings.
    :param on_call: given the call before it connects, to hear of its tracks.
    :raises NoAnswer: if there is no such peer, or it doesn't answer in time.
    :raises Rejected: (or :exc:`Busy`) if it says no.
    :raises PathUnreachable: if no connection opens.
    """
    call = await place(room, peer, media, timeout=timeout, metadata=metadata, timing=timing)
    if on_call is not None:
        on_call(call)
    try:
        await call.answered(timeout)
    except BaseException:
        await call.close("cancelled")
        raise
    room.hold(call)
    return call


async def place(
    room: Membership,
    peer: str,
    media: Media,
    *,
    timeout: float = schema.RING_SECONDS,
    metadata: Any = None,
    timing: Timing | None = None,
) -> Call:
    """Let it ring, without waiting for an answer."""
    target = room.peers.get(peer)
    if target is None:
        here = ", ".join(sorted(repr(schema.decode_id(p)) for p in room.others)) or "nobody"
        raise NoAnswer(f"{schema.decode_id(peer)!r} is not in the room. There: {here}.")
    attempt = room.next_attempt(peer)
    path = f"{room.calls_path}/{schema.direct_id(room.session.peer, peer, attempt)}"
    document = CallDocument(room.session, path, room.seal, rule_reads=RING_RULE_READS)
    call = Call(room.session, document, media, "offerer", timing=timing)
    try:
        await call.place(
            Terms(
                "ring",
                timeout + schema.LEASE_SLACK_SECONDS,
                receiver=peer,
                receiver_session=target.session,
                attempt=attempt,
                metadata=metadata,
                replace=True,
            )
        )
    except BaseException:
        await call.close("failed")
        raise
    return call


def _copied(media: Media, relay: MediaRelay) -> Media:
    copies = {track: relay.subscribe(track) for track in (*media.sending.values(), *media.more)}
    return Media(
        {kind: copies[track] for kind, track in media.sending.items()},
        media.receiving,
        tuple(copies[track] for track in media.more),
        {copies[track]: name for track, name in media.names.items() if track in copies},
        media.ice_servers,
    )


async def ring_first(
    room: Membership,
    peers: Iterable[str],
    media: Media,
    *,
    timeout: float = schema.RING_SECONDS,
    metadata: Any = None,
) -> Call:
    """Call several peers at once; the first to accept gets the call, the others learn that.

    :raises NoAnswer: (or another error) if none of them accepts: why the last one didn't.
    """
    targets = list(peers)
    if len(targets) > 1 and (media.sending or media.more):
        # A track can be sent over several connections only through a relay.
        from aiortc.contrib.media import MediaRelay

        relay = MediaRelay()
        medias = [_copied(media, relay) for _ in targets]
    else:
        medias = [media] * len(targets)
    calls: list[Call] = []

    async def attempt(peer: str, part: Media) -> Call:
        call = await place(room, peer, part, timeout=timeout, metadata=metadata)
        calls.append(call)
        await call.answered(timeout)
        return call

    pending = {
        asyncio.create_task(attempt(peer, part)) for peer, part in zip(targets, medias, strict=True)
    }
    tasks = tuple(pending)
    winner: Call | None = None
    last: FireRTCError | None = None
    try:
        while pending and winner is None:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                try:
                    winner = winner or task.result()
                except FireRTCError as error:
                    # One who isn't there, says no or sends nonsense doesn't spoil it for the rest.
                    last = error
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for call in calls:
            if call is not winner:
                room.dismiss(call, "answered-elsewhere" if winner else "cancelled")
    if winner is None:
        raise last or NoAnswer("There was nobody to call.")
    room.hold(winner)
    return winner
