"""Repairing links through the database: attempt after attempt on one side, answers on the other.

When to try is decided in :mod:`firertc.repair`; what a repair does to a link, in
:class:`firertc.Link`. Whatever was written is deleted when the link is open again or given up.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from .call import Call, Media
from .errors import FireRTCError, SealBroken
from .link import Link, LinkState
from .negotiation import UNREACHABLE_SECONDS
from .repair import (
    REPAIR_JITTER_SECONDS,
    Offered,
    Standing,
    repair_delay,
    repair_mark,
    repair_step,
    takes_repair,
)
from .schema import LEASE_SLACK_SECONDS
from .schema import Call as CallFields
from .signaling import CallDocument, Terms

LISTEN_AGAIN_SECONDS = 1.0
FINISH_SECONDS = 5.0
"""How long an attempt that succeeded has to tidy up."""


@dataclass(frozen=True)
class Attempt:
    """One offer to repair a link."""

    document: CallDocument
    terms: Terms


Next = Callable[[], Attempt | None]
"""The next offer to make; None: there is nobody to make it to any more."""


def mark(call: Call) -> dict[str, Any]:
    """The metadata that say which link an offer repairs."""
    return {"repair": "fresh", "link": _name(call)}


def standing(call: Call) -> Standing:
    """What is known of a call's link, to tell whether an offer is its repair."""
    link = call.link
    return Standing(
        call.remote,
        call.remote_session,
        call.session.session,
        link.side,
        link.state.value,
        _name(call),
    )


def _name(call: Call) -> str:
    return call.document.path.rsplit("/", 1)[1]


def offered(document: CallDocument, fields: CallFields) -> Offered:
    """What an offer says that came, as far as repairs go."""
    try:
        metadata = document.metadata(fields)
    except SealBroken:
        metadata = None
    return Offered(fields.sender, fields.sender_session, fields.receiver_session, metadata)


def is_repair(document: CallDocument, fields: CallFields) -> bool:
    """Whether an offer says that it repairs some link."""
    return repair_mark(offered(document, fields).metadata) is not None


async def offer_repairs(call: Call, next_attempt: Next) -> None:
    """Make offers until one opens a connection for a call's link, or in vain.

    Returns, or is cancelled, with nothing left in the database.
    """

    def offer() -> Coroutine[Any, Any, None] | None:
        attempt = next_attempt()
        return None if attempt is None else _offer(call, attempt)

    await try_again(call.link, offer)


async def try_again(link: Link, offer: Callable[[], Coroutine[Any, Any, None] | None]) -> None:
    """Make one attempt after the other to bring a broken link another connection.

    :param offer: the next attempt, which ends when the link is open again, or by being cancelled,
        and leaves nothing; None: there is nobody to make it to any more.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    made = 0
    running: asyncio.Task[None] | None = None
    back = asyncio.create_task(link.settled())
    try:
        await asyncio.wait({back}, timeout=random.uniform(0, REPAIR_JITTER_SECONDS))
        while not back.done():
            step = repair_step(clock() - began, made)
            if step == "give-up":
                return
            if step != "wait":
                await _end(running)
                attempt = offer()
                if attempt is None:
                    return
                made += 1
                running = asyncio.create_task(attempt)
            await asyncio.wait({back}, timeout=max(0.0, repair_delay(made) - (clock() - began)))
        if running is not None:
            # It deletes its document.
            await asyncio.wait({running}, timeout=FINISH_SECONDS)
    finally:
        back.cancel()
        await _end(running)
        await asyncio.gather(back, return_exceptions=True)


async def _offer(call: Call, attempt: Attempt) -> None:
    """Make one offer; whatever goes wrong, there is the next."""
    repair = Call(call.session, attempt.document, Media(), "offerer", link=call.link)
    repair.expect(call.remote, call.remote_session)
    try:
        await repair.place(attempt.terms)
        await repair.answered(UNREACHABLE_SECONDS)
        await call.link.settled()
    except FireRTCError:
        return
    finally:
        await repair.close("repaired" if call.link.carrier is repair.carrier else "failed")


async def take_repair(call: Call, document: CallDocument, fields: CallFields) -> None:
    """Answer an offer that repairs a call's link."""
    repair = Call(call.session, document, Media(), "answerer", link=call.link)
    try:
        await repair.take(fields)
    except FireRTCError:
        # The offerer tries again.
        return
    finally:
        await repair.close("repaired" if call.link.carrier is repair.carrier else "failed")


async def _end(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


# One-off calls.


def mend_one_off(call: Call) -> None:
    """Let a one-off call's link be repaired, at the place where it was made."""

    async def mend(link: Link) -> None:
        if link.side == "answerer":
            await _answer_at_code(call)
            return
        number = 0

        def next_attempt() -> Attempt:
            nonlocal number
            number += 1
            lease = UNREACHABLE_SECONDS + LEASE_SLACK_SECONDS
            terms = Terms("open", lease, attempt=number, metadata={"repair": "fresh"})
            return Attempt(call.document, terms)

        await offer_repairs(call, next_attempt)

    call.link.mend = mend


async def _answer_at_code(call: Call) -> None:
    """Wait at the code for offers that repair the link, and take them."""
    back = asyncio.create_task(call.link.settled())
    following = asyncio.create_task(_follow_code(call))
    try:
        await asyncio.wait({back, following}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (back, following):
            task.cancel()
        await asyncio.gather(back, following, return_exceptions=True)


async def _follow_code(call: Call) -> None:
    taking: asyncio.Task[None] | None = None
    latest = -1
    try:
        while call.link.state is LinkState.RECONNECTING:
            listener = call.document.listen()
            try:
                async for fields in call.document.calls(listener):
                    if fields is None or not fields.open or fields.attempt <= latest:
                        continue
                    if takes_repair(offered(call.document, fields), standing(call)):
                        latest = fields.attempt
                        await _end(taking)
                        taking = asyncio.create_task(take_repair(call, call.document, fields))
            except FireRTCError:
                # Somebody else answered, or the database was away: the next offer comes.
                await asyncio.sleep(LISTEN_AGAIN_SECONDS)
            finally:
                listener.close()
    finally:
        if taking is not None and call.link.state is LinkState.OPEN:
            await asyncio.wait({taking}, timeout=FINISH_SECONDS)
        with contextlib.suppress(asyncio.CancelledError):
            await _end(taking)
