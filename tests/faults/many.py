"""Many calls against one suite, one after the other or at once, and what they leave behind."""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from aiortc import RTCPeerConnection

from firertc.call import Call, Media
from firertc.client import Client
from firertc.config import Config
from firertc.connection import Connection
from firertc.link import Link
from firertc.session import Session

QUIET: Final = Media(receiving=frozenset())
WAIT_SECONDS: Final = 120.0
SETTLE_SECONDS: Final = 15.0
"""How long what has ended may take to be gone."""
POOL_THREADS: Final = 6
"""Threads of asyncio's and grpc's pools, which come with the first work and stay."""
GROWTH_BYTES: Final = 48 * 2**20
"""What the peak of a crowd may leave in the allocator's hands."""
CALL_BYTES: Final = 8 * 2**10
"""What one call may leave on top of it: fragments, and caches of libraries that fill up."""
WATCHED: Final = (Call, Client, Connection, Link, RTCPeerConnection, Session)


@dataclass(frozen=True)
class Held:
    """What a process holds."""

    tasks: int
    threads: int
    descriptors: int
    objects: dict[str, int]
    """How many there are of the types that a call is made of."""
    rss_bytes: int

    def within(self, before: Held) -> bool:
        """Whether this is no more than before, but for the threads of pools."""
        return (
            self.tasks <= before.tasks
            and self.descriptors <= before.descriptors
            and self.threads <= before.threads + POOL_THREADS
            and all(count <= before.objects[name] for name, count in self.objects.items())
        )


def held() -> Held:
    """What this process holds now."""
    gc.collect()
    kinds = Counter(type(known) for known in gc.get_objects())
    return Held(
        tasks=len(asyncio.all_tasks()),
        threads=threading.active_count(),
        descriptors=len(os.listdir("/proc/self/fd")),
        objects={kind.__name__: kinds[kind] for kind in WATCHED},
        rss_bytes=rss_bytes(os.getpid()),
    )


def rss_bytes(pid: int) -> int:
    """Memory in use by a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def settled(before: Held) -> Held:
    """What is held once nothing more than before is, or after a while."""
    give_up = time.monotonic() + SETTLE_SECONDS
    while not (now := held()).within(before) and time.monotonic() < give_up:
        await asyncio.sleep(0.25)
    return now


async def one_call(config: Config) -> float:
    """Two clients: one waits at a code, the other comes, both say something, one hangs up.

    :returns: how long it took to connect, in seconds.
    """
    async with Client(config) as waiter, Client(config) as comer:
        began = time.monotonic()
        waiting = await waiter.wait_at_code(QUIET)
        answered = asyncio.create_task(waiting.answered(WAIT_SECONDS))
        try:
            coming = await comer.come_with_code(waiting.code, QUIET)
            await answered
        finally:
            answered.cancel()
            await asyncio.gather(answered, return_exceptions=True)
        seconds = time.monotonic() - began
        heard = [asyncio.Queue[Any](), asyncio.Queue[Any]()]
        for call, queue in zip((waiting, coming), heard, strict=True):
            call.link.on("message", queue.put_nowait)
        waiting.link.send({"from": "waiter", "code": waiting.code})
        coming.link.send({"from": "comer", "code": waiting.code})
        async with asyncio.timeout(WAIT_SECONDS):
            said = [(await queue.get())["from"] for queue in heard]
        if said != ["comer", "waiter"]:
            raise RuntimeError(f"heard {said}")
        await coming.close()
        end = await waiting.closed()
        if end.reason != "hangup":
            raise RuntimeError(f"ended by {end}")
    return seconds


async def in_sequence(
    config: Config, calls: int, told: Callable[[int], None] = lambda made: None
) -> list[float]:
    """One call after the other.

    :returns: seconds to connect of each.
    """
    seconds = []
    for made in range(calls):
        seconds.append(await one_call(config))
        told(made + 1)
    return seconds


async def at_once(config: Config, calls: int) -> list[float]:
    """All of them at the same time."""
    return list(await asyncio.gather(*(one_call(config) for _ in range(calls))))


async def measure(
    work: Callable[[], Awaitable[list[float]]], left: Callable[[], list[str]]
) -> dict[str, Any]:
    """Make calls, and see what they leave.

    :param work: makes calls and gives the seconds that each took to connect.
    :param left: paths of the documents that are left.
    :returns: figures; ``problems`` is empty if nothing stayed.
    """
    before = held()
    began = time.monotonic()
    seconds = sorted(await work())
    took = time.monotonic() - began
    after = await settled(before)
    problems = [f"left in the database: {path}" for path in await asyncio.to_thread(left)]
    if not after.within(before):
        problems.append(f"left in the process: {before} before, {after} after")
    if (grown := after.rss_bytes - before.rss_bytes) > GROWTH_BYTES + CALL_BYTES * len(seconds):
        problems.append(f"memory grew by {grown >> 20} MiB")
    return {
        "calls": len(seconds),
        "took_seconds": round(took, 1),
        "connect_median_seconds": round(statistics.median(seconds), 3),
        "connect_worst_seconds": round(seconds[-1], 3),
        "before": asdict(before),
        "after": asdict(after),
        "problems": problems,
    }
