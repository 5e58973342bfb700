"""The process that owns the emulators, and sees that none outlives the suite.

The emulators scatter: the Firestore emulator leaves the process group of firebase-tools, the
workers of the Python functions are orphaned when it ends and ignore SIGTERM for a while. So a
supervisor stands between the suite and all of them. It

* is started with the read end of a pipe as its standard input and ends when the other end
  closes, which the kernel does for a parent that was killed, too;
* adopts orphans (``PR_SET_CHILD_SUBREAPER``), so that every descendant stays in reach;
* marks the environment of everything it starts, and at the end kills by descent *and* by mark
  until nothing is left;
* has a guard, a fork of itself that does nothing but wait for it to die and then does the same.

It is run by its path, ``python supervisor.py SPEC``, and imports the standard library only: the
package it belongs to takes far longer to import. The functions below are used by the suite, too.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

MARK = "FIRERTC_SUITE_MARK"
"""The environment variable that marks the processes of one suite."""

KILL_SECONDS = 10.0
"""How long to go on killing before giving up."""

POLL_SECONDS = 0.25
"""How often the supervisor looks for a changed parent, where the pipe can't tell."""

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h

PROC = Path("/proc")


class Spec(TypedDict):
    """What the supervisor is to run, as JSON in a file."""

    command: list[str]
    """The command and its arguments."""
    directory: str
    """Where to run it; removed at the end."""
    mark: str
    """The value of :data:`MARK` for everything started."""
    log: str
    """File that takes the output."""
    state: str
    """File to remove at the end, if it is still about this suite."""


def descendants(ancestors: Iterable[int]) -> list[int]:
    """The process ids below the ancestors, children first; the ancestors are not among them."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found: list[int] = []
    queue = list(ancestors)
    while queue:
        for pid in children.get(queue.pop(0), ()):
            if pid not in found:
                found.append(pid)
                queue.append(pid)
    return found


def _parents() -> list[tuple[int, int]]:
    """Every process with its parent."""
    if PROC.joinpath("self", "stat").exists():
        table = []
        for entry in os.listdir(PROC):
            if entry.isdigit():
                fields = _stat(int(entry))
                if fields is not None and fields[0] != "Z":
                    table.append((int(entry), int(fields[1])))
        return table
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=False
    )
    rows = (line.split() for line in listing.stdout.splitlines())
    return [(int(row[0]), int(row[1])) for row in rows if len(row) > 2 and row[2][0] != "Z"]


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on, or None for a process that is gone."""
    try:
        text = PROC.joinpath(str(pid), "stat").read_text(errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def started_at(pid: int) -> int | None:
    """When a process was started (clock ticks since boot), to tell a reused id; None if gone.

    Zero where the system doesn't tell.
    """
    if not PROC.joinpath("self", "stat").exists():
        try:
            os.kill(pid, 0)
        except OSError:
            return None
        return 0
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[19])


def marked(mark: str) -> list[int]:
    """The living processes whose environment carries the mark (Linux; nothing elsewhere)."""
    needle = f"{MARK}={mark}".encode()
    found = []
    with contextlib.suppress(OSError):
        for entry in os.listdir(PROC):
            if not entry.isdigit():
                continue
            try:
                environment = PROC.joinpath(entry, "environ").read_bytes()
            except OSError:
                continue
            if needle in environment.split(b"\0"):
                found.append(int(entry))
    return found


def kill_all(mark: str, ancestors: Iterable[int] = (), spare: Iterable[int] = ()) -> list[int]:
    """Kill everything below the ancestors and everything marked.

    Repeats until nothing is left, since a process may fork while it is looked for.

    :param mark: the value of :data:`MARK`.
    :param ancestors: processes whose descendants are to go; they stay themselves.
    :param spare: process ids to leave alone.
    :returns: what is still there after :data:`KILL_SECONDS`; if anything, something is wrong.
    """
    ancestors, spared = list(ancestors), {os.getpid(), *spare}
    deadline = time.monotonic() + KILL_SECONDS
    while True:
        reap()
        doomed = [p for p in {*descendants(ancestors), *marked(mark)} if p not in spared]
        if not doomed or time.monotonic() > deadline:
            return doomed
        for pid in doomed:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def reap(child: int = 0) -> int | None:
    """Collect every dead child, adopted ones too; the exit code of ``child`` if it was there.

    Only for a process that has no children it cares for otherwise.
    """
    code = None
    if not _OWNS_CHILDREN:
        return None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
    return code


_OWNS_CHILDREN = False


def remove(folder: Path) -> None:
    """Remove a folder with what is in it; links are not followed."""
    shutil.rmtree(folder, ignore_errors=True)


def clean_up(spec: Spec) -> None:
    """Remove the folder and the state file of a suite that has ended."""
    remove(Path(spec["directory"]))
    if spec["state"]:
        with contextlib.suppress(OSError, ValueError):
            state = Path(spec["state"])
            if json.loads(state.read_text()).get("mark") == spec["mark"]:
                state.unlink()


def _adopt_orphans() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _start_guard(spec: Spec) -> tuple[int, int]:
    """Fork the guard; its process id, and the end of the pipe whose closing wakes it."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(reading)
        return pid, writing
    status = 1
    try:
        os.setsid()
        os.close(writing)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nothing, standard)
        os.read(reading, 1)
        kill_all(spec["mark"])
        clean_up(spec)
        status = 0
    finally:
        os._exit(status)


def supervise(spec: Spec) -> int:
    """Run the command until it, the parent or a signal ends it; returns its exit code."""
    global _OWNS_CHILDREN
    parent = os.getppid()
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    stopping = False

    def stop(number: int, frame: object) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(woken)
    _adopt_orphans()
    _OWNS_CHILDREN = True
    guard, lifeline_of_guard = _start_guard(spec)

    code: int | None = None
    try:
        with open(spec["log"], "ab") as log:
            child = subprocess.Popen(
                spec["command"],
                cwd=spec["directory"],
                env={**os.environ, MARK: spec["mark"]},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        detached = False
        while code is None and not stopping:
            watched = [wake] if detached else [wake, 0]
            ready = select.select(watched, [], [], POLL_SECONDS)[0]
            if wake in ready:
                os.read(wake, 512)
            if 0 in ready:
                if os.read(0, 1) != b"D":
                    break
                detached = True
            code = reap(child.pid)
            if not detached and os.getppid() != parent:
                break
        child.returncode = code if code is not None else 0  # it is ours to collect
    finally:
        kill_all(spec["mark"], [os.getpid()], spare=[guard])
        clean_up(spec)
        os.close(lifeline_of_guard)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(guard, 0)
    return code or 0


def main(arguments: list[str]) -> int:
    """Read the specification from the file named, and supervise."""
    spec: Spec = json.loads(Path(arguments[0]).read_text())
    return supervise(spec)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
