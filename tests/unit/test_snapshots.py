"""Listening against a server that says what real ones rarely say: resets, lost documents, refused
tokens, streams that end.

The server is scripted, the one place where the real part is not run: no emulator does these things
on demand. The gRPC between the two is real.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import grpc
import grpc.aio
import pytest
import pytest_asyncio
from google.cloud.firestore_v1.types import Document, ListenRequest, ListenResponse, Value
from google.cloud.firestore_v1.types import TargetChange as Change

from firertc import snapshots
from firertc.database import Database, Where
from firertc.errors import (
    DatabaseUnreachable,
    FireRTCError,
    PermissionDenied,
    SessionExpired,
    Unreachable,
)
from firertc.snapshots import Listener, Snapshots
from firertc.targets import Snapshot

PROJECT = "demo-unit"
ROOT = f"projects/{PROJECT}/databases/(default)/documents"
WAIT_SECONDS = 10.0

Kind = Change.TargetChangeType


class Script:
    """The server's side of one life of the stream."""

    def __init__(self, requests: Any, context: Any) -> None:
        self._requests = requests
        self._context = context
        self.token = dict(context.invocation_metadata())["authorization"].removeprefix("Bearer ")

    async def asked(self) -> ListenRequest:
        """The client's next request."""
        async with asyncio.timeout(WAIT_SECONDS):
            request = await self._context.read()
        assert isinstance(request, ListenRequest), "the client has ended the stream"
        return request

    async def added(self) -> Any:
        """The client's next request, which adds a target."""
        request = await self.asked()
        assert request.add_target.target_id, request
        return request.add_target

    async def say(self, *responses: ListenResponse) -> None:
        for response in responses:
            await self._context.write(response)

    async def refuse(self, code: grpc.StatusCode) -> None:
        """End the stream with an error."""
        await self._context.abort(code, "as the script says")

    async def silence(self) -> None:
        """Stay open until the client goes."""
        while await self._context.read() is not grpc.aio.EOF:
            pass


Life = Callable[[Script], Awaitable[None]]


class Server:
    """Plays one script for each time that the stream is opened."""

    def __init__(self) -> None:
        self.lives: list[Life] = []
        self.opened = 0
        self.failure: BaseException | None = None

    async def listen(self, requests: Any, context: Any) -> None:
        self.opened += 1
        script = Script(requests, context)
        life = self.lives.pop(0) if self.lives else Script.silence
        try:
            await life(script)
        except AssertionError as error:
            self.failure = self.failure or error


class Tokens:
    """Hands out ``token-1``, ``token-2``…"""

    def __init__(self) -> None:
        self.number = 1
        self.refused: list[str] = []
        self.errors: list[FireRTCError] = []

    async def token(self) -> str:
        return f"token-{self.number}"

    async def refresh(self, refused: str) -> str:
        self.refused.append(refused)
        if self.errors:
            raise self.errors.pop(0)
        self.number += 1
        return await self.token()


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    yield made
    if made.failure is not None:
        raise made.failure


@pytest.fixture
def tokens() -> Tokens:
    return Tokens()


@pytest_asyncio.fixture
async def listening(
    server: Server, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Snapshots]:
    """Snapshots on a database whose stream the script plays."""
    monkeypatch.setattr(snapshots, "BACKOFF_FIRST_SECONDS", 0.01)
    monkeypatch.setattr(snapshots, "BACKOFF_MOST_SECONDS", 0.05)
    running = grpc.aio.server()
    handler = grpc.stream_stream_rpc_method_handler(
        server.listen, ListenRequest.deserialize, ListenResponse.serialize
    )
    running.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("google.firestore.v1.Firestore", {"Listen": handler})]
    )
    port = running.add_insecure_port("127.0.0.1:0")
    await running.start()
    database = Database(project=PROJECT, tokens=tokens, emulator=f"127.0.0.1:{port}")
    made = Snapshots(database)
    yield made
    await made.close()
    await database.close()
    await running.stop(None)


def target(
    kind: int, *ids: int, token: bytes = b"", code: int = 0, reason: str = ""
) -> ListenResponse:
    cause = {"code": code, "message": reason} if code else None
    change = Change(target_change_type=kind, target_ids=ids, resume_token=token, cause=cause)
    return ListenResponse(target_change=change)


def current(*ids: int, token: bytes = b"") -> list[ListenResponse]:
    """All there is has been sent, and this is one moment of it."""
    return [target(Kind.CURRENT, *ids, token=token), target(Kind.NO_CHANGE, token=token)]


def now(token: bytes = b"") -> ListenResponse:
    return target(Kind.NO_CHANGE, token=token)


def document(path: str, number: int, *ids: int, removed: tuple[int, ...] = ()) -> ListenResponse:
    content = Document(name=f"{ROOT}/{path}", fields={"n": Value(integer_value=number)})
    return ListenResponse(
        document_change={
            "document": content,
            "target_ids": ids,
            "removed_target_ids": removed,
        }
    )


def gone(path: str, *ids: int) -> ListenResponse:
    return ListenResponse(document_delete={"document": f"{ROOT}/{path}", "removed_target_ids": ids})


def count(target_id: int, number: int) -> ListenResponse:
    return ListenResponse(filter={"target_id": target_id, "count": number})


async def first(listener: Listener) -> Snapshot:
    async with asyncio.timeout(WAIT_SECONDS):
        return await anext(listener)


def shown(snapshot: Snapshot) -> Mapping[str, int]:
    return {path: fields["n"] for path, fields in snapshot.documents.items()}


PEERS = Where("rooms/r/peers")
A, B, C = (f"rooms/r/peers/{name}" for name in "abc")


async def test_changes_come_as_whole_moments(server: Server, listening: Snapshots) -> None:
    async def life(script: Script) -> None:
        one = await script.added()
        assert one.query.parent == f"{ROOT}/rooms/r" and not one.resume_token
        two = await script.added()
        assert list(two.documents.documents) == [f"{ROOT}/calls/x"]
        await script.say(
            target(Kind.ADD, 1, 2), document(A, 1, 1), document(B, 1, 1), *current(1, 2, token=b"t")
        )
        await script.say(document(A, 2, 1), document(C, 1, 1), gone(B, 1))
        await script.say(now())
        await script.say(document("calls/x", 7, 2), now())
        await script.silence()

    server.lives = [life]
    peers, call = listening.listen(PEERS), listening.listen("calls/x")
    snapshot = await first(peers)
    assert shown(snapshot) == {A: 1, B: 1} and snapshot.changed == (A, B)
    assert shown(await first(call)) == {}
    snapshot = await first(peers)
    assert (snapshot.changed, snapshot.removed) == ((A, C), (B,))
    assert shown(snapshot) == {A: 2, C: 1}
    assert shown(await first(call)) == {"calls/x": 7}
    # Six documents were sent, and one listener found nothing, which costs one too.
    assert listening._database.operations.reads == 6


async def test_a_reset_tells_only_what_differs(server: Server, listening: Snapshots) -> None:
    """As the official emulator does at every change: everything again."""

    async def life(script: Script) -> None:
        await script.added()
        await script.say(document(A, 1, 1), document(B, 1, 1), *current(1, token=b"t"))
        await script.say(target(Kind.RESET, 1))
        await script.say(document(A, 1, 1), document(B, 1, 1), *current(1))
        await script.say(target(Kind.RESET, 1), document(B, 2, 1), *current(1))
        await script.silence()

    server.lives = [life]
    peers = listening.listen(PEERS)
    await first(peers)
    snapshot = await first(peers)
    assert (snapshot.changed, snapshot.removed) == ((B,), (A,))


async def test_a_missed_deletion_is_noticed(server: Server, listening: Snapshots) -> None:
    async def life(script: Script) -> None:
        await script.added()
        await script.say(document(A, 1, 1), document(B, 1, 1), *current(1, token=b"t"))
        await script.say(count(1, 2), now())  # as it should be
        await script.say(count(1, 1), now())
        assert (await script.asked()).remove_target == 1
        again = await script.added()
        assert again.target_id == 2 and not again.resume_token
        # What was still under way for the old number, and the old number's farewell.
        await script.say(document(C, 1, 1), target(Kind.REMOVE, 1), target(Kind.ADD, 2))
        await script.say(document(A, 1, 2), *current(2, token=b"u"))
        await script.silence()

    server.lives = [life]
    peers = listening.listen(PEERS)
    await first(peers)
    snapshot = await first(peers)
    assert (snapshot.changed, snapshot.removed) == ((), (B,))
    peers.close()
    with pytest.raises(StopAsyncIteration):
        await first(peers)


async def test_a_stream_that_ended_goes_on_where_it_was(
    server: Server, listening: Snapshots
) -> None:
    async def before(script: Script) -> None:
        await script.added()
        await script.say(document(A, 1, 1), document(B, 1, 1), *current(1, token=b"t1"))
        await script.say(now(token=b"t2"))

    async def after(script: Script) -> None:
        assert (await script.added()).resume_token == b"t2"
        await script.say(target(Kind.ADD, 1), gone(A, 1), *current(1, token=b"t3"))
        await script.silence()

    down: list[bool] = []
    listening._database.on_outage = down.append
    server.lives = [before, after]
    peers = listening.listen(PEERS)
    await first(peers)
    snapshot = await first(peers)
    assert (snapshot.changed, snapshot.removed) == ((), (A,))
    assert (server.opened, listening.reopened) == (2, 1)
    assert down == [], "a server that ends a stream is no outage"


async def test_a_stream_without_a_resume_token_starts_over(
    server: Server, listening: Snapshots
) -> None:
    async def before(script: Script) -> None:
        await script.added()
        await script.say(document(A, 1, 1), document(B, 1, 1), *current(1))
        await script.refuse(grpc.StatusCode.UNAVAILABLE)

    async def after(script: Script) -> None:
        assert not (await script.added()).resume_token
        await script.say(document(B, 1, 1), *current(1))
        await script.silence()

    down: list[bool] = []
    listening._database.on_outage = down.append
    server.lives = [before, after]
    peers = listening.listen(PEERS)
    await first(peers)
    snapshot = await first(peers)
    assert (snapshot.changed, snapshot.removed) == ((), (A,))
    assert down == [True, False]


async def test_an_expired_resume_token(server: Server, listening: Snapshots) -> None:
    async def before(script: Script) -> None:
        await script.added()
        await script.say(document(A, 1, 1), *current(1, token=b"old"))

    async def after(script: Script) -> None:
        assert (await script.added()).resume_token == b"old"
        await script.say(target(Kind.REMOVE, 1, code=9, reason="the resume token is too old"))
        again = await script.added()  # with nothing to remove: the server has removed it
        assert again.target_id == 2 and not again.resume_token
        await script.say(document(A, 1, 2), document(B, 1, 2), *current(2, token=b"new"))
        await script.silence()

    server.lives = [before, after]
    peers = listening.listen(PEERS)
    await first(peers)
    snapshot = await first(peers)
    assert (snapshot.changed, snapshot.removed) == ((B,), ())


async def test_a_denial_reaches_the_listener_alone(server: Server, listening: Snapshots) -> None:
    async def life(script: Script) -> None:
        await script.added()
        await script.added()
        await script.say(target(Kind.ADD, 1), target(Kind.REMOVE, 1, code=7, reason="no"))
        await script.say(document("calls/x", 1, 2), *current(2))
        await script.silence()

    server.lives = [life]
    peers, call = listening.listen(PEERS), listening.listen("calls/x")
    with pytest.raises(
        PermissionDenied,
        match=r"^Could not listen to rooms/r/peers: the security rules refuse it\.$",
    ):
        await first(peers)
    assert shown(await first(call)) == {"calls/x": 1}


async def test_another_refusal_of_a_target(server: Server, listening: Snapshots) -> None:
    async def life(script: Script) -> None:
        await script.added()
        await script.say(target(Kind.REMOVE, 1, code=8, reason="quota exceeded"))
        await script.silence()

    server.lives = [life]
    with pytest.raises(DatabaseUnreachable, match=r"^Could not listen to calls/x: quota exceeded"):
        await first(listening.listen("calls/x"))


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT]
)
async def test_a_stream_that_is_refused_ends_every_listener(
    server: Server, listening: Snapshots, code: grpc.StatusCode
) -> None:
    async def life(script: Script) -> None:
        await script.added()
        await script.refuse(code)

    server.lives = [life]
    peers, call = listening.listen(PEERS), listening.listen("calls/x")
    for listener in (peers, call):
        with pytest.raises(PermissionDenied, match="refuses to be listened to"):
            await first(listener)
    assert server.opened == 1


async def test_an_old_token_is_renewed(
    server: Server, listening: Snapshots, tokens: Tokens
) -> None:
    async def old(script: Script) -> None:
        assert script.token == "token-1"
        await script.refuse(grpc.StatusCode.UNAUTHENTICATED)

    async def fresh(script: Script) -> None:
        assert script.token == "token-2"
        await script.added()
        await script.say(document("calls/x", 1, 1), *current(1))
        # It runs out again, much later.
        await script.refuse(grpc.StatusCode.UNAUTHENTICATED)

    async def freshest(script: Script) -> None:
        assert script.token == "token-3"
        await script.added()
        await script.say(document("calls/x", 2, 1), *current(1))
        await script.silence()

    server.lives = [old, fresh, freshest]
    call = listening.listen("calls/x")
    assert shown(await first(call)) == {"calls/x": 1}
    assert shown(await first(call)) == {"calls/x": 2}
    assert tokens.refused == ["token-1", "token-2"]


async def test_a_token_that_is_refused_though_fresh(
    server: Server, listening: Snapshots, tokens: Tokens
) -> None:
    async def life(script: Script) -> None:
        await script.refuse(grpc.StatusCode.UNAUTHENTICATED)

    server.lives = [life, life]
    with pytest.raises(PermissionDenied, match="Join again"):
        await first(listening.listen("calls/x"))
    assert tokens.refused == ["token-1"]


async def test_a_session_that_can_not_be_renewed(
    server: Server, listening: Snapshots, tokens: Tokens
) -> None:
    async def life(script: Script) -> None:
        await script.refuse(grpc.StatusCode.UNAUTHENTICATED)

    server.lives = [life]
    tokens.errors = [Unreachable("not now"), Unreachable("nor now"), SessionExpired("over")]
    with pytest.raises(SessionExpired, match="over"):
        await first(listening.listen("calls/x"))
    assert tokens.refused == ["token-1"] * 3


async def test_a_new_token_reopens_the_stream(
    server: Server, listening: Snapshots, tokens: Tokens
) -> None:
    async def before(script: Script) -> None:
        await script.added()
        await script.say(document("calls/x", 1, 1), *current(1, token=b"t"))
        await script.silence()

    async def after(script: Script) -> None:
        assert script.token == "token-2"
        assert (await script.added()).resume_token == b"t"
        await script.say(document("calls/x", 2, 1), *current(1))
        await script.silence()

    server.lives = [before, after]
    call = listening.listen("calls/x")
    assert shown(await first(call)) == {"calls/x": 1}
    tokens.number += 1
    listening.reopen()
    assert shown(await first(call)) == {"calls/x": 2}


async def test_what_nobody_expected_ends_every_listener(
    server: Server, listening: Snapshots, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: object) -> None:
        raise ZeroDivisionError("of all things")

    async def life(script: Script) -> None:
        await script.added()
        await script.say(document("calls/x", 1, 1), *current(1))
        await script.silence()

    monkeypatch.setattr(snapshots, "decode_fields", fails)
    server.lives = [life]
    with pytest.raises(FireRTCError, match=r"Listening to the database failed.*of all things"):
        await first(listening.listen("calls/x"))


async def test_listeners_come_and_go(server: Server, listening: Snapshots) -> None:
    async def life(script: Script) -> None:
        assert (await script.added()).target_id == 1
        await script.say(document("calls/x", 1, 1), *current(1))
        assert (await script.asked()).remove_target == 1
        assert (await script.added()).target_id == 2
        await script.say(document("calls/x", 9, 1), now())  # late, for the one that is gone
        await script.say(document(A, 1, 2), *current(2))
        await script.silence()

    server.lives = [life]
    async with listening.listen("calls/x") as call:
        assert shown(await first(call)) == {"calls/x": 1}
    with pytest.raises(StopAsyncIteration):
        await first(call)
    peers = listening.listen(PEERS)
    assert shown(await first(peers)) == {A: 1}
    await listening.close()
    with pytest.raises(StopAsyncIteration):
        await first(peers)
