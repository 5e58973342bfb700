"""Closing at any moment of connecting leaves nothing behind."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiortc import AudioStreamTrack, RTCPeerConnection

from firertc.connection import Connection

MOMENTS_MILLISECONDS = range(30)


async def closed_after(milliseconds: float, audio: bool) -> None:
    one = Connection((), sending={"audio": AudioStreamTrack()} if audio else {})
    other = Connection(())
    offer = await one.offer()
    answer = await other.answer(offer.sdp)
    await one.accept(answer.sdp)
    await asyncio.sleep(milliseconds / 1000)
    await asyncio.gather(one.close(), other.close())


def names(tasks: set[asyncio.Task[Any]]) -> list[str]:
    return sorted(task.get_coro().__qualname__ for task in tasks)  # type: ignore[union-attr]


@pytest.mark.parametrize("audio", [False, True])
async def test_nothing_goes_on(audio: bool) -> None:
    before = asyncio.all_tasks()
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, what: failures.append(what))
    for each in MOMENTS_MILLISECONDS:
        await closed_after(each, audio)
    # Callbacks that were due; consent is asked for during half a minute.
    await asyncio.sleep(0.1)
    assert names(asyncio.all_tasks() - before) == []
    assert failures == []


async def test_no_socket_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed at any moment of gathering."""
    monkeypatch.setattr("firertc.connection.GATHER_GRACE_SECONDS", 0.0)
    before = sockets()
    for turns in range(12):
        connection = Connection(())
        await connection.offer()
        for _ in range(turns):
            await asyncio.sleep(0)
        await connection.close()
    await asyncio.sleep(0)
    assert sockets() == before


def sockets() -> int:
    return len([path for path in Path("/proc/self/fd").iterdir() if path.is_socket()])


def test_aiortc_connects_by_the_name_that_is_overridden() -> None:
    assert asyncio.iscoroutinefunction(RTCPeerConnection.__dict__["_RTCPeerConnection__connect"])
