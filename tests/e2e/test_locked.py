"""Locked and full rooms, and being put out: who is inside stays, who comes is told why not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from google.cloud.firestore import AsyncClient

from firertc.client import Client
from firertc.config import Config, load_config
from firertc.errors import PermissionDenied, Removed, RoomFull, RoomLocked
from firertc.room import Room
from firertc.session import join
from firertc.suite import LocalSuite, Seeds
from firertc.tokens import make_token

from .conftest import Run
from .gathering import Gathering


@pytest_asyncio.fixture
async def hall(config: Config) -> AsyncIterator[Gathering]:
    made = Gathering(config)
    yield made
    await made.close()


@pytest.fixture
def moderator(realm: Seeds, config: Config) -> Callable[[str], Client]:
    """A client that moderates, by a token of the realm's own server."""

    def make(peer: str) -> Client:
        token = make_token(realm.key, realm.secret, peer=peer, role="moderator")
        return Client(config, server_token=token)

    return make


async def test_a_locked_room(
    hall: Gathering, moderator: Callable[[str], Client], config: Config
) -> None:
    events: list[str] = []
    async with moderator("mod") as boss:
        for peer in ("ann", "bob"):
            await hall.enter(peer, connect="all", events=("locked", "unlocked"))
        await hall.linked("ann", "bob")
        room = await boss.enter("hall", peer="mod", connect="all")
        room.on("locked", lambda: events.append("locked"))
        room.on("unlocked", lambda: events.append("unlocked"))
        await room.lock()
        assert room.locked
        await hall.until(lambda: hall.told("ann", "locked") and hall.told("bob", "locked"))
        # The function tells a newcomer; the rules one whose session isn't bound to the room.
        async with Client(config) as newcomer:
            with pytest.raises(RoomLocked, match="locked"):
                await newcomer.enter("hall", peer="carl")
            view = await newcomer.look("hall")
            assert (view.exists, view.locked, view.peers) == (True, True, None)
        async with await join(config) as session:
            with pytest.raises(RoomLocked, match="takes no newcomer"):
                await Room.enter(session, "hall")
        # Those inside stay, linked, and see each other still.
        ann = hall.rooms["ann"]
        ann.send("still here")
        await hall.until(lambda: hall.told("bob", "message"))
        await ann.set_data("still seen")
        await hall.until(lambda: hall.rooms["bob"].peers["ann"].data == "still seen")
        await room.lock(False)
        await hall.until(lambda: hall.told("ann", "unlocked"))
        assert not ann.locked
        await hall.enter("carl", connect="all")
        await hall.linked("ann", "bob", "carl")
        assert events == ["locked", "unlocked"]


async def test_who_comes_back_to_a_locked_room_in_another_session_stays_out(
    hall: Gathering, moderator: Callable[[str], Client], config: Config
) -> None:
    async with moderator("mod") as boss:
        ann = await hall.enter("ann")
        room = await boss.enter("hall", peer="mod")
        await room.lock()
        async with Client(config) as again:
            with pytest.raises(RoomLocked):
                await again.enter("hall", peer="ann", resume=ann.session.resume)
        # The same session is still in.
        await ann.set_data("here")
        assert not hall.told("ann", "lost")


async def test_being_removed(hall: Gathering, moderator: Callable[[str], Client]) -> None:
    async with moderator("mod") as boss:
        for peer in ("ann", "bob"):
            await hall.enter(peer, connect="all")
        room = await boss.enter("hall", peer="mod", connect="all")
        hall.rooms["mod"] = room
        went: list[str] = []
        room.on("left", lambda peer: went.append(peer.left))
        await hall.linked("ann", "bob", "mod")
        await room.remove("bob", "too loud")
        await hall.until(lambda: hall.told("bob", "removed"))
        assert hall.told("bob", "removed") == [("too loud",)]
        bob = hall.rooms["bob"]
        assert isinstance(bob.over, Removed)
        await bob.leave()
        assert hall.told("bob", "lost") == []
        await hall.until(lambda: [peer.id for (peer,) in hall.told("ann", "left")] == ["bob"])
        # Only who did it knows that it was no wish of bob's.
        assert hall.told("ann", "left")[0][0].left == "left"
        await hall.until(lambda: went == ["removed"])
        await hall.until(lambda: sorted(hall.rooms["ann"].links) == ["mod"])
        with pytest.raises(Removed, match="too loud"):
            await hall.clients[1].enter("hall", peer="bob", resume=bob.session.resume)
        with pytest.raises(PermissionDenied, match="Only a moderator"):
            await hall.rooms["ann"].remove("mod")
        with pytest.raises(PermissionDenied, match="refuse to lock the room"):
            await hall.rooms["ann"].lock()


async def test_who_was_put_out_stays_out_of_a_room_that_ran_empty(
    hall: Gathering, moderator: Callable[[str], Client], admin: AsyncClient
) -> None:
    bob = await hall.enter("bob")
    async with moderator("mod") as boss:
        room = await boss.enter("hall", peer="mod")
        await room.remove("bob", "too loud")
        await hall.until(lambda: hall.told("bob", "removed"))
    async with asyncio.timeout(20):
        while (await admin.document(room.path).get()).exists:
            await asyncio.sleep(0.1)
    for _ in range(3):
        with pytest.raises(Removed, match="too loud"):
            await hall.clients[0].enter("hall", peer="bob", resume=bob.session.resume)


async def test_a_full_room(
    hall: Gathering, realm: Seeds, admin: AsyncClient, suite: LocalSuite, run: Run
) -> None:
    await admin.document(f"keys/{realm.key}").update({"limits": {"capacity": 2, "connect": "all"}})
    config = load_config({"realm": realm.realm, "key": realm.key}, environ=suite.environment())
    ann = await hall.enter("ann")
    # What the key says of new rooms counts, not what the client would like.
    assert ann.connect == "all"
    bob = await hall.enter("bob")
    await hall.linked("ann", "bob")
    async with Client(config) as newcomer:
        view = await newcomer.look("hall")
        assert view.peers is not None
        assert (view.capacity, [peer.id for peer in view.peers]) == (2, ["ann", "bob"])
        with pytest.raises(RoomFull, match=r"full \(2 peers\)"):
            await newcomer.enter("hall", peer="carl")
        terminal = run("room", "join", "hall", "--as", "carl")
        assert await asyncio.to_thread(terminal.end) == 5
        assert len(terminal.err) == 1
        assert "The room is full (2 peers)" in terminal.err[0]
        await bob.leave()
        await newcomer.enter("hall", peer="carl")


async def test_an_open_realms_creator_moderates(open_realm: Seeds, suite: LocalSuite) -> None:
    environment = {**suite.environment(), "FIRERTC_KEY": "", "FIRERTC_REALM": open_realm.realm}
    config = load_config({}, environ=environment)
    async with Client(config) as maker, Client(config) as guest:
        room = await maker.enter("hall")
        heard: list[str] = []
        other = await guest.enter("hall", on_event=lambda it: it.on("removed", heard.append))
        async with asyncio.timeout(20):
            while other.session.peer not in room.peers:
                await asyncio.sleep(0.05)
            await room.remove(other.session.peer, "bye")
            while not heard:
                await asyncio.sleep(0.05)
        assert heard == ["bye"]


async def test_a_locked_room_of_an_open_realm(open_realm: Seeds, suite: LocalSuite) -> None:
    environment = {**suite.environment(), "FIRERTC_KEY": "", "FIRERTC_REALM": open_realm.realm}
    config = load_config({}, environ=environment)
    async with Client(config) as maker, Client(config) as guest:
        room = await maker.enter("hall", connect="all")
        other = await guest.enter("hall", connect="all")
        async with asyncio.timeout(30):
            while not (room.links and other.links):
                await asyncio.sleep(0.05)
        await room.lock()
        heard: list[object] = []
        other.on("message", lambda _, body: heard.append(body))
        room.send("still linked")
        async with asyncio.timeout(10):
            while not heard:
                await asyncio.sleep(0.05)
        assert heard == ["still linked"]
        assert other.over is None
