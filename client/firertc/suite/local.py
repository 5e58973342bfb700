"""Starting and stopping the local suite."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from firertc.errors import ConfigError, FunctionsUnreachable, Unreachable

from . import checks, engine, state, supervisor, workspace
from .addresses import DEMO_PROJECT, Addresses, Ports
from .requests import RequestLog, recording

__all__ = ["LocalSuite"]

START_SECONDS = 120.0
"""How long the parts may take to start; on two idle cores it is about eight seconds."""

STOP_SECONDS = 15.0

TAIL_LINES = 25

POLL_SECONDS = 0.05

PORT_ATTEMPTS = 3
"""How often other ports are tried, if somebody takes one between choice and use."""

NODE_OPTIONS = (
    "--max-semi-space-size=64",
    *("--require", str(Path(__file__).with_name("workers.cjs"))),
)
"""Starting the Auth emulator compiles a large schema; a larger nursery saves 1.5 s of it. And how
the functions' processes are reached is mended: see ``workers.cjs``."""

READY = "All emulators ready"
NOT_LOADED = "Failed to load function definition from source"
DISCOVERY_PORT_TAKEN = "is in use by another program"
"""firebase-tools asks the functions what they are on the first free port from 8081 on."""
PORT_TAKEN = re.compile(r"port taken|already in use|EADDRINUSE|is not open on")


class LocalSuite:
    """Auth, Firestore, functions and hosting on this machine, by the project in a folder.

    A context manager, with ``with`` or ``async with``; or :meth:`start` and :meth:`stop`. Every
    process it starts ends with it, also if this process is killed.

    :param root: folder with ``firebase.json``; default: the nearest above the working directory.
    :param project: project id; one that starts with ``demo-`` never reaches production.
    :param ports: where to listen; default: ports that are free.
    :param only: the parts to start, of ``auth``, ``firestore``, ``functions``, ``hosting``;
        default: those that ``firebase.json`` has.
    :param functions: whether the functions are among them.
    :param rules: other security rules than those of ``firebase.json``.
    :param force: the Firestore emulator, ``jar`` or ``hidane``; default: ``FIRERTC_FIRESTORE``,
        or the best there is.
    :param log: file for the output; default: a temporary one.
    :param warm: callable functions to have ready, which saves their first callers 0.65 s.
    """

    def __init__(
        self,
        root: Path | None = None,
        *,
        project: str = DEMO_PROJECT,
        ports: Ports | None = None,
        only: Sequence[str] | None = None,
        functions: bool = True,
        rules: Path | None = None,
        force: str | None = None,
        log: Path | None = None,
        warm: Sequence[str] = (),
    ) -> None:
        self.root = workspace.find_root(root)
        self.project = project
        self.parts = tuple(
            part for part in workspace.parts_of(self.root, only) if functions or part != "functions"
        )
        self.ports = ports
        self._rules = rules
        self._force = force or os.environ.get(engine.ENGINE_VARIABLE)
        self._log = log
        self._warm = tuple(warm)
        self._abandoned = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self._output: BinaryIO | None = None
        self._mark = ""
        self._addresses: Addresses | None = None
        self._engine: engine.Engine | None = None

    @property
    def addresses(self) -> Addresses:
        """Where the suite listens.

        :raises Unreachable: if it has not been started.
        """
        if self._addresses is None:
            raise Unreachable("the local suite has not been started")
        return self._addresses

    @property
    def engine(self) -> engine.Engine:
        """The Firestore emulator in use.

        :raises Unreachable: if the suite has not been started.
        """
        if self._engine is None:
            raise Unreachable("the local suite has not been started")
        return self._engine

    @property
    def supervisor_pid(self) -> int | None:
        """Process id of the supervisor."""
        return self._process.pid if self._process else None

    @property
    def mark(self) -> str:
        """What every process of the suite carries in its environment."""
        return self._mark

    def environment(self) -> dict[str, str]:
        """The variables that lead programs to this suite."""
        return self.addresses.environment()

    def recording(self) -> AbstractContextManager[RequestLog]:
        """Record the requests that the rules judge within a block."""
        return recording(self.addresses)

    def rule_coverage(self) -> dict[str, Any]:
        """The engine's report on which expressions of the rules were evaluated."""
        return checks.rule_coverage(self.addresses)

    def clear(self) -> None:
        """Remove every document."""
        checks.clear(self.addresses)

    def start(self) -> Addresses:
        """Start everything, wait until it serves, and make sure that the rules deny.

        :raises ConfigError: if a program is missing, or the rules are not in force.
        :raises Unreachable: if something does not start.
        """
        if os.name != "posix":
            raise ConfigError("the local suite needs Linux or macOS; on Windows, use WSL")
        if self._process is not None:
            raise ConfigError("this local suite runs already")
        self._abandoned.clear()
        firebase = engine.find_firebase(self.root)
        self._engine = engine.choose(engine.find(firebase), self._force)
        for attempt in range(PORT_ATTEMPTS):
            ports = self.ports or Ports.free()
            try:
                self._start(firebase, ports)
                break
            except BaseException as error:
                self.stop()
                # Another suite that starts this moment had the same port for a while: not ours to
                # choose, and free the next time.
                again = isinstance(error, _DiscoveryPortTaken) or (
                    isinstance(error, _PortTaken) and self.ports is None
                )
                if not again or attempt == PORT_ATTEMPTS - 1:
                    raise
        return self.addresses

    def _start(self, firebase: Path, ports: Ports) -> None:
        chosen = self.engine
        self._folder = workspace.make(self.root, ports, self.parts, self._rules)
        self._mark = secrets.token_hex(16)
        log = self._log or self._folder / "suite.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        command = [
            *chosen.prefix,
            *("node", *NODE_OPTIONS, str(firebase), "emulators:start"),
            *("--project", self.project, "--config", str(self._folder / workspace.CONFIG)),
            *("--only", ",".join(self.parts)),
        ]
        spec = supervisor.Spec(
            command=command,
            directory=str(self._folder),
            mark=self._mark,
            log=str(log),
            state=str(state.state_path(self.root)),
        )
        path = self._folder / "supervisor.json"
        path.write_text(json.dumps(spec))
        self._output = log.open("rb")  # kept open: the supervisor removes a temporary one
        with open(log, "ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-I", supervisor.__file__, str(path)],
                cwd="/",
                env=workspace.surroundings(self._folder),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._await_ready(self._process)
        self._addresses = Addresses.at(ports, self.project)
        if "firestore" in self.parts:
            checks.require_denial(self._addresses, self.rules)
        if "functions" in self.parts:
            loaded = checks.functions_loaded(self._addresses)
            if not loaded:
                raise FunctionsUnreachable(f"no function was loaded.\n{tail(self.output())}")
            checks.warm(self._addresses, [name for name in self._warm if name in loaded])

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            ended = process.poll() is not None
            text = self.output()
            if DISCOVERY_PORT_TAKEN in text and (READY not in text or NOT_LOADED in text):
                raise _DiscoveryPortTaken(f"the functions can't be read.\n{tail(text)}")
            if NOT_LOADED in text:
                raise FunctionsUnreachable(f"the functions can't be loaded.\n{tail(text)}")
            if READY in text and not ended:
                return
            if self._abandoned.is_set():
                raise Unreachable("the start of the local suite was given up")
            if ended:
                if PORT_TAKEN.search(text):
                    raise _PortTaken(f"a port of the local suite is taken.\n{tail(text)}")
                raise Unreachable(f"the local suite did not start.\n{tail(text)}")
            if time.monotonic() > deadline:
                raise Unreachable(
                    f"the local suite was not ready after {START_SECONDS:.0f} s.\n{tail(text)}"
                )
            time.sleep(POLL_SECONDS)

    def output(self) -> str:
        """What the suite has printed so far: the log of firebase-tools and of the functions."""
        if self._output is None:
            return ""
        self._output.seek(0)
        return self._output.read().decode(errors="replace")

    @property
    def rules(self) -> Path | None:
        """The file with the security rules."""
        return self._rules or workspace.rules_of(self.root)

    def reload_rules(self) -> None:
        """Put the security rules in force as they are in their file now.

        :raises ConfigError: if they don't parse, or don't deny.
        """
        if self.rules is not None:
            checks.load_rules(self.addresses, self.rules)
            checks.require_denial(self.addresses, self.rules)

    def alive(self) -> bool:
        """Whether the suite still runs."""
        return self._process is not None and self._process.poll() is None

    def write_state(self, *, detached: bool) -> None:
        """Let other commands find this suite (``.firertc/suite.json``).

        :param detached: whether it will outlive this process.
        """
        if self._process is None or (started := supervisor.started_at(self._process.pid)) is None:
            raise Unreachable("the local suite has ended")
        state.State(
            mark=self._mark,
            supervisor=self._process.pid,
            supervisor_started=started,
            engine=self.engine.name,
            detached=detached,
            addresses=self.addresses,
        ).write(self.root)

    def detach(self) -> None:
        """Leave the suite running when this process ends; ``firertc down`` stops it."""
        self.write_state(detached=True)
        if self._process is None or self._process.stdin is None:
            raise Unreachable("the local suite has ended")
        self._process.stdin.write(b"D")
        self._process.stdin.close()
        self._process.returncode = 0  # it is no longer ours to wait for, nor to stop
        self._process, self._folder, self._mark = None, None, ""
        if self._output is not None:
            self._output.close()
            self._output = None

    def stop(self) -> None:
        """End every process of the suite, and wait until all are gone.

        :raises Unreachable: if one could not be ended.
        """
        process, self._process = self._process, None
        if process is not None:
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        folder, self._folder = self._folder, None
        if self._mark and (left := supervisor.kill_all(self._mark)):
            raise Unreachable(f"these processes of the suite could not be ended: {left}")
        if folder is not None and folder.exists():
            supervisor.remove(folder)
        output, self._output = self._output, None
        if output is not None:
            output.close()
        self._addresses = None

    def __enter__(self) -> LocalSuite:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> LocalSuite:
        starting = asyncio.ensure_future(asyncio.to_thread(self.start))
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            self._abandoned.set()
            await asyncio.wait([starting])
            if starting.exception() is None:
                await asyncio.to_thread(self.stop)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.stop)


class _PortTaken(Unreachable):
    """Somebody listens on a port that was chosen."""


class _DiscoveryPortTaken(_PortTaken):
    """Another suite was faster to take the port on which the functions are asked what they are."""


def tail(text: str) -> str:
    """The end of a log, as :func:`clean` leaves it."""
    return "\n".join(clean(text).splitlines()[-TAIL_LINES:])


def clean(text: str) -> str:
    """Take terminal colours, empty lines and tokens out of a log."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    text = re.sub(r"eyJ[\w-]+\.[\w-]+\.[\w-]*", "<token>", text)
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip())
