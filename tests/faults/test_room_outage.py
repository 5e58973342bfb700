"""The database is gone while people are in a room: what is linked stays, who comes waits."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from firertc.call import Media
from firertc.client import Client
from firertc.config import Config
from firertc.room import Room
from firertc.suite import LocalSuite

from .proxy import Proxy

pytestmark = pytest.mark.waits

OUTAGE_SECONDS = 8.0
LATE_SECONDS = 40.0


def data_only() -> Media:
    """A link for data alone."""
    return Media(receiving=frozenset())


@pytest_asyncio.fixture
async def proxy(suite: LocalSuite) -> AsyncIterator[Proxy]:
    """Everybody's way to the database."""
    async with Proxy(suite.addresses.firestore) as made:
        yield made


async def linked(room: Room, peer: str) -> None:
    async with asyncio.timeout(LATE_SECONDS):
        while room.link(peer) is None:
            await asyncio.sleep(0.02)


async def test_what_is_linked_stays_and_joining_waits(config: Config, proxy: Proxy) -> None:
    config = dataclasses.replace(config, firestore_emulator=proxy.address)
    told: dict[str, list[bool]] = {"ann": [], "carl": []}
    async with Client(config) as first, Client(config) as second, Client(config) as third:
        first.on_outage = told["ann"].append
        third.on_outage = told["carl"].append
        ann = await first.enter("hall", peer="ann", connect="all", media=data_only)
        bob = await second.enter("hall", peer="bob", connect="all", media=data_only)
        await linked(ann, "bob")
        await linked(bob, "ann")
        heard: list[object] = []
        lost: list[object] = []
        bob.on("message", lambda _, body: heard.append(body))
        for room in (ann, bob):
            for event in ("lost", "left", "unlinked", "reconnecting"):
                room.on(event, lambda *values, event=event: lost.append((event, values)))
        proxy.fail("cut")
        began = time.monotonic()
        entering = asyncio.create_task(
            third.enter("hall", peer="carl", connect="all", media=data_only)
        )
        for number in range(int(OUTAGE_SECONDS)):
            ann.send(number)
            await asyncio.sleep(1.0)
        assert not entering.done(), "it waits"
        assert told["carl"] == [True], "and says so"
        assert heard == list(range(int(OUTAGE_SECONDS)))
        proxy.mend()
        async with asyncio.timeout(LATE_SECONDS):
            carl = await entering
        print(f"\nin after {time.monotonic() - began:.1f} s, {OUTAGE_SECONDS} of them an outage")
        assert told["carl"] == [True, False]
        for one, other in ((carl, "ann"), (carl, "bob"), (ann, "carl"), (bob, "carl")):
            await linked(one, other)
        assert lost == []
        assert told["ann"][0] is True and told["ann"][-1] is False
        ann.send("after")
        async with asyncio.timeout(LATE_SECONDS):
            while heard[-1] != "after":
                await asyncio.sleep(0.02)


async def test_who_left_in_an_outage_is_gone_after_it(config: Config, proxy: Proxy) -> None:
    through = dataclasses.replace(config, firestore_emulator=proxy.address)
    async with Client(through) as first, Client(config) as second:
        ann = await first.enter("hall", peer="ann")
        bob = await second.enter("hall", peer="bob")
        async with asyncio.timeout(LATE_SECONDS):
            while "bob" not in ann.peers:
                await asyncio.sleep(0.02)
        left: list[str] = []
        joined: list[str] = []
        ann.on("left", lambda peer: left.append(peer.id))
        ann.on("joined", lambda peer: joined.append(peer.id))
        proxy.fail("cut")
        await bob.leave()
        async with Client(config) as third:
            await third.enter("hall", peer="carl")
            await asyncio.sleep(2.0)
            assert (left, joined) == ([], [])
            proxy.mend()
            async with asyncio.timeout(LATE_SECONDS):
                while not left or not joined:
                    await asyncio.sleep(0.05)
            assert (left, joined) == (["bob"], ["carl"])
            assert sorted(ann.peers) == ["ann", "carl"]
