"""``firertc pipe`` between two processes."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator

import pytest

from .conftest import Left
from .terminal import FIRERTC, STEP_SECONDS

MANY_BYTES = 5_000_000

Start = Callable[..., "Pipe"]


class Pipe:
    """A running ``firertc pipe``: its output is read only when a test says so."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.said: list[str] = []
        self._told = threading.Event()
        self._reader = threading.Thread(target=self._follow, daemon=True)
        self._reader.start()

    def _follow(self) -> None:
        for line in self.process.stderr or ():
            self.said.append(line.decode().rstrip())
            self._told.set()

    def code(self) -> str:
        assert self._told.wait(STEP_SECONDS), "it said nothing"
        assert self.said[0].startswith("code: "), self.said
        return self.said[0].removeprefix("code: ")

    def write(self, content: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(content)
        self.process.stdin.flush()

    def no_more(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def write_all(self, content: bytes) -> None:
        self.write(content)
        self.no_more()

    def read(self, size: int = -1) -> bytes:
        assert self.process.stdout is not None
        return self.process.stdout.read(size)

    def end(self) -> int:
        code = self.process.wait(STEP_SECONDS)
        self._reader.join(STEP_SECONDS)
        assert not any("Traceback" in line for line in self.said), self.said
        return code


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Start]:
    pipes: list[Pipe] = []

    def make(*arguments: str) -> Pipe:
        process = subprocess.Popen(
            [str(FIRERTC), "pipe", *arguments],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        pipes.append(Pipe(process))
        return pipes[-1]

    yield make
    for pipe in pipes:
        pipe.process.kill()
        with pipe.process:
            pass


def test_both_ways(start: Start, left: Left) -> None:
    one = start()
    other = start(one.code())
    there, back = os.urandom(MANY_BYTES), os.urandom(MANY_BYTES)
    writing = threading.Thread(target=one.write_all, args=(there,))
    writing.start()
    assert other.read(MANY_BYTES) == there
    writing.join()
    # One direction has ended; the other has not.
    assert other.process.stdout is not None
    writing = threading.Thread(target=other.write_all, args=(back,))
    writing.start()
    assert one.read() == back
    writing.join()
    assert other.read() == b""
    assert (one.end(), other.end()) == (0, 0), (one.said, other.said)
    assert left() == []


def test_a_line_at_once(start: Start) -> None:
    one = start()
    other = start(one.code())
    for number in range(3):
        one.write(b"ping %d\n" % number)
        assert other.read(7) == b"ping %d\n" % number
        other.write(b"pong %d\n" % number)
        assert one.read(7) == b"pong %d\n" % number
    one.no_more()
    other.no_more()
    assert (one.end(), other.end()) == (0, 0), (one.said, other.said)


def test_a_slow_reader_holds_the_writer_back(start: Start) -> None:
    one = start()
    other = start(one.code())
    sent = 0
    lock = threading.Lock()
    content = os.urandom(20_000_000)

    def write() -> None:
        nonlocal sent
        for begin in range(0, len(content), 100_000):
            one.write(content[begin : begin + 100_000])
            with lock:
                sent = begin + 100_000
        one.no_more()

    writing = threading.Thread(target=write)
    writing.start()
    assert other.read(1) == content[:1]
    writing.join(5)
    with lock:
        # What the channel's window, two pipes and what is on its way hold; then it stands still.
        assert sent < 10_000_000
    assert other.read(len(content) - 1) == content[1:]
    writing.join()
    other.no_more()
    assert (one.end(), other.end()) == (0, 0), (one.said, other.said)


def test_whoever_is_left_alone(start: Start, left: Left) -> None:
    one = start()
    other = start(one.code())
    one.write(b"x")
    assert other.read(1) == b"x"
    one.process.terminate()
    assert one.end() == 130
    assert other.end() == 1
    assert "ended before its data had" in other.said[-1]
    assert left() == []
