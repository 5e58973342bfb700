"""``console``: who may ask, what is checked, what is done, and what never leaves."""

from __future__ import annotations

import inspect
import json
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import console
import httpx
import pytest
from consoleform import Refusal, read_limits, read_new_realm, read_origins
from firebase_functions import https_fn, logger
from flask import Request
from functions_place import Place
from google.cloud import firestore
from werkzeug.test import EnvironBuilder

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Owners:
    """Accounts, and what they ask over HTTP."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._auth = f"http://{place.auth}/identitytoolkit.googleapis.com/v1"

    def account(self) -> tuple[str, str, str]:
        """A new account: uid, e-mail, password."""
        email, password = f"{secrets.token_hex(6)}@example.com", secrets.token_urlsafe(12)
        body = {"email": email, "password": password, "returnSecureToken": True}
        made = httpx.post(f"{self._auth}/accounts:signUp", params={"key": "any"}, json=body)
        assert made.status_code == 200, made.text
        return made.json()["localId"], email, password

    def set_claims(self, uid: str, **claims: Any) -> None:
        """What ``firertc admin`` does."""
        answer = httpx.post(
            f"{self._auth}/projects/{self.place.project}/accounts:update",
            headers={"Authorization": "Bearer owner"},
            json={"localId": uid, "customAttributes": json.dumps(claims)},
        )
        assert answer.status_code == 200, answer.text

    def token(self, email: str, password: str) -> str:
        """Sign in."""
        answer = httpx.post(
            f"{self._auth}/accounts:signInWithPassword",
            params={"key": "any"},
            json={"email": email, "password": password, "returnSecureToken": True},
        )
        token: str = answer.json()["idToken"]
        return token

    def admin(self) -> tuple[str, str]:
        """An account with the claim: uid and ID token."""
        uid, email, password = self.account()
        self.set_claims(uid, admin=True)
        return uid, self.token(email, password)

    def post(self, token: str | None, data: Any) -> httpx.Response:
        """Call ``console``."""
        return httpx.post(
            f"{self.place.functions}/console",
            json={"data": data},
            headers={} if token is None else {"Authorization": f"Bearer {token}"},
            timeout=60,
        )

    def refusal(self, token: str | None, data: Any) -> tuple[int, str]:
        """Be refused: HTTP status and code."""
        answer = self.post(token, data)
        error = answer.json().get("error")
        assert error is not None, answer.text
        return answer.status_code, (error.get("details") or {}).get("code", error["status"])

    def ask(self, token: str, action: str, **fields: Any) -> dict[str, Any]:
        """Ask, and be answered."""
        answer = self.post(token, {"action": action, **fields})
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()["result"]
        return result


@pytest.fixture
def owners(place: Place) -> Owners:
    """Accounts of the project."""
    return Owners(place)


class Desk:
    """The console's answers in this process, and its log."""

    def __init__(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        self.database = place.database
        self.realm = place.realm
        self.log: list[dict[str, Any]] = []
        monkeypatch.setattr(
            logger, "info", lambda text, **fields: self.log.append({"text": text, **fields})
        )

    def ask(self, action: str, **fields: Any) -> dict[str, Any]:
        """As an owner whose rights have been checked."""
        return console.answer(self.database, "owner", {"action": action, **fields}, NOW)

    def refused(self, action: str, **fields: Any) -> Refusal:
        """Be refused."""
        with pytest.raises(Refusal) as refusal:
            self.ask(action, **fields)
        refusal.value.to_https()
        return refusal.value

    def stored(self, key: str) -> dict[str, Any]:
        """A key's document."""
        return self.database.document(f"keys/{key}").get().to_dict() or {}


@pytest.fixture
def desk(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A realm of the test's own, made by the console."""
    made = Desk(place, monkeypatch)
    made.ask("make-realm", name=place.realm)
    yield made


# ---- who may ask ------------------------------------------------------------------------------


def test_who_may_ask(owners: Owners) -> None:
    data = {"action": "list-keys", "realm": owners.place.realm}
    assert owners.refusal(None, data) == (401, "sign-in-required")
    assert owners.refusal("forged", data)[0] == 401

    uid, email, password = owners.account()
    before = owners.token(email, password)
    assert owners.refusal(before, data) == (403, "admin-only")
    for almost in ("true", 1, None, False):
        owners.set_claims(uid, admin=almost)
        assert owners.refusal(owners.token(email, password), data) == (403, "admin-only")

    owners.set_claims(uid, admin=True)
    assert owners.refusal(before, data) == (403, "admin-only")
    token = owners.token(email, password)
    answer = owners.ask(token, "list-keys", realm=owners.place.realm)
    assert answer["keys"] == []
    assert abs(answer["now"] / 1000 - time.time()) < 60

    # Taken away: the token says it for an hour yet, the account doesn't.
    owners.set_claims(uid)
    assert owners.refusal(token, data) == (403, "admin-only")


def test_a_peer_of_a_realm_is_no_owner(owners: Owners) -> None:
    key, _ = owners.place.make_key()
    token = owners.place.sign_in(owners.place.join(key)["token"])
    for action in console.ACTIONS:
        assert owners.refusal(token, {"action": action, "key": key}) == (403, "admin-only")


@pytest.mark.parametrize(
    ("setting", "code"), [("true", "app-check-required"), ("maybe", "misconfigured")]
)
def test_app_check_is_asked_for(
    place: Place, monkeypatch: pytest.MonkeyPatch, setting: str, code: str
) -> None:
    monkeypatch.setenv("FIRERTC_REQUIRE_APP_CHECK", setting)
    data = {"action": "list-keys", "realm": place.realm}
    environ = EnvironBuilder(method="POST", json={"data": data}).get_environ()
    request = https_fn.CallableRequest(data=data, raw_request=Request(environ))
    with pytest.raises(https_fn.HttpsError) as refusal:
        inspect.unwrap(console.console)(request)
    assert refusal.value.details == {"code": code}


def test_a_key_by_the_console_lets_in(owners: Owners) -> None:
    place = owners.place
    _, token = owners.admin()
    owners.ask(token, "make-realm", name=place.realm)
    made = owners.ask(token, "make-key", realm=place.realm, programs=True, label="door")
    key = made["key"]["key"]
    assert place.join(key)["realm"] == place.realm
    owners.ask(token, "change-key", key=key, disabled=True)
    assert place.refusal({"key": key})[:2] == (403, "disabled-key")
    owners.ask(token, "change-key", key=key, disabled=False, limits={"role": "subscriber"})
    assert place.join(key)["role"] == "subscriber"
    owners.ask(token, "delete-key", key=key)
    assert place.refusal({"key": key})[:2] == (403, "unknown-key")


# ---- keys -------------------------------------------------------------------------------------


def test_a_secret_leaves_only_when_asked_for(desk: Desk) -> None:
    made = desk.ask("make-key", realm=desk.realm, origins=["https://App.example.com/"])
    key, secret = made["key"]["key"], made["secret"]
    assert len(secret) >= 43
    assert desk.stored(key)["secret"] == secret
    assert made["key"]["origins"] == ["https://app.example.com"]
    assert made["key"]["programs"] is False
    quiet = [
        desk.ask("list-keys", realm=desk.realm),
        desk.ask("change-key", key=key, label="mine", programs=True),
        desk.ask("make-alias", key=key, programs=True)["key"],
        desk.log,
    ]
    assert secret not in json.dumps(quiet)
    assert desk.ask("show-secret", key=key) == {"key": key, "secret": secret}
    assert desk.log[-1] == {"text": "console", "action": "show-secret", "uid": "owner", "key": key}
    fresh = desk.ask("replace-secret", key=key)["secret"]
    assert fresh != secret
    assert desk.stored(key)["secret"] == fresh
    assert {secret, fresh}.isdisjoint(str(desk.log).split("'"))


def test_an_alias_is_no_way_around_limits(desk: Desk) -> None:
    limits = {"role": "subscriber", "capacity": 4}
    key = desk.ask("make-key", realm=desk.realm, programs=True, limits=limits)["key"]["key"]
    alias = desk.ask("make-alias", key=key, origins=["https://b.example.com"])
    assert alias["key"]["limits"] == limits
    assert alias["key"]["realm"] == desk.realm
    assert alias["secret"] != desk.stored(key)["secret"]
    found = desk.ask("list-keys", realm=desk.realm)["keys"]
    assert [one["key"] for one in found] == [key, alias["key"]["key"]]
    assert all(one["createdAt"] for one in found)


def test_changes_of_a_key(desk: Desk) -> None:
    key = desk.ask("make-key", realm=desk.realm, programs=True, limits={"capacity": 4})["key"][
        "key"
    ]
    before = desk.stored(key)
    desk.ask("change-key", key=key, limits={"sessionSeconds": 600, "role": None})
    assert desk.stored(key) == {**before, "limits": {"sessionSeconds": 600}}
    assert "Nobody could use" in desk.refused("change-key", key=key, programs=False).message
    desk.ask("change-key", key=key, programs=False, origins=["http://localhost:*"])
    assert desk.refused("change-key", key=key).code == "bad-request"
    assert desk.refused("change-key", key=key, origins=[]).code == "bad-request"
    assert desk.refused("change-key", key=key, realm="x", secret="y").code == "bad-request"
    desk.ask("delete-key", key=key)
    for action in ("change-key", "delete-key", "show-secret", "replace-secret", "make-alias"):
        assert desk.refused(action, key=key, disabled=True, programs=True).code == "unknown-key"
    assert not desk.database.document(f"keys/{key}").get().exists


def test_what_is_no_key_is_not_repeated(desk: Desk) -> None:
    given = "a secret / put where the key belongs"
    refusal = desk.refused("show-secret", key=given)
    assert refusal.code == "unknown-key"
    assert given not in refusal.message


@pytest.mark.parametrize("label", ["<script>alert(1)</script>", "“Łabel” 😀", ""])
def test_labels_stay_what_they_are(desk: Desk, label: str) -> None:
    made = desk.ask("make-key", realm=desk.realm, programs=True, label=label)
    assert made["key"]["label"] == desk.stored(made["key"]["key"])["label"] == label


@pytest.mark.parametrize(
    "fields",
    [
        {"origins": []},
        {"origins": "https://example.com"},
        {"origins": [1]},
        {"origins": ["https://x.example"] * 1 + [f"https://{n}.example" for n in range(100)]},
        {"programs": "yes"},
        {"programs": True, "label": "two\nlines"},
        {"programs": True, "label": "x" * 201},
        {"programs": True, "label": 7},
        {"programs": True, "limits": []},
        {"programs": True, "realm": "no such realm"},
        {"programs": True, "realm": "../keys"},
        {"programs": True, "realm": None},
    ],
)
def test_keys_that_make_no_sense(desk: Desk, fields: dict[str, Any]) -> None:
    refusal = desk.refused("make-key", **{"realm": desk.realm, "programs": False, **fields})
    assert refusal.code == "bad-request"
    assert desk.ask("list-keys", realm=desk.realm) == {"keys": []}


def test_a_key_to_no_realm(desk: Desk) -> None:
    refusal = desk.refused("make-key", realm="nowhere-at-all", programs=True)
    assert refusal.code == "unknown-realm"


@pytest.mark.parametrize(
    "text",
    ["", "example.com", "ftp://example.com", "https://example.com/path", "https://*.com",
     "https://*.a..example.com", "https://example.com:*", "https://example.com:0",
     "https://example.com:70000", "https://münchen.example", "null", "https://user@example.com"],
)  # fmt: skip
def test_origins_that_match_nothing(text: str) -> None:
    with pytest.raises(Refusal, match=r"origin|wide|port"):
        read_origins([text])


def test_origins_as_they_are_compared() -> None:
    given = ["HTTPS://Example.com/", "https://example.com", "http://localhost:*", " * "]
    assert read_origins(given) == ["https://example.com", "http://localhost:*", "*"]


@pytest.mark.parametrize(
    "limits",
    [{"capacity": 1}, {"capacity": 1001}, {"capacity": True}, {"capacity": 2.5},
     {"capacity": "4"}, {"capacity": float("nan")}, {"sessionSeconds": 59},
     {"sessionSeconds": 3601}, {"role": "king"}, {"role": []}, {"connect": "some"},
     {"tokenRequired": "true"}, {"other": 1}],
)  # fmt: skip
def test_limits_that_make_no_sense(limits: dict[str, Any]) -> None:
    with pytest.raises(Refusal, match="limit"):
        read_limits(limits)


def test_limits_from_javascript() -> None:
    given = {"capacity": 4.0, "tokenRequired": True, "role": None, "connect": "none"}
    assert read_limits(given) == {"capacity": 4, "tokenRequired": True, "connect": "none"}


# ---- realms -----------------------------------------------------------------------------------


def test_realms(desk: Desk) -> None:
    place = desk.database.document(f"realms/{desk.realm}")
    assert place.get().to_dict() == {"open": False, "limits": {}}
    assert desk.refused("make-realm", name=desk.realm, open=True).code == "realm-exists"
    desk.ask("change-realm", realm=desk.realm, open=True)
    assert place.get().to_dict() == {"open": True, "limits": {}}
    assert desk.refused("change-realm", realm=desk.realm, open=1).code == "bad-request"
    assert desk.refused("change-realm", realm="nowhere-at-all", open=True).code == "unknown-realm"
    for name in ("", "ä" * 20, "\ud800", "x" * 33, 5):
        assert desk.refused("make-realm", name=name).code == "bad-request"
    assert read_new_realm({"name": "__a__"}) == "%5F_a__"
    assert read_new_realm({"name": "mein Büro"}) == "mein%20B%C3%BCro"


# ---- rooms ------------------------------------------------------------------------------------


def room_with_peers(desk: Desk, *peers: str) -> firestore.DocumentReference:
    """A room, and who is in it."""
    room = desk.database.document(f"realms/{desk.realm}/rooms/lobby")
    room.set({"locked": False, "capacity": 8, "leaseUntil": NOW + timedelta(days=999)})
    for peer in peers:
        room.collection("peers").document(peer).set({"session": f"{peer}-session"})
        room.collection("calls").document(f"{peer}~s0").set({"from": peer})
        room.collection("messages").document(f"{peer}~m0").set({"from": peer})
    return room


def test_locking(desk: Desk) -> None:
    room = room_with_peers(desk, "ada")
    for locked in (True, False):
        desk.ask("lock-room", realm=desk.realm, room="lobby", locked=locked)
        assert room.get().get("locked") is locked
    assert room.get().get("capacity") == 8
    assert desk.refused("lock-room", realm=desk.realm, room="x", locked=True).code == "unknown-room"
    assert not desk.database.document(f"realms/{desk.realm}/rooms/x").get().exists


def test_closing(desk: Desk) -> None:
    room = room_with_peers(desk, "ada", "bob")
    assert desk.ask("close-room", realm=desk.realm, room="lobby")["deleted"] >= 1
    assert not room.get().exists
    left = [name for name in ("peers", "calls", "messages") if room.collection(name).get()]
    assert left == []
    assert desk.refused("close-room", realm=desk.realm, room="lobby").code == "unknown-room"


def test_putting_out(desk: Desk) -> None:
    room = room_with_peers(desk, "ada", "bob")
    desk.ask("remove-peer", realm=desk.realm, room="lobby", peer="ada", reason="noise")
    assert [peer.id for peer in room.collection("peers").get()] == ["bob"]
    removed = room.collection("removed").document("ada").get().to_dict() or {}
    assert (removed["by"], removed["reason"]) == ("*", "noise")
    assert removed["leaseUntil"] == NOW + timedelta(hours=24)
    assert set(removed) == {"by", "reason", "at", "leaseUntil", "shard"}
    again = desk.refused("remove-peer", realm=desk.realm, room="lobby", peer="ada")
    assert again.code == "unknown-peer"
    assert desk.log[-1]["peer"] == "ada"
    assert "noise" not in str(desk.log)


@pytest.mark.parametrize(
    "fields",
    [{"room": "a/b"}, {"room": ".."}, {"room": ""}, {"room": "__x__"}, {"room": "x" * 129},
     {"room": None}, {"realm": "a/b"}, {"peer": "a~b"}, {"peer": "a/b/c"}],
)  # fmt: skip
def test_ids_that_are_none(desk: Desk, fields: dict[str, Any]) -> None:
    named = {"realm": desk.realm, "room": "lobby", "peer": "ada", **fields}
    assert desk.refused("remove-peer", **named).code == "bad-request"


@pytest.mark.parametrize("data", [None, [], "list-keys", {}, {"action": None}, {"action": "x"}])
def test_requests_that_are_none(desk: Desk, data: Any) -> None:
    with pytest.raises(Refusal, match="'action' must be one of"):
        console.answer(desk.database, "owner", data, NOW)
