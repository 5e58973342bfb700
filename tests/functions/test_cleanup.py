"""What goes when a peer or a room goes: delivered for real, and twice, late and out of order."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import cleanup
import pytest
import rooms
import usage
from cleanup import clean_after_peer, clean_after_room, delete_room_if_empty, delete_unchanged
from firebase_functions.firestore_fn import Event
from functions_place import Place
from google.cloud import firestore

S1, S2, S3 = "1" * 22, "2" * 22, "3" * 22


class Room:
    """A room's documents, written as an administrator."""

    def __init__(self, place: Place, database: firestore.Client, name: str = "r") -> None:
        """Create the room."""
        self.place, self.database, self.name = place, database, name
        self.path = f"realms/{place.realm}/rooms/{name}"
        self.document = database.document(self.path)
        self.create()

    def create(self) -> None:
        """Write the room's document."""
        self.document.set({"v": 1, "leaseUntil": _lease(), "shard": 0})

    def peer(self, peer: str, session: str) -> None:
        """Write a peer's document, a standing offer and a message, and its registration."""
        self.document.collection("peers").document(peer).set(
            {"session": session, "leaseUntil": _lease(), "shard": 0}
        )
        self.call(f"{peer}~s0", peer, session, "*", "")
        self.document.collection("messages").document(f"{peer}~m3").set(
            {"from": peer, "fromSession": session, "to": "*", "leaseUntil": _lease(), "shard": 1}
        )
        self.database.document(f"realms/{self.place.realm}/ids/{peer}").set(
            {"session": session, "until": int(time.time()) + 3600, "resumeHash": "h", "key": "k"}
        )

    def call(self, name: str, peer: str, session: str, to: str, to_session: str) -> None:
        """Write a call."""
        self.document.collection("calls").document(name).set(
            {
                "from": peer,
                "fromSession": session,
                "to": to,
                "toSession": to_session,
                "leaseUntil": _lease(),
                "shard": 2,
            }
        )

    def leave(self, peer: str, session: str) -> int:
        """What the trigger does for a peer."""
        realm = self.place.realm
        return clean_after_peer(self.database, realm, self.name, peer, session)

    def left(self) -> set[str]:
        """What is there: paths below the room, registrations as ``ids/…``, the room as ``room``."""
        found = {
            f"{group}/{document.id}"
            for group in ("peers", "calls", "messages", "removed")
            for document in self.document.collection(group).list_documents()
        }
        ids = self.database.collection(f"realms/{self.place.realm}/ids").list_documents()
        found |= {f"ids/{document.id}" for document in ids}
        return found | ({"room"} if self.document.get().exists else set())


@pytest.fixture
def room(place: Place) -> Room:
    """A room without peers, where no trigger watches."""
    return Room(place, place.aside)


def _lease() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=10)


def _until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the triggers did not clean up in time"
        time.sleep(0.1)


# ---- delivered by the emulator ----------------------------------------------------------------


@pytest.mark.parametrize("names", [("room", "alice"), ("a%20room%25", "Zo%C3%AB%2F")])
def test_triggers_are_delivered(place: Place, names: tuple[str, str]) -> None:
    room = Room(place, place.database, names[0])
    room.peer(names[1], S1)
    room.peer("bob", S2)
    room.call(f"bob~{names[1]}~0", "bob", S2, names[1], S1)
    room.document.collection("peers").document(names[1]).delete()
    bobs = {"peers/bob", "calls/bob~s0", "messages/bob~m3", "ids/bob", "room"}
    _until(lambda: room.left() == bobs)
    # The last one out takes the room along, but not who was put out of it.
    room.document.collection("removed").document("x").set({"by": "bob", "shard": 1})
    room.document.collection("peers").document("bob").delete()
    _until(lambda: room.left() == {"removed/x"})


# ---- a peer -----------------------------------------------------------------------------------


def test_twice(room: Room) -> None:
    room.peer("alice", S1)
    room.peer("bob", S2)
    room.call("bob~alice~1", "bob", S2, "alice", S1)
    room.document.collection("peers").document("alice").delete()
    assert room.leave("alice", S1) == 4
    before = room.left()
    assert room.leave("alice", S1) == 0
    assert (
        room.left()
        == before
        == {*("peers/bob", "calls/bob~s0", "messages/bob~m3", "ids/bob", "room")}
    )


def test_late_after_the_peer_came_back(room: Room) -> None:
    room.peer("alice", S1)
    room.call("alice~bob~0", "alice", S1, "bob", S3)
    room.call("bob~alice~0", "bob", S3, "alice", S1)
    # Back in a new session: its own documents replace the old ones, but for two calls.
    room.peer("alice", S2)
    room.call("bob~alice~1", "bob", S3, "alice", S2)
    before = room.left()
    assert room.leave("alice", S1) == 2
    assert room.left() == before - {"calls/alice~bob~0", "calls/bob~alice~0"}
    assert room.leave("alice", S1) == 0


def test_peers_with_similar_ids(room: Room) -> None:
    # The range of names must hold one sender's slots and no other's.
    for peer in ("a", "a-", "a%7E", "a0", "aa", "aZ", "a_", "b"):
        room.peer(peer, S1)
    assert room.leave("a", S1) == 3
    assert {name for name in room.left() if name.startswith(("calls/a~", "messages/a~"))} == set()
    assert len(room.left()) == 8 * 4 - 3 + 1


def test_many_documents_are_paged(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanup, "PAGE_DOCUMENTS", 7)
    for number in range(30):
        # Every third is of a later session and stays.
        session = S2 if number % 3 == 0 else S1
        room.call(f"alice~p{number:02}~0", "alice", session, f"p{number:02}", S3)
    assert room.leave("alice", S1) == 20
    assert len([name for name in room.left() if name.startswith("calls/")]) == 10


def test_room_stays_while_somebody_is_in(room: Room) -> None:
    room.peer("alice", S1)
    room.leave("bob", S2)
    assert "room" in room.left()
    room.document.collection("peers").document("alice").delete()
    room.leave("alice", S1)
    assert room.left() == set()


def test_late_event_spares_a_new_room_of_the_same_name(room: Room) -> None:
    room.peer("alice", S1)
    joined_at = room.document.collection("peers").document("alice").get().create_time
    room.document.collection("peers").document("alice").delete()
    room.document.delete()
    time.sleep(0.01)
    room.create()
    database, realm = room.database, room.place.realm
    clean_after_peer(database, realm, "r", "alice", S1, joined_at)
    assert room.left() == {"room"}
    assert not delete_room_if_empty(database, room.document, joined_at)
    assert delete_room_if_empty(database, room.document)
    assert not delete_room_if_empty(database, room.document)


def test_registration_of_another_session_stays(room: Room) -> None:
    room.peer("alice", S2)
    room.leave("alice", S1)
    assert "ids/alice" in room.left()


def test_what_changed_since_it_was_read_stays(room: Room) -> None:
    for number in range(3):
        room.call(f"a~b~{number}", "a", S1, "b", S2)
    read = room.document.collection("calls").get()
    room.call("a~b~1", "a", S2, "b", S2)
    room.document.collection("calls").document("a~b~2").delete()
    assert delete_unchanged(room.database, read) == 1
    assert room.left() == {"calls/a~b~1", "room"}
    assert delete_unchanged(room.database, []) == 0


# ---- a room -----------------------------------------------------------------------------------


def test_room_twice(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanup, "PAGE_DOCUMENTS", 4)
    for number in range(9):
        room.peer(f"p{number}", S1)
    room.document.delete()
    database, realm = room.database, room.place.realm
    assert clean_after_room(database, realm, "r") == 27
    assert clean_after_room(database, realm, "r") == 0
    assert {name.split("/")[0] for name in room.left()} == {"ids"}


def test_late_event_spares_who_is_in_the_new_room(room: Room) -> None:
    room.peer("ghost", S1)
    room.document.delete()
    time.sleep(0.01)
    batch = room.database.batch()
    batch.set(room.document, {"v": 1, "leaseUntil": _lease(), "shard": 0})
    # In the same commit as the room, as clients do.
    alice = room.document.collection("peers").document("alice")
    batch.set(alice, {"session": S2, "leaseUntil": _lease(), "shard": 0})
    batch.commit()
    room.call("alice~s0", "alice", S2, "*", "")
    assert clean_after_room(room.database, room.place.realm, "r") == 3
    assert room.left() == {"room", "peers/alice", "calls/alice~s0", "ids/ghost"}


# ---- the handlers themselves ------------------------------------------------------------------


def _event(place: Place, document: str, params: dict[str, str], data: Any) -> Event[Any]:
    """An event as the library hands it to a handler."""
    return Event(
        specversion="1.0",
        id="same-id",
        source="//firestore.googleapis.com/",
        type="google.cloud.firestore.document.v1.deleted",
        time=datetime.now(UTC),
        data=data,
        subject=f"documents/{document}",
        location="nam5",
        project=place.project,
        database="(default)",
        namespace="(default)",
        document=document,
        params=params,
    )


def test_handlers(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    place = room.place
    for module in (rooms, usage):
        monkeypatch.setattr(module, "client", lambda: place.aside)
    room.peer("alice", S1)
    alice = room.document.collection("peers").document("alice")
    before = alice.get()
    alice.delete()
    params = {"realm": place.realm, "room": "r", "peer": "alice"}
    event = _event(place, f"{room.path}/peers/alice", params, before)
    for _ in range(2):
        inspect.unwrap(rooms.peer_deleted)(event)
        assert room.left() == set()
    closed = _event(place, room.path, {"realm": place.realm, "room": "r"}, None)
    inspect.unwrap(rooms.room_deleted)(closed)
    # An event without the document's old content, or with a broken one, deletes nothing.
    room.create()
    room.peer("alice", S1)
    all_of_it = room.left()
    inspect.unwrap(rooms.peer_deleted)(_event(place, f"{room.path}/peers/alice", params, None))
    broken = firestore.DocumentSnapshot(alice, {"session": 7}, True, None, None, None)
    inspect.unwrap(rooms.peer_deleted)(_event(place, f"{room.path}/peers/alice", params, broken))
    assert room.left() == all_of_it
    usage.flush()
