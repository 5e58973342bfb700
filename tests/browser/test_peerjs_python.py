"""PeerJS's words in a page and in Python, together: each connects to the other and calls it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiortc import MediaStreamTrack
from av import AudioFrame, VideoFrame
from playwright.sync_api import Browser, Page

from firertc import Config, open_source
from firertc.compat.peerjs import MediaStream, Peer
from firertc.sample import TONE_HERTZ, read_frame_number
from firertc.suite import LocalSuite, Seeds

from .aside import Aside
from .clips import FRAMES, MICROPHONE_HERTZ, SAMPLE_RATE
from .examples import examples
from .peerjs_pair import SCENE, Python, connect, heard
from .screen import STEP_MILLISECONDS
from .test_call import BARS, COLOUR_TOLERANCE

TEXT = "Grüße, 世界 😀 "
LARGE = bytes(at % 251 for at in range(150_000))
INSTANT = datetime(2020, 1, 2, 3, 4, 5, 678_000, UTC)
DATE = "new Date(Date.UTC(2020, 0, 2, 3, 4, 5, 678))"
SHOWN = ["Date", "2020-01-02T03:04:05.678Z"]
NUMBERS = [
    *(0, 1, -1, 127, 128, -32, -33, -128, -129, 255, 256, 65_535, 65_536, -32_768, -32_769),
    *(
        2**31 - 1,
        2**31,
        -(2**31),
        2**32 - 1,
        2**32,
        2**53 - 1,
        2**40,
        -(2**31) - 1,
        -(2**40) - 1,
        0.5,
        -1.25e-7,
    ),
]
PLAIN: list[Any] = [
    *(7, -2.5, "", TEXT, TEXT * 1_200, True, False, None, [], {}, NUMBERS),
    *([1, [2, ["three", None]]], {"one": 1, "Zoë": {"three": [None, True, {}]}}),
]


@dataclass(frozen=True)
class Special:
    """A value that JSON has no word for."""

    python: Any
    page: str
    """How the page writes it."""
    shown: Any
    """What the page shows of it when it comes from Python."""


def raw_bytes(kind: str) -> list[Special]:
    """Bytes, of which the page makes one kind of buffer."""
    large = f"Uint8Array.from({{ length: {len(LARGE)} }}, (_, at) => at % 251)"
    return [
        Special(LARGE, large, [kind, LARGE.hex()]),
        Special(b"\x02\xff", "new Uint8Array([1, 2, 255]).subarray(1)", [kind, "02ff"]),
        Special(b"\1\0\0\1", "new Uint16Array([1, 256])", [kind, "01000001"]),
    ]


BUFFERS = [
    *raw_bytes("ArrayBuffer"),
    Special(b"\x09\x08", "new Uint8Array([9, 8]).buffer", ["ArrayBuffer", "0908"]),
    Special(b"abc", "new Blob(['abc'])", ["ArrayBuffer", "616263"]),
]
VALUES: dict[str, list[Any]] = {
    "binary": [
        *(*PLAIN, TEXT * 9_000, *BUFFERS),
        Special(
            {"a": [b"x"]},
            "({ a: [new Uint8Array([120])] })",
            {"a": ["Array", ["ArrayBuffer", "78"]]},
        ),
    ],
    "json": PLAIN,
    "raw": ["text", TEXT * 9_000, *BUFFERS],
    "MsgPack": [
        *(*PLAIN, TEXT * 9_000, *raw_bytes("Uint8Array")),
        Special(INSTANT, DATE, SHOWN),
        Special(
            [INSTANT, b"x"],
            f"[{DATE}, new Uint8Array([120])]",
            ["Array", SHOWN, ["Uint8Array", "78"]],
        ),
    ],
}


def written(value: Any) -> str:
    """How the page writes a value."""
    return value.page if isinstance(value, Special) else f"({json.dumps(value)})"


def shown(value: Any) -> Any:
    """What the page shows of a value."""
    if isinstance(value, Special):
        return value.shown
    if isinstance(value, list):
        return ["Array", *map(shown, value)]
    if isinstance(value, dict):
        return {name: shown(one) for name, one in value.items()}
    return value


@pytest.fixture
def page(browser: Browser, suite: LocalSuite, script: Path, realm: Seeds) -> Iterator[Page]:
    """A page whose peer's id is `page`; it may not complain."""
    with examples(browser, suite, script, realm.key) as opener:
        opened = opener("blank-peerjs")
        opened.set_default_timeout(STEP_MILLISECONDS)
        opened.evaluate(SCENE)
        assert heard(opened, "ready") == "page"
        yield opened
        opened.evaluate("peer.destroy()")
        assert opener.complaints == []


@pytest.fixture
def python(page: Page, aside: Aside, python: Config) -> Iterator[Python]:
    """A Python peer whose id is `python`, open just now."""

    async def make() -> Peer:
        return Peer("python", config=python)

    peer = aside.run(make())
    try:
        made = Python(aside, peer)
        assert aside.run(peer.opened()) == "python"
        yield made
    finally:
        aside.run(peer.destroy())


def check_page(page: Page) -> None:
    """The page shows numbered pictures that go on, in their colours, and plays the tone."""
    page.wait_for_function("() => (window.first = reading.frameNumber()) !== null")
    page.wait_for_function("() => reading.frameNumber() > first + 3")
    page.wait_for_function(
        "([bars, tolerance]) => reading.bars().every((bar, at) =>"
        " bar.every((light, colour) => Math.abs(light - bars[at][colour]) < tolerance))",
        arg=[BARS, COLOUR_TOLERANCE],
    )
    page.wait_for_function(
        "async (hertz) => Math.abs((await reading.sound()).hertz - hertz) < 12", arg=TONE_HERTZ
    )


async def check_stream(stream: MediaStream) -> None:
    """What arrives in Python is what the page's camera and microphone gave."""
    while stream.video is None or stream.audio is None:
        await asyncio.sleep(0.02)
    numbers: set[int] = set()
    while len(numbers) < 5:
        frame = await stream.video.recv()
        assert isinstance(frame, VideoFrame)
        number = read_frame_number(frame)
        numbers |= set() if number is None else {number}
    assert max(numbers) < FRAMES
    while abs(await loudest(stream.audio) - MICROPHONE_HERTZ) > 12:
        pass


async def loudest(track: MediaStreamTrack) -> float:
    """The strongest frequency in half a second of sound, in hertz."""
    parts = []
    for _ in range(25):
        frame = await track.recv()
        assert isinstance(frame, AudioFrame)
        parts.append(frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0])
    samples = np.concatenate(parts).astype(np.float64)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * SAMPLE_RATE / len(samples))


both_ways = pytest.mark.parametrize("caller", ["page", "python"])


@both_ways
@pytest.mark.parametrize("serialization", VALUES)
def test_values_arrive(page: Page, python: Python, caller: str, serialization: str) -> None:
    connect(caller, page, python, serialization=serialization)
    assert page.evaluate("connection.serialization") == serialization
    assert python.connection.serialization == serialization
    for value in VALUES[serialization]:
        there = value.python if isinstance(value, Special) else value
        python.send(there)
        assert heard(page, "data") == shown(value)
        page.evaluate(f"() => {{ connection.send({written(value)}); }}")
        arrived = python.next("data")
        assert arrived == there and type(arrived) is type(there)


@both_ways
def test_dates_that_become_text(page: Page, python: Python, caller: str) -> None:
    connect(caller, page, python)
    python.send(INSTANT)
    assert heard(page, "data") == INSTANT.isoformat()
    page.evaluate(f"connection.send({DATE})")
    assert python.next("data") == page.evaluate(f"String({DATE})")


@both_ways
def test_introductions_and_closing(page: Page, python: Python, caller: str) -> None:
    metadata = {"from": "Zoë", "list": [1, None, {"deep": True}]}
    for closer in ("page", "python"):
        label = f"closed by {closer}"
        connect(caller, page, python, label=label, metadata=metadata, reliable=True)
        mine = python.connection
        assert (mine.label, mine.metadata, mine.peer) == (label, metadata, "page")
        assert mine.reliable
        assert page.evaluate(
            "(({ label, metadata, peer, reliable, connectionId }) => "
            "[label, metadata, peer, reliable, connectionId])(connection)"
        ) == [label, metadata, "python", True, mine.connection_id]
        # What was sent just before arrives before the end.
        if closer == "page":
            page.evaluate("() => { connection.send('bye'); connection.close({ flush: true }); }")
            assert python.next("data") == "bye"
        else:
            python.send("bye")
            python.aside.run(mine.close(flush=True))
            assert heard(page, "data") == "bye"
        heard(page, "close")
        python.next("close")
        assert page.evaluate("[connection.open, Object.keys(peer.connections).length]") == [
            False,
            0,
        ]
        assert not mine.open and python.peer.connections == {}


def test_what_can_not_be_written_or_read(page: Page, python: Python) -> None:
    connect("python", page, python, serialization="json")
    python.aside.run(python.connection.data_channel.send("{ no JSON"))
    assert heard(page, "error") == "negotiation-failed"
    page.evaluate("() => { connection.send(1n); connection.send('and on'); }")
    assert heard(page, "error") == "negotiation-failed"
    assert python.next("data") == "and on"
    with pytest.raises(TypeError):
        python.send(b"bytes")
    python.send("and on")
    assert heard(page, "data") == "and on"


def test_nobody_has_the_id(page: Page, python: Python) -> None:
    python.connect("nobody")
    page.evaluate("keep(peer.connect('nobody'))")
    assert heard(page, "error") == "peer-unavailable"
    heard(page, "close")
    page.evaluate("keep(peer.call('nobody', new MediaStream()))")
    assert heard(page, "error") == "peer-unavailable"
    heard(page, "close")
    assert python.next("error") == "peer-unavailable"
    python.next("close")


@both_ways
def test_a_call(page: Page, python: Python, caller: str) -> None:
    source = python.aside.run(open_source("test"))
    try:
        if caller == "page":
            page.evaluate("async () => keep(peer.call('python', await camera()))")
            python.aside.run(python.next("call").answer(source))
        else:
            python.call("page", source)
        stream = python.next("stream")
        heard(page, "stream")
        check_page(page)
        assert isinstance(stream, MediaStream)
        python.aside.run(check_stream(stream))
        if caller == "page":
            python.close()
        else:
            page.evaluate("connection.close()")
        heard(page, "close")
        python.next("close")
    finally:
        python.aside.run(source.close())
