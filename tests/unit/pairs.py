"""Two links between two connections of this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiortc import MediaStreamTrack
from pyee.asyncio import AsyncIOEventEmitter

from firertc.connection import Connection
from firertc.link import Link

WAIT_SECONDS = 20.0
BOTH = frozenset({"audio", "video"})

Pair = tuple[Link, Link]


async def linked(
    offering: dict[str, MediaStreamTrack] | None = None,
    answering: dict[str, MediaStreamTrack] | None = None,
    receiving: frozenset[str] = frozenset(),
) -> Pair:
    """An offerer and an answerer."""
    one = Connection((), sending=offering, receiving=receiving)
    other = Connection((), sending=answering, receiving=receiving)
    offerer, answerer = Link(one, "offerer", "bob"), Link(other, "answerer", "ann")
    offer = await one.offer()
    answer = await other.answer(offer.sdp)
    await one.accept(answer.sdp)
    for side, description, told in ((other, offer, one), (one, answer, other)):
        if not description.complete:
            await side.add_candidates(await told.late_candidates())
    async with asyncio.timeout(WAIT_SECONDS):
        await asyncio.gather(offerer.opened(), answerer.opened())
    return offerer, answerer


def heard(of: AsyncIOEventEmitter, event: str) -> asyncio.Queue[Any]:
    queue: asyncio.Queue[Any] = asyncio.Queue()
    of.on(event, queue.put_nowait)
    return queue


async def soon(queue: asyncio.Queue[Any]) -> Any:
    async with asyncio.timeout(WAIT_SECONDS):
        return await queue.get()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():
            await asyncio.sleep(0.01)
