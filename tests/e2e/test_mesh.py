"""Rooms that connect all: every pair of peers ends with one link, and nothing stays behind."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from google.cloud.firestore import AsyncClient

from firertc.call import Media
from firertc.client import Client
from firertc.config import load_config
from firertc.link import Link
from firertc.room import Room
from firertc.suite import Seeds

OPEN_SECONDS = 30.0


def data_only() -> Media:
    """A link for data alone."""
    return Media(receiving=frozenset())


class Party:
    """Several peers in one room, each with a client of its own, and the links they were given."""

    def __init__(self, realm: Seeds) -> None:
        self.config = load_config({"key": realm.key, "realm": realm.realm})
        self.name = f"room-{secrets.token_hex(4)}"
        self.clients: list[Client] = []
        self.rooms: list[Room] = []
        self.links: list[tuple[str, Link]] = []
        self._changed = asyncio.Event()

    async def enter(self, peer: str | None = None) -> Room:
        """One more peer comes."""
        client = Client(self.config)
        self.clients.append(client)
        session = await client.join(room=self.name, peer=peer)

        def register(room: Room) -> None:
            room.on("link", lambda link: self._linked(room, link))

        room = await Room.enter(
            session, self.name, connect="all", media=data_only, on_event=register
        )
        self.rooms.append(room)
        return room

    def _linked(self, room: Room, link: Link) -> None:
        self.links.append((room.session.peer, link))
        self._changed.set()

    async def until(self, links: int) -> None:
        """Wait until so many ends of links have opened."""
        async with asyncio.timeout(OPEN_SECONDS):
            while len(self.links) < links:
                self._changed.clear()
                await self._changed.wait()

    async def settled(self) -> None:
        """Wait until everybody's standing offer is up."""
        async with asyncio.timeout(OPEN_SECONDS):
            while not all(room.mesh is not None and room.mesh.waiting for room in self.rooms):
                await asyncio.sleep(0.01)

    async def close(self) -> None:
        """Everybody leaves."""
        await asyncio.gather(*(room.leave() for room in self.rooms))
        await asyncio.gather(*(client.close() for client in self.clients))


@pytest_asyncio.fixture
async def party(realm: Seeds) -> AsyncIterator[Party]:
    """A room that connects all, with nobody in it yet."""
    made = Party(realm)
    yield made
    await made.close()


async def left_in(admin: AsyncClient, realm: Seeds) -> list[str]:
    """Paths of what is in the realm's rooms and calls."""
    found = []
    for group in ("calls", "peers", "rooms"):
        async for document in admin.collection_group(group).stream():
            if document.reference.path.startswith(f"realms/{realm.realm}/"):
                found.append(document.reference.path)
    return sorted(found)


async def test_newcomers_answer_the_standing_offers(
    party: Party, realm: Seeds, admin: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine candidates come late, and follow in a write of their own.
    monkeypatch.setattr("firertc.connection.GATHER_GRACE_SECONDS", 10.0)
    for present in range(4):
        room = await party.enter()
        await party.until((present + 1) * present)
        await party.settled()
        operations = room.session.operations
        # Presence, a standing offer, an answer to each who is there: linear, and no more.
        assert operations.writes == present + 2 + (present == 0)
    kinds = [call for call in await left_in(admin, realm) if "/calls/" in call]
    assert all("~s" in path for path in kinds), "only standing offers stay while all are linked"
    assert len(kinds) <= 4
    await party.close()
    async with asyncio.timeout(10):
        while rest := await left_in(admin, realm):
            # The last one out may find others still listed: the trigger closes the room.
            await asyncio.sleep(0.1)
    assert rest == []


async def test_ten_that_come_at_once_end_in_45_links(party: Party) -> None:
    await asyncio.gather(*(party.enter() for _ in range(10)))
    await party.until(90)
    await asyncio.sleep(0.5)
    assert len(party.links) == 90, "each link is made once"
    for room in party.rooms:
        assert room.mesh is not None
        assert sorted(room.mesh.links) == sorted(room.others)


async def test_what_is_said_on_a_link_arrives(party: Party) -> None:
    first = await party.enter("ann")
    await party.enter("bob")
    await party.until(2)
    heard: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    assert first.mesh is not None
    first.mesh.links["bob"].link.on("message", heard.set_result)
    assert party.rooms[1].mesh is not None
    party.rooms[1].mesh.links["ann"].link.send({"hello": ["wörld", 1]})
    async with asyncio.timeout(10):
        assert await heard == {"hello": ["wörld", 1]}


async def test_a_peer_that_leaves_takes_its_links_with_it(party: Party) -> None:
    stays = await party.enter("ann")
    goes = await party.enter("bob")
    await party.until(2)
    gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stays.on("unlinked", lambda link, end: gone.set_result(link.remote))
    await goes.leave()
    async with asyncio.timeout(10):
        assert await gone == "bob"
    assert stays.mesh is not None
    assert stays.mesh.links == {}


async def test_a_ghost_does_not_keep_a_newcomer_out(
    party: Party, realm: Seeds, admin: AsyncClient
) -> None:
    await party.enter("ann")
    ghost = await party.enter("ghost")
    await party.until(2)
    # The ghost's process is gone: nothing of it lives but its documents.
    for task in ghost._tasks:
        task.cancel()
    assert ghost.mesh is not None
    await asyncio.gather(*(call.link.close() for call in ghost.mesh.links.values()))
    await asyncio.gather(*(c.close() for c in party.clients[1:2]), return_exceptions=True)
    paths = [path for path in await left_in(admin, realm) if path.endswith("/peers/ghost")]
    if not paths:
        pytest.fail("the ghost's presence should still be there")
    newcomer = await party.enter("carl")
    async with asyncio.timeout(OPEN_SECONDS):
        while newcomer.mesh is None or "ann" not in newcomer.mesh.links:
            await asyncio.sleep(0.02)


async def test_a_room_lives_as_long_as_somebody_is_in_it(party: Party, admin: AsyncClient) -> None:
    first = await party.enter("ann")
    soon = datetime.now(UTC) + timedelta(minutes=10)
    await admin.document(first.path).update({"leaseUntil": soon})
    await party.enter("bob")
    async with asyncio.timeout(OPEN_SECONDS):
        while True:
            room = (await admin.document(first.path).get()).to_dict() or {}
            if room["leaseUntil"] > soon + timedelta(hours=6):
                break
            await asyncio.sleep(0.05)
