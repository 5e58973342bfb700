"""The long runs: a call that is cut again and again, a room likewise, and many calls.

``make soak`` (:mod:`.__main__`) makes all of them; the tests make short ones with the same code.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from firertc.negotiation import UNREACHABLE_SECONDS

from .cuts import Cut, endure, schedule
from .lab import STEP_SECONDS, Event, Lab, Program
from .many import POOL_THREADS, rss_bytes

TALK_SECONDS: Final = 0.05
"""Between two messages of one side."""
PIECE_SECONDS: Final = 0.1
"""Between two pieces, of 16 KiB, of what a channel carries."""
FILE_RATE: Final = 256 * 1024
"""Bytes a second that the receiver's disk takes of a file, which lasts as long as the cuts."""
SAMPLE_SECONDS: Final = 5.0
WARM_PART: Final = 0.34
"""The part of a run after which memory should no longer grow."""
GROWTH_BYTES: Final = 24 * 2**20
"""As much may a process seem to grow from there on, by the slope of its memory."""
REPAIR_SECONDS: Final = 60.0
SETTLE_SECONDS: Final = 8.0
LEFT_SECONDS: Final = UNREACHABLE_SECONDS + 8.0
"""How long what a repair leaves may take to end: an answer to one that is no longer needed."""

Shape = Literal["call", "room"]
Left = Callable[[], list[str]]


@dataclass(frozen=True)
class Plan:
    """What to do for how long."""

    shape: Shape
    """A one-off call of two, or a room of three where each is linked to each."""
    cuts: int
    seconds: float
    seed: int
    channel: bool = True
    """Whether bytes are sent over a channel as well."""
    file: bool = True
    """Whether the first peer sends the others a file as well."""

    @property
    def hosts(self) -> int:
        """How many hosts take part."""
        return 2 if self.shape == "call" else 3


async def together(lab: Lab, shape: Shape) -> list[Program]:
    """Programs on every host, linked to one another."""
    if shape == "call":
        return list(await lab.call())
    peers = []
    for number, place in enumerate(lab.places):
        peer = await lab.start(place)
        peer.do("enter", room="hall", peer=f"peer-{number}")
        await peer.wait_for("entered")
        peers.append(peer)
    for peer in peers:
        while peer.count("connected") < len(peers) - 1:
            await peer.wait_for("connected")
    return peers


async def run(environment: Mapping[str, str], plan: Plan, left: Left) -> dict[str, Any]:
    """Talk, cut, and compare what was said with what was heard.

    :param environment: leads to the suite; realm and key included.
    :param left: paths of the documents that are left.
    :returns: figures; ``problems`` is empty if all is well.
    """
    with tempfile.TemporaryDirectory() as folder:
        return await _run(environment, plan, left, Path(folder))


async def _run(
    environment: Mapping[str, str], plan: Plan, left: Left, folder: Path
) -> dict[str, Any]:
    cuts = schedule(plan.seed, plan.cuts, plan.seconds, plan.hosts)
    file = _make_file(folder / "sent.bin", int(plan.seconds * FILE_RATE)) if plan.file else None
    async with Lab(environment, plan.hosts, plan.seed) as lab:
        peers = await together(lab, plan.shape)
        await asyncio.sleep(SETTLE_SECONDS)
        before = [await peer.figures() for peer in peers]
        for peer in peers:
            peer.do("talk", every=TALK_SECONDS)
        if plan.channel:
            peers[0].do("stream", pieces=int(plan.seconds / PIECE_SECONDS), every=PIECE_SECONDS)
        if file is not None:
            for number, peer in enumerate(peers[1:]):
                peer.do("take", folder=str(folder / f"taken-{number}"), rate=FILE_RATE)
            peers[0].do("send", path=str(file.path))
        memory: list[list[tuple[float, int]]] = [[] for _ in peers]
        sampling = asyncio.create_task(_sample(peers, memory))
        began = time.monotonic()
        try:
            made = await endure(lab, cuts, lambda done: _still_there(peers, cuts, done))
        finally:
            sampling.cancel()
        took = time.monotonic() - began
        problems = await _finish(peers, plan, file)
        after = [await _settled(peer, before) for peer in peers]
        for peer in peers:
            peer.do("hang-up")
            await peer.wait_for("hung-up")
        problems += _compare(plan, before, after)
        problems += _growth_problems(growth := [_growth(samples) for samples in memory])
        problems += [f"{peer!r}" for peer in peers if peer.errors]
        carried, lost = lab.wire.carried, lab.wire.lost
    documents = await _none_left(left)
    problems += [f"left in the database: {path}" for path in documents]
    return {
        "plan": asdict(plan),
        "took_seconds": round(took, 1),
        "cut_seconds": round(sum(cut.seconds for cut in cuts), 1),
        "longest_cut_seconds": round(max(cut.seconds for cut in cuts), 1),
        "cuts": dict(made),
        "frames": {"carried": carried, "lost": lost},
        "messages": sum(talk["heard"]["count"] for figures in after for talk in _talks(figures)),
        "channel_bytes": sum(
            talk["received"]["count"] * 16_384 for figures in after for talk in _talks(figures)
        ),
        "file_bytes": file.size * (plan.hosts - 1) if file is not None else 0,
        "repairs": _repairs(peers),
        "rss_start_bytes": [samples[0][1] for samples in memory],
        "rss_end_bytes": [samples[-1][1] for samples in memory],
        "rss_growth_bytes": growth,
        "problems": problems,
    }


def _still_there(peers: Sequence[Program], cuts: Sequence[Cut], done: int) -> None:
    for peer in peers:
        for ended in ("closed", "ended", "error", "lost", "left"):
            if peer.count(ended):
                raise AssertionError(f"{ended} by cut {done}, {cuts[done - 1]}: {peer!r}")


@dataclass(frozen=True)
class _File:
    """What is sent as a file."""

    path: Path
    size: int
    sha256: str


def _make_file(path: Path, size: int) -> _File:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for begin in range(0, size, 2**20):
            content = os.urandom(min(2**20, size - begin))
            digest.update(content)
            file.write(content)
    return _File(path, size, digest.hexdigest())


async def _finish(peers: Sequence[Program], plan: Plan, file: _File | None) -> list[str]:
    """Let what was said arrive.

    :returns: what is wrong with the file where it arrived.
    """
    problems: list[str] = []
    awaited = ["stream-ended"] * plan.channel + ["file-taken"] * plan.file
    for peer in peers[1:]:
        missing = list(awaited)
        while missing:
            event = await peer.wait_for(*missing, timeout=REPAIR_SECONDS + plan.seconds)
            missing.remove(event["event"])
            if event["event"] != "file-taken" or file is None:
                continue
            if (event["bytes"], event["sha256"]) != (file.size, file.sha256):
                problems.append(f"sent {file}, took {event}")
    for _ in peers[1:] if plan.file else ():
        await peers[0].wait_for("file-sent")
    for peer in peers:
        peer.do("hush")
    for peer in peers:
        await peer.wait_for("hushed", timeout=REPAIR_SECONDS + STEP_SECONDS)
    return problems


def _talks(figures: Event) -> list[dict[str, Any]]:
    return list(figures["talks"].values())


def _compare(plan: Plan, before: Sequence[Event], after: Sequence[Event]) -> list[str]:
    problems: list[str] = []
    said = [tally for figures in after for talk in _talks(figures) for tally in [talk["said"]]]
    heard = [tally for figures in after for talk in _talks(figures) for tally in [talk["heard"]]]
    if sorted(tally["sha256"] for tally in said) != sorted(tally["sha256"] for tally in heard):
        problems.append(f"said {said}, heard {heard}")
    sent = [talk["sent"] for figures in after[:1] for talk in _talks(figures)]
    received = [talk["received"] for figures in after[1:] for talk in _talks(figures)]
    if plan.channel:
        wanted = sorted(tally["sha256"] for tally in sent)
        got = sorted(tally["sha256"] for tally in received if tally["count"])
        if wanted != got or not all(tally["count"] for tally in sent):
            problems.append(f"sent {sent}, received {received}")
    problems += [f"wrong: {tally}" for tally in (*heard, *received) if tally["wrong"]]
    # A session's stream stays once it has listened: who came with a code listens at a repair first.
    problems += [problem for other in after for problem in _held_problems(before, other)]
    problems += [
        f"the link to {remote} is {talk['state']}"
        for figures in after
        for remote, talk in figures["talks"].items()
        if talk["state"] != "open"
    ]
    return problems


def _held_problems(before: Sequence[Event], after: Event) -> list[str]:
    most = {name: max(one[name] for one in before) for name in ("tasks", "descriptors", "threads")}
    return [
        f"{name}: {most[name]} before, {after[name]} after: {after['doing']}"
        for name, more in (("tasks", 0), ("descriptors", 0), ("threads", POOL_THREADS))
        if after[name] > most[name] + more
    ]


async def _settled(peer: Program, before: Sequence[Event]) -> Event:
    """Its figures once it holds no more than before, or after a while: what a repair leaves ends
    by then, and at any one moment it may be renewing a lease."""
    give_up = time.monotonic() + LEFT_SECONDS
    while _held_problems(before, figures := await peer.figures()) and time.monotonic() < give_up:
        await asyncio.sleep(0.5)
    return figures


async def _sample(peers: Sequence[Program], memory: list[list[tuple[float, int]]]) -> None:
    while True:
        for peer, samples in zip(peers, memory, strict=True):
            samples.append((time.monotonic(), rss_bytes(peer.process.pid)))
        await asyncio.sleep(SAMPLE_SECONDS)


def _growth(samples: Sequence[tuple[float, int]]) -> int:
    """How much more memory is in use at the end than when it was warm, by its slope."""
    warm = samples[int(len(samples) * WARM_PART) :]
    if len(warm) < 3:
        return 0
    times, sizes = zip(*warm, strict=True)
    return int(statistics.linear_regression(times, sizes).slope * (times[-1] - times[0]))


def _growth_problems(growth: Sequence[int]) -> list[str]:
    return [f"memory grew by {more >> 20} MiB" for more in growth if more > GROWTH_BYTES]


def _repairs(peers: Sequence[Program]) -> dict[str, object]:
    """How often links broke, and how long each was away, by each side."""
    seconds = []
    for peer in peers:
        since: dict[str, float] = {}
        for event in peer.events:
            if event["event"] == "reconnecting":
                since[event["remote"]] = event["at"]
            elif event["event"] == "reconnected" and event["remote"] in since:
                seconds.append(event["at"] - since.pop(event["remote"]))
    seconds.sort()
    return {
        "count": len(seconds),
        "median_seconds": round(seconds[len(seconds) // 2], 2) if seconds else None,
        "worst_seconds": round(seconds[-1], 2) if seconds else None,
    }


async def _none_left(left: Left) -> list[str]:
    """What the last peer of a room leaves, the functions delete a little later."""
    give_up = time.monotonic() + STEP_SECONDS
    while (paths := await asyncio.to_thread(left)) and time.monotonic() < give_up:
        await asyncio.sleep(0.5)
    return paths
