"""Ten peers in one room: from the first one's step to every pair linked, and what it costs.

Two ways to fill a room: all come at the same instant, or one after the other. All peers are in one
process and share its core, each with a client of its own; the database is a local Firestore.

    make bench ARGS=room
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from firertc.call import Media
from firertc.client import Client
from firertc.room import Room
from firertc.suite import LocalSuite, seed

ROOT = Path(__file__).resolve().parents[1]
PEERS = 10
MESHED_SECONDS = 120.0
SETTLE_SECONDS = 1.0
"""Between rounds: the functions clean up after the one before."""


def data_only() -> Media:
    """A link for data alone."""
    return Media(receiving=frozenset())


@dataclass
class Mesh:
    """One room being filled."""

    peers: int
    name: str = field(default_factory=lambda: f"bench-{secrets.token_hex(6)}")
    clients: list[Client] = field(default_factory=list)
    rooms: list[Room] = field(default_factory=list)
    ends: int = 0
    """Ends of links that have opened."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def _linked(self, _: object) -> None:
        self.ends += 1
        self.changed.set()

    async def join(self) -> None:
        """Everybody has a session; nobody is in yet."""
        self.clients = [Client() for _ in range(self.peers)]
        sessions = await asyncio.gather(*(one.join(room=self.name) for one in self.clients))
        self.sessions = sessions

    async def enter(self, number: int) -> None:
        """One goes in."""
        self.rooms.append(
            await Room.enter(
                self.sessions[number],
                self.name,
                connect="all",
                media=data_only,
                on_event=lambda room: room.on("link", self._linked),
            )
        )

    async def meshed(self, present: int) -> None:
        """Wait until each pair of those present is linked."""
        async with asyncio.timeout(MESHED_SECONDS):
            while self.ends < present * (present - 1):
                self.changed.clear()
                await self.changed.wait()

    async def close(self) -> None:
        """Everybody leaves."""
        await asyncio.gather(*(room.leave() for room in self.rooms))
        await asyncio.gather(*(one.close() for one in self.clients))


async def at_once(peers: int) -> float:
    """All come at the same instant; seconds until every pair is linked."""
    mesh = Mesh(peers)
    await mesh.join()
    try:
        began = time.perf_counter()
        await asyncio.gather(*(mesh.enter(number) for number in range(peers)))
        await mesh.meshed(peers)
        return time.perf_counter() - began
    finally:
        await mesh.close()


async def in_turn(peers: int) -> list[tuple[float, int]]:
    """One after the other: for each, the seconds from its step to all its links, and what the room
    cost meanwhile, in billed operations of all who were there."""
    mesh = Mesh(peers)
    await mesh.join()
    taken = []
    try:
        for number in range(peers):
            before = sum(client.operations.billed for client in mesh.clients)
            began = time.perf_counter()
            await mesh.enter(number)
            await mesh.meshed(number + 1)
            seconds = time.perf_counter() - began
            await _quiet(mesh)
            billed = sum(client.operations.billed for client in mesh.clients) - before
            taken.append((seconds, billed))
        return taken
    finally:
        await mesh.close()


async def _quiet(mesh: Mesh) -> None:
    """Wait until everybody's standing offer is up, and what that leads to is counted."""
    async with asyncio.timeout(MESHED_SECONDS):
        while not all(room.mesh is not None and room.mesh.waiting for room in mesh.rooms):
            await asyncio.sleep(0.02)
    counted = -1
    while counted != (now := sum(client.operations.billed for client in mesh.clients)):
        counted = now
        await asyncio.sleep(0.4)


async def measure(rounds: int, peers: int) -> dict[str, object]:
    """Both ways, so many times."""
    together, turns = [], []
    for _ in range(rounds):
        together.append(await at_once(peers))
        await asyncio.sleep(SETTLE_SECONDS)
        turns.append(await in_turn(peers))
        await asyncio.sleep(SETTLE_SECONDS)
    joins = [
        {
            "present": present,
            "median_ms": round(1000 * statistics.median(turn[present][0] for turn in turns), 1),
            "worst_ms": round(1000 * max(turn[present][0] for turn in turns), 1),
            "operations": statistics.median(turn[present][1] for turn in turns),
        }
        for present in range(peers)
    ]
    return {
        "peers": peers,
        "rounds": rounds,
        "cores": os.cpu_count(),
        "at_once": {
            "links": peers * (peers - 1) // 2,
            "median_ms": round(1000 * statistics.median(together), 1),
            "worst_ms": round(1000 * max(together), 1),
        },
        "joins": joins,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and with ``--json`` write the figures."""
    parser = argparse.ArgumentParser(prog="bench.room", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", type=int, default=PEERS)
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    options, _ = parser.parse_known_args(arguments)
    with LocalSuite(ROOT) as suite:
        seed(suite.addresses)
        os.environ.update(suite.environment())
        figures = asyncio.run(measure(options.rounds, options.peers))
    _print(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


def _print(figures: dict[str, object]) -> None:
    together = figures["at_once"]
    joins = figures["joins"]
    if not isinstance(together, dict) or not isinstance(joins, list):
        raise TypeError("these are no figures of this measurement")
    print(
        f"room: {figures['peers']} peers at once, {together['links']} links: median "
        f"{together['median_ms']} ms, worst {together['worst_ms']} ms ({figures['rounds']} rounds)"
    )
    print("present before   linked to all: median   worst   operations billed")
    for join in joins:
        print(
            f"{join['present']:>14}   {join['median_ms']:>19} ms {join['worst_ms']:>7} ms"
            f"   {join['operations']:>8}"
        )


if __name__ == "__main__":
    main()
