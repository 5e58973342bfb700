"""Off the local network: candidates come after the description, and are counted.

The STUN server here never answers, which is what a dead or blocked one looks like: aiortc gathers
for 5 s, while the offer is out long before.
"""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import time
from collections.abc import Iterator

import pytest

from firertc.call import Media
from firertc.client import Client
from firertc.config import load_config
from firertc.suite import Seeds

BILLED_BY_JOINS = 2
"""Each side's ``join`` reads the key."""


@pytest.fixture
def silent_stun() -> Iterator[str]:
    """A STUN server that is deaf."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        yield f"stun:127.0.0.1:{deaf.getsockname()[1]}"


async def test_an_offer_is_out_before_its_candidates(realm: Seeds, silent_stun: str) -> None:
    config = dataclasses.replace(
        load_config({"key": realm.key}), ice_servers=({"urls": silent_stun},)
    )
    async with Client(config) as waiter, Client(config) as comer:
        began = time.perf_counter()
        waiting = await waiter.wait_at_code(Media(receiving=frozenset()))
        assert time.perf_counter() - began < 4, "the offer waited for its candidates"
        answering = asyncio.create_task(waiting.answered(30))
        # A person takes a while to say four words: the candidates are all there by then.
        await asyncio.sleep(5.5)
        coming = await comer.come_with_code(waiting.code, Media(receiving=frozenset()))
        await answering
        coming.link.send("through")
        await coming.link.flush()
        billed = waiter.operations.billed + comer.operations.billed + BILLED_BY_JOINS
        assert billed <= 12


async def test_an_answer_may_come_before_the_offers_candidates(
    realm: Seeds, silent_stun: str
) -> None:
    config = dataclasses.replace(
        load_config({"key": realm.key}), ice_servers=({"urls": silent_stun},)
    )
    plain = load_config({"key": realm.key})
    async with Client(config) as waiter, Client(plain) as comer:
        waiting = await waiter.wait_at_code(Media(receiving=frozenset()))
        answering = asyncio.create_task(waiting.answered(30))
        coming = await comer.come_with_code(waiting.code, Media(receiving=frozenset()))
        await answering
        assert coming.states == waiting.states[:1] + coming.states[1:]
        assert [state.value for state in waiting.states] == [
            "new",
            "waiting",
            "connecting",
            "connected",
        ]
        coming.link.send("through")
        await coming.link.flush()
