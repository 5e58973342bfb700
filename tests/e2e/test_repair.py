"""Links whose path breaks, through the real database: they come back, and lose nothing."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from aiortc import MediaStreamTrack
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError

from firertc.call import Call, Media
from firertc.channel import Channel
from firertc.client import Client
from firertc.errors import PeerGone
from firertc.link import Link, LinkEnd, LinkState
from firertc.ringing import Ring, ring
from firertc.room import Room
from tests.unit.network import Network

from .conftest import Left

QUIET = Media(receiving=frozenset())
WAIT_SECONDS = 60.0
MESSAGES = 200
BLOCKS = 50
BLOCK_BYTES = 100_000


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    """The paths between the peers of this process; the database is reached another way."""
    return Network(monkeypatch)


@dataclass
class Side:
    """What one side of a link hears and is told."""

    link: Link
    said: list[str] = field(default_factory=list)
    heard: list[Any] = field(default_factory=list)
    at: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        def tell(what: str) -> None:
            self.said.append(what)
            self.at.append(time.monotonic())

        self.link.on("reconnecting", lambda reason: tell(f"reconnecting {reason}"))
        self.link.on("reconnected", lambda: tell("reconnected"))
        self.link.on("message", self.heard.append)


Pair = tuple[Link, Link]
"""The original offerer's, and the answerer's."""
Make = Callable[[], Awaitable[Pair]]


async def until(condition: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def one_off(client: Client, other: Client, media: Callable[[], Media]) -> tuple[Call, Call]:
    """A call at a code."""
    waiting = await client.wait_at_code(media())
    answered = asyncio.create_task(waiting.answered(30))
    coming = await other.come_with_code(waiting.code, media())
    await answered
    return waiting, coming


@pytest.fixture(params=["one-off", "all", "ring"])
def make(request: pytest.FixtureRequest, client: Client, other: Client) -> Make:
    """Every way to make a link."""

    async def at_a_code() -> Pair:
        waiting, coming = await one_off(client, other, lambda: QUIET)
        return waiting.link, coming.link

    async def in_a_room_of_all() -> Pair:
        name = f"room-{secrets.token_hex(4)}"
        links: dict[str, Link] = {}
        for peer, each in (("ann", client), ("bob", other)):

            def register(room: Room, peer: str = peer) -> None:
                room.on("link", lambda link: links.setdefault(peer, link))

            await each.enter(name, peer=peer, connect="all", media=lambda: QUIET, on_event=register)
        await until(lambda: len(links) == 2)
        first, second = links.values()
        return (first, second) if first.side == "offerer" else (second, first)

    async def by_a_ring() -> Pair:
        callee = await client.enter("hall", peer="bob")
        caller = await other.enter("hall", peer="ann")
        assert await caller.wait_for("bob", WAIT_SECONDS) is not None
        rings: asyncio.Queue[Ring] = asyncio.Queue()
        callee.on("ring", rings.put_nowait)
        calling = asyncio.create_task(ring(caller, "bob", QUIET))
        answered = await (await rings.get()).accept(QUIET)
        return (await calling).link, answered.link

    return {"one-off": at_a_code, "all": in_a_room_of_all, "ring": by_a_ring}[request.param]


async def pour(channel: Channel) -> None:
    """5 MB."""
    for number in range(BLOCKS):
        await channel.send(bytes([number]) * BLOCK_BYTES)


async def drink(channel: Channel) -> list[int]:
    """The first byte of each block of 5 MB."""
    found = []
    for _ in range(BLOCKS):
        block = await anext(channel)
        assert isinstance(block, bytes) and block == block[:1] * BLOCK_BYTES
        found.append(block[0])
    return found


@pytest.mark.parametrize("cut_seconds", [6.0])
async def test_nothing_is_lost(
    make: Make, network: Network, client: Client, other: Client, left: Left, cut_seconds: float
) -> None:
    """Everything is cut; what carried the link before never comes back."""
    pair = await make()
    sides = [Side(link) for link in pair]
    before = client.operations
    before.add(other.operations)
    incoming: asyncio.Queue[Channel] = asyncio.Queue()
    pair[1].on("channel", incoming.put_nowait)
    channel = await pair[0].open_channel("bulk")
    theirs = await incoming.get()
    # The documents that made the link are gone.
    await until(lambda: not [path for path in left() if "~" in path and "~s" not in path])
    pouring = asyncio.create_task(pour(channel))
    drinking = asyncio.create_task(drink(theirs))
    connections = [link.connection for link in pair]
    cut = time.monotonic()
    network.cut()
    for connection in connections:
        network.lose(connection)
    for number in range(MESSAGES):
        for link in pair:
            link.send(number)
        if time.monotonic() - cut > cut_seconds:
            network.restore()
        await asyncio.sleep(cut_seconds / MESSAGES)
    network.restore()
    await until(lambda: all(len(side.heard) >= MESSAGES for side in sides))
    async with asyncio.timeout(WAIT_SECONDS):
        await pouring
        assert await drinking == list(range(BLOCKS))
    for side in sides:
        assert side.heard == list(range(MESSAGES))
        assert side.said == ["reconnecting silent", "reconnected"]
        assert side.link.state is LinkState.OPEN
    print(f"\nnoticed after {sides[0].at[0] - cut:.1f} s, back {sides[0].at[1] - cut:.1f} s")
    print(f"after the cut of {cut_seconds} s began")
    # Whatever the repair wrote is deleted.
    await until(lambda: not [p for p in left() if "/calls/" in p and "~s" not in p], 20)
    after = client.operations
    after.add(other.operations)
    print("operations:", {k: v - before.as_dict()[k] for k, v in after.as_dict().items()})


async def test_tracks_go_on(client: Client, other: Client, network: Network) -> None:
    waiting, coming = await one_off(
        client, other, lambda: Media({"audio": AudioStreamTrack()}, frozenset({"audio"}))
    )
    calls = (waiting, coming)
    tracks: list[MediaStreamTrack] = [call.link.tracks[0] for call in calls]
    times: list[list[float]] = [[], []]

    async def watch(track: MediaStreamTrack, seen: list[float]) -> None:
        with pytest.raises(MediaStreamError):
            while True:
                frame: Any = await track.recv()
                seen.append(float(frame.time))

    watching = [
        asyncio.create_task(watch(track, seen)) for track, seen in zip(tracks, times, strict=True)
    ]
    await until(lambda: all(len(seen) > 25 for seen in times))
    before = [call.link.connection for call in calls]
    for connection in before:
        network.lose(connection)
    # Not by their states: one side may be given the new path before it misses the old one.
    await until(lambda: not any(call.link.connection in before for call in calls))
    await until(lambda: all(call.link.state is LinkState.OPEN for call in calls))
    counts = [len(seen) for seen in times]
    await until(
        lambda: all(len(seen) > count + 25 for seen, count in zip(times, counts, strict=True))
    )
    for seen in times:
        assert seen == sorted(set(seen))
    await waiting.close()
    await coming.close()
    await asyncio.gather(*watching)


async def test_the_old_path_comes_back(
    client: Client, other: Client, network: Network, left: Left
) -> None:
    """A short cut: whichever path is first, both sides end on the same one."""
    calls = await one_off(client, other, lambda: QUIET)
    sides = [Side(call.link) for call in calls]
    network.cut()
    await asyncio.sleep(4.5)
    network.restore()
    for number in range(20):
        for side in sides:
            side.link.send(number)
        await asyncio.sleep(0.05)
    await until(lambda: all(side.heard == list(range(20)) for side in sides))
    await until(lambda: all(side.link.state is LinkState.OPEN for side in sides))
    for call in calls:
        await call.close()
    await until(lambda: left() == [], 20)


async def test_it_is_given_up(client: Client, other: Client, network: Network, left: Left) -> None:
    calls = await one_off(client, other, lambda: QUIET)
    sides = [Side(call.link) for call in calls]
    for call in calls:
        call.link.repair_seconds = 3.0
    network.cut()
    for call in calls:
        async with asyncio.timeout(WAIT_SECONDS):
            assert await call.closed() == LinkEnd("gone", by_remote=True)
    assert [side.said for side in sides] == [["reconnecting silent"]] * 2
    with pytest.raises(PeerGone):
        calls[0].link.send("anybody?")
    for call in calls:
        await call.close()
    await until(lambda: left() == [], 20)


@pytest_asyncio.fixture
async def third(config: Any) -> AsyncIterator[Client]:
    """One more client in the test's realm."""
    async with Client(config) as made:
        yield made


async def test_who_leaves_is_not_waited_for(
    client: Client, other: Client, network: Network
) -> None:
    """The other side's document goes while the link is being repaired: it ends at once."""
    callee = await client.enter("hall", peer="bob")
    caller = await other.enter("hall", peer="ann")
    assert await caller.wait_for("bob", WAIT_SECONDS) is not None
    rings: asyncio.Queue[Ring] = asyncio.Queue()
    callee.on("ring", rings.put_nowait)
    calling = asyncio.create_task(ring(caller, "bob", QUIET))
    answered = await (await rings.get()).accept(QUIET)
    call = await calling
    network.cut()
    await until(lambda: call.link.state is LinkState.RECONNECTING)
    await callee.leave()
    async with asyncio.timeout(10):
        assert (await call.closed()).reason == "left"
    await answered.close()


@pytest.mark.waits
async def test_somebody_elses_answer_is_no_repair(
    client: Client, other: Client, third: Client, network: Network
) -> None:
    """Who has the code may answer a repair's offer: it is not taken, the next one is."""
    waiting, coming = await one_off(client, other, lambda: QUIET)
    side = Side(waiting.link)
    coming.link.mend = None
    network.cut()
    await until(lambda: waiting.link.state is LinkState.RECONNECTING)
    network.restore()
    for call in (waiting, coming):
        network.lose(call.link.connection)
    with pytest.raises(Exception) as refused:
        await asyncio.wait_for(_come(third, waiting.code), 30)
    print(f"\nthe stranger: {refused.value!r}")
    assert waiting.link.remote == coming.session.peer
    assert "reconnected" not in side.said
    waiting.link.repair_seconds = 1
    await waiting.close()
    await coming.close()


async def _come(client: Client, code: str) -> None:
    while True:
        try:
            await client.come_with_code(code, QUIET)
        except Exception as error:
            if getattr(error, "code", "") != "code-unknown":
                raise
            await asyncio.sleep(0.1)
        else:
            return
