"""The other side is killed, at each step: a clear error in bounded time, and nothing for ever."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from google.cloud.firestore import Client as Owner

from firertc.call import Call, Media
from firertc.client import Client
from firertc.errors import NoAnswer, PathUnreachable
from firertc.link import LinkEnd
from firertc.owner import sweep
from firertc.ringing import Ring, ring
from firertc.schema import LEASE_SLACK_SECONDS, PEER_LEASE_SECONDS

from .conftest import Left, Run

QUIET = Media(receiving=frozenset())
WAIT_SECONDS = 40.0
NOTICE_SECONDS = 5.0
"""A killed peer is to be noticed by then; the test allows for a machine that is busy."""
BUSY_SECONDS = 5.0

Victim = Callable[..., Awaitable[asyncio.StreamReader]]
"""Start one that dies at a step; its lines."""


@pytest_asyncio.fixture
async def victim(environment: dict[str, str]) -> AsyncIterator[Victim]:
    started: list[asyncio.subprocess.Process] = []

    async def start(step: str, *arguments: str) -> asyncio.StreamReader:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(Path(__file__).with_name("victim.py")), step, *arguments),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
        )
        started.append(process)
        assert process.stdout is not None
        return process.stdout

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        assert await process.wait() == -signal.SIGKILL


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> float:
    """The survivor waits 2 s for a path, not 20."""
    monkeypatch.setattr("firertc.link.Link.opened.__defaults__", (2.0,))
    return 2.0


async def line(lines: asyncio.StreamReader) -> str:
    async with asyncio.timeout(WAIT_SECONDS):
        return (await lines.readline()).decode().strip()


async def until_dead(lines: asyncio.StreamReader) -> None:
    while (said := await line(lines)) != "now":
        assert said, "it ended otherwise"
    assert not await line(lines)


@pytest.mark.parametrize("step", ["offer written", "answer read"])
async def test_who_waited_is_gone(
    victim: Victim, client: Client, left: Left, impatient: float, step: str
) -> None:
    lines = await victim(step)
    code = await line(lines)
    if step == "offer written":
        await until_dead(lines)
    with pytest.raises(PathUnreachable, match=r"other side may have vanished.*Tried for 2 s\.$"):
        await client.come_with_code(code, QUIET)
    assert left() == []


async def test_who_came_is_gone_before_it_answered(
    victim: Victim, client: Client, other: Client, left: Left
) -> None:
    """It has left no trace: the next one is connected."""
    waiting = await client.wait_at_code(QUIET)
    answered = asyncio.create_task(waiting.answered(WAIT_SECONDS))
    await until_dead(await victim("offer read", waiting.code))
    coming = await other.come_with_code(waiting.code, QUIET)
    await answered
    await coming.close()
    await waiting.close()
    assert left() == []


async def test_who_came_is_gone_after_it_answered(
    victim: Victim, client: Client, left: Left, impatient: float
) -> None:
    waiting = await client.wait_at_code(QUIET)
    answered = asyncio.create_task(waiting.answered(WAIT_SECONDS))
    lines = await victim("answer written", waiting.code)
    with pytest.raises(PathUnreachable, match=r"other side may have vanished"):
        await answered
    await until_dead(lines)
    await waiting.close()
    assert left() == []


async def noticed(call: Call, lines: asyncio.StreamReader) -> LinkEnd:
    """How long it takes to notice, from the death; and how it ends when nobody comes back."""
    said: asyncio.Queue[str] = asyncio.Queue()
    call.link.on("reconnecting", said.put_nowait)
    call.link.repair_seconds = 3.0
    call.link.send("die")
    await until_dead(lines)
    began = time.monotonic()
    async with asyncio.timeout(NOTICE_SECONDS + BUSY_SECONDS):
        assert await said.get() in ("silent", "failed")
    print(f"\na killed peer was noticed after {time.monotonic() - began:.1f} s")
    async with asyncio.timeout(call.link.repair_seconds + BUSY_SECONDS):
        return await call.closed()


async def test_who_waited_is_gone_in_mid_call(victim: Victim, client: Client, left: Left) -> None:
    lines = await victim("talking, who waited")
    coming = await client.come_with_code(await line(lines), QUIET)
    assert await line(lines) == "connected"
    # The document is deleted beside the call.
    async with asyncio.timeout(BUSY_SECONDS):
        while left():
            await asyncio.sleep(0.05)
    assert await noticed(coming, lines) == LinkEnd("gone", by_remote=True)
    assert left() == []


async def test_who_came_is_gone_in_mid_call(victim: Victim, client: Client, left: Left) -> None:
    waiting = await client.wait_at_code(QUIET)
    answered = asyncio.create_task(waiting.answered(WAIT_SECONDS))
    lines = await victim("talking, who came", waiting.code)
    await answered
    assert await line(lines) == "connected"
    assert await noticed(waiting, lines) == LinkEnd("gone", by_remote=True)
    await waiting.close()
    assert left() == []


async def test_who_waited_is_gone_with_the_document_still_there(
    victim: Victim, client: Client, left: Left, admin_sync: Owner
) -> None:
    """Killed as the link opened: its lease ends what it left."""
    lines = await victim("connected, who waited")
    with contextlib.suppress(PathUnreachable):
        await client.come_with_code(await line(lines), QUIET)
    await until_dead(lines)
    later = datetime.now(UTC) + timedelta(seconds=600 + 2 * LEASE_SLACK_SECONDS)
    sweep(admin_sync, later)
    assert left() == []


@pytest.mark.waits
@pytest.mark.timeout(240)
async def test_a_terminal_says_so(run: Run, left: Left) -> None:
    """It waits for the other side to come back, a minute at most."""
    waiting = run("call", "--json", "--chat")
    coming = run("answer", waiting.code(), "--chat", "--json")
    for side in (waiting, coming):
        side.wait_for("connected")
    coming.kill()
    began = time.monotonic()
    assert waiting.wait_for("reconnecting", 20)["reason"] == "silent"
    print(f"\nthe other terminal said so {time.monotonic() - began:.1f} s after the kill")
    code = await asyncio.to_thread(waiting.end, 90)
    print(f"and ended {time.monotonic() - began:.1f} s after it")
    assert code == 6
    assert [e["pulse"] for e in waiting.events if e["event"] == "pulse"] == ["suspect", "dead"]
    assert waiting.error == (
        "firertc: The other side vanished: its connection broke and did not come back."
    )
    assert waiting.wait_for("ended") == {"event": "ended", "reason": "gone", "by_remote": True}
    assert left() == []


# ---- in a room ---------------------------------------------------------------------------------


async def test_a_caller_is_gone_while_it_rings(
    victim: Victim, client: Client, left: Left, admin_sync: Owner, impatient: float
) -> None:
    bob = await client.enter("hall", peer="bob")
    rings: asyncio.Queue[Ring] = asyncio.Queue()
    bob.on("ring", rings.put_nowait)
    lines = await victim("ringing")
    incoming = await rings.get()
    await until_dead(lines)
    assert incoming.ringing
    with pytest.raises(PathUnreachable):
        await incoming.accept(QUIET)
    sweep(admin_sync, datetime.now(UTC) + timedelta(seconds=PEER_LEASE_SECONDS + 60))
    assert left() == []


async def test_it_does_not_ring_for_ever(
    victim: Victim, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever nobody cancels ends with its lease."""
    bob = await client.enter("hall", peer="bob")
    rings: asyncio.Queue[Ring] = asyncio.Queue()
    bob.on("ring", rings.put_nowait)
    # The lease is over in two seconds, by this clock.
    session = bob.session
    lines = await victim("ringing")
    session.offset_seconds += 30 + LEASE_SLACK_SECONDS - 2
    incoming = await rings.get()
    await until_dead(lines)
    async with asyncio.timeout(WAIT_SECONDS):
        assert await incoming.stopped() == "no-answer"
    session.offset_seconds = 0.0


async def test_a_callee_is_gone_while_it_rings(victim: Victim, client: Client, left: Left) -> None:
    bob = await client.enter("hall", peer="bob")
    lines = await victim("rung")
    assert await line(lines) == "ready"
    assert await bob.wait_for("ann", WAIT_SECONDS) is not None
    with pytest.raises(NoAnswer, match=r"^Nobody answered within 2 s\.$"):
        await ring(bob, "ann", QUIET, timeout=2)
    await until_dead(lines)
    assert [path for path in left() if "/calls/" in path] == []


async def test_a_peer_of_a_room_is_gone(
    victim: Victim, client: Client, left: Left, admin_sync: Owner
) -> None:
    bob = await client.enter("hall", peer="bob")
    went: asyncio.Queue[object] = asyncio.Queue()
    bob.on("left", went.put_nowait)
    await until_dead(await victim("in a room"))
    assert await bob.wait_for("ann", WAIT_SECONDS) is not None
    later = datetime.now(UTC) + timedelta(seconds=PEER_LEASE_SECONDS + 60)
    sweep(admin_sync, later)
    async with asyncio.timeout(WAIT_SECONDS):
        await went.get()
    assert "ann" not in bob.peers
    assert left() == []
