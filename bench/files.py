"""Throughput of a file transfer beside a bare aiortc data channel, and its memory.

Each measurement has two processes, sender and receiver, as two people have. The bare pair hands
its descriptions over pipes and sends pieces of the same file as fast as its buffer takes them,
neither hashed nor kept. They take turns, so that the machine's moods fall on both alike.

    make bench ARGS="files --size 100 --rounds 3"
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)

from firertc.suite import LocalSuite, seed

ROOT = Path(__file__).resolve().parents[1]
FIRERTC = Path(sys.executable).with_name("firertc")
PIECE_BYTES = 65_536
BUFFERED_BYTES = 1024 * 1024
SECONDS = 3_600.0


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


def bare(size: int) -> float:
    """Bytes per second of a bare data channel."""
    sides = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.files", "--side", side, "--bytes", str(size)],
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
        return size / float(sender.stdout.readline())
    finally:
        for side in sides:
            side.kill()
            with side:
                pass


def transfer(size: int, folder: Path, environment: dict[str, str]) -> tuple[float, list[float]]:
    """Bytes per second of ``firertc send`` from acceptance to the last confirmation, and by how
    many bytes the memory of both sides grew after the first tenth."""
    into = folder / "into"
    (into / "file.bin").unlink(missing_ok=True)
    with _firertc(environment, "send", str(folder / "file.bin")) as sender:
        code = _wait(sender, "code")["code"]
        with _firertc(environment, "receive", code, "--into", str(into), "--yes") as receiver:
            try:
                _wait(sender, "accepted")
                began = time.perf_counter()
                before: list[int] = []
                after = [0, 0]
                while (event := _event(sender))["event"] != "received":
                    if event["event"] != "progress":
                        continue
                    now = [_memory(side.pid) for side in (sender, receiver)]
                    if not before and event["bytes"] > size / 10:
                        before = now
                    after = [max(pair) for pair in zip(after, now, strict=True)]
                seconds = time.perf_counter() - began
                receiver.communicate()
                sender.communicate()
            finally:
                sender.kill()
                receiver.kill()
    growth = [late - early for early, late in zip(before or after, after, strict=True)]
    return size / seconds, [*map(float, growth), *map(float, after)]


def _firertc(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    command = [str(FIRERTC), *arguments, "--json"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def _event(process: subprocess.Popen[str]) -> dict[str, Any]:
    line = process.stdout.readline() if process.stdout is not None else ""
    if not line:
        raise RuntimeError("a transfer ended before its end")
    return dict(json.loads(line))


def _wait(process: subprocess.Popen[str], name: str) -> dict[str, str]:
    while (event := _event(process))["event"] != name:
        pass
    return {key: str(value) for key, value in event.items()}


def _memory(pid: int) -> int:
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _make(path: Path, size: int) -> None:
    with path.open("wb") as file:
        for begin in range(0, size, 1_000_000):
            file.write(os.urandom(min(1_000_000, size - begin)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print one line per way."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--size", type=float, default=100, help="megabytes (2000 for memory)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", choices=["sender", "receiver"], help=argparse.SUPPRESS)
    parser.add_argument("--bytes", type=int, help=argparse.SUPPRESS)
    given, _ = parser.parse_known_args(arguments)
    if given.side:
        side = bare_sender if given.side == "sender" else bare_receiver
        asyncio.run(asyncio.wait_for(side(given.bytes), SECONDS))
        return
    size = round(given.size * 1_000_000)
    rates: dict[str, list[float]] = {"bare": [], "firertc": []}
    memory = [0.0] * 4
    with LocalSuite(ROOT) as suite, tempfile.TemporaryDirectory() as folder:
        seeds = seed(suite.addresses)
        environment = {**os.environ, **suite.environment(), "FIRERTC_REALM": seeds.realm}
        environment["FIRERTC_KEY"] = seeds.key
        _make(Path(folder, "file.bin"), size)
        for _ in range(given.rounds):
            rates["bare"].append(bare(size))
            rate, grown = transfer(size, Path(folder), environment)
            rates["firertc"].append(rate)
            memory = [max(pair) for pair in zip(memory, grown, strict=True)]
    medians = {way: statistics.median(found) for way, found in rates.items()}
    for way, found in rates.items():
        shown = ", ".join(f"{rate / 1e6:.1f}" for rate in found)
        print(f"files: {way:8} median {medians[way] / 1e6:6.1f} MB/s  ({shown})")
    print(f"files: ratio {medians['firertc'] / medians['bare']:.2f} of a bare data channel")
    print(
        f"files: memory at {given.size:.0f} MB: grew by {memory[0] / 1e6:.1f} (sender), "
        f"{memory[1] / 1e6:.1f} MB (receiver), to {memory[2] / 1e6:.0f} and {memory[3] / 1e6:.0f}"
    )


if __name__ == "__main__":
    main()
