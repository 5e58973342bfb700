"""``join`` over HTTP, in the emulators, with sign-in and the rules behind it."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
from functions_place import Place

from firertc.tokens import make_token

HOUR_SECONDS = 3600


def claims_of(id_token: str) -> dict[str, Any]:
    """What an ID token of the Auth emulator says."""
    claims: dict[str, Any] = jwt.decode(id_token, options={"verify_signature": False})
    return claims


def make_room(
    place: Place, room: str, peers: int = 0, *, lease_minutes: float = 10, **fields: Any
) -> None:
    """Write a room, with peers in it, as an administrator."""
    lease = datetime.now(UTC) + timedelta(minutes=lease_minutes)
    path = f"realms/{place.realm}/rooms/{room}"
    document = {"locked": False, "capacity": 4, "leaseUntil": lease, "shard": 0}
    place.database.document(path).set(document | fields)
    for number in range(peers):
        peer = {"session": "s" * 22, "leaseUntil": lease, "shard": 0}
        place.database.document(f"{path}/peers/peer{number}").set(peer)


def test_rules_deny_first(place: Place) -> None:
    # An emulator whose rules do not parse serves everything to everyone.
    response = httpx.get(place.rest(f"/realms/{place.realm}/rooms/r"), timeout=10)
    assert response.status_code == 403, response.text


def test_join_and_sign_in(place: Place) -> None:
    key, _ = place.make_key()
    before = time.time()
    joined = place.join(key, room="a room", call="c0" * 16, client={"name": "test", "version": "1"})
    assert set(joined) == {
        *("token", "realm", "peer", "session", "room", "call", "role", "until", "resume"),
        *("iceServers", "connect", "capacity", "data", "found"),
    }
    assert joined["realm"] == place.realm
    assert joined["room"] == "a%20room"
    assert joined["iceServers"] == []
    assert (joined["connect"], joined["capacity"], joined["data"]) == (None, None, None)
    assert joined["found"] is None
    assert before + HOUR_SECONDS - 1 <= joined["until"] <= time.time() + HOUR_SECONDS
    claims = claims_of(place.sign_in(joined["token"]))
    for name in ("realm", "peer", "session", "room", "call", "role", "until"):
        assert claims[name] == joined[name]
    assert claims["sub"] == f"{place.realm}:{joined['peer']}"


def test_claims_that_do_not_apply_are_absent(place: Place) -> None:
    key, _ = place.make_key()
    joined = place.join(key)
    assert (joined["room"], joined["call"]) == (None, None)
    claims = claims_of(place.sign_in(joined["token"]))
    assert "room" not in claims
    assert "call" not in claims


def test_rules_accept_the_session(place: Place) -> None:
    key, _ = place.make_key()
    joined = place.join(key, room="r/1", peer="Zoë & Co")
    headers = {"Authorization": f"Bearer {place.sign_in(joined['token'])}"}
    room = f"/realms/{place.realm}/rooms/{joined['room']}"
    assert httpx.get(place.rest(room), headers=headers).status_code == 404
    other = f"/realms/another/rooms/{joined['room']}"
    assert httpx.get(place.rest(other), headers=headers).status_code == 403
    unbound = f"/realms/{place.realm}/rooms/another"
    assert httpx.get(place.rest(unbound), headers=headers).status_code == 403
    assert _enter(place, joined, headers) == 200
    assert httpx.get(place.rest(room), headers=headers).status_code == 200
    # Another session than the token's is not the peer's to write.
    assert _enter(place, joined | {"session": "x" * 22}, headers) == 403


def _enter(place: Place, joined: dict[str, Any], headers: dict[str, str]) -> int:
    """Create the room and the peer's document in one commit, as a client does."""
    root = f"projects/{place.project}/databases/(default)/documents"
    room = f"{root}/realms/{place.realm}/rooms/{joined['room']}"
    lease = {"timestampValue": (datetime.now(UTC) + timedelta(minutes=9)).isoformat()}
    now = {"setToServerValue": "REQUEST_TIME"}

    def write(name: str, fields: dict[str, Any], moment: str) -> dict[str, Any]:
        common = {"leaseUntil": lease, "shard": {"integerValue": "3"}}
        return {
            "update": {"name": name, "fields": fields | common},
            "updateTransforms": [{"fieldPath": moment} | now],
        }

    created = {
        "v": {"integerValue": "1"},
        "connect": {"stringValue": "all"},
        "capacity": {"integerValue": "4"},
        "locked": {"booleanValue": False},
        "listed": {"booleanValue": False},
        "createdBy": {"stringValue": joined["peer"]},
    }
    present = {
        "session": {"stringValue": joined["session"]},
        "data": {"stringValue": "{}"},
        "media": {"mapValue": {"fields": {}}},
        "role": {"stringValue": joined["role"]},
        "can": {"arrayValue": {}},
    }
    peer = f"{room}/peers/{joined['peer']}"
    body = {"writes": [write(room, created, "createdAt"), write(peer, present, "joinedAt")]}
    # Without the room's document when it is there already.
    if place.database.document(f"realms/{place.realm}/rooms/{joined['room']}").get().exists:
        body["writes"] = body["writes"][1:]
    return httpx.post(place.rest(":commit"), json=body, headers=headers).status_code


# ---- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"no JSON", b"[1]", b'{"data": {}, "token": "t"}', b"{}"])
def test_malformed_body(place: Place, content: bytes) -> None:
    response = httpx.post(
        f"{place.functions}/join",
        content=content,
        headers={"Content-Type": "application/json", "Origin": "https://app.example.com"},
        timeout=30,
    )
    assert response.status_code == 400
    assert response.json()["error"]["details"] == {"code": "bad-request"}
    assert response.headers["Access-Control-Allow-Origin"]


@pytest.mark.parametrize("kind", ["text/plain", "text/plain;charset=UTF-8"])
def test_a_page_need_not_ask_first(place: Place, kind: str) -> None:
    key, _ = place.make_key()

    def ask(**headers: str) -> httpx.Response:
        content = f'{{"data": {{"key": "{key}"}}}}'
        headers = {"Content-Type": kind, **headers}
        return httpx.post(f"{place.functions}/join", content=content, headers=headers, timeout=30)

    response = ask(Origin="https://app.example.com")
    assert response.json()["result"]["token"]
    assert response.headers["Access-Control-Allow-Origin"] in ("*", "https://app.example.com")
    # What it is allowed is decided all the same.
    refused = ask(Origin="https://app.example.com.evil.org")
    assert refused.json()["error"]["details"] == {"code": "origin-not-allowed"}
    assert ask(**{"Content-Type": "image/png"}).status_code == 400


def test_bad_fields(place: Place) -> None:
    key, _ = place.make_key()
    assert place.refusal({"key": 7})[:2] == (400, "bad-request")
    assert place.refusal({"key": key, "room": ""})[:2] == (400, "invalid-room")
    assert place.refusal({"key": key, "room": "r" * 129})[:2] == (400, "invalid-room")
    assert place.refusal({"key": key, "peer": ""})[:2] == (400, "invalid-peer-id")
    assert place.refusal({"key": key, "peer": "ü" * 40})[:2] == (400, "invalid-peer-id")


def test_unknown_and_disabled_keys(place: Place) -> None:
    assert place.refusal({"key": "nobody"})[:2] == (403, "unknown-key")
    assert place.refusal({"key": "../realms/x"})[:2] == (403, "unknown-key")
    key, _ = place.make_key(disabled=True)
    assert place.refusal({"key": key})[:2] == (403, "disabled-key")


def test_disabling_a_key_ends_renewals_at_once(place: Place) -> None:
    key, _ = place.make_key()
    joined = place.join(key)
    place.database.document(f"keys/{key}").update({"disabled": True})
    renewal = {"key": key, "resume": joined["resume"], "session": joined["session"]}
    assert place.refusal(renewal)[:2] == (403, "disabled-key")


def test_origins_and_programs(place: Place) -> None:
    key, _ = place.make_key(programs=False)
    page = {"Origin": "https://app.example.com"}
    response = place.post({"key": key}, headers=page)
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] in ("*", page["Origin"])
    foreign = {"Origin": "https://app.example.com.evil.org"}
    assert place.refusal({"key": key}, headers=foreign)[:2] == (403, "origin-not-allowed")
    null = {"Origin": "null"}
    assert place.refusal({"key": key}, headers=null)[:2] == (403, "origin-not-allowed")
    assert place.refusal({"key": key})[:2] == (403, "programs-not-allowed")


def test_preflight(place: Place) -> None:
    response = httpx.options(
        f"{place.functions}/join",
        headers={
            "Origin": "https://app.example.com",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        },
        timeout=30,
    )
    assert response.is_success
    assert response.headers["Access-Control-Allow-Origin"] in ("*", "https://app.example.com")


def test_server_made_tokens(place: Place) -> None:
    key, secret = place.make_key()
    token = make_token(key, secret, room="stage", peer="host", role="moderator", data={"n": 1})
    joined = place.join(key, token=token)
    assert (joined["room"], joined["peer"], joined["role"]) == ("stage", "host", "moderator")
    assert json.loads(joined["data"]) == {"n": 1}
    assert claims_of(place.sign_in(joined["token"]))["role"] == "moderator"
    assert place.refusal({"key": key, "token": token, "room": "x"})[:2] == (403, "wrong-room")
    forged = make_token(key, "another secret of 32 characters and more")
    assert place.refusal({"key": key, "token": forged})[:2] == (401, "forged-token")
    late = jwt.encode({"iss": key, "exp": int(time.time()) - 600}, secret, "HS256")
    status, code, message = place.refusal({"key": key, "token": late})
    assert (status, code) == (401, "expired-token")
    assert "clock" in message
    required, required_secret = place.make_key(limits={"tokenRequired": True})
    assert place.refusal({"key": required})[:2] == (401, "token-required")
    assert place.join(required, token=make_token(required, required_secret))["role"] == "publisher"


def test_limits_of_the_key(place: Place) -> None:
    limits = {"role": "subscriber", "connect": "none", "capacity": 9, "sessionSeconds": 120}
    key, _ = place.make_key(limits=limits)
    joined = place.join(key)
    assert (joined["role"], joined["connect"], joined["capacity"]) == ("subscriber", "none", 9)
    assert joined["until"] <= time.time() + 120


# ---- who one is -------------------------------------------------------------------------------


def test_alias_key(place: Place) -> None:
    one, secret = place.make_key()
    other, _ = place.make_key()
    joined = place.join(one, peer="alice")
    # The realm is one: an id that came through one key is taken for the other.
    assert place.refusal({"key": other, "peer": "alice"})[:2] == (409, "unavailable-id")
    assert place.join(other, peer="bob")["realm"] == joined["realm"]
    # The secrets are two.
    foreign = {"key": other, "resume": joined["resume"]}
    assert place.refusal(foreign)[:2] == (401, "forged-token")
    assert place.refusal({"key": other, "token": make_token(one, secret)})[1] == "forged-token"


@pytest.mark.parametrize("peer", [None, "alice"])
def test_renewal_and_return(place: Place, peer: str | None) -> None:
    key, _ = place.make_key()
    joined = place.join(key, room="r", **({"peer": peer} if peer else {}))
    assert peer is None or joined["peer"] == peer
    renewed = place.join(key, resume=joined["resume"], session=joined["session"])
    assert (renewed["peer"], renewed["session"]) == (joined["peer"], joined["session"])
    assert renewed["room"] == "r"
    assert renewed["until"] >= joined["until"]
    # A lost answer costs nothing: the first resume token is still good.
    again = place.join(key, resume=joined["resume"], session=joined["session"])
    assert again["session"] == joined["session"]
    # After a crash the session is not known any more.
    back = place.join(key, resume=renewed["resume"])
    assert back["peer"] == joined["peer"]
    assert back["session"] != joined["session"]
    if peer:
        # The old session is not the holder's any more.
        stale = place.join(key, resume=renewed["resume"], session=joined["session"])
        assert stale["session"] not in (joined["session"], back["session"])


def test_random_ids_differ_and_cannot_be_chosen(place: Place) -> None:
    key, _ = place.make_key()
    peers = {place.join(key)["peer"] for _ in range(5)}
    assert len(peers) == 5
    assert place.refusal({"key": key, "peer": peers.pop()})[:2] == (400, "invalid-peer-id")


def test_resume_token_of_somebody_else(place: Place) -> None:
    key, _ = place.make_key()
    place.join(key, peer="alice")
    bob = place.join(key, peer="bob")
    wrong = {"key": key, "peer": "alice", "resume": bob["resume"]}
    assert place.refusal(wrong)[:2] == (401, "forged-token")


def test_id_is_free_when_its_session_is_over(place: Place) -> None:
    key, _ = place.make_key()
    first = place.join(key, peer="alice")
    held = place.database.document(f"realms/{place.realm}/ids/alice")
    held.update({"until": int(time.time()) - 1})
    second = place.join(key, peer="alice")
    assert second["session"] != first["session"]
    # The first holder comes too late, whatever it can prove.
    assert place.refusal({"key": key, "resume": first["resume"]})[:2] == (409, "unavailable-id")
    assert place.join(key, resume=second["resume"])["peer"] == "alice"


def test_no_secret_is_stored_where_it_could_be_used(place: Place) -> None:
    key, _ = place.make_key()
    joined = place.join(key, peer="alice")
    held = place.database.document(f"realms/{place.realm}/ids/alice").get().to_dict()
    assert held is not None
    assert set(held) == {"session", "until", "resumeHash", "key"}
    nonce = claims_of(joined["resume"])["jti"]
    assert nonce not in str(held)


def test_of_racing_joins_one_wins(place: Place) -> None:
    key, _ = place.make_key()
    for round_ in range(3):
        data = {"key": key, "peer": f"alice{round_}"}
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda _, data=data: place.post(data), range(6)))
        won = [answer for answer in answers if answer.status_code == 200]
        assert len(won) == 1, [answer.text for answer in answers]
        codes = {a.json()["error"]["details"]["code"] for a in answers if a.status_code != 200}
        assert codes == {"unavailable-id"}
        held = place.database.document(f"realms/{place.realm}/ids/alice{round_}").get()
        assert held.get("session") == won[0].json()["result"]["session"]


# ---- rooms ------------------------------------------------------------------------------------


def test_full_room(place: Place) -> None:
    key, _ = place.make_key()
    make_room(place, "r", peers=3)
    member = place.join(key, room="r", peer="late")
    make_room(place, "r", peers=4)
    assert place.refusal({"key": key, "room": "r"})[:2] == (429, "room-full")
    assert place.refusal({"key": key, "room": "r", "resume": member["resume"]})[1] == "room-full"
    # Who is in may come back, and renew.
    assert place.join(key, room="r", peer="peer2")["peer"] == "peer2"
    renewal = {"resume": member["resume"], "session": member["session"]}
    assert place.join(key, room="r", **renewal)["session"] == member["session"]


def test_ghosts_do_not_fill_a_room(place: Place) -> None:
    key, _ = place.make_key()
    make_room(place, "r", peers=4, lease_minutes=-1)
    assert place.join(key, room="r")["room"] == "r"


def test_locked_room(place: Place) -> None:
    key, _ = place.make_key()
    make_room(place, "r", peers=1, locked=True)
    assert place.refusal({"key": key, "room": "r"})[:2] == (403, "room-locked")
    assert place.refusal({"key": key, "room": "r", "peer": "new"})[:2] == (403, "room-locked")
    # The refused name was not taken.
    assert not place.database.document(f"realms/{place.realm}/ids/new").get().exists
    assert place.join(key, room="r", peer="peer0")["peer"] == "peer0"


# ---- what it costs ----------------------------------------------------------------------------


def test_what_is_found_in_a_room(place: Place) -> None:
    key, _ = place.make_key()
    assert place.join(key, room="fresh", find=True)["found"] == {"room": None, "offers": []}
    make_room(place, "found", connect="all", secret="not ours to tell")
    lease = datetime.now(UTC) + timedelta(minutes=10)
    offer = {"type": "offer", "sdp": "v=0"}
    calls = place.database.collection(f"realms/{place.realm}/rooms/found/calls")
    waiting = {"v": 1, "kind": "standing", "from": "ann", "to": "*", "offer": offer}
    calls.document("ann~s0").set(waiting | {"leaseUntil": lease, "shard": 1})
    calls.document("ann~bob~0").set(waiting | {"kind": "direct", "to": "bob", "leaseUntil": lease})
    # What JSON can't say, no client wrote.
    calls.document("eve~s0").set(waiting | {"metadata": b"bytes", "leaseUntil": lease})
    found = place.join(key, room="found", find=True)["found"]
    room, [told] = found["room"], found["offers"]
    assert room == {
        "connect": "all",
        "capacity": 4,
        "locked": False,
        "leaseUntil": pytest.approx(lease.timestamp(), abs=5),
    }
    assert told == {
        "id": "ann~s0",
        "fields": waiting | {"leaseUntil": pytest.approx(lease.timestamp(), abs=0.01)},
    }
    assert place.join(key, room="found")["found"] is None
    assert place.refusal({"key": key, "room": "found", "find": "yes"})[:2] == (400, "bad-request")


def test_a_locked_room_tells_nothing(place: Place) -> None:
    key, _ = place.make_key()
    make_room(place, "shut", locked=True)
    assert place.refusal({"key": key, "room": "shut", "find": True})[:2] == (403, "room-locked")


def test_usage_is_not_written_at_every_join(place: Place) -> None:
    key, _ = place.make_key()
    for _ in range(3):
        place.join(key)
    written = place.database.collection(f"realms/{place.realm}/usage").get()
    counted = sum((found.to_dict() or {}).get("joins", 0) for found in written)
    assert counted <= 3
    assert len(written) <= 1


def test_usage_adds_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    import usage

    monkeypatch.setattr(usage, "client", lambda: place.database)
    for _ in range(2):
        usage.count(place.realm, "joins")
    usage.count(place.realm, "renewals")
    usage.flush()
    usage.count(place.realm, "joins")
    usage.flush()
    usage.flush()
    written = place.database.collection(f"realms/{place.realm}/usage").get()
    totals = [found.to_dict() or {} for found in written]
    assert sum(total.get("joins", 0) for total in totals) == 3
    assert sum(total.get("renewals", 0) for total in totals) == 1
    day = time.strftime("%Y-%m-%d", time.gmtime())
    assert all(found.id.startswith(day) for found in written)
