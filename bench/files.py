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
from dataclasses import dataclass
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
    """A bare data channel."""
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
        before = _busy(sender, receiver)
        seconds = float(sender.stdout.readline())
        return Run(size / seconds, _since(before, _busy(sender, receiver)))
    finally:
        for side in sides:
            side.kill()
            with side:
                pass


def transfer(size: int, folder: Path, environment: dict[str, str]) -> Run:
    """``firertc send``, from acceptance to the last confirmation."""
    into = folder / "into"
    (into / "file.bin").unlink(missing_ok=True)
    with _firertc(environment, "send", str(folder / "file.bin")) as sender:
        code = str(_wait(sender, "code")["code"])
        with _firertc(environment, "receive", code, "--into", str(into), "--yes") as receiver:
            try:
                _wait(sender, "accepted")
                began, busy = time.perf_counter(), _busy(sender, receiver)
                early, most = (0, 0), (0, 0)
                while (event := _event(sender))["event"] != "received":
                    if event["event"] != "progress":
                        continue
                    now = _memory(sender.pid), _memory(receiver.pid)
                    if early == (0, 0) and event["bytes"] > size / 10:
                        early = now
                    most = max(most[0], now[0]), max(most[1], now[1])
                seconds, busy = time.perf_counter() - began, _since(busy, _busy(sender, receiver))
                receiver.communicate()
                sender.communicate()
            finally:
                sender.kill()
                receiver.kill()
    return Run(size / seconds, busy, most, (most[0] - early[0], most[1] - early[1]))


def _busy(*processes: subprocess.Popen[str]) -> tuple[float, float]:
    """Seconds of processor time that two processes have had."""
    one, other = (
        sum(map(int, Path(f"/proc/{side.pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
        for side in processes
    )
    ticks = os.sysconf("SC_CLK_TCK")
    return one / ticks, other / ticks


def _since(before: tuple[float, float], now: tuple[float, float]) -> tuple[float, float]:
    return now[0] - before[0], now[1] - before[1]


def _firertc(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    command = [str(FIRERTC), *arguments, "--json"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def _event(process: subprocess.Popen[str]) -> dict[str, Any]:
    line = process.stdout.readline() if process.stdout is not None else ""
    if not line:
        raise RuntimeError("a transfer ended before its end")
    return dict(json.loads(line))


def _wait(process: subprocess.Popen[str], name: str) -> dict[str, Any]:
    while (event := _event(process))["event"] != name:
        pass
    return event


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
        work = bare_sender if given.side == "sender" else bare_receiver
        asyncio.run(asyncio.wait_for(work(given.bytes), SECONDS))
        return
    size = round(given.size * 1_000_000)
    runs: dict[str, list[Run]] = {"bare": [], "firertc": []}
    with LocalSuite(ROOT) as suite, tempfile.TemporaryDirectory() as folder:
        seeds = seed(suite.addresses)
        environment = {**os.environ, **suite.environment(), "FIRERTC_REALM": seeds.realm}
        environment["FIRERTC_KEY"] = seeds.key
        _make(Path(folder, "file.bin"), size)
        for _ in range(given.rounds):
            runs["bare"].append(bare(size))
            runs["firertc"].append(transfer(size, Path(folder), environment))
    rates, costs = {}, {}
    for way, done in runs.items():
        rates[way] = statistics.median(run.rate for run in done)
        busy = [statistics.median(run.busy[side] for run in done) for side in (0, 1)]
        # The busier side is what bounds the rate where each has a processor of its own.
        costs[way] = max(busy)
        shown = ", ".join(f"{run.rate / 1e6:.1f}" for run in done)
        print(
            f"files: {way:8} median {rates[way] / 1e6:6.1f} MB/s ({shown}); processor "
            f"{busy[0] / given.size * 1000:.0f} (sender), {busy[1] / given.size * 1000:.0f} ms/MB "
            "(receiver)"
        )
    print(
        f"files: of a bare data channel: {rates['firertc'] / rates['bare']:.2f} by the clock, "
        f"{costs['bare'] / costs['firertc']:.2f} by the busier side's processor time"
    )
    for side, name in enumerate(("sender", "receiver")):
        most = max(run.memory[side] for run in runs["firertc"])
        grown = max(run.growth[side] for run in runs["firertc"])
        print(
            f"files: memory of the {name} at {given.size:.0f} MB: {most / 1e6:.0f} MB at most, "
            f"{grown / 1e6:.1f} MB more than after the first tenth"
        )


if __name__ == "__main__":
    main()
