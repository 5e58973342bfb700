"""The other side killed with SIGKILL at each step: a clear error in bounded time, and nothing stays
past its lease."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from google.cloud.firestore import Client as Owner

from firertc.errors import EXIT_NO_ANSWER, EXIT_UNREACHABLE
from firertc.owner import sweep

from .conftest import Left, Run
from .terminal import Terminal

NOTICE_SECONDS = 5.0
"""A killed peer is noticed by the other within this: four seconds of silence, and a ping."""
GRACE_SECONDS = 2.0
"""What a busy machine may add."""


def connected(run: Run) -> tuple[Terminal, Terminal]:
    """Who waited and who came, connected."""
    waiter = run("answer", "--json", "--chat")
    comer = run("call", "--json", "--chat", FIRERTC_CODE=waiter.code())
    for terminal in (waiter, comer):
        terminal.wait_for("connected")
    return waiter, comer


@pytest.mark.parametrize("victim", ["who waited", "who came"])
def test_while_connected(run: Run, left: Left, victim: str) -> None:
    pair = connected(run)
    killed, other = pair if victim == "who waited" else reversed(pair)
    killed.kill()
    began = time.monotonic()
    other.wait_for("ended")
    noticed = time.monotonic() - began
    assert noticed < NOTICE_SECONDS + GRACE_SECONDS
    print(f"noticed after {noticed:.1f} s")
    assert other.end() == EXIT_UNREACHABLE
    assert "vanished" in other.error
    assert left() == []


def test_who_waits_before_anybody_comes(run: Run, left: Left, admin_sync: Owner) -> None:
    waiter = run("answer", "--json")
    code = waiter.code()
    waiter.kill()
    assert len(left()) == 1, "its offer stands until its lease is over"
    comer = run("call", FIRERTC_CODE=code)
    # It answers somebody who isn't there: no path opens, and it tidies up.
    assert comer.end() == EXIT_UNREACHABLE
    assert "No network path" in comer.error
    assert left() == []
    late = run("call", FIRERTC_CODE=code)
    assert late.end() == EXIT_NO_ANSWER


def test_who_waits_and_nobody_comes(run: Run, left: Left, admin_sync: Owner) -> None:
    waiter = run("answer", "--json", "--timeout", "60")
    waiter.code()
    waiter.kill()
    sweep(admin_sync, datetime.now(UTC))
    assert len(left()) == 1, "its lease is not over"
    sweep(admin_sync, datetime.now(UTC) + timedelta(minutes=2))
    assert left() == []


@pytest.mark.parametrize("victim", ["caller", "callee"])
def test_while_it_rings(run: Run, left: Left, admin_sync: Owner, victim: str) -> None:
    callee = run("answer", "--room", "lab", "--as", "robot", "--json", "--timeout", "8")
    callee.wait_for("waiting")
    if victim == "callee":
        callee.kill()
    caller = run("call", "robot", "--room", "lab", "--json", "--timeout", "5")
    caller.wait_for("ringing")
    if victim == "caller":
        caller.kill()
        # It may have rung already: then nobody is at the other end, else nobody calls.
        assert callee.end() in (EXIT_UNREACHABLE, EXIT_NO_ANSWER)
    else:
        assert caller.end() == EXIT_NO_ANSWER
    sweep(admin_sync, datetime.now(UTC) + timedelta(hours=1))
    sweep(admin_sync, datetime.now(UTC) + timedelta(hours=1))
    assert [path for path in left() if "/calls/" in path or "/peers/" in path] == []
