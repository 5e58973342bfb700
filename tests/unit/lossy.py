"""Connections of a network that fails, in virtual time: an hour of it passes in a second.

What a link uses of a connection, over a wire that behaves as SCTP and ICE do in an outage: what is
sent waits and is sent again after pauses that grow; either side gives up when nothing comes back
for half a minute (RFC 7675); a new wire opens when both ways are open.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pyee.asyncio import AsyncIOEventEmitter

LATENCY_SECONDS = 0.02
CHECK_SECONDS = (0.1, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5)
"""When a connection that is being made looks for a path, counted from its negotiation: the pauses
between ICE's checks double, too."""
RESOLUTION_SECONDS = 1e-7
"""Time passes by itself, too: who waits for less than a clock can tell would wait for ever."""

Way = Literal[0, 1]
"""From the side of this number to the other one."""
T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop in which nobody waits: when nothing is to be done, the clock is put forward."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        selector: Any = self._selector  # type: ignore[attr-defined]
        select = selector.select

        def skip(timeout: float | None) -> Any:
            if timeout is None:
                raise RuntimeError("everybody waits for something that never happens")
            self._now += max(timeout, RESOLUTION_SECONDS)
            return select(0)

        selector.select = skip

    def time(self) -> float:
        """Seconds since the beginning."""
        return self._now


def passes(work: Coroutine[Any, Any, T]) -> T:
    """Run something in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


@dataclass
class Network:
    """All the ways between two sides."""

    consent_seconds: tuple[float, float]
    """How long each side goes on without an answer from the other one."""
    patience: tuple[float, float]
    """How long what waits is held back once a way is open again, as a part of the outage: the
    pauses between retransmissions double, so about as long as that at most."""
    open: list[bool] = field(default_factory=lambda: [True, True])
    down_since: list[float] = field(default_factory=lambda: [0.0, 0.0])
    wires: list[Wire] = field(default_factory=list)

    def switch(self, way: Way, up: bool) -> None:
        """Open or cut one way."""
        now = asyncio.get_running_loop().time()
        if self.open[way] == up:
            return
        self.open[way] = up
        if not up:
            self.down_since[way] = now
        for wire in self.wires:
            wire.switched(way, up, (now - self.down_since[way]) * self.patience[way])


class Wire:
    """One connection between the two sides, from its negotiation on."""

    def __init__(self, network: Network, opens: bool = True) -> None:
        self.network = network
        self.ends = (End(self, 0), End(self, 1))
        self._loop = asyncio.get_running_loop()
        self._flying: tuple[deque[str], deque[str]] = (deque(), deque())
        """What is under way, each way."""
        self._kept: tuple[deque[str], deque[str]] = (deque(), deque())
        """What waits to be sent again, and what was said after it."""
        self._held = [False, False]
        self._timers: list[asyncio.TimerHandle | None] = [None, None]
        network.wires.append(self)
        if opens:
            self.begin()

    def begin(self) -> None:
        """Both sides have both descriptions."""
        for seconds in CHECK_SECONDS:
            self._loop.call_later(seconds, self._open)

    def _open(self) -> None:
        if all(self.network.open) and all(end.lives for end in self.ends):
            self.ends[1].open()
            self._loop.call_later(LATENCY_SECONDS, self.ends[0].open)

    def switched(self, way: Way, up: bool, held_seconds: float) -> None:
        """One way was opened or cut."""
        timer = self._timers[way]
        if timer is not None:
            timer.cancel()
        if not up:
            self._kept[way].extendleft(reversed(self._flying[way]))
            self._flying[way].clear()
        else:
            self._held[way] = bool(self._kept[way])
            self._timers[way] = self._loop.call_later(held_seconds, self._flush, way)
        for end in self.ends:
            end.watch(all(self.network.open))

    def _flush(self, way: Way) -> None:
        self._held[way] = False
        texts = list(self._kept[way])
        self._kept[way].clear()
        for text in texts:
            self.send(way, text)

    def send(self, way: Way, text: str) -> None:
        """Send from that side to the other one."""
        if not self.network.open[way] or self._held[way]:
            self._kept[way].append(text)
        else:
            self._flying[way].append(text)
            self._loop.call_later(LATENCY_SECONDS, self._arrive, way)

    def _arrive(self, way: Way) -> None:
        if self._flying[way]:
            self.ends[1 - way].hear(self._flying[way].popleft())

    def closed(self, side: Way) -> None:
        """One side has closed it: the other one learns it if the way is open at that moment."""
        if self.network.open[side]:
            self._loop.call_later(LATENCY_SECONDS, self.ends[1 - side].fall)


class Channel(AsyncIOEventEmitter):
    """The control channel of one end."""

    def __init__(self, end: End) -> None:
        super().__init__()
        self.readyState = "connecting"
        self._end = end

    def send(self, text: str) -> None:
        """Send a frame."""
        if self._end.lives:
            self._end.wire.send(self._end.side, text)


class Transport(AsyncIOEventEmitter):
    """What a carrier listens to of an ``RTCPeerConnection``."""

    connectionState = "new"


class End:
    """One side's connection: what a link uses of :class:`firertc.connection.Connection`."""

    def __init__(self, wire: Wire, side: Way) -> None:
        self.wire = wire
        self.side = side
        self.lives = True
        self.pc = Transport()
        self.channel = Channel(self)
        self.remote_names: dict[int, str] = {}
        self.waiting: list[Any] = []
        self._consent: asyncio.TimerHandle | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name == "on_channel":
            value(self.channel)

    def open(self) -> None:
        """The control channel opens."""
        if self.lives and self.channel.readyState == "connecting":
            self.channel.readyState = "open"
            self.channel.emit("open")

    def hear(self, text: str) -> None:
        """Something has arrived, so it is open."""
        self.open()
        if self.lives and self.channel.readyState == "open":
            self.channel.emit("message", text)

    def watch(self, answers: bool) -> None:
        """Whether the other side's consent still comes."""
        if self._consent is not None:
            self._consent.cancel()
            self._consent = None
        if not answers and self.channel.readyState == "open":
            seconds = self.wire.network.consent_seconds[self.side]
            self._consent = asyncio.get_running_loop().call_later(seconds, self._fail)

    def _fail(self) -> None:
        if self.lives:
            self.lives = False
            self.channel.readyState = "closed"
            self.pc.connectionState = "failed"
            self.pc.emit("connectionstatechange")

    def fall(self) -> None:
        """The other side has closed."""
        if self.lives:
            self.lives = False
            self.channel.readyState = "closed"
            self.channel.emit("close")

    def take_over(self, old: End) -> None:
        """No tracks here."""

    def received(self) -> dict[int, Any]:
        """No tracks here."""
        return {}

    def stop_tracks(self) -> None:
        """No tracks here."""

    def path(self) -> None:
        """Nobody asks."""

    async def close(self) -> None:
        """End it."""
        if self.lives:
            self.lives = False
            self.channel.readyState = "closed"
            self.wire.closed(self.side)
