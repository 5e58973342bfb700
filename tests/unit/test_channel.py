"""Channels of the application: by vectors, over a line that fails, and between two links."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from firertc import channel_frames
from firertc.channel import Channel, read_opening
from firertc.channel_frames import (
    Kind,
    Piece,
    PieceAck,
    PieceInbox,
    PieceOutbox,
    cut,
    decode,
    encode,
    is_after,
)
from firertc.errors import ChannelClosed, ConfigError, PeerGone, ProtocolError

from .pairs import Pair, heard, soon, until

VECTORS = json.loads(
    Path(__file__).parents[1].joinpath("vectors", "channels.json").read_text(encoding="utf-8")
)


def piece_of(fields: dict[str, Any]) -> Piece:
    return Piece(
        Kind[fields["kind"].upper()],
        fields["number"],
        bytes.fromhex(fields["payload"]),
        fields["more"],
    )


@pytest.mark.parametrize("case", VECTORS["frames"], ids=lambda case: case["hex"][:20])
def test_frames(case: dict[str, Any]) -> None:
    raw = bytes.fromhex(case["hex"])
    if "error" in case:
        with pytest.raises(ProtocolError, match="no frame"):
            decode(raw)
        return
    frame = decode(raw)
    wanted = case["frame"]
    if wanted is None:
        assert frame is None
        return
    expected = PieceAck(wanted["number"]) if wanted["kind"] == "ack" else piece_of(wanted)
    assert frame == expected
    if case.get("encodes", True):
        assert encode(expected) == raw


def test_what_is_no_frame() -> None:
    for raw in ("text", b"\0" * (channel_frames.FRAME_BYTES + 1)):
        with pytest.raises(ProtocolError):
            decode(raw)


@pytest.mark.parametrize(("number", "other", "expected"), VECTORS["after"])
def test_order_of_numbers(number: int, other: int, expected: bool) -> None:
    assert is_after(number, other) is expected


@pytest.mark.parametrize("case", VECTORS["cuts"], ids=str)
def test_cuts(case: dict[str, Any]) -> None:
    text = case["kind"] == "text"
    whole = case["unit"] * case["repeat"]
    pieces = list(cut(whole if text else bytes.fromhex(whole)))
    assert {kind for kind, *_ in pieces} == {Kind.TEXT if text else Kind.BINARY}
    assert [len(payload) for _, payload, _ in pieces] == case["pieces"]
    assert [more for *_, more in pieces] == case["more"]
    assert b"".join(payload for _, payload, _ in pieces) == (
        whole.encode() if text else bytes.fromhex(whole)
    )


@pytest.mark.parametrize("case", VECTORS["inbox"], ids=lambda case: case["about"])
def test_inbox(case: dict[str, Any]) -> None:
    inbox = PieceInbox()
    results: list[Any] = []
    acknowledged = []
    for event in case["events"]:
        taken = event[0] == "take"
        results.append(inbox.take(piece_of(event[1])) if taken else inbox.consume())
        acknowledged.append(inbox.acknowledged)
    assert results == case["results"]
    assert acknowledged == case["acknowledged"]


@pytest.mark.parametrize("case", VECTORS["openings"], ids=lambda case: case["protocol"])
def test_openings(case: dict[str, Any]) -> None:
    opening = read_opening(case["protocol"])
    assert (None if opening is None else vars(opening)) == case["opening"]


def test_what_breaks_a_channel() -> None:
    with pytest.raises(ProtocolError, match="more than 3 bytes"):
        PieceInbox(most=3).take(Piece(Kind.BINARY, 1, b"four"))
    with pytest.raises(ProtocolError, match="no UTF-8"):
        PieceInbox().take(Piece(Kind.TEXT, 1, b"\xff"))
    with pytest.raises(ProtocolError, match="never sent"):
        PieceOutbox().acknowledge(1)


@given(st.binary(max_size=40))
def test_whatever_comes_is_a_frame_nothing_or_an_error(raw: bytes) -> None:
    try:
        frame = decode(raw)
    except ProtocolError:
        return
    if frame is not None:
        assert decode(encode(frame)) == frame


MESSAGES = st.lists(
    st.integers(0, 3 * channel_frames.PAYLOAD_BYTES).map(bytes) | st.text(max_size=9),
    min_size=1,
    max_size=6,
)
FATES = st.lists(st.sampled_from(["deliver", "lose", "ack", "lose ack", "switch", "read"]))


@given(MESSAGES, FATES, st.sampled_from([0, channel_frames.NUMBERS - 4]))
def test_over_lines_that_break(messages: list[bytes | str], fates: list[str], first: int) -> None:
    """Each connection keeps its order and then loses what it still holds; each message arrives
    once, in order, on whatever connections."""
    outbox, inbox = PieceOutbox(last=first), PieceInbox(last=first)
    for message in messages:
        for part in cut(message):
            outbox.add(*part)
    line: deque[bytes] = deque()
    heard: list[bytes | str] = []
    calm = ["deliver"] * 40 + ["read"] * 10 + ["ack"]
    for fate in [*fates, "switch", *calm]:
        while (piece := outbox.next()) is not None:
            line.append(encode(piece))
        match fate:
            case "switch":
                line.clear()
                outbox.rewind()
            case "lose":
                # The rest of this connection is lost: the next one says it all again.
                line.clear()
            case "deliver" if line:
                arrived = decode(line.popleft())
                assert isinstance(arrived, Piece)
                inbox.take(arrived)
            case "read" if inbox.messages:
                heard.append(inbox.consume())
            case "ack":
                outbox.acknowledge(inbox.acknowledged)
    assert heard == messages
    assert not outbox.waiting and outbox.size == 0


# ---- between two links -------------------------------------------------------------------------


async def opened(pair: Pair, label: str = "talk", **options: Any) -> tuple[Channel, Channel]:
    """A channel's two ends; the offerer opens it."""
    offerer, answerer = pair
    incoming = heard(answerer, "channel")
    mine = await offerer.open_channel(label, **options)
    return mine, await soon(incoming)


async def test_texts_and_bytes_of_any_size(pair: Pair) -> None:
    mine, theirs = await opened(pair, "grüße", protocol="v1", metadata={"a": [None]})
    assert (theirs.label, theirs.protocol, theirs.metadata) == ("grüße", "v1", {"a": [None]})
    assert theirs.reliable and not theirs.mine and theirs.state == "open"
    messages: list[str | bytes] = ["", b"", "ü" * 70_000, bytes(range(256)) * 1_000, "end"]
    for message in messages:
        await mine.send(message)
    async with asyncio.timeout(20):
        assert [await anext(theirs) for _ in messages] == messages
    await mine.flush()
    assert mine.buffered_amount == 0
    back = heard(mine, "message")
    await theirs.send("and back")
    assert await soon(back) == "and back"


async def test_a_channel_before_anybody_listens_is_kept(pair: Pair) -> None:
    offerer, answerer = pair
    mine = await offerer.open_channel("early")
    await mine.send("one")
    await asyncio.sleep(0.1)
    theirs = await soon(heard(answerer, "channel"))
    assert theirs.label == "early"
    assert await soon(heard(theirs, "message")) == "one"


async def test_both_sides_open_at_once(pair: Pair) -> None:
    queues = [heard(each, "channel") for each in pair]
    channels = await asyncio.gather(*(each.open_channel(str(n)) for n in range(8) for each in pair))
    assert len({channel.label for channel in channels}) == 8
    for queue in queues:
        assert sorted([(await soon(queue)).label for _ in range(8)]) == [str(n) for n in range(8)]


async def test_a_slow_reader_holds_the_sender_back(pair: Pair) -> None:
    mine, theirs = await opened(pair)
    sent = 0
    low: list[bool] = []
    mine.on("buffered_amount_low", lambda: low.append(True))

    async def send() -> None:
        nonlocal sent
        for _ in range(100):
            await mine.send(bytes(100_000))
            sent += 1

    sending = asyncio.create_task(send())
    await until(lambda: mine.buffered_amount >= channel_frames.WINDOW_BYTES)
    await asyncio.sleep(0.3)
    held = sent
    await asyncio.sleep(0.3)
    assert sent == held < 60
    for _ in range(100):
        async with asyncio.timeout(20):
            assert len(await anext(theirs)) == 100_000
    await sending
    await mine.flush()
    assert low


async def test_closing(pair: Pair) -> None:
    mine, theirs = await opened(pair)
    ends = [heard(each, "closed") for each in (mine, theirs)]
    words = heard(theirs, "message")
    await mine.send("last words")
    await mine.close()
    assert await soon(words) == "last words"
    for end in ends:
        assert await soon(end) is None
    for each in (mine, theirs):
        assert each.state == "closed"
        with pytest.raises(ChannelClosed, match="'talk' is closed"):
            await each.send("too late")
        await each.close()
    assert [message async for message in theirs] == []


async def test_closing_at_the_same_time(pair: Pair) -> None:
    mine, theirs = await opened(pair)
    async with asyncio.timeout(8):
        await asyncio.gather(mine.close(), theirs.close())


async def test_the_end_of_the_link_closes_its_channels(pair: Pair) -> None:
    mine, theirs = await opened(pair)
    ends = [heard(each, "closed") for each in (mine, theirs)]
    await pair[0].hang_up()
    for end in ends:
        assert isinstance(await soon(end), PeerGone)
    with pytest.raises(PeerGone, match="link is not open"):
        await pair[0].open_channel("late")


@pytest.mark.parametrize(
    "options", [{"ordered": False}, {"max_retransmits": 0}, {"max_packet_lifetime_ms": 50}]
)
async def test_channels_that_may_lose(pair: Pair, options: dict[str, Any]) -> None:
    mine, theirs = await opened(pair, **options)
    assert not mine.reliable and not theirs.reliable
    assert theirs.delivery == mine.delivery
    queue = heard(theirs, "message")
    await mine.send("hello")
    await mine.send(b"\0\1")
    assert {await soon(queue), await soon(queue)} == {"hello", b"\0\1"}
    with pytest.raises(ConfigError, match="65536 at most"):
        await mine.send(bytes(65_537))
    await mine.close()
    await until(lambda: theirs.state == "closed")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"label": "x" * 1_025}, "at most 1024 bytes"),
        ({"max_retransmits": 1, "max_packet_lifetime_ms": 1}, "not both"),
        ({"max_retransmits": -1}, "from 0 to 65,535"),
        ({"metadata": "x" * 20_000}, "16384 at most"),
        ({"metadata": {1, 2}}, "must be a JSON value"),
    ],
)
async def test_what_is_no_channel(pair: Pair, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        await pair[0].open_channel(**{"label": "x", **options})


async def test_what_a_channel_does_not_send(pair: Pair) -> None:
    mine, _ = await opened(pair)
    with pytest.raises(ConfigError, match="text or bytes"):
        await mine.send({"no": "value"})  # type: ignore[arg-type]


async def test_nonsense_closes_the_channel_and_not_the_link(pair: Pair) -> None:
    mine, theirs = await opened(pair)
    end = heard(theirs, "closed")
    assert mine._wire is not None
    mine._wire.send("no frame")
    assert isinstance(await soon(end), ProtocolError)
    pair[0].send("still here")
    assert await soon(heard(pair[1], "message")) == "still here"


async def test_a_data_channel_of_somebody_elses_is_closed(pair: Pair) -> None:
    strange = pair[0].connection.pc.createDataChannel("strange", protocol="{}")
    await until(lambda: strange.readyState == "closed")
