"""Standard input and output as streams of bytes that never block the program's end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

T = TypeVar("T")

LINE_BYTES = 4_096
"""The longest line that a terminal hands over (Linux, N_TTY_BUF_SIZE)."""


class Worker:
    """Runs what may block for ever, in order, in a thread that nobody waits for at the end."""

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[tuple[Any, Callable[[], Any]]] = queue.SimpleQueue()
        self._name = name
        self._started = False

    async def run(self, job: Callable[[], T]) -> T:
        """Do it, and return what it returns. If cancelled, it goes on in its thread."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if not self._started:
            self._started = True
            threading.Thread(target=self._work, name=self._name, daemon=True).start()

        def tell(result: T | None, error: BaseException | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]

        def hand_over(result: T | None, error: BaseException | None) -> None:
            # The loop may have ended while this thread was blocked.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(tell, result, error)

        self._jobs.put((hand_over, job))
        return await future

    def _work(self) -> None:
        while True:
            hand_over, job = self._jobs.get()
            try:
                result = job()
            except BaseException as error:
                hand_over(None, error)
            else:
                hand_over(result, None)


class StandardInput:
    """Bytes of standard input, read only when somebody wants them."""

    def __init__(self, number: int = 0) -> None:
        self._worker = Worker("firertc-stdin")
        self._number = number

    async def read(self, most: int) -> bytes:
        """At most so many bytes, as soon as there are any; none at its end."""
        return await self._worker.run(lambda: os.read(self._number, most))

    async def fill(self, most: int) -> bytes:
        """So many bytes, fewer only at its end."""
        pieces: list[bytes] = []
        left = most
        while left and (piece := await self.read(left)):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)


class StandardOutput:
    """Writes bytes to standard output, as fast as they are taken."""

    def __init__(self, number: int = 1) -> None:
        self._worker = Worker("firertc-stdout")
        self._number = number

    async def write(self, content: bytes) -> None:
        """Write all of it.

        :raises OSError: if nobody reads it any more.
        """

        def write() -> None:
            view = memoryview(content)
            while view:
                view = view[os.write(self._number, view) :]

        await self._worker.run(write)


async def ask(question: str, answers: Sequence[str], default: str = "") -> str:
    """Ask at the terminal until one of these answers comes, or the beginning of one.

    Unlike :func:`click.prompt` it can be cancelled: no thread is left that holds the lock of
    ``sys.stdin`` when the program ends.

    :param default: what an empty line means.
    :returns: the answer in lower case; the last of them if standard input has ended.
    """
    source = StandardInput()
    while True:
        click.echo(question, err=True, nl=False)
        line = await source.read(LINE_BYTES)
        if not line:
            return answers[-1]
        word = line.decode("utf-8", "replace").strip().lower() or default
        if word and any(answer.startswith(word) for answer in answers):
            return word
