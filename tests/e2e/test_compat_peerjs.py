"""PeerJS's words between Python peers: connections, calls, coming back, errors."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import msgpack  # type: ignore[import-untyped]  # it ships no types
import pytest
import pytest_asyncio

from firertc import Config, open_source
from firertc.compat.peerjs import (
    DataConnection,
    MediaConnection,
    MediaStream,
    Peer,
    PeerError,
)
from firertc.sample import read_frame_number

from .conftest import Left
from .remains import emptied

STEP_SECONDS = 30.0

MakePeer = Callable[..., Peer]


@pytest_asyncio.fixture
async def make(config: Config) -> AsyncIterator[MakePeer]:
    """Makes peers of the test's realm; they are destroyed in the end."""
    made: list[Peer] = []

    def make_one(*arguments: Any, **options: Any) -> Peer:
        made.append(Peer(*arguments, config=config, **options))
        return made[-1]

    yield make_one
    for peer in made:
        await peer.destroy()


class Heard:
    """What one object tells of, in order."""

    def __init__(self, source: Any, *events: str) -> None:
        self._queue: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        for event in events:
            source.on(event, lambda *values, event=event: self._put(event, values))

    def _put(self, event: str, values: tuple[Any, ...]) -> None:
        self._queue.put_nowait((event, values[0] if values else None))

    async def next(self, event: str) -> Any:
        """The next thing told must be this event."""
        got, value = await asyncio.wait_for(self._queue.get(), STEP_SECONDS)
        assert got == event, (got, value)
        return value


async def pair(make: MakePeer, **options: Any) -> tuple[DataConnection, DataConnection, Any, Any]:
    """Two peers, connected; and what both ends hear."""
    alice, bob = make("alice"), make("bob")
    await asyncio.gather(alice.opened(), bob.opened())
    incoming = Heard(bob, "connection")
    mine = alice.connect("bob", **options)
    heard = Heard(mine, "open", "data", "close", "error")
    theirs = await incoming.next("connection")
    answered = Heard(theirs, "open", "data", "close", "error")
    await heard.next("open")
    await answered.next("open")
    return mine, theirs, heard, answered


async def test_ids(make: MakePeer, left: Left) -> None:
    chosen, random = make("Alice_2-x y"), make()
    heard = Heard(chosen, "open", "error")
    assert await heard.next("open") == "Alice_2-x y"
    assert await random.opened() == random.id
    assert len(random.id or "") > 10
    everybody = sorted(["Alice_2-x y", random.id or ""])
    async with asyncio.timeout(STEP_SECONDS):
        for peer in (chosen, random):
            while len(peer.list_all_peers()) < 2:
                await asyncio.sleep(0.02)
            assert sorted(peer.list_all_peers()) == everybody


async def test_connecting_and_leaving(make: MakePeer, left: Left) -> None:
    mine, theirs, heard, answered = await pair(
        make, label="chat", metadata={"from": "Zoë"}, reliable=True
    )
    assert (theirs.label, theirs.metadata, theirs.peer) == ("chat", {"from": "Zoë"}, "alice")
    assert (theirs.connection_id, theirs.serialization) == (mine.connection_id, "binary")
    assert theirs.reliable and mine.connection_id.startswith("dc_")
    assert mine.peer_connection is not None
    await mine.send("to bob")
    await theirs.send("to alice")
    assert await answered.next("data") == "to bob"
    assert await heard.next("data") == "to alice"
    await mine.close(flush=True)
    await heard.next("close")
    await answered.next("close")
    assert not mine.open and not theirs.open
    with pytest.raises(PeerError) as error:
        await mine.send("x")
    assert error.value.type == "not-open-yet"


NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
PLAIN: list[Any] = [
    *(0, -1, 2.5, 2**40, "text", "x" * 100_000, True, None, [1, [2]], {"a": {"b": [None]}}),
]


@pytest.mark.parametrize(
    ("serialization", "values", "arrive"),
    [
        ("binary", [*PLAIN, b"\x00\xff", {"file": b"x" * 200_000}], None),
        ("binary", [NOW], [NOW.isoformat()]),
        ("binary-utf8", ["☕ 🦊"], None),
        ("json", ["x" * 16_000, {"a": [1, 2.5, None, "é"]}], None),
        ("raw", ["text", b"bytes", "x" * 300_000], None),
        ("MsgPack", [*PLAIN, b"\x00\xff", NOW, {"n": 2**63}], None),
    ],
)
async def test_serializations(
    serialization: str, values: list[Any], arrive: list[Any] | None, make: MakePeer
) -> None:
    mine, theirs, heard, answered = await pair(make, serialization=serialization)
    for sender, receiver in ((mine, answered), (theirs, heard)):
        for value, expected in zip(values, arrive or values, strict=True):
            await sender.send(value)
            assert await receiver.next("data") == expected


async def test_what_can_not_be_sent(make: MakePeer) -> None:
    mine, theirs, _, answered = await pair(make, serialization="json")
    with pytest.raises(PeerError) as error:
        await mine.send("x" * 16_300)
    assert error.value.type == "message-too-big"
    for wrong in (b"bytes", object()):
        with pytest.raises(TypeError):
            await mine.send(wrong)
    with pytest.raises(ValueError, match="binary-utf8"):
        make("carol").connect("bob", serialization="xml")
    await mine.data_channel.send("{ no JSON")
    assert (await answered.next("error")).type == "negotiation-failed"
    assert theirs.open


async def test_a_call(make: MakePeer, left: Left) -> None:
    alice, bob = make("alice"), make("bob")
    await asyncio.gather(alice.opened(), bob.opened())
    incoming = Heard(bob, "call")
    async with await open_source("test") as hers, await open_source("test") as his:
        calling = alice.call("bob", hers, metadata=[1, 2])
        heard = Heard(calling, "stream", "close", "error")
        called = await incoming.next("call")
        assert isinstance(called, MediaConnection)
        answered = Heard(called, "stream", "close", "error")
        assert (called.peer, called.metadata) == ("alice", [1, 2])
        assert called.connection_id.startswith("mc_")
        await called.answer(his)
        for stream in (await heard.next("stream"), await answered.next("stream")):
            assert isinstance(stream, MediaStream)
            async with asyncio.timeout(STEP_SECONDS):
                while stream.video is None or stream.audio is None:
                    await asyncio.sleep(0.02)
                while read_frame_number(await stream.video.recv()) is None:  # type: ignore[arg-type]
                    pass
        with pytest.raises(PeerError):
            await called.answer()
        await called.close()
        await answered.next("close")
        await heard.next("close")
    assert alice.connections == {} and bob.connections == {}


async def test_calls_that_are_not_taken(make: MakePeer) -> None:
    alice, bob = make("alice"), make("bob")
    await asyncio.gather(alice.opened(), bob.opened())
    told, incoming = Heard(alice, "error"), Heard(bob, "call")
    calling = alice.call("bob")
    await (await incoming.next("call")).close()
    assert (await told.next("error")).type == "peer-unavailable"
    assert calling.ended
    calling = alice.call("bob")
    called = await incoming.next("call")
    ended = Heard(called, "close")
    await calling.close()
    await ended.next("close")


async def test_errors_of_peers(make: MakePeer, caplog: pytest.LogCaptureFixture) -> None:
    alice = make("alice")
    await alice.opened()
    told = Heard(alice, "error")
    connection = alice.connect("nobody")
    ended = Heard(connection, "close")
    assert (await told.next("error")).type == "peer-unavailable"
    await ended.next("close")
    for wrong, kind in (("not/valid", "invalid-id"), ("alice", "unavailable-id")):
        other = make(wrong)
        heard = Heard(other, "error", "open")
        assert (await heard.next("error")).type == kind
        assert (await _first_error(other)).type == kind
        async with asyncio.timeout(STEP_SECONDS):
            while not other.destroyed:
                await asyncio.sleep(0.02)
    with pytest.raises(PeerError, match="Cannot connect"):
        other.connect("alice")
    assert "unavailable-id" not in caplog.text
    assert (await _first_error(make("also/wrong"))).type == "invalid-id"


async def _first_error(peer: Peer) -> PeerError:
    with pytest.raises(PeerError) as error:
        await peer.opened()
    return error.value


async def test_keys_that_are_none(config: Config) -> None:
    from dataclasses import replace

    stranger = Peer(config=replace(config, key="no-such-key"))
    assert (await _first_error(stranger)).type == "invalid-key"
    await stranger.destroy()
    away = Peer(config=replace(config, functions_url="http://127.0.0.1:9"))
    assert (await _first_error(away)).type == "network"
    await away.destroy()


async def test_peers_of_another_key_are_out_of_reach(make: MakePeer) -> None:
    name = secrets.token_hex(4)
    alice, bob = make("alice", key=name), make("bob")
    await asyncio.gather(alice.opened(), bob.opened())
    told = Heard(alice, "error")
    alice.connect("bob")
    assert (await told.next("error")).type == "peer-unavailable"


async def test_coming_back(make: MakePeer, left: Left) -> None:
    alice, bob = make("alice"), make()
    await asyncio.gather(alice.opened(), bob.opened())
    heard = Heard(alice, "disconnected", "open", "close")
    await alice.disconnect()
    assert await heard.next("disconnected") == "alice"
    with pytest.raises(PeerError):
        alice.connect("x")
    assert await alice.reconnect() == "alice"
    assert await heard.next("open") == "alice"
    with pytest.raises(RuntimeError, match="not disconnected"):
        await alice.reconnect()
    random = bob.id
    await bob.disconnect()
    assert await bob.reconnect() == random
    incoming = Heard(alice, "connection")
    connection = bob.connect("alice")
    opened = Heard(connection, "open")
    await incoming.next("connection")
    await opened.next("open")
    await alice.destroy()
    await heard.next("disconnected")
    await heard.next("close")
    with pytest.raises(RuntimeError, match="destroyed"):
        await alice.reconnect()
    await bob.destroy()
    await emptied(left)


async def test_ice_servers_in_both_forms(config: Config) -> None:
    servers: list[dict[str, Any]] = [
        {"url": "stun:127.0.0.1:9"},
        {"urls": ["turn:127.0.0.1:9"], "username": "u"},
    ]
    peer = Peer(config=config, ice_servers=servers)
    assert peer._configured().ice_servers == (
        {"urls": "stun:127.0.0.1:9"},
        {"urls": ["turn:127.0.0.1:9"], "username": "u"},
    )
    await peer.destroy()


def test_the_library_is_there() -> None:
    assert msgpack.unpackb(msgpack.packb([1])) == [1]
