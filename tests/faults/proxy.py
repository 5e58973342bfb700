"""A TCP proxy that fails on demand: cut off, deaf on the way back, stuck, or merely slow."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Literal, Self

CHUNK_BYTES = 65_536
UNDERWAY_CHUNKS = 256
"""Read and not yet handed on, one way of one connection."""

Fault = Literal["none", "cut", "mute", "stuck"]
"""``cut``: connections are closed, new ones at once; ``mute``: requests get through, replies are
lost; ``stuck``: nothing moves, nothing is lost."""

Underway = asyncio.Queue[tuple[float, bytes]]
"""Chunks and the loop's time at which each is to be handed on; an empty one ends it."""


class Proxy:
    """Stands between clients and one server; use it with ``async with``.

    :param server: ``host:port``.
    :param listener: where clients come in, e.g. inside a network namespace; default: a port of
        127.0.0.1.
    """

    def __init__(self, server: str, listener: socket.socket | None = None) -> None:
        self._host, _, port = server.partition(":")
        self._port = int(port)
        self._listener = listener
        self._fault: Fault = "none"
        self._moving = asyncio.Event()
        self._moving.set()
        self._delay = (0.0, 0.0)
        self._chance = random.Random(0)
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.address = ""
        """``host:port`` for the clients."""

    async def __aenter__(self) -> Self:
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
        self._server = await asyncio.start_server(self._accept, sock=self._listener)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        self.fail("cut")
        for task in self._pumps:
            task.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    def fail(self, fault: Fault) -> None:
        """Fail like this from now on; ``none`` mends it."""
        self._fault = fault
        if fault == "stuck":
            self._moving.clear()
        else:
            self._moving.set()
        if fault == "cut":
            for writer in self._writers:
                writer.transport.abort()

    def mend(self) -> None:
        """Work again. What was lost on the way is lost."""
        if self._fault == "mute":
            # Bytes are missing in the middle of these connections.
            self.fail("cut")
        self.fail("none")

    def slow(self, least_seconds: float, most_seconds: float, seed: int = 0) -> None:
        """Take so long, by chance, to hand on what comes from now on.

        A connection keeps its order, as TCP does; one overtakes another, and replies the requests
        of others.
        """
        self._delay = (least_seconds, most_seconds)
        self._chance = random.Random(seed)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._fault == "cut":
            writer.transport.abort()
            return
        try:
            onward = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, onward[1]}
        for source, sink, back in ((reader, onward[1], False), (onward[0], writer, True)):
            self._spawn(self._pump(source, sink, back))

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, back: bool
    ) -> None:
        underway: Underway = asyncio.Queue(UNDERWAY_CHUNKS)
        taking = self._spawn(self._take(source, underway))
        try:
            await self._hand_on(underway, sink, back)
        finally:
            taking.cancel()
            self._writers.discard(sink)
            sink.transport.abort()

    async def _take(self, source: asyncio.StreamReader, underway: Underway) -> None:
        clock = asyncio.get_running_loop().time
        with contextlib.suppress(OSError):
            while chunk := await source.read(CHUNK_BYTES):
                await underway.put((clock() + self._chance.uniform(*self._delay), chunk))
        await underway.put((clock(), b""))

    async def _hand_on(self, underway: Underway, sink: asyncio.StreamWriter, back: bool) -> None:
        clock = asyncio.get_running_loop().time
        with contextlib.suppress(OSError):
            while True:
                due, chunk = await underway.get()
                if (left := due - clock()) > 0:
                    await asyncio.sleep(left)
                await self._moving.wait()
                if not chunk:
                    break
                if back and self._fault == "mute":
                    continue
                sink.write(chunk)
                await sink.drain()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name="proxy")
        self._pumps.add(task)
        task.add_done_callback(self._pumps.discard)
        return task
