"""Repair: its decisions by vectors, and links that change connections in mid-talk."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiortc import MediaStreamTrack
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, VideoStreamTrack

from firertc.carrier import Carrier
from firertc.connection import Connection
from firertc.errors import NoReply, PeerGone, RequestRefused, TooMuch
from firertc.link import Link, LinkEnd, LinkState
from firertc.repair import (
    REPAIR_ATTEMPT_SECONDS,
    REPAIR_SECONDS,
    Offered,
    Standing,
    repair_delay,
    repair_mark,
    repair_step,
    takes_repair,
)

from .network import Network
from .pairs import BOTH, Pair, heard, linked, soon, until

VECTORS = json.loads(
    Path(__file__).parents[1].joinpath("vectors", "repair.json").read_text(encoding="utf-8")
)
NOTICE_SECONDS = 4.0


@pytest.mark.parametrize(("attempt", "seconds"), VECTORS["delays"])
def test_when_each_attempt_begins(attempt: int, seconds: float) -> None:
    assert repair_delay(attempt) == seconds


@pytest.mark.parametrize("case", VECTORS["steps"], ids=str)
def test_steps(case: dict[str, Any]) -> None:
    assert repair_step(case["elapsed"], case["made"], case["canRestart"]) == case["step"]


@pytest.mark.parametrize("case", VECTORS["marks"], ids=str)
def test_marks(case: dict[str, Any]) -> None:
    mark = repair_mark(case["metadata"])
    assert (None if mark is None else vars(mark)) == case["mark"]


@pytest.mark.parametrize("case", VECTORS["takes"], ids=lambda case: case["about"])
def test_which_offers_repair_a_link(case: dict[str, Any]) -> None:
    call, link = case["call"], case["link"]
    offered = Offered(call["from"], call["fromSession"], call["toSession"], call["metadata"])
    facts = Standing(
        link["remote"],
        link["remoteSession"],
        link["session"],
        link["side"],
        link["state"],
        link["document"],
    )
    assert takes_repair(offered, facts) is case["takes"]


def test_the_times_fit_together() -> None:
    assert list(REPAIR_ATTEMPT_SECONDS) == sorted(REPAIR_ATTEMPT_SECONDS)
    assert REPAIR_ATTEMPT_SECONDS[-1] < REPAIR_SECONDS


# ---- links that are mended in this process -----------------------------------------------------


async def replace(pair: Pair) -> tuple[Carrier, Carrier]:
    """Bring both links another connection, without a database."""
    offerer, answerer = pair
    one = offerer.carry(Connection((), like=offerer.connection))
    other = answerer.carry(Connection((), like=answerer.connection))
    offer = await one.connection.offer()
    answer = await other.connection.answer(offer.sdp)
    await one.connection.accept(answer.sdp)
    for to, description, of in ((other, offer, one), (one, answer, other)):
        if not description.complete:
            await to.connection.add_candidates(await of.connection.late_candidates())
    return one, other


def mended(pair: Pair, after_seconds: float = 0.0) -> Pair:
    """Let the pair mend themselves."""
    offerer, answerer = pair

    async def offer(link: Link) -> None:
        await asyncio.sleep(after_seconds)
        try:
            await replace(pair)
            await link.settled()
        finally:
            for side in pair:
                for carrier in list(side._coming):
                    side.abandon(carrier)

    async def wait(link: Link) -> None:
        await link.settled()

    offerer.mend, answerer.mend = offer, wait
    return pair


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    return Network(monkeypatch)


@pytest_asyncio.fixture
async def pair(network: Network) -> AsyncIterator[Pair]:
    links = mended(await linked())
    yield links
    for each in links:
        await each.close()


def told(link: Link) -> list[str]:
    """What a link says of its repair, in order."""
    said: list[str] = []
    link.on("reconnecting", lambda reason: said.append(f"reconnecting {reason}"))
    link.on("reconnected", lambda: said.append("reconnected"))
    link.on("closed", lambda end: said.append(f"closed {end.reason}"))
    return said


async def test_a_lost_path_is_replaced(pair: Pair, network: Network) -> None:
    """200 messages and 5 MB on their way, both ways, with the path gone for good."""
    replaced = pair[0].mend
    assert replaced is not None

    async def when_both_know(link: Link) -> None:
        # Each looks twice a second, at times of its own: the answerer could be given a new path
        # before it misses the old one, and would have nothing to say.
        await until(lambda: pair[1].state is LinkState.RECONNECTING)
        await replaced(link)

    pair[0].mend = when_both_know
    said = [told(each) for each in pair]
    words = [heard(each, "message") for each in pair]
    before = [each.connection for each in pair]
    blocks = [bytes([n]) * 100_000 for n in range(50)]
    incoming = heard(pair[1], "channel")
    channel = await pair[0].open_channel("bulk")
    theirs = await soon(incoming)

    async def pour() -> None:
        for block in blocks:
            await channel.send(block)

    async def read() -> list[str | bytes]:
        return [await anext(theirs) for _ in blocks]

    reading = asyncio.create_task(read())
    for number in range(200):
        for each in pair:
            each.send(number)
        if number == 100:
            pouring = asyncio.create_task(pour())
            for each in pair:
                network.lose(each.connection)
        await asyncio.sleep(0.05)
    try:
        await until(lambda: all(queue.qsize() >= 200 for queue in words))
    except TimeoutError:
        pytest.fail(f"{said}, {[vars(each) for each in pair]}")
    for queue in words:
        assert [await soon(queue) for _ in range(200)] == list(range(200))
    async with asyncio.timeout(30):
        await pouring
        assert await reading == blocks
        await channel.flush(20)
    for each, lines in zip(pair, said, strict=True):
        assert lines == ["reconnecting silent", "reconnected"]
        assert each.state is LinkState.OPEN
        await each.flush()
    assert all(each.connection is not old for each, old in zip(pair, before, strict=True))
    await until(lambda: all(old.pc.connectionState == "closed" for old in before))
    # Messages, channels and requests go on.
    back = heard(channel, "message")
    await theirs.send("still here")
    assert await soon(back) == "still here"


async def test_a_channel_that_is_opened_late_on_the_new_path(pair: Pair, network: Network) -> None:
    """As on a bad line, where the message that opens it is lost at first."""
    incoming = heard(pair[1], "channel")
    channel = await pair[0].open_channel("bulk")
    theirs = await soon(incoming)
    await channel.send("one")
    assert await anext(theirs) == "one"
    move, loop = pair[0].channels.move, asyncio.get_running_loop()
    pair[0].channels.move = lambda carrier: void(loop.call_later(2.0, move, carrier))  # type: ignore[method-assign]
    before = [each.connection for each in pair]
    for connection in before:
        network.lose(connection)
    await until(lambda: not any(each.connection in before for each in pair))
    await channel.send("two")
    async with asyncio.timeout(20):
        assert await anext(theirs) == "two"
    await channel.close()


def void(_: object) -> None:
    """Nothing is done with it."""


async def test_a_path_that_is_replaced_before_it_is_missed(pair: Pair, network: Network) -> None:
    """The side that doesn't offer may not have noticed anything yet."""
    said = [told(each) for each in pair]
    words = [heard(each, "message") for each in pair]
    for each in pair:
        network.lose(each.connection)
        each.send("said into the dark")
    while any(queue.empty() for queue in words):
        # As if the last it heard were a little later than what the offerer did.
        pair[1]._heart.hear()
        await asyncio.sleep(0.05)
    assert [await soon(queue) for queue in words] == ["said into the dark"] * 2
    assert said == [["reconnecting silent", "reconnected"], []]


async def test_a_path_that_comes_back_by_itself(pair: Pair, network: Network) -> None:
    mended(pair, after_seconds=30)
    said = [told(each) for each in pair]
    words = [heard(each, "message") for each in pair]
    before = [each.connection for each in pair]
    network.cut()
    await until(lambda: all(each.state is LinkState.RECONNECTING for each in pair))
    for number in range(100):
        for each in pair:
            each.send(number)
    network.restore()
    for queue in words:
        assert [await soon(queue) for _ in range(100)] == list(range(100))
    for each, lines, old in zip(pair, said, before, strict=True):
        await until(lambda each=each: each.state is LinkState.OPEN)  # type: ignore[misc]
        assert lines == ["reconnecting silent", "reconnected"]
        assert each.connection is old
        await each.flush()


async def test_a_path_that_comes_back_one_way_only(pair: Pair, network: Network) -> None:
    """Whoever hears the other side again goes on looking: it is not heard itself."""
    mended(pair, after_seconds=9)
    said = [told(each) for each in pair]
    offerer, answerer = pair
    heard_again: list[float] = []
    network.cut()
    await until(lambda: all(each.state is LinkState.RECONNECTING for each in pair))
    old = offerer.carrier
    old.connection.channel.on("message", heard_again.append)  # type: ignore[union-attr]
    network.lose(answerer.connection)
    network.restore()
    await until(lambda: all(each.state is LinkState.OPEN for each in pair))
    assert heard_again and offerer.carrier is not old
    assert said == [["reconnecting silent", "reconnected"]] * 2


async def test_a_path_that_breaks_as_soon_as_it_is_back(pair: Pair, network: Network) -> None:
    """The search that is no longer needed ends, and not the link with it."""
    mended(pair, after_seconds=3)
    said = [told(each) for each in pair]
    pair[0].once("reconnected", lambda: pair[0]._break("failed", LinkEnd("failed", False)))
    network.cut()
    await until(lambda: all(each.state is LinkState.RECONNECTING for each in pair))
    network.restore()
    again = ["reconnecting silent", "reconnected", "reconnecting failed", "reconnected"]
    await until(lambda: said[0] == again or pair[0].state is LinkState.CLOSED)
    assert said[0] == again
    await until(lambda: all(each.state is LinkState.OPEN for each in pair))
    for each in pair:
        await each.flush()


async def test_a_connection_that_fails_at_once(pair: Pair) -> None:
    """Not silent: closed under the link."""
    said = [told(each) for each in pair]
    words = heard(pair[0], "message")
    await pair[1].connection.close()
    pair[1].send("through")
    assert await soon(words) == "through"
    for lines in said:
        await until(lambda lines=lines: len(lines) == 2)  # type: ignore[misc]
        assert lines == ["reconnecting failed", "reconnected"]


async def test_one_side_has_not_noticed(pair: Pair) -> None:
    """A new connection comes while the link is open: nothing is lost, nothing is said of it."""
    said = [told(each) for each in pair]
    words = [heard(each, "message") for each in pair]
    for number in range(50):
        for each in pair:
            each.send(number)
        if number == 10:
            carriers = await replace(pair)
        await asyncio.sleep(0.01)
    for queue in words:
        assert [await soon(queue) for _ in range(50)] == list(range(50))
    assert [each.carrier for each in pair] == list(carriers)
    assert said == [[], []]


async def test_a_new_connection_that_dies_falls_back_to_the_old(pair: Pair) -> None:
    offerer, answerer = pair
    words = heard(answerer, "message")
    first = offerer.carrier
    # The other side says nothing on it: the old one is kept.
    coming = offerer.carry(Connection((), like=offerer.connection))
    other = Connection((), like=answerer.connection)
    offer = await coming.connection.offer()
    answer = await other.answer(offer.sdp)
    await coming.connection.accept(answer.sdp)
    if not offer.complete:
        await other.add_candidates(await coming.connection.late_candidates())
    if not answer.complete:
        await coming.connection.add_candidates(await other.late_candidates())
    await coming.opened(20)
    assert offerer.carrier is coming
    await other.close()
    await until(lambda: offerer.carrier is first)
    offerer.send("on the old one")
    assert await soon(words) == "on the old one"


async def test_nothing_mends_it(pair: Pair, network: Network) -> None:
    said = [told(each) for each in pair]
    for each in pair:
        each.repair_seconds = 1.0
    network.cut()
    for each, lines in zip(pair, said, strict=True):
        async with asyncio.timeout(15):
            assert await each.closed() == LinkEnd("gone", by_remote=True)
        assert lines == ["reconnecting silent", "closed gone"]
        with pytest.raises(PeerGone):
            each.send("anybody?")


async def test_without_a_mender_a_link_ends(network: Network) -> None:
    links = await linked()
    said = [told(each) for each in links]
    network.cut()
    for each in links:
        async with asyncio.timeout(15):
            assert (await each.closed()).reason == "gone"
        await each.close()
    assert said == [["closed gone"]] * 2


async def test_hanging_up_while_it_is_repaired(pair: Pair, network: Network) -> None:
    network.cut()
    await until(lambda: pair[0].state is LinkState.RECONNECTING)
    async with asyncio.timeout(8):
        await pair[0].hang_up("enough")
    assert await pair[0].closed() == LinkEnd("enough", by_remote=False)


async def test_tracks_go_on(network: Network) -> None:
    links = mended(
        await linked(
            {"audio": AudioStreamTrack(), "video": VideoStreamTrack()},
            {"audio": AudioStreamTrack()},
            BOTH,
        )
    )
    try:
        tracks = [track for each in links for track in each.tracks]
        assert len(tracks) == 3
        times: dict[MediaStreamTrack, list[float]] = {track: [] for track in tracks}

        async def watch(track: MediaStreamTrack) -> None:
            with pytest.raises(MediaStreamError):
                while True:
                    frame: Any = await track.recv()
                    times[track].append(float(frame.time))

        watching = [asyncio.create_task(watch(track)) for track in tracks]
        await until(lambda: all(len(seen) > 10 for seen in times.values()))
        before = [each.connection for each in links]
        for old in before:
            network.lose(old)
        # Not by their states: the answerer may be given the new path before it misses the old one.
        await until(lambda: not any(each.connection in before for each in links))
        await until(lambda: all(each.state is LinkState.OPEN for each in links))
        counts = {track: len(seen) for track, seen in times.items()}
        await until(lambda: all(len(times[track]) > counts[track] + 20 for track in tracks))
        for seen in times.values():
            assert seen == sorted(set(seen)), "time goes on"
        assert [track for each in links for track in each.tracks] == tracks
    finally:
        for each in links:
            await each.close()
    async with asyncio.timeout(5):
        await asyncio.gather(*watching)


# ---- requests ----------------------------------------------------------------------------------


async def test_requests(pair: Pair) -> None:
    offerer, answerer = pair

    async def answer(body: Any) -> Any:
        if body == "fail":
            raise RequestRefused("closed-today", "Come back tomorrow.")
        await asyncio.sleep(0.01)
        return {"you said": body} if not isinstance(body, bytes) else body[::-1]

    with pytest.raises(RequestRefused, match="Nobody answers") as refused:
        await offerer.request("anybody?")
    assert refused.value.reason == "no-handler"
    answerer.on_request = answer
    assert await offerer.request([1]) == {"you said": [1]}
    assert await offerer.request(b"\x00\x01") == b"\x01\x00"
    replies = await asyncio.gather(*(offerer.request(n) for n in range(20)))
    assert replies == [{"you said": n} for n in range(20)]
    with pytest.raises(RequestRefused, match="Come back") as refused:
        await offerer.request("fail")
    assert refused.value.reason == "closed-today"
    offerer.on_request = lambda body: {1, 2}
    with pytest.raises(RequestRefused) as refused:
        await answerer.request(None)
    assert refused.value.reason == "failed"


async def test_a_request_whose_handler_breaks(pair: Pair) -> None:
    offerer, answerer = pair
    context: dict[str, Any] = {}
    asyncio.get_running_loop().set_exception_handler(lambda loop, told: context.update(told))
    answerer.on_request = lambda body: 1 / 0
    with pytest.raises(RequestRefused) as refused:
        await offerer.request("secret")
    assert (refused.value.reason, refused.value.text) == ("failed", "")
    assert isinstance(context["exception"], ZeroDivisionError)
    assert answerer.state is LinkState.OPEN


async def test_a_request_that_nobody_answers_in_time(pair: Pair) -> None:
    offerer, answerer = pair
    answerer.on_request = lambda body: asyncio.sleep(60)
    with pytest.raises(NoReply, match=r"within 0\.2 s"):
        await offerer.request(None, timeout=0.2)
    waiting = asyncio.create_task(offerer.request(None))
    await asyncio.sleep(0.05)
    await answerer.hang_up()
    with pytest.raises(PeerGone):
        await waiting


async def test_a_request_over_a_repair(pair: Pair, network: Network) -> None:
    offerer, answerer = pair
    asked: list[Any] = []

    def answer(body: Any) -> Any:
        asked.append(body)
        return "yes"

    answerer.on_request = answer
    for each in pair:
        network.lose(each.connection)
    assert await offerer.request("still there?", timeout=30) == "yes"
    assert asked == ["still there?"]


async def test_what_each_side_can(pair: Pair) -> None:
    await until(lambda: all(each.can for each in pair))
    assert pair[0].can == {"channels", "requests", "files"}


async def test_what_waits_is_bounded(pair: Pair, network: Network) -> None:
    offerer, _ = pair
    network.cut()
    with pytest.raises(TooMuch, match="16777216 at most"):
        for _ in range(400):
            offerer.send(b"x" * 45_000)
    assert offerer._messages.outbox.size <= 16 * 1024 * 1024
