"""Broadcasts: through the database, once each, in order, only to whom they are for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from google.cloud.firestore import AsyncClient

from firertc import broadcast
from firertc.config import Config
from firertc.errors import ConfigError

from .conftest import Left
from .gathering import Gathering
from .remains import emptied


@pytest_asyncio.fixture
async def hall(config: Config) -> AsyncIterator[Gathering]:
    made = Gathering(config)
    yield made
    await made.close()


async def test_to_all_to_some_and_to_one(hall: Gathering, left: Left) -> None:
    ann = await hall.enter("ann")
    for peer in ("bob", "carl", "dora"):
        await hall.enter(peer, events=("broadcast",))
    await ann.broadcast({"to": "all", "n": [1, None, "ü"]})
    await ann.broadcast("to two", to=["bob", "carl"])
    await ann.broadcast("to one", to="dora")
    await ann.broadcast("the end")
    everybody = ("ann", {"to": "all", "n": [1, None, "ü"]}, False)
    end = ("ann", "the end", False)
    for peer, private in (("bob", "to two"), ("carl", "to two"), ("dora", "to one")):
        await hall.until(lambda who=peer: end in hall.told(who, "broadcast"))  # type: ignore[misc]
        assert hall.told(peer, "broadcast") == [everybody, ("ann", private, True), end]
    # Who doesn't listen is told nothing, and doesn't hear itself.
    assert hall.told("ann", "broadcast") == []
    hall.listen("ann", ann, "broadcast")
    await hall.rooms["bob"].broadcast("hello, ann", to="ann")
    await hall.until(lambda: hall.told("ann", "broadcast"))
    assert hall.told("ann", "broadcast") == [("bob", "hello, ann", True)]
    await hall.close()
    await emptied(left)


async def test_many_arrive_once_and_in_order(hall: Gathering) -> None:
    ann = await hall.enter("ann")
    await hall.enter("bob", events=("broadcast",))
    began = asyncio.get_running_loop().time()
    for number in range(24):
        await ann.broadcast(number, to=None if number % 3 else "bob")
    # A slot rests for a second, so that a reader sees what is in it.
    assert asyncio.get_running_loop().time() - began > 0.9
    await hall.until(lambda: len(hall.told("bob", "broadcast")) == 24)
    assert [values[1] for values in hall.told("bob", "broadcast")] == list(range(24))


async def test_what_was_said_before_one_came_is_not_heard(hall: Gathering) -> None:
    ann = await hall.enter("ann")
    await ann.broadcast("early")
    await hall.enter("bob", events=("broadcast",))
    await ann.broadcast("late")
    await hall.until(lambda: hall.told("bob", "broadcast"))
    await asyncio.sleep(0.5)
    assert hall.told("bob", "broadcast") == [("ann", "late", False)]


async def test_listening_costs_two_reads_and_only_who_listens(hall: Gathering) -> None:
    ann = await hall.enter("ann")
    await asyncio.sleep(0.5)
    before = ann.session.operations.reads
    hall.listen("ann", ann, "broadcast")
    async with asyncio.timeout(10):
        while ann.session.operations.reads < before + 2:
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.5)
    assert ann.session.operations.reads == before + 2


async def test_what_can_not_be_said(hall: Gathering) -> None:
    ann = await hall.enter("ann")
    for bad in (b"bytes", float("nan"), "x" * 16_385, object()):
        with pytest.raises(ConfigError):
            await ann.broadcast(bad)
    with pytest.raises(ConfigError, match="16 peers at most"):
        await ann.broadcast("hi", to=[f"p{n}" for n in range(17)])
    await ann.broadcast("hi", to=[])
    await ann.broadcast("x" * 16_000)


async def test_nonsense_and_old_messages_are_left_out(hall: Gathering, admin: AsyncClient) -> None:
    ann = await hall.enter("ann")
    await hall.enter("bob", events=("broadcast",))
    good: dict[str, Any] = {
        "from": "ann",
        "fromSession": ann.session.session,
        "to": "*",
        "n": 3,
        "body": '"good"',
        "createdAt": datetime.now(UTC) + timedelta(seconds=5),
        "leaseUntil": datetime.now(UTC) + timedelta(minutes=5),
        "shard": 0,
    }
    place = admin.document(ann.path).collection("messages")
    bad: list[dict[str, Any]] = [
        *({"body": 7}, {"body": "{", "n": 1}, {"n": "3"}, {"fromSession": ""}),
        {"createdAt": "now"},
    ]
    for slot, change in enumerate(bad):
        await place.document(f"ann~m{slot}").set(good | change)
    await place.document("ann~m5").set(good)
    await hall.until(lambda: hall.told("bob", "broadcast"))
    # Lower numbers of the same session are old ones.
    await place.document("ann~m6").set(good | {"n": 2, "body": '"old"'})
    await place.document("ann~m7").set(good | {"n": 4, "body": '"next"'})
    await hall.until(lambda: len(hall.told("bob", "broadcast")) == 2)
    assert [values[1] for values in hall.told("bob", "broadcast")] == ["good", "next"]


def message(number: int, session: str = "s" * 22) -> broadcast.Message:
    return broadcast.Message(
        "p", "ann", session, "*", number, "{}", datetime(2026, 1, 1, tzinfo=UTC)
    )


def test_the_order_of_messages() -> None:
    order = broadcast.Order()
    assert [m.number for m in order.take([message(3), message(1), message(1)])] == [1, 3]
    assert order.take([message(2), message(3)]) == []
    assert [m.number for m in order.take([message(1, "t" * 22), message(4)])] == [1, 4]
