"""Documents that a hostile or broken peer wrote: a clear error, and nothing left.

Where the rules let a peer write it, it is written as that peer; the rest as the database's owner,
whom nothing stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from google.cloud.firestore import Client as Owner

from firertc.call import Call, Media
from firertc.client import Client
from firertc.connection import Connection
from firertc.errors import (
    AnsweredElsewhere,
    DocumentMalformed,
    NoAnswer,
    PathUnreachable,
    PeerGone,
    SealBroken,
)
from firertc.ringing import Ring, ring
from firertc.schema import one_off_path
from firertc.sealing import Seal, new_code, stretch
from firertc.signaling import CallDocument, Terms
from firertc.suite import Seeds

from .conftest import Left

QUIET = Media(receiving=frozenset())
WAIT_SECONDS = 20.0

AUDIO_ONLY = (
    "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"
    "c=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendrecv\r\na=rtpmap:0 PCMU/8000\r\na=ice-ufrag:aaaa\r\n"
    "a=ice-pwd:bbbbbbbbbbbbbbbbbbbbbbbb\r\na=fingerprint:sha-256 "
    + ":".join(["AB"] * 32)
    + "\r\na=setup:actpass\r\n"
)
UNUSABLE_SDP = {
    "no SDP at all": "hello",
    "empty": "",
    "cut short": "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=application 9",
    "no data section": AUDIO_ONLY,
    "a port that is none": AUDIO_ONLY.replace("m=audio 9", "m=audio x"),
    "a direction that is none": AUDIO_ONLY.replace("a=sendrecv", "a=sideways"),
    "control characters": "v=0\r\nm=\x1b[2J\x00 1 1\r\n",
}


@pytest.fixture
def code() -> str:
    return new_code()


@pytest.fixture
def seal(code: str, config: Any) -> Seal:
    return stretch(code, config.project)


@pytest_asyncio.fixture
async def hostile(client: Client, seal: Seal) -> CallDocument:
    """The document at the code, in the hands of one who may create it."""
    session = await client.join(call=seal.call)
    return CallDocument(session, one_off_path(session.realm, seal.call), seal)


@pytest.fixture
def well_formed(realm: Seeds) -> dict[str, Any]:
    """A call's fields as they should be, but for the seal."""
    return {
        "v": 1,
        "kind": "open",
        "from": "them",
        "fromSession": "s" * 22,
        "to": "*",
        "toSession": "",
        "attempt": 0,
        "offer": {"type": "offer", "sealed": "A" * 200},
        "createdAt": datetime.now(UTC),
        "leaseUntil": datetime.now(UTC) + timedelta(minutes=5),
        "shard": 0,
    }


# ---- an offer ----------------------------------------------------------------------------------


@pytest.mark.parametrize("what", list(UNUSABLE_SDP))
async def test_an_offer_that_can_not_be_used(
    hostile: CallDocument, other: Client, code: str, what: str
) -> None:
    await hostile.publish(hostile.offer_change(Terms("open", 60), UNUSABLE_SDP[what]))
    with pytest.raises(
        DocumentMalformed, match=r"^The offer (of the other side can't|has no)"
    ) as e:
        await other.come_with_code(code, QUIET)
    assert str(e.value).isprintable()
    call = await hostile.read()
    assert call is not None and call.answer is None


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("offer", None, "'offer'"),
        ("offer", "v=0", "'offer'"),
        ("offer", {"type": "offer"}, "neither 'sdp' nor 'sealed'"),
        ("offer", {"type": "offer", "sealed": 5}, "neither 'sdp' nor 'sealed'"),
        ("offer", {"type": "offer", "sealed": "A" * 1_000_000}, "1000000 characters, 98304 at"),
        ("offer", {"type": "offer", "sdp": "v" * 1_000_000}, "1000000 characters, 65536 at"),
        ("v", "1", "'v' must be a int, it is a str"),
        ("v", 2, "protocol version 2; this program speaks 1"),
        ("kind", "secret", "unknown kind"),
        ("kind", True, "'kind'"),
        ("from", 7, "'from'"),
        ("from", "../keys", "'from' is no valid id"),
        ("fromSession", "short", "'fromSession' is no session id"),
        ("toSession", None, "'toSession'"),
        ("attempt", "0", "'attempt'"),
        ("attempt", 0.5, "'attempt'"),
        ("leaseUntil", "soon", "'leaseUntil'"),
        ("leaseUntil", 5, "'leaseUntil'"),
        ("answer", "yes", "'answer'"),
        ("ended", "over", "'ended'"),
        ("ended", {"by": "x"}, "'reason'"),
        ("metadata", 5, "metadata"),
        ("metadata", "x" * 500_000, "metadata"),
        ("offerCandidates", "candidate", "'offerCandidates'"),
        ("offerCandidates", [5], "every entry"),
        ("offerCandidates", ["x"] * 41, "at most 40"),
        ("offerCandidates", ["x" * 900_000], "24000"),
    ],
)
async def test_a_field_of_the_wrong_type_or_size(
    other: Client,
    admin_sync: Owner,
    realm: Seeds,
    well_formed: dict[str, Any],
    code: str,
    seal: Seal,
    name: str,
    value: Any,
    says: str,
) -> None:
    fields = {**well_formed, name: value}
    admin_sync.document(one_off_path(realm.realm, seal.call)).set(fields)
    with pytest.raises(DocumentMalformed) as caught:
        await other.come_with_code(code, QUIET)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 400


async def test_fields_that_nobody_knows_are_left_alone(
    other: Client,
    admin_sync: Owner,
    realm: Seeds,
    well_formed: dict[str, Any],
    code: str,
    seal: Seal,
) -> None:
    far = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    fields = {**well_formed, "more": [{"a": None}, b"\x00", 1e300], "far": far}
    admin_sync.document(one_off_path(realm.realm, seal.call)).set(fields)
    with pytest.raises(SealBroken, match="sealed offer of this call does not open"):
        await other.come_with_code(code, QUIET)


@pytest.mark.parametrize(
    "candidate",
    ["hello", "5", "{}", '{"candidate": 5}', '{"candidate": "candidate:x"}', "[" * 5000, "null"],
)
async def test_candidates_that_are_none(
    hostile: CallDocument, other: Client, code: str, left: Left, candidate: str
) -> None:
    connection = Connection(())
    try:
        offer = await connection.offer()
        await hostile.publish(hostile.offer_change(Terms("open", 60), offer.sdp))
        await hostile.add_candidates("offer", [candidate])
        with pytest.raises(DocumentMalformed, match="a candidate that is none"):
            await other.come_with_code(code, QUIET)
        # It was answered by then; who answered may delete it.
        assert left() == []
    finally:
        await connection.close()


async def test_an_offer_that_leads_nowhere(
    hostile: CallDocument, other: Client, code: str, left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Well-formed, and nobody is there: bounded, in words, and deleted."""
    monkeypatch.setattr("firertc.link.Link.opened.__defaults__", (1.0,))
    connection = Connection(())
    offer = await connection.offer()
    await connection.close()
    await hostile.publish(hostile.offer_change(Terms("open", 60), offer.sdp))
    with pytest.raises(PathUnreachable, match="both signalled, but no connection opened"):
        await other.come_with_code(code, QUIET)
    assert left() == []


# ---- an answer ---------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def waiting(client: Client) -> AsyncIterator[Call]:
    """A call that waits at its code."""
    call = await client.wait_at_code(QUIET)
    yield call
    await call.close()


async def taker(call: Call, other: Client) -> CallDocument:
    """The call's document in the hands of somebody who knows the code."""
    session = await other.join()
    return CallDocument(session, call.document.path, call.document.seal)


@pytest.mark.parametrize("what", list(UNUSABLE_SDP))
async def test_an_answer_that_can_not_be_used(
    waiting: Call, other: Client, left: Left, what: str
) -> None:
    document = await taker(waiting, other)
    call = await document.read()
    assert call is not None
    await document.answer(document.answer_change(call, UNUSABLE_SDP[what]))
    with pytest.raises(
        DocumentMalformed, match=r"^The answer (of the other side can't|has no)"
    ) as e:
        await waiting.answered(WAIT_SECONDS)
    assert str(e.value).isprintable()
    await waiting.close()
    assert left() == []


async def test_an_offer_in_place_of_an_answer(
    waiting: Call, other: Client, left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firertc.link.Link.opened.__defaults__", (1.0,))
    document = await taker(waiting, other)
    call = await document.read()
    assert call is not None
    sdp = document.description("offer", call)
    await document.answer(document.answer_change(call, sdp))
    with pytest.raises((DocumentMalformed, PathUnreachable)):
        await waiting.answered(WAIT_SECONDS)
    await waiting.close()
    assert left() == []


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"answer": "v=0"}, "'answer'"),
        ({"answer": {"type": "answer"}}, "neither 'sdp' nor 'sealed'"),
        ({"answer": {"type": "answer", "sealed": "A" * 900_000}}, "900000 characters"),
        ({"answerCandidates": "x"}, "'answerCandidates'"),
        ({"from": 5}, "'from'"),
        ({"to": ""}, "'to' is no valid id"),
    ],
)
async def test_an_answer_of_the_wrong_type_or_size(
    waiting: Call, admin_sync: Owner, left: Left, fields: dict[str, Any], says: str
) -> None:
    answered = asyncio.create_task(waiting.answered(WAIT_SECONDS))
    admin_sync.document(waiting.document.path).update(fields)
    with pytest.raises(DocumentMalformed) as caught:
        await answered
    assert says in str(caught.value)
    admin_sync.document(waiting.document.path).update({"from": waiting.session.peer})
    await waiting.close()
    assert left() == []


async def test_an_answer_that_is_not_sealed(waiting: Call, other: Client, left: Left) -> None:
    """From somebody who found the document's id, and not the code."""
    session = await other.join()
    document = CallDocument(session, waiting.document.path)
    call = await document.read()
    assert call is not None
    await document.answer(document.answer_change(call, "v=0"))
    with pytest.raises(SealBroken, match="not sealed, though its code promises it"):
        await waiting.answered(WAIT_SECONDS)
    await waiting.close()
    assert left() == []


async def test_an_answer_to_nobody(waiting: Call, other: Client) -> None:
    document = await taker(waiting, other)
    call = await document.read()
    assert call is not None
    await waiting.close()
    with pytest.raises(NoAnswer, match="the caller gave up, or somebody else answered"):
        await document.answer(document.answer_change(call, "v=0"))


async def test_two_answers(
    waiting: Call, client: Client, other: Client, admin_sync: Owner, left: Left
) -> None:
    """The first counts, whatever comes after it."""
    second = await taker(waiting, client)
    call = await second.read()
    assert call is not None
    answered = asyncio.create_task(waiting.answered(WAIT_SECONDS))
    first = await other.come_with_code(waiting.code, QUIET)
    with pytest.raises((NoAnswer, AnsweredElsewhere)):
        await second.answer(second.answer_change(call, "v=0"))
    await answered
    assert waiting.remote == first.session.peer
    first.link.send("mine")
    await first.link.flush()
    await first.close()
    await waiting.close()
    assert left() == []


async def test_an_answer_overwritten_by_another(
    waiting: Call, other: Client, admin_sync: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the owner alone could that be done; the first one read stands."""
    # Late candidates are no longer let in: the call is now somebody else's.
    monkeypatch.setattr("firertc.connection.GATHER_GRACE_SECONDS", 10.0)
    go_on = asyncio.Event()
    take = Connection.accept

    async def later(self: Connection, sdp: str) -> None:
        await go_on.wait()
        await take(self, sdp)

    monkeypatch.setattr(Connection, "accept", later)
    answered = asyncio.create_task(waiting.answered(WAIT_SECONDS))
    coming = asyncio.create_task(other.come_with_code(waiting.code, QUIET))
    while waiting.state.value != "connecting":
        await asyncio.sleep(0.01)
    admin_sync.document(waiting.document.path).update(
        {"answer": {"type": "answer", "sealed": "B" * 300}, "to": "eve", "toSession": "e" * 22}
    )
    go_on.set()
    await answered
    first = await coming
    assert waiting.remote == first.session.peer
    await first.close()


async def test_candidates_before_the_answer(
    waiting: Call, other: Client, admin_sync: Owner, left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept until the description is there that they belong to."""
    monkeypatch.setattr("firertc.connection.GATHER_GRACE_SECONDS", 0.0)
    answered = asyncio.create_task(waiting.answered(WAIT_SECONDS))
    document = await taker(waiting, other)
    fields = await document.read()
    assert fields is not None
    coming = Call(document.session, document, QUIET, "answerer")
    change = await coming.prepare_answer(fields)
    texts = await coming.connection.late_candidates()
    early = [document._close("answerCandidates", text, fields) for text in texts]
    admin_sync.document(document.path).update({"answerCandidates": early})
    await asyncio.sleep(0.2)
    assert not answered.done()
    monkeypatch.setattr(Call, "_trickle", lambda *_: None)
    await document.answer(change)
    await coming.follow(fields)
    await answered
    await coming.close()
    await waiting.close()
    assert left() == []


async def test_somebody_deletes_what_one_waits_at(waiting: Call, admin_sync: Owner) -> None:
    answered = asyncio.create_task(waiting.answered(WAIT_SECONDS))
    await asyncio.sleep(0.2)
    admin_sync.document(waiting.document.path).delete()
    with pytest.raises(PeerGone, match="document was deleted, before anybody answered"):
        await answered


# ---- a room ------------------------------------------------------------------------------------


RUBBISH_CALLS: list[dict[str, Any]] = [
    {"offer": "x"},
    {"from": None},
    {"leaseUntil": 0},
    {"metadata": 1},
]


async def test_a_room_full_of_rubbish(
    client: Client, other: Client, admin_sync: Owner, realm: Seeds, well_formed: dict[str, Any]
) -> None:
    bob = await client.enter("hall", peer="bob")
    ann = await other.enter("hall", peer="ann")
    rings: asyncio.Queue[Ring] = asyncio.Queue()
    bob.on("ring", rings.put_nowait)
    lost: list[Exception] = []
    bob.on("lost", lost.append)
    rubbish: list[dict[str, Any]] = [
        {},
        {"session": 5},
        {"session": "s" * 22, "data": "[" * 8192, "role": "x"},
        {"session": "s" * 22, "data": "{", "role": "x", "joinedAt": 1},
        {"media": "loud", "can": 7},
    ]
    for number, fields in enumerate(rubbish):
        admin_sync.document(f"{bob.peers_path}/p{number}").set(fields)
    for number, change in enumerate(RUBBISH_CALLS):
        fields = {**well_formed, "kind": "ring", "to": "bob"} | change
        admin_sync.document(f"{bob.calls_path}/c{number}").set(fields)
    assert await ann.wait_for("bob", WAIT_SECONDS) is not None
    calling = asyncio.create_task(ring(ann, "bob", QUIET))
    async with asyncio.timeout(WAIT_SECONDS):
        accepted = await (await rings.get()).accept(QUIET)
    call = await calling
    assert accepted.remote == "ann"
    assert rings.empty() and lost == []
    assert set(bob.peers) == {"ann", "bob"}
    await call.close()
    await accepted.close()


async def test_a_ring_that_can_not_be_used(
    client: Client, other: Client, realm: Seeds, well_formed: dict[str, Any]
) -> None:
    """Written by a peer of the room; its metadata is no JSON, its offer no SDP."""
    bob = await client.enter("hall", peer="bob")
    rings: asyncio.Queue[Ring] = asyncio.Queue()
    bob.on("ring", rings.put_nowait)
    eve = await other.enter("hall", peer="eve")
    assert await eve.wait_for("bob", WAIT_SECONDS) is not None
    document = CallDocument(eve.session, f"{eve.calls_path}/eve~bob~0")
    terms = Terms(
        "ring", 60, receiver="bob", receiver_session=eve.peers["bob"].session, replace=True
    )
    change = document.offer_change(terms, "v=0\r\nnonsense")
    change.fields["metadata"] = "[" * 4000  # type: ignore[index]
    await document.publish(change)
    async with asyncio.timeout(WAIT_SECONDS):
        incoming = await rings.get()
    assert incoming.metadata is None
    with pytest.raises(DocumentMalformed, match="The offer"):
        await incoming.accept(QUIET)
