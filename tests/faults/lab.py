"""Hosts with a wire between them, each with its own ways to the suite, and programs that run there.

Between two hosts there is the wire and nothing else. The database is reached through a proxy for
each host that listens on the host's loopback interface: no network path for media, and cut on its
own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from .namespaces import Host
from .proxy import Proxy
from .wire import Wire

STEP_SECONDS: Final = 60.0
"""How long anything may take that should take a moment, on a busy machine."""
START_SECONDS: Final = 240.0
"""How long a peer may take until it obeys, among many that start on a busy machine."""
STARTS_MOST: Final = 4
"""So many peers start at a time: each computes for a second."""
END_SECONDS: Final = 15.0
SERVICES: Final = (
    "FIRESTORE_EMULATOR_HOST",
    "FIREBASE_AUTH_EMULATOR_HOST",
    "FIRERTC_FUNCTIONS_URL",
)
PEER: Final = Path(__file__).with_name("peer.py")

Event = dict[str, Any]


class Place:
    """A host with its ways to the suite."""

    def __init__(self, host: Host, proxies: Mapping[str, Proxy], environment: Mapping[str, str]):
        self.host = host
        self.database = proxies["FIRESTORE_EMULATOR_HOST"]
        self.proxies = proxies
        """By the variable that leads to each."""
        self.environment = environment
        """Of programs that run here."""


class Program:
    """A program on a host that prints a JSON object a line."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self.process = process
        self.name = name
        self.events: list[Event] = []
        self.errors = ""
        """Standard error."""
        self._changed = asyncio.Condition()
        self._read = 0
        self._readers = [asyncio.create_task(self._follow()), asyncio.create_task(self._complain())]

    def __repr__(self) -> str:
        shown = "\n  ".join(map(json.dumps, self.events[-40:]))
        return f"<{self.name}\n  {shown}\n{self.errors}>"

    async def _follow(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            async with self._changed:
                self.events.append(json.loads(line))
                self._changed.notify_all()
        async with self._changed:
            self.events.append({"event": "ended"})
            self._changed.notify_all()

    async def _complain(self) -> None:
        assert self.process.stderr is not None
        while line := await self.process.stderr.readline():
            self.errors += line.decode()

    def do(self, word: str, **details: object) -> None:
        """Tell it to do something."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": word, **details}).encode() + b"\n")

    async def wait_for(self, *events: str, timeout: float = STEP_SECONDS) -> Event:
        """The next of these events, after the one waited for before.

        :raises AssertionError: if the program says ``error`` or ends instead, or nothing in time.
        """
        try:
            async with asyncio.timeout(timeout), self._changed:
                while True:
                    while self._read < len(self.events):
                        event = self.events[self._read]
                        self._read += 1
                        if event["event"] in events:
                            return event
                        if event["event"] in ("error", "ended"):
                            raise AssertionError(f"waited for {events}: {self!r}")
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"waited {timeout:.0f} s for {events}: {self!r}") from None

    def count(self, event: str) -> int:
        """How often something has happened."""
        return sum(known["event"] == event for known in self.events)

    async def figures(self) -> Event:
        """What was said and heard so far, and what the process holds."""
        self.do("figures")
        return await self.wait_for("figures")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    async def end(self) -> int:
        """Let it end, kill it if it doesn't.

        :returns: its exit code.
        """
        assert self.process.stdin is not None
        self.process.stdin.close()
        with contextlib.suppress(TimeoutError, ProcessLookupError):
            async with asyncio.timeout(END_SECONDS):
                await self.process.wait()
        if self.process.returncode is None:
            self.process.kill()
        code = await self.process.wait()
        await asyncio.gather(*self._readers)
        return code


class Lab:
    """Hosts, wire and programs; use it with ``async with``.

    :param environment: of programs that use the suite, realm and key included.
    :param hosts: how many.
    :param seed: for the wire's chances.
    """

    def __init__(self, environment: Mapping[str, str], hosts: int, seed: int) -> None:
        self._environment = environment
        self._count = hosts
        self._seed = seed
        self._stack = AsyncExitStack()
        self.places: list[Place] = []
        self.programs: list[Program] = []
        self.wire: Wire

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            hosts = []
            for number in range(1, self._count + 1):
                hosts.append(host := Host(number))
                stack.callback(host.close)
            self.wire = await stack.enter_async_context(Wire(hosts, self._seed))
            for host in hosts:
                self.places.append(await self._place(stack, host))
            stack.push_async_callback(self._end)
            self._stack = stack.pop_all()
        return self

    async def _place(self, stack: AsyncExitStack, host: Host) -> Place:
        environment = {**os.environ, **self._environment}
        proxies = {}
        for variable in SERVICES:
            value = environment[variable]
            server = urlsplit(value).netloc or value
            proxy = await stack.enter_async_context(Proxy(server, host.listener()))
            environment[variable] = value.replace(server, proxy.address)
            proxies[variable] = proxy
        return Place(host, proxies, environment)

    async def _end(self) -> None:
        await asyncio.gather(*(program.end() for program in self.programs))

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def start(self, place: Place, *command: str, folder: Path | None = None) -> Program:
        """Run a program on a host; default: a peer, that waits for commands by then."""
        if command:
            return await self._run(place, command, folder)
        async with _starting():
            peer = await self._run(place, (sys.executable, str(PEER)), folder)
            await peer.wait_for("ready", timeout=START_SECONDS)
        return peer

    async def _run(self, place: Place, command: Sequence[str], folder: Path | None) -> Program:
        process = await asyncio.create_subprocess_exec(
            *place.host.command(*command),
            env=dict(place.environment),
            cwd=folder,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        program = Program(process, f"{Path(command[-1]).name} on {place.host.address}")
        self.programs.append(program)
        return program

    async def call(self) -> tuple[Program, Program]:
        """Two peers in a call, on the first two hosts; the first one waited."""
        one, other = [await self.start(place) for place in self.places[:2]]
        one.do("wait")
        other.do("come", code=(await one.wait_for("code"))["code"])
        for peer in (one, other):
            await peer.wait_for("connected")
        return one, other


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def _starting() -> asyncio.Semaphore:
    """The turns in which the peers of all labs start."""
    return _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(STARTS_MOST))
