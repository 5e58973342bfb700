"""Running a coroutine for a command: signals end it cleanly, errors become one line."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import click

from ..errors import FireRTCError

T = TypeVar("T")

EXIT_INTERRUPTED = 130
"""128 + SIGINT, as shells count. It is the code whenever a signal ended the command, in the middle
of a call too, so that a script can tell a call that was cut short from one that came to its end."""
GRACE_SECONDS = 15.0
"""How long the way out may take after a signal."""


class Interrupted(FireRTCError):
    """The user or the system asked this program to stop."""

    code = "interrupted"
    exit_code = EXIT_INTERRUPTED


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run to the end, or until SIGINT or SIGTERM cancels it; a second signal ends at once.

    :raises Interrupted: if a signal ended it.
    """

    async def guarded() -> T:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(work())
        signalled = 0

        def stop() -> None:
            nonlocal signalled
            signalled += 1
            if signalled > 1:
                raise SystemExit(EXIT_INTERRUPTED)
            task.cancel()
            loop.call_later(GRACE_SECONDS, lambda: stop())

        for name in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):
                # Windows: KeyboardInterrupt does it there.
                loop.add_signal_handler(name, stop)
        try:
            return await task
        except asyncio.CancelledError:
            if signalled:
                raise Interrupted("Stopped.") from None
            raise

    try:
        return asyncio.run(guarded())
    except KeyboardInterrupt:
        raise Interrupted("Stopped.") from None


def say(text: str) -> None:
    """A line for the person at the terminal; standard output is for data."""
    click.echo(text, err=True)
