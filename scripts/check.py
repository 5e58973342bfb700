"""Check everything: the style and the types, the SDK's tests, and pytest, side by side.

Most tests wait more than they compute, so what is independent runs at the same time: a chain of
parts beside another. A line of pytest's progress is shown as it comes; everything else a part says
is shown in one piece when it has ended. A part that fails stops no other, and the first failure's
exit code is the whole's. Ctrl-C ends all of them.

With arguments, one pytest runs with just these: ``scripts/check.py tests/unit -k seal``.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parents[1]
PYTEST: Final = (sys.executable, "-m", "pytest")
END_SECONDS: Final = (60.0, 10.0, 5.0)
"""How long a part may take to end after each of the signals below, when all are to end."""
LAST_WORDS_SECONDS: Final = 2.0
"""How long to read what a part that has ended said last."""
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
PR_SET_PDEATHSIG: Final = 1  # <linux/prctl.h>
LIMIT_BYTES: Final = 2**24
"""The longest line that a part may print."""

PROGRESS = re.compile(r"\[ *\d+%\]$")
COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True)
class Part:
    """A command that checks something."""

    name: str
    """What is shown of it."""
    command: tuple[str, ...]
    """The program and its arguments."""


PARTS: Final = ("tests/unit", "tests/rules", "tests/functions")
"""Where the tests of the product's parts are; elsewhere it is tested as a whole."""

LINT = Part("lint", ("make", "--silent", "lint"))
SDK = Part("sdk", ("npm", "test", "--silent", "--prefix", "web/sdk"))

Chain = tuple[Part, ...]
"""Parts of which each begins when the one before has ended."""


def pytest(name: str, *arguments: str) -> Part:
    """A pytest of its own, and with it a local suite of its own."""
    colour = ("--color=yes",) if sys.stdout.isatty() else ()
    return Part(name, (*PYTEST, *colour, *arguments))


def chains(arguments: Sequence[str]) -> tuple[Chain, ...]:
    """What runs side by side.

    No more than two, and the browser alone but for its beginning: most tests need a good part of a
    processor, and ten pages all of it. Its tests build the SDK and the pages anew, long after the
    parts that read these are done.
    """
    if arguments:
        return (LINT, SDK), (pytest("pytest", *arguments),)
    waiting = pytest("waits", "--ignore", "tests/browser", "-m", "waits")
    parts = pytest("parts", *PARTS, "-m", "not waits")
    elsewhere = [f"--ignore={each}" for each in (*PARTS, "tests/browser")]
    whole = pytest("whole", *elsewhere, "-m", "not waits")
    return (LINT, SDK, waiting, parts), (whole, pytest("browser", "tests/browser"))


def is_progress(line: str) -> bool:
    """Whether this line of pytest's says how far it has come."""
    return PROGRESS.search(COLOURS.sub("", line).rstrip()) is not None


def title(text: str) -> str:
    """A line that begins a part's output."""
    return f" {text} ".center(shutil.get_terminal_size((80, 24)).columns, "=")


def _end_with_parent(parent: int) -> Callable[[], None]:
    def begin() -> None:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)

    return begin


async def run(part: Part) -> int:
    """Run a part and show what it says; its exit code."""
    began = time.monotonic()
    print(f"{part.name:8} begins", flush=True)
    process = await asyncio.create_subprocess_exec(
        *part.command,
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=LIMIT_BYTES,
        start_new_session=True,
        preexec_fn=_end_with_parent(os.getpid()),
    )
    said: list[str] = []
    listening = asyncio.create_task(_listen(part, process, said))
    outcome = "stopped"
    try:
        code = await process.wait()
        outcome = "passed" if code == 0 else f"FAILED with exit code {code}"
    except asyncio.CancelledError:
        await _end(process)
        raise
    finally:
        await asyncio.wait({listening}, timeout=LAST_WORDS_SECONDS)
        listening.cancel()
        took = time.monotonic() - began
        print(title(f"{part.name} {outcome} in {took:.0f} s"), *said, sep="\n", flush=True)
    return code


async def _listen(part: Part, process: asyncio.subprocess.Process, said: list[str]) -> None:
    """Show a part's progress as it comes, and keep everything else that it says."""
    if process.stdout is not None:
        async for raw in process.stdout:
            line = raw.decode("utf-8", "replace").rstrip("\n")
            if is_progress(line):
                print(f"{part.name:8} {line}", flush=True)
            else:
                said.append(line)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a part with all that it started in its session, gently at first."""
    for number, seconds in zip(SIGNALS, END_SECONDS, strict=True):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await process.wait()
            return


async def run_chain(chain: Chain) -> list[tuple[Part, int]]:
    return [(part, await run(part)) for part in chain]


async def check(arguments: Sequence[str]) -> int:
    """Run everything; the exit code."""
    began = time.monotonic()
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if task is None:
        raise RuntimeError("check() is to be run as a task")
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(run_chain(chain)) for chain in chains(arguments)]
    failed = [(part, code) for chain in running for part, code in chain.result() if code != 0]
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    names = ", ".join(part.name for part, _ in failed)
    print(title(f"{f'FAILED: {names}' if failed else 'all passed'} in {minutes}:{seconds:02} min"))
    return failed[0][1] if failed else 0


def main() -> int:
    try:
        return asyncio.run(check(sys.argv[1:]))
    except asyncio.CancelledError:
        print("Stopped.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
