"""A TCP proxy that fails on demand: cut off, deaf on the way back, or merely stuck."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Literal, Self

CHUNK_BYTES = 65_536

Fault = Literal["none", "cut", "mute", "stuck"]
"""``cut``: connections are closed, new ones at once; ``mute``: requests get through, replies are
lost; ``stuck``: nothing moves, nothing is lost."""


class Proxy:
    """Stands between clients and one server; use it with ``async with``.

    :param server: ``host:port``.
    """

    def __init__(self, server: str) -> None:
        self._host, _, port = server.partition(":")
        self._port = int(port)
        self._fault: Fault = "none"
        self._moving = asyncio.Event()
        self._moving.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.address = ""
        """``host:port`` for the clients."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
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
            task = asyncio.create_task(self._pump(source, sink, back), name="proxy")
            self._pumps.add(task)
            task.add_done_callback(self._pumps.discard)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, back: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := await source.read(CHUNK_BYTES):
                await self._moving.wait()
                if back and self._fault == "mute":
                    continue
                sink.write(chunk)
                await sink.drain()
        self._writers.discard(sink)
        sink.transport.abort()
