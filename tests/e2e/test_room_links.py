"""What a room does on all its links: requests, channels, tracks for everybody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from firertc.call import Media
from firertc.config import Config
from firertc.errors import ConfigError, PeerGone, RequestRefused
from firertc.media import open_source
from firertc.ringing import Ring, ring

from .gathering import Gathering


@pytest_asyncio.fixture
async def hall(config: Config) -> AsyncIterator[Gathering]:
    made = Gathering(config)
    yield made
    await made.close()


async def test_requests_of_a_room(hall: Gathering) -> None:
    ann = await hall.enter("ann", connect="all")
    ann.on_request = lambda peer, body: {"asked by": peer, "twice": body * 2}
    bob = await hall.enter("bob", connect="all")
    await hall.linked("ann", "bob")
    assert await bob.request("ann", 21) == {"asked by": "bob", "twice": 42}
    with pytest.raises(RequestRefused):
        await ann.request("bob", 1)

    async def later(peer: str, body: Any) -> str:
        await asyncio.sleep(0.01)
        return f"{peer} said {body}"

    bob.on_request = later
    assert await ann.request("bob", "hi") == "ann said hi"
    bob.on_request = None
    with pytest.raises(RequestRefused):
        await ann.request("bob", 1)
    with pytest.raises(PeerGone):
        await ann.request("carl", 1)


async def test_messages_to_all_to_some_and_to_one(hall: Gathering) -> None:
    for peer in ("ann", "bob", "carl"):
        await hall.enter(peer, connect="all")
    await hall.linked("ann", "bob", "carl")
    ann = hall.rooms["ann"]
    assert sorted(ann.send("all")) == ["bob", "carl"]
    assert ann.send("some", to=["carl", "nobody"]) == ["carl"]
    assert ann.send("one", to="bob") == ["bob"]
    assert ann.send({"end": True}) != []
    end = ("ann", {"end": True})
    await hall.until(lambda: all(end in hall.told(p, "message") for p in ("bob", "carl")))
    assert hall.told("bob", "message") == [("ann", "all"), ("ann", "one"), end]
    assert hall.told("carl", "message") == [("ann", "all"), ("ann", "some"), end]


async def test_channels_are_told_to_who_listens_late(hall: Gathering) -> None:
    ann = await hall.enter("ann", connect="all")
    bob = await hall.enter("bob", connect="all")
    await hall.linked("ann", "bob")
    link = ann.link("bob")
    assert link is not None
    channel = await link.open_channel("notes")
    await asyncio.sleep(0.3)
    hall.listen("bob", bob, "channel")
    await hall.until(lambda: hall.told("bob", "channel"))
    peer, other = hall.told("bob", "channel")[0]
    assert (peer, other.label) == ("ann", "notes")
    await channel.close()


async def test_a_track_for_everybody_now_and_later(hall: Gathering) -> None:
    ann = await hall.enter("ann", connect="all", media=Media)
    await hall.enter("bob", connect="all", media=Media)
    await hall.linked("ann", "bob")
    async with await open_source("test") as one, await open_source("test") as two:
        assert one.audio is not None and two.audio is not None and two.video is not None
        await ann.add_track(one.audio)
        with pytest.raises(ConfigError, match="already"):
            await ann.add_track(one.audio)
        await hall.until(lambda: hall.told("bob", "track"))
        await hall.enter("carl", connect="all", media=Media)
        await hall.until(lambda: hall.told("carl", "track"))
        for peer in ("bob", "carl"):
            sender, track = hall.told(peer, "track")[0]
            assert (sender, track.kind) == ("ann", "audio")
            async with asyncio.timeout(20):
                await track.recv()
        with pytest.raises(ConfigError, match="can't take the place"):
            await ann.replace_track(one.audio, two.video)
        await ann.replace_track(one.audio, two.audio)
        one.audio.stop()
        for peer in ("bob", "carl"):
            track = hall.told(peer, "track")[0][1]
            async with asyncio.timeout(20):
                for _ in range(20):
                    await track.recv()
        await ann.remove_track(two.audio)
        with pytest.raises(ConfigError, match="add it first"):
            await ann.remove_track(two.audio)
        await hall.close()


async def test_a_link_that_breaks_in_a_sealed_room_comes_back(hall: Gathering) -> None:
    how: dict[str, Any] = {"connect": "all", "passphrase": "still sealed"}
    ann = await hall.enter("ann", **how)
    bob = await hall.enter("bob", **how)
    await hall.linked("ann", "bob")
    link = ann.link("bob")
    assert link is not None
    await link.connection.pc.close()
    await hall.until(lambda: hall.told("ann", "reconnecting") and hall.told("bob", "reconnecting"))
    assert hall.told("ann", "reconnecting") == [("bob",)]
    bob.send("said meanwhile")
    await hall.until(lambda: hall.told("ann", "reconnected") and hall.told("bob", "reconnected"))
    await hall.until(lambda: hall.told("ann", "message"))
    assert hall.told("ann", "message") == [("bob", "said meanwhile")]
    assert ann.link("bob") is link
    assert hall.told("ann", "unlinked") == hall.told("bob", "unlinked") == []


async def test_what_a_rings_link_says_is_told_by_the_room(hall: Gathering) -> None:
    ann = await hall.enter("ann", events=("ring", "mute"), media=Media)
    bob = await hall.enter("bob", events=("ring", "mute"), media=Media)
    ann.on_request = lambda peer, body: f"{peer} asked {body}"
    await hall.until(lambda: "bob" in ann.peers and "ann" in bob.peers)
    async with await open_source("test") as source:
        assert source.audio is not None
        calling = asyncio.create_task(ring(ann, "bob", Media({"audio": source.audio})))
        await hall.until(lambda: hall.told("bob", "ring"))
        incoming: Ring = hall.told("bob", "ring")[0][0]
        answered = await incoming.accept(Media())
        call = await calling
        assert hall.told("ann", "link") == [(call.link,)]
        assert hall.told("bob", "link") == [(answered.link,)]
        assert ann.send("hello") == ["bob"]
        assert await bob.request("ann", 1) == "bob asked 1"
        call.link.mute(audio=True)
        channel = await call.link.open_channel("notes")
        await hall.until(lambda: hall.told("bob", "mute") and hall.told("bob", "message"))
        assert hall.told("bob", "message") == [("ann", "hello")]
        assert hall.told("bob", "mute") == [("ann", {"audio": True})]
        [(peer, track)] = hall.told("bob", "track")
        assert (peer, track.kind) == ("ann", "audio")
        # Kept until somebody listens.
        assert hall.told("bob", "channel") == []
        hall.listen("bob", bob, "channel")
        await hall.until(lambda: hall.told("bob", "channel"))
        peer, theirs = hall.told("bob", "channel")[0]
        assert (peer, theirs.label) == ("ann", "notes")
        await channel.close()
        await call.close()
        await hall.until(lambda: hall.told("ann", "unlinked") and hall.told("bob", "unlinked"))
        assert ann.links == {} == bob.links
        assert hall.told("bob", "unlinked")[0][0] is answered.link
        await answered.close()
