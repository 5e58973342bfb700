"""Several peers in one room of a test's realm, each with a client of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from firertc.call import Media
from firertc.client import Client
from firertc.config import Config
from firertc.room import Room

ARRIVE_SECONDS = 30.0
"""How long anything may take that should take a moment, on a busy machine."""


def data_only() -> Media:
    """A link for data alone."""
    return Media(receiving=frozenset())


class Gathering:
    """Peers in a room; every event that a room emits is kept.

    :param config: of the realm.
    :param name: of the room.
    """

    EVENTS = (
        *("joined", "left", "updated", "link", "unlinked", "message", "removed", "lost"),
        *("track", "reconnecting", "reconnected", "unreachable"),
    )

    def __init__(self, config: Config, name: str = "hall") -> None:
        self.config = config
        self.name = name
        self.clients: list[Client] = []
        self.rooms: dict[str, Room] = {}
        self.events: dict[str, list[tuple[str, tuple[Any, ...]]]] = {}
        """By peer: what its room has told, in order."""
        self._changed = asyncio.Event()

    async def enter(
        self, peer: str, *, events: tuple[str, ...] = (), config: Config | None = None, **how: Any
    ) -> Room:
        """One more peer comes.

        :param events: to listen for beside those that cost nothing.
        """
        client = Client(config or self.config)
        self.clients.append(client)
        self.events[peer] = []

        def register(room: Room) -> None:
            for event in (*self.EVENTS, *events):
                self.listen(peer, room, event)

        how = {"media": data_only, **how}
        self.rooms[peer] = await client.enter(self.name, peer=peer, on_event=register, **how)
        return self.rooms[peer]

    def listen(self, peer: str, room: Room, event: str) -> None:
        """Keep this event, too."""

        def note(*values: Any) -> None:
            self.events[peer].append((event, values))
            self._changed.set()

        room.on(event, note)

    def told(self, peer: str, event: str) -> list[tuple[Any, ...]]:
        """What a peer was told of this kind, so far."""
        return [values for name, values in self.events[peer] if name == event]

    async def until(self, fits: Callable[[], object], seconds: float = ARRIVE_SECONDS) -> None:
        """Wait until it is so, looking at each event."""
        give_up = asyncio.get_running_loop().time() + seconds
        while not fits():
            if asyncio.get_running_loop().time() > give_up:
                raise AssertionError(f"it never came to that: {self.events}")
            self._changed.clear()
            try:
                async with asyncio.timeout(0.2):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def linked(self, *peers: str) -> None:
        """Wait until these are linked, each to each."""
        await self.until(
            lambda: all(
                self.rooms[one].link(other) is not None
                for one in peers
                for other in peers
                if one != other
            )
        )

    async def close(self) -> None:
        """Everybody leaves."""
        await asyncio.gather(*(client.close() for client in self.clients))
