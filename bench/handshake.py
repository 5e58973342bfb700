"""Data channel open: FireRTC through a local Firestore against a bare aiortc pair.

Every round measures each way once, in turn, so that the machine's moods fall on all alike. Sessions
are joined before, as for the bare pair both ends are there already. All in one process: what is
compared is signaling, not scheduling.

    make bench
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from aiortc import RTCConfiguration, RTCPeerConnection

from firertc import schema
from firertc.call import Call, Media
from firertc.client import Client
from firertc.ringing import Ring, ring
from firertc.room import Room
from firertc.sealing import Seal
from firertc.signaling import CallDocument, Terms
from firertc.suite import LocalSuite, seed

ROOT = Path(__file__).resolve().parents[1]
SETTLE_SECONDS = 0.4
"""Before each measurement: the functions still clean up after the one before."""
DATA_ONLY = Media(receiving=frozenset())


async def bare() -> float:
    """Two RTCPeerConnections that hand each other offer and answer directly."""
    began = time.perf_counter()
    one, other = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
    opened = asyncio.Event()
    one.createDataChannel("bench", negotiated=True, id=0).on("open", opened.set)
    await one.setLocalDescription(await one.createOffer())
    await other.setRemoteDescription(one.localDescription)
    answering = other.createDataChannel("bench", negotiated=True, id=0)
    both = asyncio.Event()
    answering.on("open", both.set)
    await other.setLocalDescription(await other.createAnswer())
    await one.setRemoteDescription(other.localDescription)
    await asyncio.gather(opened.wait(), both.wait())
    seconds = time.perf_counter() - began
    await asyncio.gather(one.close(), other.close())
    return seconds


async def standing(client: Client) -> float:
    """A newcomer to a room where one waits: from its act to the open control channel."""
    name = f"bench-{secrets.token_hex(6)}"
    first, second = await asyncio.gather(client.join(room=name), client.join(room=name))
    waiting = await Room.enter(first, name, connect="all", media=lambda: DATA_ONLY)
    linked: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def register(room: Room) -> None:
        room.once("link", lambda _: linked.set_result(time.perf_counter()))

    began = time.perf_counter()
    newcomer = await Room.enter(
        second, name, connect="all", media=lambda: DATA_ONLY, on_event=register
    )
    seconds = await linked - began
    await newcomer.leave()
    await waiting.leave()
    return seconds


async def direct(client: Client) -> float:
    """A ring that a program accepts at once: from the caller's act to the open control channel."""
    name = f"bench-{secrets.token_hex(6)}"
    first, second = await asyncio.gather(client.join(room=name), client.join(room=name))
    callee = await Room.enter(first, name)
    caller = await Room.enter(second, name)
    accepted: list[asyncio.Task[Call]] = []

    def accept(incoming: Ring) -> None:
        accepted.append(asyncio.ensure_future(incoming.accept(DATA_ONLY)))

    callee.on("ring", accept)
    began = time.perf_counter()
    await ring(caller, first.peer, DATA_ONLY)
    seconds = time.perf_counter() - began
    await asyncio.gather(*accepted)
    await caller.leave()
    await callee.leave()
    return seconds


async def one_off(client: Client) -> float:
    """One waits at a code, the other comes: from reading the offer to the open control channel."""
    seal = Seal(call=secrets.token_hex(16), key=secrets.token_bytes(32))
    waiter, comer = await asyncio.gather(client.join(call=seal.call), client.join())
    path = schema.one_off_path(waiter.realm, seal.call)
    waiting = Call(waiter, CallDocument(waiter, path, seal), DATA_ONLY, "offerer")
    await waiting.place(Terms("open", 60))
    answered = asyncio.ensure_future(waiting.answered(30))
    await asyncio.sleep(0.05)
    began = time.perf_counter()
    document = CallDocument(comer, path, seal)
    coming = Call(comer, document, DATA_ONLY, "answerer")
    fields = await document.read()
    if fields is None:
        raise RuntimeError("the offer is not there")
    await coming.take(fields)
    seconds = time.perf_counter() - began
    await answered
    await asyncio.gather(coming.close(), waiting.close())
    return seconds


AIMS = {"standing offer answered": 1.3, "direct call": 1.5}


async def run(rounds: int) -> dict[str, list[float]]:
    """Measure every way ``rounds`` times, after one round to warm up."""
    times: dict[str, list[float]] = {}
    ways: dict[str, Callable[[Client], Awaitable[float]]] = {
        "bare aiortc pair": lambda _: bare(),
        "standing offer answered": standing,
        "direct call": direct,
        "one-off call": one_off,
    }
    for number in range(rounds + 1):
        async with Client() as client:
            for name, way in ways.items():
                await asyncio.sleep(SETTLE_SECONDS)
                seconds = await way(client)
                if number:
                    times.setdefault(name, []).append(seconds)
    return times


def main(options: Sequence[str]) -> None:
    """Run against a local suite of its own and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    arguments = parser.parse_args(options)
    with LocalSuite(ROOT, only=("auth", "firestore", "functions"), warm=("join",)) as suite:
        seed(suite.addresses)
        os.environ.update(suite.environment())
        times = asyncio.run(run(arguments.rounds))
    base = statistics.median(times["bare aiortc pair"])
    print(f"data channel open, {arguments.rounds} rounds, milliseconds")
    print(f"{'':28}{'median':>8}{'best':>8}{'worst':>8}{'ratio':>8}{'aim':>6}")
    for name, seconds in times.items():
        median = statistics.median(seconds)
        aim = AIMS.get(name)
        print(
            f"{name:28}{median * 1000:8.1f}{min(seconds) * 1000:8.1f}{max(seconds) * 1000:8.1f}"
            f"{median / base:8.2f}{aim if aim is not None else '':>6}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(times, indent=1) + "\n")
