"""The file ``.firertc/suite.json`` that tells other commands of a running suite."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from firertc.errors import Unreachable

from .addresses import Addresses
from .supervisor import kill_all, started_at

__all__ = ["State", "running", "state_path", "stop_running"]

STOP_SECONDS = 15.0


@dataclass(frozen=True)
class State:
    """A suite that was started from this folder."""

    mark: str
    """What its processes carry in their environment."""
    supervisor: int
    """Process id of its supervisor."""
    supervisor_started: int
    """When that was started, in ticks since boot: a process id is used again."""
    engine: str
    """The Firestore emulator."""
    detached: bool
    """Whether it runs in the background."""
    addresses: Addresses
    """Where it listens."""

    @property
    def alive(self) -> bool:
        """Whether its supervisor still runs."""
        return started_at(self.supervisor) == self.supervisor_started

    def write(self, root: Path) -> None:
        """Write the file, readable by its owner only."""
        path = state_path(root)
        path.parent.mkdir(exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({**asdict(self), "environment": self.addresses.environment()}, file, indent=2)
        fresh.replace(path)


def state_path(root: Path) -> Path:
    """Where the state of the suite of this folder is written."""
    return root / ".firertc" / "suite.json"


def read(root: Path) -> State | None:
    """What the file says, be the suite alive or not; None without one, or with a broken one."""
    try:
        content: dict[str, Any] = json.loads(state_path(root).read_text())
        return State(
            mark=str(content["mark"]),
            supervisor=int(content["supervisor"]),
            supervisor_started=int(content["supervisor_started"]),
            engine=str(content["engine"]),
            detached=bool(content["detached"]),
            addresses=Addresses(**content["addresses"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def running(root: Path) -> Addresses | None:
    """Where the suite listens that was started from this folder, or None if none runs."""
    state = read(root)
    return state.addresses if state is not None and state.alive else None


def stop_running(root: Path) -> bool:
    """End the suite of this folder, and whatever a dead one has left.

    :returns: whether one was running.
    :raises Unreachable: if something survived.
    """
    state = read(root)
    if state is None:
        state_path(root).unlink(missing_ok=True)
        return False
    was_running = state.alive
    if was_running:
        with contextlib.suppress(ProcessLookupError):
            os.kill(state.supervisor, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while state.alive and time.monotonic() < deadline:
            time.sleep(0.02)
        if state.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(state.supervisor, signal.SIGKILL)
    left = kill_all(state.mark)
    state_path(root).unlink(missing_ok=True)
    if left:
        raise Unreachable(f"these processes of the suite could not be ended: {left}")
    return was_running
