"""One side of a call that is killed at a step of its choice: ``python victim.py STEP [CODE]``.

It prints its code, if it makes one, and ``now`` before it dies by SIGKILL: no way out, no goodbye.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from firertc import ringing
from firertc.call import Call, Media
from firertc.client import Client
from firertc.connection import Connection
from firertc.schema import RING_SECONDS
from firertc.signaling import CallDocument

QUIET = Media(receiving=frozenset())


def die(*_: Any) -> None:
    """SIGKILL to ourselves."""
    print("now", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


async def wait(client: Client, step: str) -> None:
    """Wait at a code."""
    waiting = await client.wait_at_code(QUIET)
    print(waiting.code, flush=True)
    if step == "offer written":
        die()
    if step == "answer read":
        Connection.accept = die  # type: ignore[assignment]
    if step == "connected, who waited":
        Call._connected = die  # type: ignore[assignment]
    await waiting.answered(60)
    await talk_until_told(waiting)


async def come(client: Client, step: str, code: str) -> None:
    """Come with a code."""
    if step == "offer read":
        CallDocument.answer = die  # type: ignore[assignment]
    if step == "answer written":
        Call.follow = die  # type: ignore[assignment]
    coming = await client.come_with_code(code, QUIET)
    await talk_until_told(coming)


async def talk_until_told(call: Call) -> None:
    """Be in a call until the other side says the word."""
    print("connected", flush=True)
    call.link.on("message", die)
    await asyncio.sleep(60)


async def meet(client: Client, step: str) -> None:
    """In a room with ``bob``, who survives."""
    room = await client.enter("hall", peer="ann")
    if step == "in a room":
        die()
    if step == "rung":
        room.on("ring", die)
        print("ready", flush=True)
        await asyncio.sleep(60)
    await room.wait_for("bob", 30)
    await ringing.place(room, "bob", QUIET, timeout=RING_SECONDS)
    die()


STEPS: dict[str, Callable[..., Any]] = {
    "offer written": wait,
    "answer read": wait,
    "connected, who waited": wait,
    "talking, who waited": wait,
    "offer read": come,
    "answer written": come,
    "talking, who came": come,
    "in a room": meet,
    "rung": meet,
    "ringing": meet,
}


async def main() -> None:
    async with Client() as client:
        step = sys.argv[1]
        await STEPS[step](client, *sys.argv[1:])


if __name__ == "__main__":
    asyncio.run(main())
