"""Who is in a room and who was, what they say of themselves, looking in, coming back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from google.cloud.firestore import AsyncClient
from google.cloud.firestore import Client as Owner

from firertc import new_room_name
from firertc.client import Client
from firertc.config import Config
from firertc.errors import ConfigError, KeyRefused, PeerGone, RoomClosed, SessionExpired
from firertc.owner import close_room, sweep
from firertc.suite import Seeds

from .conftest import Left
from .gathering import Gathering
from .remains import emptied

NOTICE_SECONDS = 2.0
"""A clean leave is seen by then, on a busy machine; alone it takes some 50 ms."""
CRASH_SECONDS = 5.0
"""A crash is noticed by those linked by then."""


@pytest_asyncio.fixture
async def hall(config: Config) -> AsyncIterator[Gathering]:
    made = Gathering(config)
    yield made
    await made.close()


async def test_what_a_room_tells(hall: Gathering, left: Left) -> None:
    ann = await hall.enter("ann", data={"name": "Ann"}, sends={"audio": True})
    bob = await hall.enter("bob")
    await hall.until(lambda: hall.told("ann", "joined") and hall.told("bob", "joined"))
    (seen,) = hall.told("bob", "joined")[0]
    assert (seen.id, seen.data, seen.media, seen.is_self) == (
        *("ann", {"name": "Ann"}, {"audio": True}),
        False,
    )
    assert ann.eldest is not None and bob.eldest is not None
    assert ann.eldest.id == bob.eldest.id == "ann"
    assert ann.eldest.is_self and not bob.eldest.is_self
    assert (ann.others, bob.others, ann.links, ann.link("bob")) == (["bob"], ["ann"], {}, None)
    await bob.set_data([1, "two"])
    await hall.until(lambda: hall.told("ann", "updated") and hall.told("bob", "updated"))
    (own,) = hall.told("bob", "updated")[0]
    (others,) = hall.told("ann", "updated")[0]
    assert (own.is_self, own.data, others.is_self, others.data) == (
        *(True, [1, "two"]),
        *(False, [1, "two"]),
    )
    # A renewed lease is no news.
    await bob._presence.set_data([1, "two"])
    began = time.monotonic()
    await ann.leave()
    await hall.until(lambda: hall.told("bob", "left"))
    took = time.monotonic() - began
    print(f"\na clean leave was seen after {took * 1000:.0f} ms, leaving included")
    assert took < NOTICE_SECONDS
    assert bob.eldest is not None and bob.eldest.is_self
    assert len(hall.told("ann", "updated")) == 1
    with pytest.raises(PeerGone, match="no link to 'ann'"):
        await bob.request("ann", "?")
    await hall.close()
    await emptied(left)


async def test_the_default_room_and_random_ones(client: Client) -> None:
    room = await client.enter()
    assert room.id == "main"
    view = await client.look()
    assert view.name == "main" and view.peers is not None and len(view.peers) == 1
    name = new_room_name()
    assert uuid.UUID(name).version == 4
    assert name != new_room_name()
    assert (await client.enter(name)).id == name


async def test_looking_before_joining(hall: Gathering, client: Client) -> None:
    assert await client.look("hall") == await client.look("hall")
    view = await client.look("hall")
    assert (view.exists, view.peers, view.capacity, view.connect) == (False, (), None, None)
    await hall.enter("ann", data="first")
    await hall.enter("bob")
    session = client._looking
    assert session is not None
    before = session.operations.reads
    view = await client.look("hall")
    assert session.operations.reads - before == 3, "the room, and each peer"
    assert view.peers is not None
    assert [(peer.id, peer.data) for peer in view.peers] == [("ann", "first"), ("bob", None)]
    assert (view.exists, view.connect, view.capacity) == (True, "none", 50)
    assert (view.locked, view.sealed) == (False, False)
    with pytest.raises(ConfigError):
        await client.look("")


INSIDE = (
    "import asyncio, sys\n"
    "from firertc.client import Client\n"
    "async def main():\n"
    "    async with Client() as client:\n"
    "        room = await client.enter('hall', connect=sys.argv[1])\n"
    "        print(room.session.peer, room.session.session, room.session.resume, flush=True)\n"
    "        await asyncio.sleep(60)\n"
    "asyncio.run(main())\n"
)
"""A peer that says who it is, and stays."""


@contextlib.asynccontextmanager
async def process_inside(
    environment: dict[str, str], connect: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, list[str]]]:
    """A process in the hall: its peer, session and resume token."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", INSIDE, connect), env=environment, stdout=asyncio.subprocess.PIPE
    )
    if process.stdout is None:
        raise AssertionError("it has no standard output")
    try:
        async with asyncio.timeout(40):
            said = (await process.stdout.readline()).decode().split()
        yield process, said
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        await process.wait()


async def test_a_killed_peer_comes_back_as_itself(
    hall: Gathering, environment: dict[str, str]
) -> None:
    ann = await hall.enter("ann")
    async with process_inside(environment, "none") as (_, (peer, session, resume)):
        await hall.until(lambda: peer in ann.peers)
    assert hall.told("ann", "left") == []
    async with Client(hall.config) as again:
        room = await again.enter("hall", resume=resume)
        assert room.session.peer == peer
        assert room.session.session != session
        # To the others, the one has gone and another has come.
        await hall.until(lambda: len(hall.told("ann", "joined")) == 2)
        (gone,) = hall.told("ann", "left")[0]
        assert (gone.session, gone.left) == (session, "replaced")
        assert ann.peers[peer].session == room.session.session
    await hall.until(lambda: len(hall.told("ann", "left")) == 2)
    assert [gone.left for (gone,) in hall.told("ann", "left")] == ["replaced", "left"]


async def test_a_crash_is_seen_by_those_linked_within_five_seconds(
    hall: Gathering, environment: dict[str, str]
) -> None:
    ann = await hall.enter("ann", connect="all")
    async with process_inside(environment, "all") as (process, (peer, *_)):
        await hall.until(lambda: ann.link(peer) is not None)
        process.kill()
        began = time.monotonic()
        await hall.until(lambda: hall.told("ann", "reconnecting") or hall.told("ann", "unlinked"))
        took = time.monotonic() - began
    print(f"\na crash was seen by who was linked after {took:.2f} s")
    assert took < CRASH_SECONDS
    assert peer in ann.peers, "its document is a ghost until its lease is over"


async def test_who_comes_in_again_takes_its_own_place(hall: Gathering) -> None:
    ann = await hall.enter("ann")
    async with Client(hall.config) as again:
        room = await again.enter("hall", peer="ann", resume=ann.session.resume)
        await hall.until(lambda: hall.told("ann", "lost"))
        assert isinstance(hall.told("ann", "lost")[0][0], SessionExpired)
        await ann.leave()
        await asyncio.sleep(0.3)
        assert room.over is None
        assert room.peers["ann"].session == room.session.session


async def test_who_slept_past_its_lease_is_in_again_and_linked(
    hall: Gathering, admin: AsyncClient
) -> None:
    ann = await hall.enter("ann", connect="all")
    bob = await hall.enter("bob", connect="all", data="same as before")
    await hall.linked("ann", "bob")
    # What the sweep does to a lease that is over.
    await admin.document(f"{bob.peers_path}/bob").delete()
    await hall.until(lambda: hall.told("ann", "left"))
    await hall.until(lambda: len(hall.told("ann", "joined")) == 2)
    await hall.until(lambda: len(hall.told("bob", "link")) == 2, 60)
    await hall.linked("ann", "bob")
    assert ann.peers["bob"].data == "same as before"
    assert hall.told("bob", "lost") == hall.told("bob", "removed") == []


async def test_a_ghost_is_gone_with_its_lease(
    hall: Gathering, admin: AsyncClient, admin_sync: Owner
) -> None:
    ann = await hall.enter("ann")
    past = datetime.now(UTC) - timedelta(minutes=1)
    mine = (await admin.document(f"{ann.peers_path}/ann").get()).to_dict() or {}
    ghost = {**mine, "session": "g" * 22, "joinedAt": past}
    place = admin.document(ann.peers_path + "/ghost")
    await place.set({**ghost, "leaseUntil": past + timedelta(minutes=16)})
    await hall.until(lambda: "ghost" in ann.peers)
    await place.update({"leaseUntil": past})
    # Its lease is over: it is gone to those who look, though nobody has swept yet.
    await hall.until(lambda: hall.told("ann", "left"))
    assert [gone.left for (gone,) in hall.told("ann", "left")] == ["gone"]
    newcomer = await hall.enter("carl")
    assert "ghost" not in newcomer.peers
    view = await hall.clients[0].look("hall")
    assert view.peers is not None and [peer.id for peer in view.peers] == ["ann", "carl"]
    await asyncio.to_thread(sweep, admin_sync, datetime.now(UTC))
    assert not (await place.get()).exists


async def test_leases_are_renewed_and_a_ghosts_runs_out(
    hall: Gathering, admin: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firertc.schema.PEER_LEASE_RENEW_SECONDS", 0.3)
    ann = await hall.enter("ann")
    bob = await hall.enter("bob")
    mine = (await admin.document(f"{ann.peers_path}/ann").get()).to_dict() or {}
    soon = datetime.now(UTC) + timedelta(seconds=2)
    ghost = {**mine, "session": "g" * 22, "leaseUntil": soon}
    await admin.document(ann.peers_path + "/ghost").set(ghost)
    await hall.until(lambda: "ghost" in ann.peers)
    # Nothing happens to its document, and nobody sweeps: only time passes.
    await hall.until(lambda: hall.told("ann", "left"))
    assert datetime.now(UTC) >= soon - timedelta(seconds=0.5)
    assert [gone.left for (gone,) in hall.told("ann", "left")] == ["gone"]
    assert sorted(ann.peers) == ["ann", "bob"]
    await hall.until(lambda: ann.peers["bob"].lease_until > mine["leaseUntil"])
    assert hall.told("ann", "updated") == [], "a renewed lease is no news"
    assert hall.told("bob", "lost") == [] and bob.over is None


async def test_the_owner_closes_the_room(hall: Gathering, realm: Seeds, admin_sync: Owner) -> None:
    ann = await hall.enter("ann")
    await asyncio.to_thread(close_room, admin_sync, realm.realm, "hall")
    await hall.until(lambda: hall.told("ann", "lost"))
    assert isinstance(hall.told("ann", "lost")[0][0], RoomClosed)
    await ann.leave()
    assert ann.over is not None


@pytest.mark.waits
@pytest.mark.timeout(240)
async def test_a_disabled_key_lets_those_inside_finish(
    hall: Gathering, realm: Seeds, admin: AsyncClient, left: Left
) -> None:
    key = admin.document(f"keys/{realm.key}")
    await key.update({"limits": {"sessionSeconds": 60}})
    ann = await hall.enter("ann", connect="all")
    await key.update({"limits": {}})
    bob = await hall.enter("bob", connect="all")
    await hall.linked("ann", "bob")
    began = time.monotonic()
    await key.update({"disabled": True})
    async with Client(hall.config) as newcomer:
        with pytest.raises(KeyRefused):
            await newcomer.enter("hall")
    ann.send("still here")
    await hall.until(lambda: hall.told("bob", "message"))
    await hall.until(lambda: hall.told("ann", "lost"), 70)
    print(f"\na disabled key: out after {time.monotonic() - began:.0f} s of a session of 60 s")
    assert isinstance(hall.told("ann", "lost")[0][0], KeyRefused)
    assert isinstance(ann.over, KeyRefused)
    # It left in time to delete what was its own.
    await hall.until(lambda: [gone.id for (gone,) in hall.told("bob", "left")] == ["ann"])
    await ann.leave()
    with contextlib.suppress(AssertionError):
        await hall.until(lambda: not any("ann" in path for path in left()), 10)
    assert [path for path in left() if path.endswith(("/ann", "/ann~s0", "/ann~s1"))] == []
    assert bob.over is None
    assert Path(bob.path).name == "hall"
