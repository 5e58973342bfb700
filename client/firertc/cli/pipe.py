"""``firertc pipe``: a two-way byte pipe between two terminals."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import click

from ..config import Config
from ..errors import Cancelled, ChannelClosed, FireRTCError, PeerGone, ProtocolError
from .hiding import hide_arguments
from .options import project_options

if TYPE_CHECKING:
    from ..call import Call
    from ..channel import Channel
    from .progress import Screen

LABEL = "firertc.pipe"
END = "eof"
"""Text that says that this direction has ended."""
READ_BYTES = 65_531
"""One whole frame of a channel."""
WAIT_SECONDS = 600
CHANNEL_SECONDS = 30.0
END_SECONDS = 10.0


@click.command()
@click.argument("code", required=False, envvar="FIRERTC_CODE", metavar="[CODE]")
@click.option(
    "--wait",
    type=click.FloatRange(1, 1800),
    default=WAIT_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the other side.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show what the database was asked.")
@project_options
def pipe(code: str | None, wait: float, verbose: bool, config: Config) -> None:
    """Connect standard input and output with those of another terminal.

    Without CODE a new one is printed, on standard error; the other side runs 'firertc pipe CODE'.
    What is read here is written there and the other way round. It ends when both inputs have.
    """
    hide_arguments("pipe")
    from .progress import Screen
    from .running import run

    screen = Screen(config, as_json=False, verbose=verbose)
    run(lambda: _run(screen, code, wait))


async def _run(screen: Screen, code: str | None, wait: float) -> None:
    from ..call import Media
    from ..client import Client

    client = Client(screen.config, server_token=os.environ.get("FIRERTC_SERVER_TOKEN"))
    client.on_outage = screen.outage
    media = Media(receiving=frozenset())
    try:
        if code is None:
            call = await client.wait_at_code(
                media, wait_seconds=wait, on_code=lambda code: screen.code(code, "pipe")
            )
            await call.answered(wait)
            channel = await call.link.open_channel(LABEL)
        else:
            call = await client.come_with_code(code, media)
            channel = await _their_channel(call)
        screen.connected(call.link, call.remote)
        await _carry(channel)
        # Whoever has heard the other's end last waits until that has heard its own.
        await channel.close()
        await call.close()
    finally:
        await client.close()
        screen.operations(client.operations)


async def _their_channel(call: Call) -> Channel:
    from ..errors import NoAnswer

    came: asyncio.Future[Channel] = asyncio.get_running_loop().create_future()

    def take(channel: Channel) -> None:
        if channel.label == LABEL and not came.done():
            came.set_result(channel)

    call.link.on("channel", take)
    closed = asyncio.ensure_future(call.link.closed())
    waiting: set[asyncio.Future[Any]] = {came, closed}
    try:
        await asyncio.wait(waiting, timeout=CHANNEL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if came.done():
            return came.result()
    finally:
        closed.cancel()
    raise NoAnswer("The other side makes no pipe: it must run 'firertc pipe'.")


async def _carry(channel: Channel) -> None:
    """Both directions, until both have ended."""
    from .streams import StandardInput, StandardOutput

    source, target = StandardInput(), StandardOutput()

    async def outward() -> None:
        while piece := await source.read(READ_BYTES):
            await channel.send(piece)
        await channel.send(END)
        await channel.flush(END_SECONDS)

    async def inward() -> None:
        async for data in channel:
            if isinstance(data, bytes):
                await target.write(data)
            elif data == END:
                return
            else:
                raise ProtocolError("The other side said something that is no pipe's.")
        raise ChannelClosed("The other side ended before its data had.")

    reading = asyncio.create_task(inward())
    tasks = {asyncio.create_task(outward()), reading}
    try:
        await asyncio.gather(*tasks)
    except BrokenPipeError:
        # Whoever read our output has enough, as with any pipe.
        return
    except ChannelClosed:
        has_all = reading.done() and not reading.cancelled() and reading.exception() is None
        if has_all and channel.error is None:
            # The other side closes the channel itself only when it has all, too.
            return
        raise await _why(channel) from None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _why(channel: Channel) -> FireRTCError:
    try:
        async with asyncio.timeout(1.0):
            end = await channel.link.closed()
    except TimeoutError:
        return Cancelled("The other side ended before its data had.")
    if end.reason in ("gone", "failed"):
        return PeerGone("The other side vanished, and did not come back.")
    return Cancelled("The other side ended before its data had.")
