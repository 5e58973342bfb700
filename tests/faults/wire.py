"""The wire between hosts: an Ethernet switch of ours that cuts, delays, loses, repeats and
reorders."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from .namespaces import Host

FRAME_BYTES: Final = 2048
"""More than an Ethernet frame has."""
BURST: Final = 64
"""Frames taken from one host before the others have their turn."""


@dataclass(frozen=True)
class Line:
    """What happens to frames from one host to another."""

    cut: bool = False
    """Nothing gets through."""
    delay_seconds: float = 0.0
    jitter_seconds: float = 0.0
    """Up to so much more, each frame by chance: what comes later may overtake."""
    loss: float = 0.0
    """The part of the frames that is lost, 0 to 1."""
    repeat: float = 0.0
    """The part of the frames that arrives twice."""


CLEAR: Final = Line()


class Wire:
    """Carries frames between hosts; use it with ``async with``.

    :param hosts: whom it connects.
    :param seed: for the chances of its lines.
    """

    def __init__(self, hosts: Iterable[Host], seed: int) -> None:
        self._hosts = {host.hardware: host for host in hosts}
        self._chance = random.Random(seed)
        self._lines: dict[tuple[Host, Host], Line] = {}
        self._late: set[asyncio.TimerHandle] = set()
        self.carried = 0
        """Frames that arrived."""
        self.lost = 0
        """Frames that didn't."""

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for host in self._hosts.values():
            loop.add_reader(host.tap, self._read, host)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        loop = asyncio.get_running_loop()
        for host in self._hosts.values():
            loop.remove_reader(host.tap)
        for timer in self._late:
            timer.cancel()

    def line(self, sender: Host, receiver: Host) -> Line:
        """What happens from one host to another."""
        return self._lines.get((sender, receiver), CLEAR)

    def set(self, line: Line, sender: Host | None = None, receiver: Host | None = None) -> None:
        """Let this happen from now on.

        :param sender: on the way from this host; default: from any.
        :param receiver: on the way to this host; default: to any.
        """
        for one in self._hosts.values():
            for other in self._hosts.values():
                if sender in (None, one) and receiver in (None, other):
                    self._lines[one, other] = line

    def _read(self, sender: Host) -> None:
        for _ in range(BURST):
            try:
                frame = os.read(sender.tap, FRAME_BYTES)
            except OSError:
                # Nothing more for now, or its cable is out.
                return
            to = self._hosts.get(frame[:6])
            for receiver in (to,) if to is not None else self._hosts.values():
                if receiver is not sender:
                    self._carry(frame, sender, receiver)

    def _carry(self, frame: bytes, sender: Host, receiver: Host) -> None:
        line = self.line(sender, receiver)
        if line is CLEAR:
            self._deliver(frame, receiver)
            return
        if line.cut or self._chance.random() < line.loss:
            self.lost += 1
            return
        for _ in range(2 if self._chance.random() < line.repeat else 1):
            seconds = line.delay_seconds + self._chance.random() * line.jitter_seconds
            if seconds > 0:
                self._later(seconds, frame, receiver)
            else:
                self._deliver(frame, receiver)

    def _later(self, seconds: float, frame: bytes, receiver: Host) -> None:
        def arrive() -> None:
            self._late.discard(timer)
            self._deliver(frame, receiver)

        timer = asyncio.get_running_loop().call_later(seconds, arrive)
        self._late.add(timer)

    def _deliver(self, frame: bytes, receiver: Host) -> None:
        # A full queue or a pulled cable loses frames, as in a switch.
        with contextlib.suppress(OSError):
            os.write(receiver.tap, frame)
            self.carried += 1
