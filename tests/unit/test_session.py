"""Joining and renewing against answers that the real services give rarely."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from firertc import accounts, session
from firertc.config import Config
from firertc.errors import (
    ConfigError,
    DatabaseUnreachable,
    Denied,
    FireRTCError,
    FunctionsUnreachable,
    KeyRefused,
    PeerIdUnavailable,
    RoomFull,
    RoomLocked,
    SessionExpired,
    Unreachable,
)
from firertc.session import claims, join

Answer = tuple[int, bytes] | None
"""HTTP status and body; None: the connection is dropped."""
Serve = Callable[..., Config]


@pytest_asyncio.fixture
async def serve(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serve]:
    """A service that gives these answers, the last one again and again."""
    monkeypatch.setattr(accounts, "RETRY_SECONDS", 0.01)
    answers: list[Answer] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        given = answers.pop(0) if len(answers) > 1 else answers[0]
        if given is not None:
            status, body = given
            writer.write(
                b"HTTP/1.1 %d X\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
                % (status, len(body))
            )
            writer.write(body)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

    def start(*given: Answer, **settings: str) -> Config:
        answers.extend(given)
        return Config(
            project="demo-unit",
            key="k",
            functions_url=f"http://{host}",
            firestore_emulator="127.0.0.1:1",  # nobody: not asked here
            auth_emulator=host,
            **settings,  # type: ignore[arg-type]
        )

    yield start
    server.close()
    await server.wait_closed()


def error(code: str | None, status: str = "PERMISSION_DENIED") -> bytes:
    content: dict[str, Any] = {"status": status, "message": "So it is."}
    if code is not None:
        content["details"] = {"code": code}
    return json.dumps({"error": content}).encode()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("unknown-key", KeyRefused),
        ("disabled-key", KeyRefused),
        ("origin-not-allowed", KeyRefused),
        ("programs-not-allowed", KeyRefused),
        ("invalid-peer-id", PeerIdUnavailable),
        ("unavailable-id", PeerIdUnavailable),
        ("invalid-room", ConfigError),
        ("expired-token", SessionExpired),
        ("forged-token", SessionExpired),
        ("room-full", RoomFull),
        ("room-locked", RoomLocked),
        ("wrong-room", Denied),
        ("app-check-required", Denied),
        ("database-unavailable", DatabaseUnreachable),
        ("of-a-later-version", Denied),
    ],
)
async def test_each_refusal_has_its_error(
    serve: Serve, code: str, kind: type[FireRTCError]
) -> None:
    with pytest.raises(kind, match=rf"^So it is\. \({code}\)$") as caught:
        await join(serve((403, error(code))))
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((404, b"<html>Not Found</html>"), r"no function 'join' at .*\(HTTP 404\)\. Deploy it"),
        ((403, b"Your client does not have permission"), r"\(HTTP 403\)\. Deploy it"),
        ((200, b"{}"), r"\(HTTP 200\)"),
        ((200, b'"join"'), r"\(HTTP 200\)"),
        ((503, b"no instance"), r"overloaded or failed \(HTTP 503\)\. Try again later"),
        ((429, b""), r"overloaded or failed \(HTTP 429\)"),
        ((500, error(None, "INTERNAL")), r"^The function 'join' failed: So it is\. See the func"),
        ((200, b'{"result": {"realm": "r"}}'), r"answered without '\w+'\. Deploy the functions"),
    ],
)
async def test_functions_that_are_not_what_they_should_be(
    serve: Serve, answer: Answer, says: str
) -> None:
    with pytest.raises(FunctionsUnreachable, match=says):
        await join(serve(answer))


async def test_a_dropped_connection_is_tried_again(serve: Serve) -> None:
    with pytest.raises(KeyRefused):
        await join(serve(None, (403, error("unknown-key"))))


async def test_connections_that_are_always_dropped(serve: Serve) -> None:
    with pytest.raises(FunctionsUnreachable, match=r"does not answer .*firertc up"):
        await join(serve(None))


JOINED = {
    "token": "custom",
    "realm": "r",
    "peer": "p",
    "session": "s" * 22,
    "role": "publisher",
    "resume": "again",
}


def id_token(**told: Any) -> str:
    parts = ({"alg": "none"}, {"iat": 1_000, "exp": 4_600, **told})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts]
    return b".".join((*encoded, b"")).decode()


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        ((400, b'{"error": {"message": "INVALID_CUSTOM_TOKEN"}}'), SessionExpired, "INVALID_CUST"),
        ((400, b"no JSON"), SessionExpired, "refused to sign in: unknown reason"),
        ((200, b'{"idToken": "x", "refreshToken": "y"}'), SessionExpired, "is no token"),
        ((200, b'{"hello": "log in"}'), Unreachable, "is something else: a proxy"),
        ((200, b"<html>log in</html>"), Unreachable, "is something else: a proxy"),
        (None, Unreachable, "Firebase Auth does not answer"),
    ],
)
async def test_auth_that_is_not_what_it_should_be(
    serve: Serve, answer: Answer, kind: type[FireRTCError], says: str
) -> None:
    joined = (200, json.dumps({"result": JOINED}).encode())
    with pytest.raises(kind, match=says):
        await join(serve(joined, answer))


async def test_the_servers_clock_counts(serve: Serve) -> None:
    signed = json.dumps({"idToken": id_token(until=2_000), "refreshToken": "y"}).encode()
    config = serve((200, json.dumps({"result": JOINED}).encode()), (200, signed))
    async with await join(config, wall=lambda: 8_200.0) as joined:
        assert joined.offset_seconds == -7_200
        assert joined.now() == 1_000
        assert joined._good_until == 2_000
        assert joined.ice_servers == ()
        for secret in (joined.resume, joined._token, joined._refresh_token):
            assert secret not in repr(joined)


def test_claims() -> None:
    assert claims(id_token(realm="é"))["realm"] == "é"
    for token in ("", "a.b", "a.!!!.c", "a.e30", f"x.{base64.b64encode(b'[1]').decode()}."):
        with pytest.raises(SessionExpired, match="is no token"):
            claims(token)


@pytest.mark.parametrize(
    ("given", "local", "expected"),
    [
        (None, True, 0),
        (None, False, 1),
        ([], False, 1),
        ([{"urls": "turn:x"}, "rubbish"], False, 1),
        ("rubbish", True, 0),
    ],
)
def test_ice_servers(given: Any, local: bool, expected: int) -> None:
    config = Config(project="demo-unit", firestore_emulator="h:1" if local else "")
    assert len(session._ice_servers(config, given)) == expected
    own = Config(project="demo-unit", ice_servers=())
    assert session._ice_servers(own, [{"urls": "turn:x"}]) == ()


async def test_an_open_realm_gives_out_its_names(serve: Serve) -> None:
    config = Config(project="demo-unit", realm="open", auth_emulator="h:1")
    with pytest.raises(ConfigError, match="leave --as away"):
        await join(config, peer="ann")


async def test_a_refresh_token_that_is_no_good_any_more_costs_a_new_account(
    serve: Serve, tmp_path: Path
) -> None:
    signed_up = json.dumps({"localId": "u2", "idToken": id_token(), "refreshToken": "r2"}).encode()
    config = serve((400, b'{"error": {"message": "TOKEN_EXPIRED"}}'), (200, signed_up))
    store = tmp_path / "accounts.json"
    store.write_text(json.dumps({f"demo-unit@{config.auth_emulator}": "r1", "other@cloud": "r0"}))
    account = await accounts.anonymous(config, folder=tmp_path)
    assert (account.uid, account.refresh_token) == ("u2", "r2")
    kept = json.loads(store.read_text())
    assert kept == {f"demo-unit@{config.auth_emulator}": "r2", "other@cloud": "r0"}
    assert store.stat().st_mode & 0o777 == 0o600
    assert "r2" not in repr(account)


@pytest.mark.parametrize("content", ["", "[1]", "{", "\x00"])
async def test_a_broken_store_is_no_store(serve: Serve, tmp_path: Path, content: str) -> None:
    signed_up = json.dumps({"localId": "u", "idToken": id_token(), "refreshToken": "r"}).encode()
    (tmp_path / "accounts.json").write_text(content)
    account = await accounts.anonymous(serve((200, signed_up)), folder=tmp_path)
    assert account.uid == "u"


async def test_the_web_api_key_is_missing() -> None:
    with pytest.raises(ConfigError, match="set FIRERTC_API_KEY"):
        await accounts.sign_in(Config(project="real-project"), "token")


async def test_a_session_that_ended_while_this_program_slept(serve: Serve) -> None:
    """`join` answers a renewal that comes too late with another session: ours is over."""
    signed = json.dumps({"idToken": id_token(until=2_000), "refreshToken": "y"}).encode()
    again = {**JOINED, "session": "another"}
    answers = [(200, json.dumps({"result": content}).encode()) for content in (JOINED, again)]
    config = serve(answers[0], (200, signed), answers[1], (200, signed))
    async with await join(config, wall=lambda: 1_000.0) as joined:
        with pytest.raises(SessionExpired, match="Join again"):
            await joined.renew()
        async with asyncio.timeout(1):
            assert isinstance(await joined.ended(), SessionExpired)
        # Good to tidy up with.
        assert await joined.token()


async def test_a_refused_renewal_lets_the_session_run_to_its_end(serve: Serve) -> None:
    signed = json.dumps({"idToken": id_token(until=1_040), "refreshToken": "y"}).encode()
    now = 1_000.0
    config = serve(
        (200, json.dumps({"result": JOINED}).encode()),
        (200, signed),
        (403, error("disabled-key")),
    )
    async with await join(config, wall=lambda: now) as joined:
        with pytest.raises(KeyRefused):
            await joined.renew()
        now = 1_039.0
        assert await joined.token() == json.loads(signed)["idToken"]
        now = 1_041.0
        with pytest.raises(KeyRefused):
            await joined.token()
