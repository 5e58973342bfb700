"""Calls by the tutorials' documents between Python peers, and documents that make no sense."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from google.cloud.firestore import AsyncClient

from firertc import Client, Media, Session
from firertc.compat import tutorial
from firertc.errors import (
    AnsweredElsewhere,
    Cancelled,
    CodeUnknown,
    ConfigError,
    DocumentMalformed,
    NoAnswer,
)
from firertc.suite import LocalSuite, seed
from firertc.suite.presets import open_presets, with_presets

ROOT = Path(__file__).resolve().parents[2]
STRANGE: list[Any] = [
    "v=0",
    {"type": "answer", "sdp": "v=0\r\n"},
    {"type": "offer", "sdp": 5},
    {"type": "offer", "sdp": "x" * 70_000},
    {"type": "offer", "sdp": "no session at all"},
    {"type": "offer", "sdp": "v=0\r\n" + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n" * 40},
]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSuite]:
    """A suite whose rules open the tutorials' paths."""
    rules = open_presets(ROOT / "firestore.rules", tmp_path_factory.mktemp("rules") / "open.rules")
    with LocalSuite(ROOT, rules=rules) as running, pytest.MonkeyPatch.context() as patch:
        seed(running.addresses)
        for name, value in running.environment().items():
            patch.setenv(name, value)
        yield running


@pytest_asyncio.fixture
async def session(client: Client) -> AsyncIterator[Session]:
    """One signed-in user."""
    yield await client.join()


@pytest.mark.parametrize("schema", ["calls", "rooms"])
async def test_two_python_peers(
    schema: str, session: Session, other: Client, admin: AsyncClient
) -> None:
    async with await tutorial.call(session, schema, Media()) as calling:
        answering, _ = await asyncio.gather(
            tutorial.answer(await other.join(), schema, calling.id),
            calling.answered(20),
        )
        assert calling.network_path() is not None
        await answering.close()
        ended = await asyncio.wait_for(calling.closed(), 10)
        assert (ended.reason, ended.by_remote) == ("hangup", True)
    remaining = admin.document(calling.path)
    found = [await remaining.get(), *[c async for c in _candidates(remaining)]]
    assert any(item.exists for item in found) == calling.left_behind
    assert calling.left_behind == answering.left_behind


async def _candidates(document: Any) -> AsyncIterator[Any]:
    async for collection in document.collections():
        async for item in collection.stream():
            yield item


async def test_an_answerer_waits_for_the_offer(session: Session, admin: AsyncClient) -> None:
    waiting = asyncio.create_task(
        tutorial.answer(session, "calls", "B" * 20, Media(), wait_seconds=20)
    )
    document = admin.document("calls/" + "B" * 20)
    await asyncio.sleep(0.3)
    await document.set({"offer": {"type": "offer", "sdp": "nothing that parses"}})
    with pytest.raises(DocumentMalformed):
        await waiting
    found = await document.get()
    assert found.get("offer") and "answer" not in (found.to_dict() or {})


async def test_nobody_has_written_an_offer(session: Session) -> None:
    with pytest.raises(CodeUnknown, match="id is mistyped"):
        await tutorial.answer(session, "rooms", "C" * 20, wait_seconds=0.5)


async def test_nobody_answers(session: Session) -> None:
    async with await tutorial.call(session, "rooms") as calling:
        with pytest.raises(NoAnswer):
            await calling.answered(0.3)


async def test_the_call_is_deleted_while_it_waits(session: Session, admin: AsyncClient) -> None:
    async with await tutorial.call(session, "calls") as calling:
        answered = asyncio.create_task(calling.answered(20))
        await asyncio.sleep(0.3)
        await admin.document(calling.path).delete()
        with pytest.raises(Cancelled):
            await answered


async def test_somebody_else_has_answered(session: Session, admin: AsyncClient) -> None:
    async with await tutorial.call(session, "calls") as calling:
        await admin.document(calling.path).update({"answer": {"type": "answer", "sdp": "v=0"}})
        with pytest.raises(AnsweredElsewhere):
            await tutorial.answer(session, "calls", calling.id)


@pytest.mark.parametrize("offer", STRANGE)
async def test_strange_offers(offer: Any, session: Session, admin: AsyncClient) -> None:
    await admin.document("calls/strange").set({"offer": offer})
    with pytest.raises(DocumentMalformed):
        await tutorial.answer(session, "calls", "strange")


@pytest.mark.parametrize("answer", ["v=0", {"type": "answer", "sdp": "nothing"}])
async def test_strange_answers(answer: Any, session: Session, admin: AsyncClient) -> None:
    async with await tutorial.call(session, "calls") as calling:
        await admin.document(calling.path).update({"answer": answer})
        with pytest.raises(DocumentMalformed):
            await calling.answered(20)


@pytest.mark.parametrize("wrong", ["", "a/b", "../x", "x" * 200, "ab-cd"])
async def test_ids_that_are_none(wrong: str, session: Session) -> None:
    with pytest.raises(ConfigError):
        await tutorial.answer(session, "calls", wrong)


async def test_a_schema_that_is_none(session: Session) -> None:
    with pytest.raises(ConfigError, match="calls or rooms"):
        await tutorial.call(session, "meetings")


def test_rules_without_the_switch() -> None:
    with pytest.raises(ConfigError, match="nothing to open"):
        with_presets("service cloud.firestore {}")
