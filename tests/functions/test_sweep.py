"""The sweep, with a time of the test's choice, and the accounts of peers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import cleanup
import httpx
import pytest
import schema
from accounts import IDLE_DAYS, sweep_accounts
from database import admin_app
from firebase_admin import auth  # type: ignore[import-untyped]  # it ships no types
from functions_place import Place
from google.cloud import firestore
from sweep import LEASED, leased_query, sweep

NOW = datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC)
GONE = NOW - timedelta(seconds=1)
LIVE = NOW + timedelta(seconds=1)


@pytest.fixture(autouse=True)
def swept_before_and_after(place: Place) -> Iterator[None]:
    """Begin without what an interrupted run left."""
    sweep(place.aside, LIVE + timedelta(days=1))
    yield
    sweep(place.aside, LIVE + timedelta(days=1))


def put(place: Place, path: str, lease: datetime, shard: int = 0) -> firestore.DocumentReference:
    """Write a document with a lease into the realm."""
    reference = place.aside.document(f"realms/{place.realm}/{path}")
    reference.set({"leaseUntil": lease, "shard": shard, "session": "s" * 22})
    return reference


def paths(place: Place) -> set[str]:
    """Everything in the realm, but for usage."""
    found: set[str] = set()
    waiting = [place.aside.document(f"realms/{place.realm}")]
    while waiting:
        for collection in waiting.pop().collections():
            for reference in collection.list_documents():
                waiting.append(reference)
                if reference.get().exists:
                    found.add(reference.path.removeprefix(f"realms/{place.realm}/"))
    return found


def test_each_kind_goes_when_its_lease_has_passed(place: Place) -> None:
    kinds = ["calls/{}", "callers/{}", "rooms/r/messages/{}", "rooms/r/removed/{}"]
    kinds += ["rooms/r/calls/{}", "rooms/r/peers/{}"]
    put(place, "rooms/r", LIVE)
    for shard, kind in enumerate(kinds):
        put(place, kind.format("gone"), GONE, shard)
        put(place, kind.format("edge"), NOW, shard)
        put(place, kind.format("live"), LIVE, shard)
    swept = sweep(place.aside, NOW)
    assert swept.documents == {"calls": 2, "callers": 1, "messages": 1, "removed": 1, "peers": 1}
    stay = {kind.format(name) for kind in kinds for name in ("edge", "live")}
    assert paths(place) == stay | {"rooms/r"}
    assert sweep(place.aside, NOW).total == 0


def test_every_shard(place: Place) -> None:
    for shard in range(schema.SHARDS):
        put(place, f"calls/c{shard}", GONE, shard)
    assert sweep(place.aside, NOW).documents == {"calls": schema.SHARDS}


def test_pages(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanup, "PAGE_DOCUMENTS", 10)
    batch = place.aside.batch()
    for number in range(47):
        # Many with the very same lease: a page must not end in the middle of equals.
        path = f"realms/{place.realm}/calls/c{number}"
        batch.set(place.aside.document(path), {"leaseUntil": GONE, "shard": 3})
    batch.commit()
    assert sweep(place.aside, NOW).documents == {"calls": 47}
    assert paths(place) == set()


def test_room_goes_with_its_last_peer(place: Place) -> None:
    put(place, "rooms/empty", LIVE)
    put(place, "rooms/empty/peers/a", GONE)
    put(place, "rooms/empty/messages/b", LIVE)
    put(place, "rooms/empty/removed/b", LIVE)
    put(place, "rooms/half/peers/a", GONE)
    put(place, "rooms/half/peers/b", LIVE)
    put(place, "rooms/half", LIVE)
    put(place, "rooms/waiting", LIVE)
    swept = sweep(place.aside, NOW)
    assert swept.documents["peers"] == 2
    assert swept.documents["rooms"] == 1
    assert swept.documents["contents"] == 1
    stays = {"rooms/half", "rooms/half/peers/b", "rooms/waiting"}
    assert paths(place) == {*stays, "rooms/empty/removed/b"}


def test_removals_go_with_a_room_of_an_open_realm(place: Place) -> None:
    place.aside.document(f"realms/{place.realm}").set({"open": True, "limits": {}})
    put(place, "rooms/empty", LIVE)
    put(place, "rooms/empty/peers/a", GONE)
    put(place, "rooms/empty/removed/b", LIVE)
    assert sweep(place.aside, NOW).documents["contents"] == 1
    assert paths(place) == set()


def test_room_past_its_lease(place: Place) -> None:
    put(place, "rooms/over", GONE)
    put(place, "rooms/over/calls/x", LIVE)
    put(place, "rooms/used", GONE)
    put(place, "rooms/used/peers/a", LIVE)
    sweep(place.aside, NOW)
    assert paths(place) == {"rooms/used", "rooms/used/peers/a"}


def test_registrations(place: Place) -> None:
    ids = place.aside.collection(f"realms/{place.realm}/ids")
    for name, until in (("gone", -1), ("edge", 0), ("live", 1)):
        ids.document(name).set({"until": int(NOW.timestamp()) + until, "session": "s" * 22})
    assert sweep(place.aside, NOW).documents == {"ids": 1}
    assert paths(place) == {"ids/edge", "ids/live"}


def test_renewed_in_the_meantime(place: Place) -> None:
    call = put(place, "calls/c", GONE)
    read = leased_query(place.aside, "calls", 0, NOW).get()
    assert [found.reference.path for found in read] == [call.path]
    put(place, "calls/c", LIVE)
    assert cleanup.delete_unchanged(place.aside, read) == 0
    assert sweep(place.aside, NOW).total == 0
    assert paths(place) == {"calls/c"}


def test_documents_of_another_app_stay(place: Place) -> None:
    foreign = place.aside.document(f"hosts/{place.realm}/calls/c")
    foreign.set({"leaseUntil": GONE, "shard": 0})
    unmarked = place.aside.document(f"realms/{place.realm}/calls/c")
    unmarked.set({"createdAt": GONE})
    assert sweep(place.aside, NOW).total == 0
    assert foreign.get().exists
    assert unmarked.get().exists
    foreign.delete()
    unmarked.delete()


def test_what_is_leased() -> None:
    assert LEASED[0] == schema.PEERS
    assert set(schema.ROOM_CHILDREN) < set(LEASED)


def test_scheduled_functions_run(place: Place) -> None:
    # The emulator has no scheduler, but answers for one.
    call = place.database.document(f"realms/{place.realm}/calls/c")
    call.set({"leaseUntil": GONE, "shard": 0})
    for name in ("delete_expired", "delete_idle_accounts"):
        response = httpx.post(f"{place.functions}/{name}-0", json={}, timeout=30)
        assert response.status_code == 200, response.text
    assert not call.get().exists


# ---- accounts ---------------------------------------------------------------------------------


def test_idle_accounts(place: Place) -> None:
    key, _ = place.make_key()
    for _ in range(2):
        place.sign_in(place.join(key)["token"])
    with_mail = auth.create_user(
        uid=f"{place.realm}:mail", email=f"{place.realm}@example.com", app=admin_app()
    ).uid
    own = auth.create_user(uid=f"{place.realm}-own", app=admin_app()).uid

    def mine(uid: str) -> bool:
        return uid.startswith(place.realm)

    now = datetime.now(UTC)
    assert sweep_accounts(now, mine) == 0
    assert sweep_accounts(now + timedelta(days=IDLE_DAYS - 1), mine) == 0
    assert sweep_accounts(now + timedelta(days=IDLE_DAYS, minutes=1), mine) == 2
    assert sweep_accounts(now + timedelta(days=IDLE_DAYS, minutes=1), mine) == 0
    for uid in (with_mail, own):
        assert auth.get_user(uid, admin_app()).uid == uid
        auth.delete_user(uid, admin_app())


def test_account_in_use_stays(place: Place) -> None:
    key, _ = place.make_key()
    joined = place.join(key)
    answer = httpx.post(
        f"http://{place.auth}/identitytoolkit.googleapis.com/v1/accounts:signInWithCustomToken",
        params={"key": "any"},
        json={"token": joined["token"], "returnSecureToken": True},
    ).json()
    time.sleep(1.1)
    refreshed = httpx.post(
        f"http://{place.auth}/securetoken.googleapis.com/v1/token",
        params={"key": "any"},
        json={"grantType": "refresh_token", "refreshToken": answer["refreshToken"]},
    )
    assert refreshed.status_code == 200, refreshed.text
    user = auth.get_user(f"{place.realm}:{joined['peer']}", admin_app())
    seen = max(
        user.user_metadata.last_refresh_timestamp or 0, user.user_metadata.last_sign_in_timestamp
    )
    month = timedelta(days=IDLE_DAYS)
    last = datetime.fromtimestamp(seen / 1000, UTC)

    def mine(uid: str) -> bool:
        return uid.startswith(place.realm)

    assert sweep_accounts(last + month, mine) == 0
    assert sweep_accounts(last + month + timedelta(seconds=1), mine) == 1
