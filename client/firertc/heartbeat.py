"""A link's heart: a ping every second, the round trip, and how long the other side is silent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .control import Frame, Ping
from .negotiation import PING_SECONDS, Pulse, pulse

PINGS_KEPT_SECONDS = 10.0
LOOK_SECONDS = PING_SECONDS / 2
"""How often the silence is looked at: one of 4 s is noticed within 4.5."""


class Heartbeat:
    """Pings, and judges the silence.

    :param send: sends a frame.
    :param judge: told twice a beat what the silence means.
    """

    def __init__(self, send: Callable[[Frame], None], judge: Callable[[Pulse], None]) -> None:
        self.rtt_seconds: float | None = None
        """Round trip of the latest ping."""
        self._send = send
        self._judge = judge
        self._clock = asyncio.get_running_loop().time
        self._heard = self._clock()
        self._sent: dict[int, float] = {}
        self.pinged = 0
        """Number of the last ping."""

    def hear(self) -> None:
        """Something came."""
        self._heard = self._clock()

    def pong(self, number: int) -> None:
        """A ping was answered."""
        sent = self._sent.pop(number, None)
        if sent is not None:
            self.rtt_seconds = self._clock() - sent

    def ping(self) -> None:
        """Ask the other side for an answer."""
        now = self._clock()
        self.pinged += 1
        self._sent = {n: at for n, at in self._sent.items() if now - at < PINGS_KEPT_SECONDS}
        self._sent[self.pinged] = now
        self._send(Ping(self.pinged))

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            before = self._clock()
            self.ping()
            while (asleep := self._clock()) < before + PING_SECONDS:
                await asyncio.sleep(LOOK_SECONDS)
                late = self._clock() - asleep - LOOK_SECONDS
                if late > PING_SECONDS:
                    # This process itself stood still (a laptop slept): the silence was ours.
                    self._heard += late
                self._judge(pulse(self._clock() - self._heard))
