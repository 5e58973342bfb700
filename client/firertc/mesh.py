"""A room that connects all: every pair of peers ends up with one link.

Each waiting peer keeps one standing offer. A newcomer reads who is there and commits, in one go,
its own presence and answers to the offers it found; its standing offer follows when those links are
open. If that is refused (somebody else took one of them) it goes in first and then makes direct
offers. Of two peers the one who came later makes the connection, and until it has opened that one
alone tries again: so no two offers cross.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from . import schema
from .call import Call, Media
from .database import Change, Delete, Update
from .errors import FireRTCError, PathUnreachable
from .link import Side
from .membership import Membership
from .meshing import (
    ANSWERS_AT_ONCE,
    ANSWERS_MOST,
    REMADE,
    Taken,
    is_from,
    is_usable,
    makes,
    takes,
    try_until,
)
from .negotiation import UNREACHABLE_SECONDS, CallState, Presence
from .schema import Call as CallFields
from .schema import Peer
from .signaling import CallDocument, Terms

STANDING_SECONDS = 1.0
"""The longest time without a standing offer after coming in, or after one was taken."""
STANDING_RULE_READS = 2
DIRECT_RULE_READS = 2
ANSWER_RULE_READS = 1


@dataclass
class _Answer:
    """An answer to a standing offer that was found."""

    call: Call
    offer: CallFields
    change: Update
    written: bool = False
    """Whether it is part of the commit that we come in with."""


class Mesh:
    """The links of one peer of a room that connects all; the room emits their events.

    :param room: the room we are in.
    :param media: asked for what to carry, once for each connection.
    """

    def __init__(self, room: Membership, media: Callable[[], Media]) -> None:
        self.links: dict[str, Call] = {}
        """Connected calls by the other side's peer id."""
        self._room = room
        self._media = media
        self._making: dict[str, asyncio.Task[None]] = {}
        self._taken: dict[str, Taken] = {}
        """By peer: the direct offer that is being answered, or was."""
        self._taking: dict[str, asyncio.Task[None]] = {}
        self._standing: Call | None = None
        self._standing_attempt = -1
        self._standing_over = asyncio.Event()
        """Set when the standing offer no longer waits."""
        self._answering: list[asyncio.Task[_Answer | None]] = []
        self._answered: list[_Answer] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        room.take_direct = self.offered

    # Coming in.

    def found(self, offers: Iterable[CallFields]) -> None:
        """Make answers to the standing offers found, while it is read who is there."""
        me, now = self._room.session.peer, self._room.session.now()
        waiting = [offer for offer in offers if is_usable(offer, me, now)][:ANSWERS_MOST]
        self._answering = [asyncio.create_task(self._prepare_answer(offer)) for offer in waiting]

    async def prepare(self) -> list[Change]:
        """The writes that a newcomer adds to its presence: its answers to those who are there, or
        its standing offer if nobody waits; else that one follows when the links are open."""
        answering, self._answering = self._answering, []
        for answer in await asyncio.gather(*answering):
            if answer is None:
                continue
            sender = self._room.peers.get(answer.offer.sender)
            if is_from(answer.offer, sender.session if sender is not None else None):
                self._answered.append(answer)
            else:
                # A ghost's: its peer document is gone.
                await answer.call.close("failed")
        for answer in self._answered[:ANSWERS_AT_ONCE]:
            answer.written = True
        if not self._answered:
            return [await self._prepare_standing()]
        return [answer.change for answer in self._answered if answer.written]

    @property
    def waiting(self) -> bool:
        """Whether our standing offer is up."""
        return self._standing is not None and self._standing.state is CallState.WAITING

    @property
    def rule_reads(self) -> int:
        """Documents the rules read to allow what :meth:`prepare` returned."""
        written = sum(answer.written for answer in self._answered)
        return ANSWER_RULE_READS * written + STANDING_RULE_READS * (self._standing is not None)

    async def refused(self) -> list[Change]:
        """Give up the answers that were refused.

        :returns: what remains to be written with the presence: the standing offer.
        """
        given_up = [answer for answer in self._answered if answer.written]
        self._answered = [answer for answer in self._answered if not answer.written]
        await asyncio.gather(*(answer.call.close("failed") for answer in given_up))
        return [await self._prepare_standing()]

    def written(self) -> None:
        """What was prepared is in the database: follow it."""
        if self._standing is not None:
            self._standing.placed()
            self._spawn(self._keep_standing(self._standing))
        else:
            self._spawn(self._place_standing())
        answered, self._answered = self._answered, []
        for answer in answered:
            self._make(answer.offer.sender, answer)

    async def _prepare_answer(self, offer: CallFields) -> _Answer | None:
        call = self._call(offer.path, "answerer", ANSWER_RULE_READS)
        try:
            return _Answer(call, offer, await call.prepare_answer(offer))
        except FireRTCError:
            # A hostile or broken offer: its peer is tried with a direct one.
            await call.close("failed")
            return None

    # The standing offer.

    async def _prepare_standing(self) -> Change:
        if self._standing is not None:
            await self._standing.close("failed")
        self._standing_attempt += 1
        path = schema.standing_id(self._room.session.peer, self._standing_attempt)
        over = self._standing_over = asyncio.Event()

        def on_state(state: CallState) -> None:
            if state is not CallState.WAITING:
                over.set()

        path = f"{self._room.calls_path}/{path}"
        call = self._call(path, "offerer", STANDING_RULE_READS, on_state)
        self._standing = call
        return await call.prepare_offer(
            Terms(
                "standing",
                schema.STANDING_OFFER_SECONDS + schema.LEASE_SLACK_SECONDS,
                attempt=self._standing_attempt,
                replace=True,
            )
        )

    async def _keep_standing(self, call: Call) -> None:
        """Once our offer is taken or too old, put up a new one."""
        answered = self._spawn(self._answered_standing(call))
        await self._standing_over.wait()
        await asyncio.wait({answered}, timeout=STANDING_SECONDS)
        self._standing = None
        await self._place_standing()

    async def _place_standing(self) -> None:
        """Put up a standing offer once those links are open that are being made.

        First things first; whoever comes meanwhile makes a direct offer.
        """
        await asyncio.sleep(0)
        if making := set(self._making.values()):
            await asyncio.wait(making, timeout=STANDING_SECONDS)
        if self._closed or self._standing is not None:
            return
        # Unreachable or put out: the next newcomer makes a direct offer.
        with contextlib.suppress(FireRTCError):
            change = await self._prepare_standing()
            await self._room.session.database.commit(change, rule_reads=STANDING_RULE_READS)
            self.written()

    async def _answered_standing(self, call: Call) -> None:
        try:
            await call.answered(schema.STANDING_OFFER_SECONDS)
        except FireRTCError:
            await call.close("failed")
        except asyncio.CancelledError:
            await call.close("cancelled")
            raise
        else:
            self._link(call)

    # Making a connection.

    def see(self, peer: Peer) -> None:
        """A peer is there: if it falls to us, connect to it."""
        mine = self._room.peers.get(self._room.session.peer)
        busy = peer.id in self.links or peer.id in self._making
        if makes(_presence(mine) if mine is not None else None, _presence(peer), busy):
            self._make(peer.id, None)

    def lose(self, peer: str) -> None:
        """A peer has left: its link goes with it."""
        making = self._making.pop(peer, None)
        if making is not None:
            making.cancel()
        self._taken.pop(peer, None)
        taking = self._taking.pop(peer, None)
        if taking is not None:
            taking.cancel()
        call = self.links.get(peer)
        if call is not None:
            self._spawn(call.close("left"))

    def _make(self, peer: str, first: _Answer | None) -> None:
        if peer not in self._making and not self._closed:
            self._making[peer] = self._spawn(self._connect(peer, first))

    async def _connect(self, peer: str, answer: _Answer | None) -> None:
        """Try until it opens: the answered standing offer, then direct ones, at 5 s and 10 s."""
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            if answer is not None and not await self._write(answer):
                answer = None
            until = try_until(clock() - began)
            while until is not None and peer in self._room.peers:
                call = await self._try(peer, answer, until - (clock() - began))
                answer = None
                if call is not None:
                    self._link(call)
                    return
                # Refused at once: no sooner than it would have timed out.
                await asyncio.sleep(max(0.0, until - (clock() - began)))
                until = try_until(clock() - began, until)
            if answer is not None:
                await answer.call.close("failed")
            if peer in self._room.peers:
                error = PathUnreachable(f"No connection to {schema.decode_id(peer)!r} opens.")
                self._room.emit("unreachable", self._room.peers[peer], error)
        finally:
            if self._making.get(peer) is asyncio.current_task():
                del self._making[peer]

    async def _write(self, answer: _Answer) -> bool:
        """Write an answer that was not in the first commit.

        :returns: whether it stands; else somebody else took that offer.
        """
        if answer.written:
            return True
        try:
            await answer.call.document.answer(answer.change)
        except FireRTCError:
            await answer.call.close("failed")
            return False
        except asyncio.CancelledError:
            await answer.call.close("cancelled")
            raise
        return True

    async def _try(self, peer: str, answer: _Answer | None, seconds: float) -> Call | None:
        call = answer.call if answer is not None else self._direct(peer)
        try:
            async with asyncio.timeout(seconds):
                if answer is not None:
                    await call.follow(answer.offer)
                else:
                    await call.place(self._terms(peer))
                    await call.answered(seconds)
            return call
        except (FireRTCError, TimeoutError):
            await call.close("failed")
            return None
        except asyncio.CancelledError:
            await call.close("cancelled")
            raise

    def _direct(self, peer: str) -> Call:
        attempt = self._room.next_attempt(peer)
        path = schema.direct_id(self._room.session.peer, peer, attempt)
        return self._call(f"{self._room.calls_path}/{path}", "offerer", DIRECT_RULE_READS)

    def _terms(self, peer: str) -> Terms:
        return Terms(
            "direct",
            UNREACHABLE_SECONDS + schema.LEASE_SLACK_SECONDS,
            receiver=peer,
            receiver_session=self._room.peers[peer].session,
            attempt=self._room.attempt(peer),
            replace=True,
        )

    def offered(self, fields: CallFields) -> None:
        """A direct offer to us: take it, in place of an older attempt of the same peer's."""
        if not takes(self._taken.get(fields.sender), fields):
            return
        before = self._taking.get(fields.sender)
        if before is not None:
            before.cancel()
        self._taken[fields.sender] = Taken(fields.sender_session, fields.attempt)
        self._taking[fields.sender] = self._spawn(self._take(fields))

    async def _take(self, fields: CallFields) -> None:
        call = self._call(fields.path, "answerer", ANSWER_RULE_READS)
        try:
            await call.take(fields)
        except FireRTCError:
            # The peer that offered tries again.
            await call.close("failed")
        except asyncio.CancelledError:
            await call.close("cancelled")
            raise
        else:
            self._link(call)

    # Links.

    def _link(self, call: Call) -> None:
        before = self.links.get(call.remote)
        self.links[call.remote] = call
        if before is not None:
            self._spawn(before.close("replaced"))
        self._room.mend(call)
        self._spawn(self._watch(call))
        self._room.emit("link", call.link)

    async def _watch(self, call: Call) -> None:
        end = await call.closed()
        await call.close(end.reason)
        if self.links.get(call.remote) is not call:
            return
        del self.links[call.remote]
        self._room.emit("unlinked", call.link, end)
        peer = self._room.peers.get(call.remote)
        if peer is not None and end.reason in REMADE and not self._closed:
            self.see(peer)

    def _call(
        self,
        path: str,
        side: Side,
        rule_reads: int,
        on_state: Callable[[CallState], None] | None = None,
    ) -> Call:
        document = CallDocument(self._room.session, path, self._room.seal, rule_reads=rule_reads)
        return Call(self._room.session, document, self._media(), side, on_state=on_state)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> list[Change]:
        """End every link.

        :returns: what is left to delete in the database.
        """
        self._closed = True
        for answer in await asyncio.gather(*self._answering):
            if answer is not None:
                self._answered.append(answer)
        await asyncio.gather(*(answer.call.close("failed") for answer in self._answered))
        standing, self._standing = self._standing, None
        left: list[Change] = []
        if standing is not None and standing.state is CallState.WAITING:
            left.append(Delete(standing.document.path))
            standing.disown()
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        links = list(self.links.values())
        await asyncio.gather(*(call.close() for call in links))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if standing is not None:
            await standing.close()
        return left


def _presence(peer: Peer) -> Presence:
    return Presence(peer.id, peer.joined_at.timestamp())
