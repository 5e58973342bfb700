"""Throughput of a file transfer beside a bare aiortc data channel, and its memory.

Each measurement has two processes, sender and receiver, as two people have. The bare pair hands
its descriptions over pipes and sends as many bytes as fast as its buffer takes them, neither hashed
nor kept. They take turns, so that the machine's moods fall on both alike, and what is compared is
each transfer with the bare pair before it. A bare pair of Chromium's pages is measured once.

    make bench ARGS="files --size 100 --rounds 5"
"""

from __future__ import annotations

import argparse
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

from firertc.suite import LocalSuite, seed

from .bare import Run, bare, busy, chromium, since

ROOT = Path(__file__).resolve().parents[1]
FIRERTC = Path(sys.executable).with_name("firertc")


def transfer(size: int, folder: Path, environment: dict[str, str]) -> Run:
    """``firertc send``, from acceptance to the last confirmation."""
    into = folder / "into"
    (into / "file.bin").unlink(missing_ok=True)
    with _firertc(environment, "send", str(folder / "file.bin")) as sender:
        code = str(_wait(sender, "code")["code"])
        with _firertc(environment, "receive", code, "--into", str(into), "--yes") as receiver:
            try:
                _wait(sender, "accepted")
                began, before = time.perf_counter(), busy(sender, receiver)
                early, most = (0, 0), (0, 0)
                while (event := _event(sender))["event"] != "received":
                    if event["event"] != "progress":
                        continue
                    now = _memory(sender.pid), _memory(receiver.pid)
                    if early == (0, 0) and event["bytes"] > size / 10:
                        early = now
                    most = max(most[0], now[0]), max(most[1], now[1])
                seconds = time.perf_counter() - began
                used = since(before, busy(sender, receiver))
                receiver.communicate()
                sender.communicate()
            finally:
                sender.kill()
                receiver.kill()
    return Run(size / seconds, used, most, (most[0] - early[0], most[1] - early[1]))


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
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-bare", action="store_true", help="measure the transfer alone")
    given, _ = parser.parse_known_args(arguments)
    size = round(given.size * 1_000_000)
    runs: dict[str, list[Run]] = {"bare": [], "firertc": []}
    with LocalSuite(ROOT) as suite, tempfile.TemporaryDirectory() as folder:
        seeds = seed(suite.addresses)
        environment = {**os.environ, **suite.environment(), "FIRERTC_REALM": seeds.realm}
        environment["FIRERTC_KEY"] = seeds.key
        _make(Path(folder, "file.bin"), size)
        for _ in range(given.rounds):
            if not given.no_bare:
                runs["bare"].append(bare(size))
            runs["firertc"].append(transfer(size, Path(folder), environment))
    for way, done in runs.items():
        if done:
            _show(way, done, given.size)
    if not given.no_bare:
        _compare(runs["bare"], runs["firertc"])
        print(f"files: bare pair of Chromium's pages: {chromium(size) / 1e6:.1f} MB/s")
    for side, name in enumerate(("sender", "receiver")):
        most = max(run.memory[side] for run in runs["firertc"])
        grown = max(run.growth[side] for run in runs["firertc"])
        print(
            f"files: memory of the {name} at {given.size:.0f} MB: {most / 1e6:.0f} MB at most, "
            f"{grown / 1e6:.1f} MB more than after the first tenth"
        )


def _show(way: str, runs: Sequence[Run], megabytes: float) -> None:
    rate = statistics.median(run.rate for run in runs)
    shown = ", ".join(f"{run.rate / 1e6:.1f}" for run in runs)
    cost = [1000 * statistics.median(run.busy[side] for run in runs) / megabytes for side in (0, 1)]
    print(
        f"files: {way:8} median {rate / 1e6:6.1f} MB/s ({shown}); processor "
        f"{cost[0]:.0f} (sender), {cost[1]:.0f} ms/MB (receiver)"
    )


def _compare(bare: Sequence[Run], firertc: Sequence[Run]) -> None:
    pairs = list(zip(bare, firertc, strict=True))
    rates = statistics.median(one.rate / other.rate for other, one in pairs)
    # The busier side is what bounds the rate where each has a processor of its own.
    costs = statistics.median(max(other.busy) / max(one.busy) for other, one in pairs)
    print(
        f"files: of a bare aiortc data channel, in the median of {len(pairs)} pairs of runs: "
        f"{rates:.2f} by the clock, {costs:.2f} by the busier side's processor time"
    )


if __name__ == "__main__":
    main()
