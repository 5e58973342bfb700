"""The command ``firertc`` as a process, and the events it prints."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STEP_SECONDS = 30.0
END_SECONDS = 10.0


@dataclass
class Command:
    """A running ``firertc … --json``."""

    process: subprocess.Popen[str]
    events: queue.Queue[dict[str, Any] | None] = field(default_factory=queue.Queue)
    seen: list[dict[str, Any]] = field(default_factory=list)
    """Every event that was waited past."""
    ended: float | None = None
    """When it closed its output, by the monotonic clock."""

    @classmethod
    def start(cls, environment: dict[str, str], *arguments: str) -> Command:
        """Run it."""
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("firertc")), *arguments, "--json"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        command = cls(process)
        command._reader = threading.Thread(target=command._read, daemon=True)
        command._reader.start()
        return command

    _reader: threading.Thread = field(default_factory=threading.Thread)

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.events.put(json.loads(line))
        self.ended = time.monotonic()
        self.events.put(None)

    def wait_for(self, name: str, seconds: float = STEP_SECONDS) -> dict[str, Any]:
        """The next event of this name."""
        give_up = time.monotonic() + seconds
        while True:
            try:
                event = self.events.get(timeout=max(0.0, give_up - time.monotonic()))
            except queue.Empty:
                event = None
            if event is None:
                raise AssertionError(f"no event {name!r} came; there were {self.seen}")
            self.seen.append(event)
            if event["event"] == name:
                return event

    def say(self, line: str) -> None:
        """Write a line to its standard input."""
        if self.process.stdin is not None:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        self.process.send_signal(2)

    def exit_code(self, seconds: float = END_SECONDS) -> int:
        """Wait for its end."""
        return self.process.wait(seconds)

    def end(self) -> None:
        """End it, whatever it does."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
