"""Ctrl-C and its like: 130 whenever it comes, and a clean database."""

from __future__ import annotations

import asyncio
import signal
import socket

import pytest

from .conftest import Left, Run
from .remains import emptied
from .terminal import Terminal


def ended_by_signal(terminal: Terminal) -> None:
    assert terminal.end() == 130, terminal
    assert terminal.error == "firertc: Stopped."


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_waiting(run: Run, left: Left, number: signal.Signals) -> None:
    waiting = run("call", "--json")
    waiting.code()
    assert len(left()) == 1
    waiting.process.send_signal(number)
    ended_by_signal(waiting)
    assert waiting.wait_for("error")["code"] == "interrupted"
    assert left() == []


@pytest.mark.parametrize("who", ["the one who waited", "the one who came"])
def test_while_connected(run: Run, left: Left, who: str) -> None:
    waiting = run("call", "--chat", "--json")
    coming = run("answer", waiting.code(), "--chat", "--json")
    for side in (waiting, coming):
        side.wait_for("connected")
    one, other = (waiting, coming) if who == "the one who waited" else (coming, waiting)
    one.interrupt()
    ended_by_signal(one)
    assert other.end() == 0, other
    assert other.wait_for("ended") == {"event": "ended", "reason": "hangup", "by_remote": True}
    assert left() == []


def test_in_a_room(run: Run, left: Left) -> None:
    waiting = run("answer", "--room", "hall", "--as", "bob", "--json")
    waiting.wait_for("waiting")
    assert any(path.endswith("/peers/bob") for path in left())
    waiting.interrupt()
    ended_by_signal(waiting)
    asyncio.run(emptied(left))


def test_while_it_rings(run: Run, left: Left) -> None:
    callee = run("answer", "--room", "hall", "--as", "bob", "--json", "--timeout", "60")
    callee.wait_for("waiting")
    caller = run("call", "bob", "--room", "hall", "--as", "ann", "--json")
    caller.wait_for("ringing")
    caller.interrupt()
    ended_by_signal(caller)
    callee.interrupt()
    code = callee.end()
    # It may have been quick enough to accept: then the caller hung up, and that is a call's end.
    assert code in (0, 130), callee
    asyncio.run(emptied(left))


def test_before_anything_answers(run: Run, left: Left) -> None:
    """While it still joins: nothing listens behind this address, and nothing refuses."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        joining = run(
            "call",
            "--json",
            FIRERTC_FUNCTIONS_URL=f"http://127.0.0.1:{silent.getsockname()[1]}",
        )
        silent.settimeout(30)
        connection, _ = silent.accept()
        with connection:
            joining.interrupt()
            ended_by_signal(joining)
    assert left() == []
