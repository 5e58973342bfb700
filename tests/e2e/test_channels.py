"""Channels of the application on links that were made through the database."""

from __future__ import annotations

import asyncio
import hashlib
import secrets

from firertc.call import Media
from firertc.channel import Channel
from firertc.client import Client
from firertc.link import Link
from firertc.room import Room

QUIET = Media(receiving=frozenset())
WAIT_SECONDS = 60.0


async def echo(channel: Channel) -> None:
    """Say everything back."""
    async for message in channel:
        await channel.send(message)
    await channel.close()


async def test_eight_channels_at_once_in_a_call(client: Client, other: Client) -> None:
    waiting = await client.wait_at_code(QUIET)
    answered = asyncio.create_task(waiting.answered(30))
    coming = await other.come_with_code(waiting.code, QUIET)
    await answered
    echoes: list[asyncio.Task[None]] = []
    for call in (waiting, coming):
        call.link.on("channel", lambda c: echoes.append(asyncio.create_task(echo(c))))

    async def talk(link: Link, size: int) -> None:
        channel = await link.open_channel(f"echo of {size}", metadata={"size": size})
        sent = secrets.token_bytes(size)
        await channel.send(sent)
        async with asyncio.timeout(WAIT_SECONDS):
            got = await anext(channel)
        assert isinstance(got, bytes)
        assert hashlib.sha256(got).digest() == hashlib.sha256(sent).digest()
        await channel.close()

    await asyncio.gather(
        *(
            talk(call.link, size)
            for call in (waiting, coming)
            for size in (0, 1, 65_531, 65_532, 1_000_000)
        )
    )
    async with asyncio.timeout(WAIT_SECONDS):
        await asyncio.gather(*echoes)
    assert len(echoes) == 10
    await waiting.close()
    await coming.close()


async def test_a_channel_in_a_room(client: Client, other: Client) -> None:
    name = f"room-{secrets.token_hex(4)}"
    heard: asyncio.Queue[tuple[str, str | bytes]] = asyncio.Queue()

    def register(room: Room) -> None:
        def take(link: Link) -> None:
            link.on("channel", lambda c: c.on("message", lambda m: heard.put_nowait((c.label, m))))

        room.on("link", take)

    ann = await client.enter(
        name, peer="ann", connect="all", media=lambda: QUIET, on_event=register
    )
    await other.enter(name, peer="bob", connect="all", media=lambda: QUIET, on_event=register)
    async with asyncio.timeout(WAIT_SECONDS):
        while "bob" not in ann.links:
            await asyncio.sleep(0.02)
    link = ann.links["bob"]
    channel = await link.open_channel("notes")
    await channel.send("für Bob")
    async with asyncio.timeout(WAIT_SECONDS):
        assert await heard.get() == ("notes", "für Bob")
