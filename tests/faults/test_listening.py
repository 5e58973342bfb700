"""Listening to the real database through a line that breaks."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from google.cloud.firestore import AsyncClient

from firertc import schema, snapshots
from firertc.config import Config
from firertc.database import Create, Delete, Update, Where
from firertc.errors import PermissionDenied
from firertc.session import Session, join
from firertc.snapshots import Listener
from firertc.suite import LocalSuite
from firertc.targets import Snapshot
from firertc.values import SERVER_TIME

from .proxy import Proxy

WAIT_SECONDS = 20.0


@pytest_asyncio.fixture
async def proxy(suite: LocalSuite) -> AsyncIterator[Proxy]:
    async with Proxy(suite.addresses.firestore) as made:
        yield made


@pytest_asyncio.fixture
async def session(
    config: Config, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Session]:
    monkeypatch.setattr(snapshots, "BACKOFF_FIRST_SECONDS", 0.2)
    async with await join(dataclasses.replace(config, firestore_emulator=proxy.address)) as made:
        yield made


async def first(listener: Listener) -> Snapshot:
    async with asyncio.timeout(WAIT_SECONDS):
        return await anext(listener)


async def quiet(listener: Listener, seconds: float = 0.5) -> None:
    """Nothing more comes."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            raise AssertionError(f"unexpected: {await anext(listener)}")


def card(session: Session, number: int) -> dict[str, object]:
    return {
        "session": session.session,
        "data": str(number),
        "media": {},
        "can": [],
        "role": session.role,
        "joinedAt": SERVER_TIME,
        "leaseUntil": schema.timestamp(session.now() + 600),
        "shard": 0,
    }


def room(session: Session) -> dict[str, object]:
    return {
        "v": 1,
        "connect": "none",
        "capacity": 10,
        "locked": False,
        "listed": False,
        "createdBy": session.peer,
        "createdAt": SERVER_TIME,
        "leaseUntil": schema.timestamp(session.now() + 600),
        "shard": 0,
    }


async def test_what_happened_during_a_cut_comes_once(
    session: Session, proxy: Proxy, config: Config, admin: AsyncClient
) -> None:
    path = f"realms/{session.realm}/rooms/hall"
    async with await join(config) as other:
        await other.database.commit(
            Create(path, room(other)), Create(f"{path}/peers/{other.peer}", card(other, 1))
        )
        peers = session.snapshots.listen(Where(f"{path}/peers"))
        snapshot = await first(peers)
        assert snapshot.changed == (f"{path}/peers/{other.peer}",)
        proxy.fail("cut")
        extra = f"{path}/peers/p-extra"
        await admin.document(extra).set({"n": 1})
        await admin.document(extra).update({"n": 2})
        mine = f"{path}/peers/{other.peer}"
        await other.database.commit(Update(mine, {"data": "2"}))
        await quiet(peers)
        proxy.mend()
        snapshot = await first(peers)
        assert set(snapshot.changed) == {extra, mine}
        assert snapshot.documents[extra] == {"n": 2} and snapshot.documents[mine]["data"] == "2"
        await quiet(peers)
        assert session.snapshots.reopened >= 1
        # A deletion during the cut is noticed too.
        proxy.fail("cut")
        await admin.document(extra).delete()
        await asyncio.sleep(0.1)
        proxy.mend()
        snapshot = await first(peers)
        assert (snapshot.changed, snapshot.removed) == ((), (extra,))
        await quiet(peers)
        # And what stays as it was is not told again.
        proxy.fail("cut")
        await asyncio.sleep(0.1)
        proxy.mend()
        await quiet(peers, 1.5)
        await other.database.commit(Delete(mine))


async def test_a_renewed_token_reopens_the_stream(session: Session, admin: AsyncClient) -> None:
    """The old token's hour would end the stream; the new one takes over where it was."""
    path = f"realms/{session.realm}/calls/{'0' * 32}"
    listener = session.snapshots.listen(path)
    assert (await first(listener)).documents == {}
    before = session.operations.hops
    await session.renew()
    while session.operations.hops == before:
        await asyncio.sleep(0.01)
    await admin.document(path).set({"to": "*", "n": 1})
    assert (await first(listener)).documents[path]["n"] == 1
    await quiet(listener, 0.3)


async def test_a_process_that_slept_past_its_hour(session: Session, admin: AsyncClient) -> None:
    """As a laptop does: the next request and the stream are made with a new token."""
    path = f"realms/{session.realm}/calls/{'0' * 32}"
    await admin.document(path).set({"to": "*", "n": 1})
    session._good_until = session.now() - 3600
    assert (await session.database.get(path) or {})["n"] == 1
    assert session._good_until > session.now()
    session._good_until = session.now() - 3600
    assert (await first(session.snapshots.listen(path))).documents[path]["n"] == 1
    assert session._good_until > session.now()


async def test_a_denial_reaches_who_listens(session: Session) -> None:
    listener = session.snapshots.listen(Where(f"realms/{session.realm}/calls"))
    with pytest.raises(PermissionDenied, match=r"rules refuse it\.$"):
        await first(listener)
    # The stream serves others all the same.
    path = f"realms/{session.realm}/calls/{'0' * 32}"
    assert (await first(session.snapshots.listen(path))).documents == {}


async def test_a_resume_token_of_another_world(session: Session, admin: AsyncClient) -> None:
    """One that the server can't make sense of costs a fresh start, no more."""
    path = f"realms/{session.realm}/calls/{'0' * 32}"
    await admin.document(path).set({"to": "*", "n": 1})
    listener = session.snapshots.listen(path)
    assert (await first(listener)).documents[path]["n"] == 1
    [state] = session.snapshots._targets._targets.values()
    state.resume_token = b"from long ago"
    session.snapshots.reopen()
    await admin.document(path).update({"n": 2})
    assert (await first(listener)).documents[path]["n"] == 2
