"""What a file transfer is measured against: the same bytes over a bare data channel, neither hashed
nor kept, between two processes with aiortc and between two pages of a Chromium."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from playwright.sync_api import sync_playwright

from .browser import FLAGS

ROOT = Path(__file__).resolve().parents[1]
PIECE_BYTES = 65_536
BUFFERED_BYTES = 1024 * 1024
SECONDS = 3_600.0


@dataclass(frozen=True)
class Run:
    """One transfer, measured."""

    rate: float
    """Bytes per second."""
    busy: tuple[float, float]
    """Seconds of processor time, of sender and receiver."""
    memory: tuple[int, int] = (0, 0)
    """The most bytes of memory that each held."""
    growth: tuple[int, int] = (0, 0)
    """By how many of them it grew after the first tenth."""


def bare(size: int) -> Run:
    """Two processes with aiortc."""
    sides = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.bare", side, str(size)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for side in ("sender", "receiver")
    ]
    sender, receiver = sides
    try:
        for one, other in ((sender, receiver), (receiver, sender)):
            if one.stdout is None or other.stdin is None:
                raise RuntimeError("a process without pipes")
            other.stdin.write(one.stdout.readline())
            other.stdin.flush()
        if sender.stdout is None:
            raise RuntimeError("a process without pipes")
        before = busy(sender, receiver)
        seconds = float(sender.stdout.readline())
        return Run(size / seconds, since(before, busy(sender, receiver)))
    finally:
        for side in sides:
            side.kill()
            with side:
                pass


SENDER = """async ([pieceBytes, bufferedBytes]) => {
  const pc = globalThis.pc = new RTCPeerConnection();
  const channel = globalThis.channel = pc.createDataChannel("bench");
  channel.binaryType = "arraybuffer";
  channel.bufferedAmountLowThreshold = bufferedBytes / 2;
  globalThis.opened = new Promise((resolve) => channel.onopen = resolve);
  globalThis.send = async (size) => {
    await opened;
    const done = new Promise((resolve) => channel.onmessage = resolve);
    const piece = crypto.getRandomValues(new Uint8Array(pieceBytes));
    const began = performance.now();
    for (let left = size; left > 0; left -= pieceBytes) {
      if (channel.bufferedAmount > bufferedBytes)
        await new Promise((resolve) => channel.onbufferedamountlow = resolve);
      channel.send(piece.subarray(0, Math.min(left, pieceBytes)));
    }
    await done;
    return (performance.now() - began) / 1000;
  };
  await pc.setLocalDescription();
  await new Promise((resolve) => pc.onicecandidate = ({candidate}) => candidate ?? resolve());
  return pc.localDescription.sdp;
}"""
RECEIVER = """async ([sdp, size]) => {
  const pc = globalThis.pc = new RTCPeerConnection();
  let got = 0;
  pc.ondatachannel = ({channel}) => {
    channel.binaryType = "arraybuffer";
    channel.onmessage = ({data}) => {
      got += data.byteLength;
      if (got === size) channel.send("done");
    };
  };
  await pc.setRemoteDescription({type: "offer", sdp});
  await pc.setLocalDescription();
  await new Promise((resolve) => pc.onicecandidate = ({candidate}) => candidate ?? resolve());
  return pc.localDescription.sdp;
}"""


def chromium(size: int) -> float:
    """Two pages of a Chromium, each in a process of its own.

    :returns: bytes per second.
    """
    program = shutil.which("chromium")
    if program is None:
        sys.exit("Chromium is not installed: run scripts/setup --browser")
    with ExitStack() as stack:
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        stack.callback(browser.close)
        sender, receiver = (browser.new_context().new_page() for _ in range(2))
        offer = sender.evaluate(SENDER, [PIECE_BYTES, BUFFERED_BYTES])
        answer = receiver.evaluate(RECEIVER, [offer, size])
        sender.evaluate("sdp => pc.setRemoteDescription({type: 'answer', sdp})", answer)
        return size / float(sender.evaluate("size => send(size)", size))


def busy(*processes: subprocess.Popen[str]) -> tuple[float, float]:
    """Seconds of processor time that two processes have had."""
    one, other = (
        sum(map(int, Path(f"/proc/{side.pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
        for side in processes
    )
    ticks = os.sysconf("SC_CLK_TCK")
    return one / ticks, other / ticks


def since(before: tuple[float, float], now: tuple[float, float]) -> tuple[float, float]:
    """Seconds of processor time of each between two moments."""
    return now[0] - before[0], now[1] - before[1]


async def bare_sender(size: int) -> None:
    """Offers on standard output, reads the answer, sends."""
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    channel = pc.createDataChannel("bench")
    opened, low, done = asyncio.Event(), asyncio.Event(), asyncio.Event()
    channel.bufferedAmountLowThreshold = BUFFERED_BYTES // 2
    channel.on("open", opened.set)
    channel.on("bufferedamountlow", low.set)
    channel.on("message", lambda _: done.set())
    await pc.setLocalDescription(await pc.createOffer())
    print(json.dumps(pc.localDescription.sdp), flush=True)
    sdp = json.loads(await asyncio.to_thread(sys.stdin.readline))
    await pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
    await opened.wait()
    piece = os.urandom(PIECE_BYTES)
    began = time.perf_counter()
    left = size
    while left:
        low.clear()
        if channel.bufferedAmount > BUFFERED_BYTES:
            await low.wait()
        channel.send(piece[: min(left, PIECE_BYTES)])
        left -= min(left, PIECE_BYTES)
    await done.wait()
    print(time.perf_counter() - began, flush=True)
    await pc.close()


async def bare_receiver(size: int) -> None:
    """Reads the offer, answers on standard output, counts."""
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    over = asyncio.Event()
    got = 0

    def take(channel: RTCDataChannel) -> None:
        def count(data: bytes) -> None:
            nonlocal got
            got += len(data)
            if got == size:
                channel.send("done")

        channel.on("message", count)
        channel.on("close", over.set)

    pc.on("datachannel", take)
    sdp = json.loads(await asyncio.to_thread(sys.stdin.readline))
    await pc.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
    await pc.setLocalDescription(await pc.createAnswer())
    print(json.dumps(pc.localDescription.sdp), flush=True)
    await over.wait()
    await pc.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("side", choices=["sender", "receiver"])
    parser.add_argument("bytes", type=int)
    given = parser.parse_args()
    work = bare_sender if given.side == "sender" else bare_receiver
    asyncio.run(asyncio.wait_for(work(given.bytes), SECONDS))
