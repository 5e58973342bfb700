"""Frames that a hostile or broken peer sends once a call stands: it ends, or goes on unharmed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from firertc import control
from firertc.call import Call, Media
from firertc.client import Client
from firertc.errors import CallError
from firertc.link import LinkEnd

QUIET = Media(receiving=frozenset())
WAIT_SECONDS = 20.0


async def connect(client: Client, other: Client) -> tuple[Call, Call]:
    waiting = await client.wait_at_code(QUIET)
    answered = asyncio.create_task(waiting.answered(WAIT_SECONDS))
    coming = await other.come_with_code(waiting.code, QUIET)
    await answered
    return waiting, coming


NONSENSE: list[str | bytes] = [
    "hello",
    "",
    "[]",
    "null",
    b"\x00\x01",
    "[" * 20_000,
    '{"t":"message","n":1,"body":' + "[" * 66 + "]" * 66 + "}",
    '{"t":"ping"}',
    '{"t":"ping","n":-1}',
    '{"t":"ping","n":true}',
    '{"t":"message","n":1}',
    '{"t":"message","n":1,"body":NaN}',
    '{"t":"ack","n":"1"}',
    '{"t":"offer","g":1}',
    '{"t":"answer","g":1,"sdp":5}',
    '{"t":"want","kinds":5}',
    '{"t":"mute","kinds":["audio"]}',
    '{"t":"mute","kinds":5}',
    '{"t":"bye"}',
    '{"t":"bye","reason":5}',
    "9" * 10_000,
]


@pytest.mark.parametrize("frame", NONSENSE, ids=range(len(NONSENSE)))
async def test_a_frame_that_makes_no_sense_ends_the_call(
    client: Client, other: Client, frame: str | bytes
) -> None:
    waiting, coming = await connect(client, other)
    assert coming.connection.channel is not None
    coming.connection.channel.send(frame)
    async with asyncio.timeout(WAIT_SECONDS):
        assert await waiting.closed() == LinkEnd("protocol-error", by_remote=True)
        assert (await coming.closed()).by_remote


async def test_frames_that_are_odd_but_harmless(client: Client, other: Client) -> None:
    """A later version may say more; what comes twice, late or for nobody changes nothing."""
    waiting, coming = await connect(client, other)
    channel = coming.connection.channel
    assert channel is not None
    heard: list[Any] = []
    waiting.link.on("message", heard.append)
    for frame in (
        '{"t":"hologram","n":1}',
        '{"no":"type"}',
        '{"t":[1]}',
        '{"t":"pong","n":99999999999999999999}',
        '{"t":"ack","n":12345}',
        '{"t":"answer","g":7,"sdp":"nobody asked"}',
        '{"t":"offer","g":1,"sdp":"the answerer never offers"}',
        '{"t":"want","kinds":["smell","touch"]}',
        '{"t":"want","kinds":"audio"}',
        '{"t":"message","n":5,"body":"out of turn"}',
        json.dumps({"t": "message", "n": 1, "body": "one"}),
        json.dumps({"t": "message", "n": 1, "body": "one again"}),
        json.dumps({"t": "message", "n": 2, "body": "two \ud800", "more": 1}),
    ):
        channel.send(frame)
    coming.link._messages.outbox.last = 2
    coming.link.send("three")
    await coming.link.flush()
    async with asyncio.timeout(WAIT_SECONDS):
        while len(heard) < 3:
            await asyncio.sleep(0.01)
    assert heard == ["one", "two \ud800", "three"]
    waiting.link.send("and back")
    await waiting.link.flush()


async def test_wanting_without_end(client: Client, other: Client) -> None:
    """Each wish costs the offerer a section and a negotiation: there is a limit."""
    waiting, coming = await connect(client, other)
    assert coming.connection.channel is not None
    for _ in range(200):
        coming.connection.channel.send(control.encode(control.Want(("audio", "video") * 4)))
    async with asyncio.timeout(60):
        assert (await waiting.closed()).reason == "protocol-error"
    assert len(waiting.connection.pc.getTransceivers()) <= 32


async def test_a_renegotiation_that_can_not_be_used(client: Client, other: Client) -> None:
    waiting, coming = await connect(client, other)
    assert waiting.connection.channel is not None
    waiting.connection.channel.send(
        control.encode(control.Description("offer", 1, "v=0\r\nnonsense"))
    )
    async with asyncio.timeout(WAIT_SECONDS):
        assert (await coming.closed()).reason == "protocol-error"


def nested(depth: int) -> Any:
    """A list in a list in a list…"""
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


async def test_a_message_that_is_too_long_stays_here(client: Client, other: Client) -> None:
    waiting, coming = await connect(client, other)
    heard = asyncio.get_running_loop().create_future()
    waiting.link.once("message", heard.set_result)
    with pytest.raises(Exception, match=r"has 60003 bytes of JSON, 60000 at most"):
        coming.link.send("x" * 60_001)
    with pytest.raises(Exception, match="must be a JSON value"):
        coming.link.send({1, 2})
    with pytest.raises(Exception, match="nested more than 64 deep"):
        coming.link.send(nested(65))
    coming.link.send(nested(64))
    assert await heard == nested(64)
    heard = asyncio.get_running_loop().create_future()
    waiting.link.once("message", heard.set_result)
    coming.link.send("x" * 59_998)
    assert len(await heard) == 59_998
    await coming.close()
    with pytest.raises(CallError, match="the link is not open"):
        coming.link.send("late")
