"""A clock that is two hours off: leases are written and judged by the server's time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from google.cloud.firestore import Client as Owner

from firertc.call import Call, Media
from firertc.config import Config
from firertc.errors import CodeUnknown
from firertc.one_off import come_with_code, wait_at_code
from firertc.owner import sweep
from firertc.ringing import Ring, ring
from firertc.room import Room
from firertc.schema import PEER_LEASE_SECONDS
from firertc.session import Session, join

from .conftest import Left

QUIET = Media(receiving=frozenset())
WAIT_SECONDS = 60.0
Join = Callable[..., Awaitable[Session]]
"""Join with a clock that is wrong by this many hours."""

wrong_clocks = pytest.mark.parametrize("hours", [-2, 2])


@pytest_asyncio.fixture
async def joining(config: Config) -> AsyncIterator[Join]:
    async with AsyncExitStack() as stack:

        async def open_session(hours: float, **options: Any) -> Session:
            session = await join(config, wall=lambda: time.time() + hours * 3600, **options)
            return await stack.enter_async_context(session)

        yield open_session


async def wait(config: Config, joining: Join, hours: float) -> Call:
    return await wait_at_code(
        lambda seal: joining(hours, call=seal.call), config.project, QUIET, wait_seconds=60
    )


@pytest.mark.parametrize("waits", [-2, 0, 2])
@pytest.mark.parametrize("comes", [-2, 2])
async def test_a_call_at_a_code(
    config: Config, joining: Join, left: Left, admin_sync: Owner, waits: int, comes: int
) -> None:
    waiting = await wait(config, joining, waits)
    session = waiting.session
    assert abs(session.now() - time.time()) < 10 and abs(session.wall() - time.time()) >= (
        7100 if waits else 0
    )
    # A sweep by the right time leaves the call alone.
    sweep(admin_sync, datetime.now(UTC))
    [path] = left()
    lease = (admin_sync.document(path).get().to_dict() or {})["leaseUntil"]
    assert timedelta(seconds=60) < lease - datetime.now(UTC) < timedelta(seconds=120)
    answered = asyncio.create_task(waiting.answered(WAIT_SECONDS))
    coming = await come_with_code(lambda: joining(comes), config.project, waiting.code, QUIET)
    await answered
    await coming.close()
    await waiting.close()
    assert left() == []


@wrong_clocks
async def test_an_expired_call_is_no_call(
    config: Config, joining: Join, admin_sync: Owner, left: Left, hours: int
) -> None:
    """Also for one whose clock says that its lease is far from over."""
    waiting = await wait(config, joining, 0)
    [path] = left()
    past = datetime.now(UTC) - timedelta(seconds=30)
    admin_sync.document(path).update({"leaseUntil": past})
    with pytest.raises(CodeUnknown):
        await come_with_code(lambda: joining(hours), config.project, waiting.code, QUIET)
    await waiting.close()


@wrong_clocks
async def test_a_room(joining: Join, admin_sync: Owner, left: Left, hours: int) -> None:
    ann = await Room.enter(await joining(hours, peer="ann"), "hall")
    bob = await Room.enter(await joining(-hours, peer="bob"), "hall")
    assert await ann.wait_for("bob", WAIT_SECONDS) is not None
    sweep(admin_sync, datetime.now(UTC))
    assert sum("/peers/" in path for path in left()) == 2
    rings: asyncio.Queue[Ring] = asyncio.Queue()
    bob.on("ring", rings.put_nowait)
    calling = asyncio.create_task(ring(ann, "bob", QUIET))
    accepted = await (await rings.get()).accept(QUIET)
    call = await calling
    await call.close()
    await accepted.close()
    # A peer that is gone without a word goes with its lease.
    sweep(admin_sync, datetime.now(UTC) + timedelta(seconds=PEER_LEASE_SECONDS + 60))
    assert left() == []
    for room in (ann, bob):
        await room.leave()
