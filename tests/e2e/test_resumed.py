"""A call by code goes on by the library, after the other side has said that its page goes away."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AsyncExitStack

import pytest
from aiortc.mediastreams import MediaStreamError

from firertc.call import Call, Media
from firertc.client import Client
from firertc.config import Config
from firertc.errors import AnsweredElsewhere, CodeUnknown, ConfigError, NoAnswer
from firertc.link import LinkEnd
from firertc.media import open_source
from firertc.negotiation import CallState

from .conftest import Left

QUIET = Media(receiving=frozenset())
SECONDS = 20.0


async def pair(stack: AsyncExitStack, config: Config, media: Media = QUIET) -> tuple[Call, Call]:
    """A call between two clients: who waited, with these media, and who came."""
    waiter, comer = Client(config), Client(config)
    stack.push_async_callback(comer.close)
    stack.push_async_callback(waiter.close)
    waiting = await waiter.wait_at_code(media)
    answered = asyncio.create_task(waiting.answered(30))
    coming = await comer.come_with_code(waiting.code, Media())
    await answered
    return waiting, coming


async def heard(call: Call) -> str:
    """The next message."""
    message: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    call.link.once("message", message.set_result)
    async with asyncio.timeout(SECONDS):
        return await message


@pytest.mark.parametrize("away", ["who waited", "who came"])
async def test_both_meet_at_the_code_again(config: Config, left: Left, away: str) -> None:
    async with AsyncExitStack() as stack, Client(config) as client:
        calls = await pair(stack, config)
        leaving, staying = calls if away == "who waited" else calls[::-1]
        await leaving.close("away")
        end = await staying.closed()
        assert end == LinkEnd("away", by_remote=True) and end.may_return
        assert not (await leaving.closed()).may_return
        back, again = await asyncio.gather(client.resume(leaving), client.resume(staying))
        assert (again.remote, again.code) == (staying.remote, staying.code)
        assert again.link is not staying.link
        back.link.send("here I am")
        assert await heard(again) == "here I am"
        await back.close()
        assert not (await again.closed()).may_return
    assert left() == []


async def test_tracks_that_are_kept_go_on(config: Config) -> None:
    async with AsyncExitStack() as stack, Client(config) as client:
        source = await stack.enter_async_context(await open_source("test", audio=False))
        assert source.video is not None
        media = Media({"video": source.video}, frozenset(), keep=True)
        waiting, coming = await pair(stack, config, media)
        async with asyncio.timeout(SECONDS):
            await coming.link.tracks[0].recv()
        await coming.close("away")
        assert (await waiting.closed()).may_return
        _, back = await asyncio.gather(client.resume(waiting), client.resume(coming))
        async with asyncio.timeout(SECONDS):
            await back.link.tracks[0].recv()


async def test_tracks_that_ended_are_told(config: Config) -> None:
    async with AsyncExitStack() as stack, Client(config) as client:
        source = await stack.enter_async_context(await open_source("test", audio=False))
        assert source.video is not None
        waiting, coming = await pair(stack, config, Media({"video": source.video}, frozenset()))
        async with asyncio.timeout(SECONDS):
            await coming.link.tracks[0].recv()
        await coming.close("away")
        await waiting.closed()
        with pytest.raises(ConfigError, match="keep=True"):
            await client.resume(waiting)
        with pytest.raises(MediaStreamError):
            await source.video.recv()


@pytest.mark.parametrize("away", ["who waited", "who came"])
async def test_nobody_comes_back(config: Config, left: Left, away: str) -> None:
    async with AsyncExitStack() as stack, Client(config) as client:
        calls = await pair(stack, config)
        leaving, staying = calls if away == "who waited" else calls[::-1]
        await leaving.close("away")
        await staying.closed()
        began = asyncio.get_running_loop().time()
        with pytest.raises(NoAnswer, match="did not come back"):
            await client.resume(staying, wait_seconds=3)
        assert 2 < asyncio.get_running_loop().time() - began < 8
        assert left() == []


async def test_nobody_else_is_let_in(config: Config, left: Left) -> None:
    async with AsyncExitStack() as stack, Client(config) as client, Client(config) as stranger:
        waiting, coming = await pair(stack, config)
        await coming.close("away")
        await waiting.closed()

        came: list[Call] = []

        async def intrude() -> None:
            while True:
                with contextlib.suppress(CodeUnknown, NoAnswer, AnsweredElsewhere):
                    await stranger.come_with_code(waiting.code, QUIET, on_call=came.append)
                    return
                await asyncio.sleep(0.05)

        intruding = asyncio.create_task(intrude())
        with pytest.raises(NoAnswer):
            await client.resume(waiting, wait_seconds=3)
        assert came and all(CallState.CONNECTED not in call.states for call in came)
        intruding.cancel()
        await asyncio.gather(intruding, return_exceptions=True)
    assert left() == []


async def test_what_cannot_be_resumed(client: Client) -> None:
    waiting = await client.wait_at_code(QUIET)
    with pytest.raises(ConfigError, match="connected"):
        await client.resume(waiting)
    await waiting.close()
