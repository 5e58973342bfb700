"""``firertc`` as a person starts it: a process, its lines, its events, its end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FIRERTC = Path(sys.executable).with_name("firertc")
STEP_SECONDS = 40.0
"""How long anything may take that should take a moment, on a busy machine."""


class Terminal:
    """A running ``firertc``.

    :param arguments: what stands after ``firertc``.
    :param environment: all of it.
    """

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], folder: Path | None = None
    ) -> None:
        self.arguments = tuple(arguments)
        self.process = subprocess.Popen(
            [str(FIRERTC), *arguments],
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.out: list[str] = []
        """Lines of standard output."""
        self.err: list[str] = []
        """Lines of standard error."""
        self._changed = threading.Condition()
        self._read = 0
        self._open = 2
        self._readers = [
            threading.Thread(target=self._follow, args=(stream, lines), daemon=True)
            for stream, lines in (
                (self.process.stdout, self.out),
                (self.process.stderr, self.err),
            )
        ]
        for reader in self._readers:
            reader.start()

    def _follow(self, stream: Any, lines: list[str]) -> None:
        for line in stream:
            with self._changed:
                lines.append(line.decode().rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._open -= 1
            self._changed.notify_all()

    def __repr__(self) -> str:
        shown = "\n  ".join((*self.out, *(f"[err] {line}" for line in self.err)))
        return f"<firertc {' '.join(self.arguments)}\n  {shown}>"

    @property
    def events(self) -> list[dict[str, Any]]:
        """What it printed with ``--json``."""
        with self._changed:
            return [json.loads(line) for line in self.out]

    @property
    def error(self) -> str:
        """All of standard error."""
        with self._changed:
            return "\n".join(self.err)

    def wait_for(self, name: str, seconds: float = STEP_SECONDS, **details: Any) -> dict[str, Any]:
        """The next event of this name, with these details, after the one waited for before."""
        return json.loads(  # type: ignore[no-any-return]
            self._next(
                self.out,
                lambda line: (
                    (event := json.loads(line))["event"] == name
                    and details.items() <= event.items()
                ),
                f"event {name!r}",
                seconds,
            )
        )

    def wait_for_line(self, words: str, seconds: float = STEP_SECONDS) -> str:
        """The next line of standard output with these words."""
        return self._next(self.out, lambda line: words in line, repr(words), seconds)

    def wait_for_error_line(self, words: str, seconds: float = STEP_SECONDS) -> str:
        """A line of standard error with these words."""
        return self._next(self.err, lambda line: words in line, repr(words), seconds)

    def _next(self, lines: list[str], fits: Any, what: str, seconds: float) -> str:
        give_up = time.monotonic() + seconds
        at = self._read if lines is self.out else 0
        with self._changed:
            while True:
                while at < len(lines):
                    at += 1
                    if lines is self.out:
                        self._read = at
                    if fits(lines[at - 1]):
                        return lines[at - 1]
                left = give_up - time.monotonic()
                if left <= 0 or not self._open:
                    raise AssertionError(f"{what} never came: {self!r}")
                self._changed.wait(left)

    def code(self) -> str:
        """The code that it prints and waits at."""
        return str(self.wait_for("code")["code"])

    def say(self, line: str) -> None:
        """Write a line to its standard input."""
        self.write(line.encode() + b"\n")

    def write(self, raw: bytes) -> None:
        """Write to its standard input."""
        stdin = self.process.stdin
        if stdin is None:
            raise AssertionError("it has no standard input")
        stdin.write(raw)
        stdin.flush()

    def no_more(self) -> None:
        """End its standard input."""
        if self.process.stdin is not None:
            self.process.stdin.close()

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL: no way out."""
        self.process.kill()
        self.process.wait(10)

    def end(self, seconds: float = STEP_SECONDS) -> int:
        """Wait for its end.

        :returns: the exit code.
        """
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end: {self!r}") from None
        for reader in self._readers:
            reader.join(10)
        if "Traceback" in self.error:
            raise AssertionError(f"a traceback: {self!r}")
        return code

    def close(self) -> None:
        """Make sure that nothing of it is left."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        for reader in self._readers:
            reader.join(10)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                # What was never read by the process breaks its pipe.
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
