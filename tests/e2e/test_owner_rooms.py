"""The project's owner: rooms, and the sweep beside the functions' own."""

from __future__ import annotations

import asyncio
import json
import os
import random
import secrets
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.firestore import Client as Firestore

from firertc import Client, load_config
from firertc.owner import Unknown, close_room, connect, list_rooms, server_time, show_room, sweep
from firertc.owner import documents as owner_documents
from firertc.owner.documents import delete_unchanged
from firertc.owner.sweeping import LEASED, leased_query, registrations_query
from firertc.suite import LocalSuite, Seeds

ROOT = Path(__file__).resolve().parents[2]
FIRERTC = Path(sys.executable).with_name("firertc")
SDP = "v=0\r\na=candidate:1 1 udp 1 192.0.2.7 5000 typ host"
NOW = datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def own(suite: LocalSuite, monkeypatch: pytest.MonkeyPatch) -> Iterator[Firestore]:
    """A database of the test's own, which no trigger watches; the commands use it, too."""
    name = f"db-{secrets.token_hex(6)}"
    monkeypatch.setenv("FIRERTC_DATABASE", name)
    monkeypatch.delenv("FIRERTC_REALM")
    with connect(load_config()) as database:
        yield database


def firertc(*arguments: str, answer: str = "", expect: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the command as a process."""
    done = subprocess.run(
        [FIRERTC, *arguments], input=answer, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == expect, done.stderr
    assert "Traceback" not in done.stderr
    return done


def put(database: Firestore, path: str, lease: Any = None, **fields: Any) -> None:
    """Write a document below ``realms``."""
    until = lease if lease is not None else datetime.now(UTC) + timedelta(hours=1)
    database.document(f"realms/{path}").set({"leaseUntil": until, "shard": 0, **fields})


def paths(database: Firestore) -> set[str]:
    """Every document there is."""
    found: set[str] = set()
    waiting: list[Any] = [database]
    while waiting:
        for collection in waiting.pop().collections():
            for reference in collection.list_documents():
                waiting.append(reference)
                if reference.get().exists:
                    found.add(reference.path)
    return found


# ---- rooms ------------------------------------------------------------------------------------


async def test_a_room_in_use(realm: Seeds, admin_sync: Firestore) -> None:
    config = load_config({"key": realm.key})
    name, who = "café \x1b[31m", "Ann\x1b]0;\x07\u202e"
    async with Client(config) as ann, Client(config) as bob:
        room = await ann.enter(name, peer=who)
        await bob.enter(name, peer="bob")
        await asyncio.to_thread(look_at, realm.realm, name, who)
        done = await asyncio.to_thread(
            firertc, "rooms", "close", name, "--realm", realm.realm, "--yes", "--json"
        )
        # The room and two peers; the function that a room's deletion triggers may be faster.
        assert 1 <= json.loads(done.stdout)["deleted"] <= 3
        left = {path for path in paths(admin_sync) if path.startswith(f"realms/{realm.realm}/")}
        assert not {path for path in left if "/rooms/" in path}
        assert room.path not in left


def look_at(realm: str, name: str, who: str) -> None:
    """List and show a room with two in it, whose names would command a terminal."""
    (listed,) = json.loads(firertc("rooms", "list", realm, "--json").stdout)
    assert (listed["realm"], listed["name"], listed["present"]) == (realm, name, 2)
    assert (listed["locked"], listed["connect"]) == (False, "none")
    shown = json.loads(firertc("rooms", "show", name, "--realm", realm, "--json").stdout)
    assert {peer["name"] for peer in shown["peers"]} == {who, "bob"}
    assert all(peer["present"] and peer["role"] == "publisher" for peer in shown["peers"])
    for arguments in (["rooms", "list"], ["rooms", "show", name, "--realm", realm]):
        text = firertc(*arguments).stdout
        assert "café \\x1b[31m" in text
        assert text.replace("\n", "").replace("\t", "").isprintable()
    assert "Ann\\x1b]0;\\x07\\u{202e}" in text


def test_list(own: Firestore) -> None:
    past = datetime.now(UTC) - timedelta(minutes=1)
    put(own, "a/rooms/r1", connect="all", capacity=8, locked=True, listed=True)
    put(own, "a/rooms/r1/peers/here")
    put(own, "a/rooms/r1/peers/there", past)
    put(own, "a/rooms/over", past)
    put(own, "a/rooms/used", past)
    put(own, "a/rooms/used/peers/here")
    put(own, "a/rooms/odd", lease="never", capacity="many")
    put(own, "a/rooms/odd/peers/odd", lease=7)
    put(own, "ab/rooms/r2")
    own.document("rooms/foreign").set({"leaseUntil": datetime.now(UTC) + timedelta(hours=1)})
    put(own, "a/other/x/rooms/foreign")
    everything = json.loads(firertc("rooms", "list", "--json").stdout)
    assert [(room["realm"], room["room"], room["present"]) for room in everything] == [
        ("a", "r1", 1),
        ("a", "used", 1),
        ("ab", "r2", 0),
    ]
    assert (everything[0]["locked"], everything[0]["capacity"]) == (True, 8)
    assert [room.id for room in list_rooms(own, "a")] == ["r1", "used"]
    rows = [line.split("\t") for line in firertc("rooms", "list", "ab").stdout.splitlines()]
    assert [row[:5] for row in rows[1:]] == [["ab", "r2", "0/?", "no", "no"]]
    assert rows[1][-1] == "59 min"
    nothing = firertc("rooms", "list", "none")
    assert (nothing.stdout, nothing.stderr) == ("", "There are no rooms.\n")


def test_show_tells_no_sdp(own: Firestore) -> None:
    put(own, "a/rooms/r", connect="all", capacity=2)
    put(own, "a/rooms/r/peers/ann", role="moderator", joinedAt=NOW, data='"secret plan"')
    put(own, "a/rooms/r/peers/bob", NOW, role=7, joinedAt="x")
    described = {"from": "ann", "to": "bob", "offer": {"type": "offer", "sdp": SDP}}
    described |= {"offerCandidates": [SDP], "metadata": SDP, "fromSession": "session-of-ann-1"}
    answer = {"answer": {"type": "answer", "sdp": SDP}}
    put(own, "a/rooms/r/calls/ann~bob~0", kind="direct", **described)
    put(own, "a/rooms/r/calls/ann~bob~1", kind="ring", **described, **answer)
    ended = {"by": "ann", "reason": SDP}
    put(own, "a/rooms/r/calls/ann~s0", kind="standing", **described, **answer, ended=ended)
    put(own, "a/rooms/r/calls/odd", **{"from": None, "answer": 7, "ended": None})
    outcome = firertc("rooms", "show", "r", "--realm", "a", "--json").stdout
    shown = json.loads(outcome)
    assert [(call["kind"], call["state"], call["from"]) for call in shown["calls"]] == [
        ("direct", "offered", "ann"),
        ("ring", "answered", "ann"),
        ("standing", "ended", "ann"),
        ("", "offered", "None"),
    ]
    assert [(peer["peer"], peer["role"], peer["present"]) for peer in shown["peers"]] == [
        ("ann", "moderator", True),
        ("bob", "7", False),
    ]
    assert shown["peers"][0]["joinedAt"] == "2001-09-09T01:46:40+00:00"
    plain = firertc("rooms", "show", "r", "--realm", "a").stdout
    for text in (outcome, plain):
        for kept in ("192.0.2.7", "candidate", "session-of-ann", "secret plan"):
            assert kept not in text
    # What is not shown is not read, either.
    _, now = show_room(own, "a", "r")
    assert abs(now - datetime.now(UTC)) < timedelta(minutes=1)


def test_close(own: Firestore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner_documents, "PAGE_DOCUMENTS", 10)
    for room in ("r", "r2", "R"):
        put(own, f"a/rooms/{room}")
        for child in ("peers/p", "calls/p~s0", "messages/p~m0", "removed/x"):
            put(own, f"a/rooms/{room}/{child}")
    batch = own.batch()
    for number in range(47):
        batch.set(own.document(f"realms/a/rooms/r/messages/q{number}"), {"n": number})
    batch.commit()
    others = {path for path in paths(own) if not path.startswith("realms/a/rooms/r/")}
    others.remove("realms/a/rooms/r")
    assert len(others) == 10
    with pytest.raises(Unknown):
        close_room(own, "b", "r")
    assert close_room(own, "a", "r") == 1 + 4 + 47
    assert paths(own) == others


def test_close_asks(own: Firestore) -> None:
    put(own, "a/rooms/r")
    put(own, "a/rooms/r/peers/p")
    before = paths(own)
    for answer in ("n\n", "\n", ""):
        refused = firertc("rooms", "close", "r", "--realm", "a", answer=answer, expect=1)
        assert "Close room r of realm a, with 1 in it? [y/N]" in refused.stderr
        assert refused.stdout == ""
        assert paths(own) == before
    assert "2 documents" in firertc("rooms", "close", "r", "--realm", "a", answer="y\n").stderr
    assert paths(own) == set()
    # What a broken client left of a room, without its document.
    put(own, "a/rooms/r/messages/m")
    assert "1 document " in firertc("rooms", "close", "r", "--realm", "a", "--yes").stderr
    assert paths(own) == set()


@pytest.mark.parametrize("command", [["show"], ["close", "--yes"], ["close"]], ids=" ".join)
def test_unknown_rooms(own: Firestore, command: list[str]) -> None:
    put(own, "a/rooms/r")
    for room, realm, words, code in (
        ("\x1b[31m", "a", "There is no room '\\x1b[31m' in the realm 'a'", 1),
        ("r", "b", "There is no room 'r' in the realm 'b'", 1),
        ("", "a", "at least one character", 2),
        ("x" * 129, "a", "room name is too long", 2),
    ):
        done = firertc("rooms", *command, room, "--realm", realm, answer="y\n", expect=code)
        assert words in done.stderr
        assert "\x1b" not in done.stderr
    assert paths(own) == {"realms/a/rooms/r"}


# ---- the sweep --------------------------------------------------------------------------------

OF_THE_FUNCTIONS = """
import json, sys
from datetime import datetime
from google.cloud import firestore
from sweep import sweep
database = firestore.Client(project=sys.argv[1], database=sys.argv[2])
print(json.dumps(sweep(database, datetime.fromisoformat(sys.argv[3])).documents))
"""


def sweep_of_the_functions(database: Firestore, now: datetime) -> dict[str, int]:
    """What the scheduled function would do, in a process of its own."""
    name = database._database
    done = subprocess.run(
        [sys.executable, "-c", OF_THE_FUNCTIONS, database.project, name, now.isoformat()],
        cwd=ROOT / "functions",
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    swept: dict[str, int] = json.loads(done.stdout)
    return swept


def seeded(seed: int) -> dict[str, dict[str, Any]]:
    """Documents of every kind, by path: expired, just not expired, alive, broken and foreign."""
    choose = random.Random(seed)
    leases = [NOW - timedelta(days=1), NOW - SECOND, NOW, NOW + SECOND, NOW + timedelta(days=1)]
    made: dict[str, dict[str, Any]] = {}

    def add(path: str, **fields: Any) -> None:
        document: dict[str, Any] = {
            "shard": choose.randrange(8),
            "leaseUntil": choose.choice(leases),
        }
        match choose.randrange(12):
            case 0:
                del document["shard"]
            case 1:
                document["leaseUntil"] = choose.choice(["never", 7, None])
        made[path] = document | fields

    for realm in ("a", "b%C3%A9"):
        for number in range(10):
            add(f"realms/{realm}/calls/c{number}")
            add(f"realms/{realm}/callers/p{number}")
            until = int(NOW.timestamp()) + choose.choice([-3600, -1, 0, 1, 3600])
            made[f"realms/{realm}/ids/p{number}"] = {"until": choose.choice([until, until, "x"])}
            room = f"realms/{realm}/rooms/r{number}"
            if choose.random() < 0.9:
                add(room)
            for child in ("peers/p", "calls/p~s", "messages/p~m", "removed/p"):
                for index in range(choose.choice([0, 0, 1, 2, 3])):
                    add(f"{room}/{child}{index}")
    for foreign in ("calls/x", "hosts/h/peers/p", "hosts/h/rooms/r", "hosts/h/ids/i"):
        add(foreign, until=0)
    made["realms/a"] = {"open": False, "limits": {}}
    made["realms/a/usage/2001-09-09_0"] = {"joins": 1}
    made["keys/k"] = {"realm": "a", "secret": "s"}
    return made


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_both_sweeps_leave_the_same(
    own: Firestore, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    documents = seeded(seed)
    theirs = Firestore(
        project=own.project,
        database=f"{own._database}-f",
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
    )
    for database in (own, theirs):
        batch = database.batch()
        for path, fields in documents.items():
            batch.set(database.document(path), fields)
        batch.commit()
    assert paths(own) == set(documents)
    monkeypatch.setattr(owner_documents, "PAGE_DOCUMENTS", 3)  # more pages than one
    foretold = sweep(own, NOW, dry_run=True)
    assert paths(own) == set(documents), "a dry run deletes nothing"
    swept = sweep(own, NOW)
    assert swept == foretold == sweep_of_the_functions(theirs, NOW)
    left = paths(own)
    assert left == paths(theirs)
    assert len(left) == len(documents) - sum(swept.values())
    assert {"keys/k", "realms/a", "realms/a/usage/2001-09-09_0", "calls/x"} <= left
    assert set(swept) == {*LEASED, "rooms", "contents", "ids"}, "the seed has every kind"
    assert sweep(own, NOW) == sweep_of_the_functions(theirs, NOW) == {}
    theirs.close()  # type: ignore[no-untyped-call]


def test_sweep_command(own: Firestore) -> None:
    past = datetime.now(UTC) - timedelta(minutes=1)
    put(own, "a/calls/c1", past)
    put(own, "a/calls/c2", past)
    put(own, "a/calls/live")
    put(own, "a/rooms/r")
    put(own, "a/rooms/r/peers/p", past)
    put(own, "a/rooms/r/messages/q")
    before = paths(own)
    expected = {"peers": 1, "calls": 2, "rooms": 1, "contents": 1}
    dry = json.loads(firertc("sweep", "--dry-run", "--json").stdout)
    assert dry == {"dryRun": True, "deleted": expected, "total": 5}
    assert firertc("sweep", "--dry-run").stdout.startswith("Would delete 5 documents: peers 1, ")
    assert paths(own) == before
    assert json.loads(firertc("sweep", "--json").stdout)["deleted"] == expected
    assert paths(own) == {"realms/a/calls/live"}
    assert firertc("sweep").stdout == "Deleted 0 documents.\n"


def test_sweep_spares_what_was_renewed(own: Firestore) -> None:
    put(own, "a/calls/c", NOW - SECOND)
    put(own, "a/calls/d", NOW - SECOND)
    read: list[Any] = leased_query(own, "calls", 0, NOW).get()
    assert len(read) == 2
    put(own, "a/calls/c", NOW + SECOND)
    assert delete_unchanged(own, read) == 1
    assert paths(own) == {"realms/a/calls/c"}
    assert delete_unchanged(own, []) == 0


def test_the_clock_is_the_databases(own: Firestore) -> None:
    assert abs(server_time(own) - datetime.now(UTC)) < timedelta(seconds=30)
    # In a process whose own clock is a day ahead, what is alive stays.
    put(own, "a/calls/c")
    code = (
        "import datetime, time\n"
        "real = time.time\n"
        "time.time = lambda: real() + 86400\n"
        "class Ahead(datetime.datetime):\n"
        "    @classmethod\n"
        "    def now(cls, tz=None): return cls.fromtimestamp(time.time(), tz)\n"
        "datetime.datetime = Ahead\n"
        "from firertc.cli import main\n"
        "main(['sweep'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=os.environ
    )
    assert (done.returncode, done.stdout) == (0, "Deleted 0 documents.\n"), done.stderr
    assert paths(own) == {"realms/a/calls/c"}


def test_queries_have_their_indexes(own: Firestore) -> None:
    declared = json.loads((ROOT / "firestore.indexes.json").read_text())
    composite = {
        (index["collectionGroup"], *(field["fieldPath"] for field in index["fields"]))
        for index in declared["indexes"]
        if index["queryScope"] == "COLLECTION_GROUP"
    }
    for group in (*LEASED, "rooms"):
        query = leased_query(own, group, 0, NOW)._to_protobuf()
        filters = [
            part.field_filter.field.field_path for part in query.where.composite_filter.filters
        ]
        assert filters == ["shard", "leaseUntil"]
        assert query.order_by[0].field.field_path == "leaseUntil"
        assert (group, *filters) in composite
    query = registrations_query(own, NOW)._to_protobuf()
    assert query.where.field_filter.field.field_path == "until"
    overrides = {
        (item["collectionGroup"], item["fieldPath"]): [
            index["queryScope"] for index in item["indexes"]
        ]
        for item in declared["fieldOverrides"]
    }
    assert "COLLECTION_GROUP" in overrides["ids", "until"]
    assert ("keys", "realm") not in overrides, "keys are listed by it: the automatic index"
