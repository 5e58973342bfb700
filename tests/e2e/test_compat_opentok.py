"""OpenTok's server side: sessions and tokens made offline, honoured by ``join``; moderation."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from google.cloud.firestore import AsyncClient

from firertc import Client, Config, Room
from firertc.compat import opentok
from firertc.compat.opentok import ArchiveModes, MediaModes, OpenTok, OpenTokException, Roles
from firertc.errors import FireRTCError, Removed
from firertc.suite import Seeds

SECRET = "a secret of at least thirty-two characters"
DAY_SECONDS = 86_400
STEP_SECONDS = 20


@pytest.fixture
def service(realm: Seeds, config: Config) -> OpenTok:
    """The server of an app."""
    return OpenTok(realm.key, realm.secret, config=config)


def claims(token: str) -> dict[str, Any]:
    read: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return read


# ---- offline ------------------------------------------------------------------------------------


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> OpenTok:
    """A service that may not ask anybody."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("it goes to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return OpenTok("key1", SECRET)


def test_sessions_are_made_offline(offline: OpenTok) -> None:
    one, two = offline.create_session(), offline.create_session(location="10.1.200.30")
    assert one.session_id != two.session_id
    assert all(0 < len(session.session_id) <= 128 for session in (one, two))
    assert (one.media_mode, one.archive_mode) == (MediaModes.relayed, ArchiveModes.manual)
    assert claims(one.generate_token(role=Roles.moderator))["room"] == one.session_id


def test_a_session_of_the_longest_key() -> None:
    service = OpenTok("k" * 64, SECRET)
    assert claims(service.create_session().generate_token())["iss"] == "k" * 64


@pytest.mark.parametrize(
    ("role", "given"),
    [
        (Roles.subscriber, "subscriber"),
        (Roles.publisher, "publisher"),
        (Roles.publisheronly, "publisher"),
        (Roles.moderator, "moderator"),
    ],
)
def test_roles(offline: OpenTok, role: Roles, given: str) -> None:
    session = offline.create_session().session_id
    read = claims(offline.generate_token(session, role=role))
    assert (read["role"], json.loads(read["data"])["role"]) == (given, role.value)


def test_what_a_token_says(offline: OpenTok) -> None:
    session = offline.create_session().session_id
    read = claims(
        offline.generate_token(session, data="name=Zoë", initial_layout_class_list=["full", "x"])
    )
    assert json.loads(read["data"]) == {
        "role": "publisher",
        "connectionData": "name=Zoë",
        "initialLayoutClassList": ["full", "x"],
    }
    assert read["exp"] == pytest.approx(time.time() + DAY_SECONDS, abs=5)


@pytest.mark.parametrize(
    "written",
    [
        lambda soon: soon.timestamp(),
        lambda soon: int(soon.timestamp()),
        lambda soon: str(int(soon.timestamp())),
        lambda soon: soon,
        lambda soon: soon.replace(tzinfo=None),
    ],
)
def test_expiry(offline: OpenTok, written: Callable[[datetime], Any]) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=10)
    token = offline.create_session().generate_token(expire_time=written(soon))
    assert claims(token)["exp"] == pytest.approx(soon.timestamp(), abs=3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"expire_time": time.time() - 60}, "must be in the future: it was [0-9]+ s ago.*clock"),
        ({"expire_time": time.time() + 31 * DAY_SECONDS}, "within 30 days from now, in seconds.$"),
        ({"expire_time": (time.time() + 60) * 1000}, "milliseconds"),
        ({"expire_time": "tomorrow"}, "must be Unix seconds"),
        ({"expire_time": float("nan")}, "must be Unix seconds"),
        ({"expire_time": 10**400}, "must be Unix seconds"),
        ({"data": "x" * 1001}, "at most 1000"),
        ({"data": {"a": 1}}, "must be a string"),
        ({"initial_layout_class_list": ["x" * 600, "y" * 600]}, "1000"),
        ({"initial_layout_class_list": [1]}, "strings"),
        ({"role": "admin"}, "'admin' is not a valid role"),
        ({"use_jwt": False}, "T1=="),
    ],
)
def test_limits_of_tokens(offline: OpenTok, options: dict[str, Any], words: str) -> None:
    session = offline.create_session().session_id
    with pytest.raises(OpenTokException, match=words):
        offline.generate_token(session, **options)


def test_sessions_of_others(offline: OpenTok) -> None:
    other = OpenTok("key2", SECRET).create_session().session_id
    for session in (other, "", None, "1_", "1_MX4xMjM0NTY3OH4", "2_" + other[2:], "x" * 300, "1_é"):
        with pytest.raises(OpenTokException, match="Cannot use this session_id"):
            offline.generate_token(session)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"media_mode": MediaModes.routed}, opentok.InvalidMediaModeError, "not there yet"),
        ({"e2ee": True}, opentok.InvalidMediaModeError, "always encrypted"),
        ({"archive_mode": ArchiveModes.always}, opentok.ArchiveError, "--record"),
        ({"archive_name": "x"}, opentok.ArchiveError, "archived"),
        ({"location": "nowhere"}, OpenTokException, "IPv4"),
        ({"media_mode": "relayed"}, OpenTokException, "media mode"),
        ({"archive_mode": "manual"}, OpenTokException, "archive mode"),
    ],
)
def test_sessions_that_are_not_there(
    offline: OpenTok, options: dict[str, Any], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        offline.create_session(**options)


def test_what_is_not_there_says_so(offline: OpenTok) -> None:
    for name, kind in {
        "start_archive": opentok.ArchiveError,
        "start_broadcast": opentok.BroadcastError,
        "list_streams": opentok.GetStreamError,
        "dial": opentok.SipDialError,
        "play_dtmf": opentok.DTMFError,
        "start_captions": opentok.NotAvailable,
        "mute_all": opentok.NotAvailable,
    }.items():
        with pytest.raises(kind, match=r"[Tt]here is no"):
            getattr(offline, name)("1_x")
    with pytest.raises(AttributeError):
        offline.no_such_thing  # noqa: B018


def test_keys_that_are_none() -> None:
    with pytest.raises(opentok.AuthError, match="32 characters"):
        OpenTok("key1", "key1")
    with pytest.raises(opentok.AuthError):
        OpenTok("", SECRET)
    assert SECRET not in repr(OpenTok("key1", SECRET))


# ---- honoured -----------------------------------------------------------------------------------


async def test_join_honours_a_token(service: OpenTok, config: Config) -> None:
    session_id = service.create_session().session_id
    token = service.generate_token(session_id, role=Roles.subscriber, data="name=Zoë")
    async with Client(config, server_token=token) as client:
        session = await client.join(room=session_id)
        assert (session.room, session.role) == (session_id, "subscriber")
    async with Client(config, server_token=token) as client:
        with pytest.raises(FireRTCError, match="wrong-room"):
            await client.join(room="another")


async def test_a_moderator_and_somebody_who_is_removed(
    service: OpenTok, config: Config, admin: AsyncClient
) -> None:
    session_id = service.create_session().session_id
    tokens = [service.generate_token(session_id, role=role) for role in (Roles.moderator,) * 2]
    clients = [Client(config, server_token=token) for token in tokens]
    removed: list[Any] = []
    heard: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()

    def listen(room: Room) -> None:
        room.on("broadcast", lambda *said: heard.put_nowait(said))
        room.on("removed", removed.append)

    try:
        staying = await clients[0].enter(session_id)
        leaving = await clients[1].enter(session_id, on_event=listen)
        me = leaving.session.peer
        payload = {"type": "chat", "data": "hällo"}
        await asyncio.to_thread(service.signal, session_id, payload)
        await asyncio.to_thread(service.signal, session_id, payload, me)
        for alone in (False, True):
            said = await asyncio.wait_for(heard.get(), STEP_SECONDS)
            assert said == ("%server", {"signal": payload}, alone)
        with pytest.raises(opentok.NotFoundError):
            await asyncio.to_thread(service.signal, session_id, payload, "nobody")
        left: asyncio.Queue[Any] = asyncio.Queue()
        staying.on("left", left.put_nowait)
        await asyncio.to_thread(service.force_disconnect, session_id, me)
        gone = await asyncio.wait_for(left.get(), STEP_SECONDS)
        assert getattr(gone, "id", gone) == me
        async with asyncio.timeout(STEP_SECONDS):
            while not removed:
                await asyncio.sleep(0.02)
        assert removed == ["forceDisconnected"]
        with pytest.raises(opentok.NotFoundError):
            await asyncio.to_thread(service.force_disconnect, session_id, me)
        found = await admin.document(f"{staying.path}/removed/{me}").get()
        assert found.get("by") == "%server"
        again = await clients[1].join(room=session_id, resume=leaving.session.resume)
        with pytest.raises(Removed, match="forceDisconnected"):
            await Room.enter(again, session_id)
    finally:
        for client in clients:
            await client.close()


async def test_signals_that_make_no_sense(service: OpenTok) -> None:
    session_id = service.create_session().session_id
    with pytest.raises(opentok.NotFoundError, match="Nobody"):
        await asyncio.to_thread(service.signal, session_id, {"type": "a", "data": "b"})
    for payload in ({"type": "x" * 129}, {"data": "é" * 5000}, {"data": 5}):
        with pytest.raises(opentok.SignalingError):
            service.signal(session_id, payload)
    for connection in ("", "a/b", "x" * 200):
        with pytest.raises(OpenTokException):
            await asyncio.to_thread(service.force_disconnect, session_id, connection)


async def test_owners_that_are_refused(config: Config) -> None:
    unknown = OpenTok("nobodys-key", SECRET, config=config)
    session_id = unknown.create_session().session_id
    with pytest.raises(opentok.AuthError, match="no such key"):
        await asyncio.to_thread(unknown.force_disconnect, session_id, "p")
