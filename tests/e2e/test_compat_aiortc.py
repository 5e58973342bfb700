"""Programs in the style of aiortc's four examples, two processes each, over Firestore."""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from aiortc import RTCIceCandidate, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.signaling import TcpSocketSignaling
from aiortc.sdp import candidate_from_sdp

from firertc import Config
from firertc.compat.aiortc import (
    BYE,
    FirestoreSignaling,
    add_signaling_arguments,
    create_signaling,
)
from firertc.errors import AnsweredElsewhere, CodeUnknown, NoAnswer, ProtocolError

from .conftest import Left

SCRIPTS = Path(__file__).parent / "aiortc_style"
STEP_SECONDS = 40.0
LEFT, MIDDLE, RIGHT = (0, 0, 255), (255, 255, 255), (255, 0, 0)
COLOUR_TOLERANCE = 60
CANDIDATE = "0 1 UDP 2122252543 192.0.2.7 50000 typ host"


class Script:
    """A running script: its lines, of both outputs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._readers = [
            threading.Thread(target=self._read, args=(stream,), daemon=True)
            for stream in (process.stdout, process.stderr)
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Any) -> None:
        for line in stream:
            self._queue.put(line.rstrip("\n"))

    def wait_for(self, words: str) -> str:
        give_up = time.monotonic() + STEP_SECONDS
        while True:
            try:
                line = self._queue.get(timeout=max(0.0, give_up - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"{words!r} never came: {self.lines}") from None
            self.lines.append(line or "")
            if line is not None and words in line:
                return line

    def code(self) -> str:
        return self.wait_for("code: ").removeprefix("code: ")

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def end(self) -> int:
        return self.process.wait(STEP_SECONDS)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for reader in self._readers:
            reader.join()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


Start = Callable[..., Script]


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Start]:
    """Start one of the scripts."""
    started: list[Script] = []

    def run(name: str, *arguments: str, code: str | None = None) -> Script:
        given = {**environment, "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(
            [sys.executable, str(SCRIPTS / f"{name}.py"), *arguments],
            env=given if code is None else given | {"FIRERTC_CODE": code},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(Script(process))
        return started[-1]

    yield run
    for script in started:
        script.close()


def check_flag(path: Path) -> None:
    """The recording shows the flag, for some frames."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) > 5
    last = frames[-1]
    height, width, _ = last.shape
    for part, colour in enumerate((LEFT, MIDDLE, RIGHT)):
        seen = last[height // 2, (2 * part + 1) * width // 6].astype(int)
        assert all(abs(seen - colour) < COLOUR_TOLERANCE), (part, seen)


def test_datachannel_cli(start: Start, left: Left) -> None:
    offering = start("datachannel_cli", "offer")
    answering = start("datachannel_cli", "answer", code=offering.code())
    answering.wait_for("channel(chat) < ping")
    offering.wait_for("channel(chat) < pong")
    offering.interrupt()
    answering.wait_for("Exiting")
    assert (offering.end(), answering.end()) == (0, 0)
    assert left() == []


def test_the_answerer_asks_for_the_code(start: Start, left: Left) -> None:
    offering = start("datachannel_cli", "offer")
    answering = start("datachannel_cli", "answer")
    assert answering.process.stdin is not None
    answering.process.stdin.write(offering.code() + "\n")
    answering.process.stdin.flush()
    offering.wait_for("channel(chat) < pong")
    answering.interrupt()
    offering.wait_for("Exiting")
    assert (offering.end(), answering.end()) == (0, 0)
    assert left() == []


def test_datachannel_filexfer(start: Start, tmp_path: Path, left: Left) -> None:
    sent, received = tmp_path / "sent", tmp_path / "received"
    sent.write_bytes(os.urandom(1_000_000))
    sending = start("datachannel_filexfer", "send", str(sent))
    receiving = start("datachannel_filexfer", "receive", str(received), code=sending.code())
    receiving.wait_for("received 1000000 bytes")
    assert (sending.end(), receiving.end()) == (0, 0)
    assert received.read_bytes() == sent.read_bytes()
    assert left() == []


def test_videostream_cli(start: Start, tmp_path: Path, left: Left) -> None:
    records = [tmp_path / "offerer.mp4", tmp_path / "answerer.mp4"]
    offering = start("videostream_cli", "offer", "--record-to", str(records[0]))
    answering = start(
        "videostream_cli", "answer", "--record-to", str(records[1]), code=offering.code()
    )
    offering.wait_for("Receiving video")
    answering.wait_for("Receiving video")
    time.sleep(3)  # of pictures
    answering.interrupt()
    offering.wait_for("Exiting")
    assert (offering.end(), answering.end()) == (0, 0)
    for record in records:
        check_flag(record)
    assert left() == []


def test_apprtc(start: Start, tmp_path: Path, left: Left) -> None:
    records = [tmp_path / "first.mp4", tmp_path / "second.mp4"]
    first = start("apprtc", "--record-to", str(records[0]))
    second = start("apprtc", "--record-to", str(records[1]), code=first.code())
    for script in (first, second):
        script.wait_for("Track audio received")
        script.wait_for("Track video received")
    time.sleep(3)  # of pictures
    first.interrupt()
    second.wait_for("Exiting")
    assert (first.end(), second.end()) == (0, 0)
    for record in records:
        check_flag(record)
    assert left() == []


# ---- one object at a time -----------------------------------------------------------------------


async def an_offer() -> RTCSessionDescription:
    pc = RTCPeerConnection()
    pc.createDataChannel("chat")
    offer = await pc.createOffer()
    await pc.close()
    return offer


def candidate() -> RTCIceCandidate:
    made = candidate_from_sdp(CANDIDATE)
    made.sdpMid, made.sdpMLineIndex = "0", 0
    return made


async def test_candidates_and_the_end_of_them_travel(config: Config, left: Left) -> None:
    codes: list[str] = []
    one = FirestoreSignaling(config=config, on_code=codes.append)
    assert await one.connect() == {"is_initiator": "true"}
    await one.send(await an_offer())
    two = FirestoreSignaling(codes[0], config=config)
    assert await two.connect() == {"is_initiator": "false"}
    offer = await two.receive()
    assert isinstance(offer, RTCSessionDescription) and offer.type == "offer"
    await two.send(RTCSessionDescription(sdp=offer.sdp, type="answer"))
    answer = await one.receive()
    assert isinstance(answer, RTCSessionDescription)
    assert (answer.type, answer.sdp) == ("answer", offer.sdp)
    for sender, receiver in ((one, two), (two, one)):
        await sender.send(candidate())
        got = await receiver.receive()
        assert isinstance(got, RTCIceCandidate)
        assert (got.ip, got.port, got.sdpMid, got.sdpMLineIndex) == ("192.0.2.7", 50000, "0", 0)
        await sender.send(None)
        assert await receiver.receive() is None
    await two.send(BYE)
    assert await one.receive() is BYE
    assert await one.receive() is BYE
    assert await two.receive() is BYE
    await one.close()
    await two.close()
    assert left() == []


async def test_who_is_third_is_told(config: Config) -> None:
    codes: list[str] = []
    signalings = [FirestoreSignaling(config=config, on_code=codes.append)]
    await signalings[0].send(await an_offer())
    signalings += [FirestoreSignaling(codes[0], config=config) for _ in range(2)]
    for one in signalings[1:]:
        await one.receive()
    answer = RTCSessionDescription(sdp=(await an_offer()).sdp, type="answer")
    await signalings[1].send(answer)
    # Whose call it has become, the rules don't let a third one see.
    with pytest.raises((AnsweredElsewhere, NoAnswer)):
        await signalings[2].send(answer)
    await asyncio.gather(*(one.close() for one in signalings))


async def test_what_does_not_fit_is_refused(config: Config, left: Left) -> None:
    signaling = FirestoreSignaling(config=config, wait_seconds=1, on_code=lambda code: None)
    with pytest.raises(ProtocolError):
        await signaling.send(candidate())
    with pytest.raises(ProtocolError):
        await signaling.send(RTCSessionDescription(sdp="v=0", type="answer"))
    await signaling.send(await an_offer())
    with pytest.raises(ProtocolError, match="one offer"):
        await signaling.send(await an_offer())
    with pytest.raises(NoAnswer):
        await signaling.receive()
    await signaling.close()
    assert left() == []


async def test_codes_that_lead_nowhere(config: Config) -> None:
    with pytest.raises(CodeUnknown, match="not a word"):
        FirestoreSignaling("no code at all", config=config)
    signaling = FirestoreSignaling("abandon-ability-able-about", config=config)
    with pytest.raises(CodeUnknown):
        await signaling.receive()
    await signaling.close()


def test_the_other_ways_of_signaling_stay(suite: object) -> None:
    parser = ArgumentParser()
    add_signaling_arguments(parser)
    assert isinstance(create_signaling(parser.parse_args([])), FirestoreSignaling)
    kept = create_signaling(parser.parse_args(["-s", "tcp-socket", "--signaling-port", "5"]))
    assert isinstance(kept, TcpSocketSignaling)
