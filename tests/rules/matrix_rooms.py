"""Rooms, the peers in them, their messages and those put out, by peers with keys."""

from __future__ import annotations

from typing import Any

from .cases import Case, allow, deny
from .operations import GONE, Ahead, Commit, Get, List, Write, change, commit, delete, put
from .people import ALICE, BOB, CAROL, DAVE, GUARD, MOD, STRANGER, SUE, Person
from .world import NOW, card, message, removal, room

BOUND_ELSEWHERE = CAROL.claiming(room="hall")
LOBBY, VAULT = "rooms/lobby", "rooms/vault"
SEAL = {"kdf": "scrypt", "n": 32768, "r": 8, "p": 1, "salt": "c2FsdA", "check": "Y2hlY2s"}


def made(person: Person, name: str = "den", **fields: Any) -> Write:
    """A new room."""
    return put(f"rooms/{name}", room(person), **fields)


def entered(person: Person, place: str = LOBBY, **fields: Any) -> Write:
    """A peer document."""
    return put(f"{place}/peers/{person.peer}", card(person), **fields)


CREATE = "create a room"
ROOMS = [
    allow(CREATE, CAROL, made(CAROL)),
    deny(CREATE, "in another's name", CAROL, made(BOB)),
    deny(CREATE, "as a subscriber", SUE, made(SUE)),
    deny(CREATE, "in place of one that is there", CAROL, made(CAROL, "lobby")),
    deny(CREATE, "with a token bound to another room", BOUND_ELSEWHERE, made(CAROL)),
    deny(CREATE, "with another realm's token", CAROL.abroad, made(CAROL)),
    deny(CREATE, "after the session", CAROL.over, made(CAROL)),
    deny(CREATE, "without a token", STRANGER, made(CAROL)),
    deny(CREATE, "with a lease of a month", CAROL, made(CAROL, leaseUntil=Ahead(43_200))),
    deny(CREATE, "with an old time", CAROL, made(CAROL, createdAt=Ahead(-5))),
    deny(CREATE, "of another version", CAROL, made(CAROL, v="1")),
    deny(CREATE, "that connects some", CAROL, made(CAROL, connect="some")),
    deny(CREATE, "for one", CAROL, made(CAROL, capacity=1)),
    deny(CREATE, "for a million", CAROL, made(CAROL, capacity=1_000_000)),
    deny(CREATE, "for two and a half", CAROL, made(CAROL, capacity=2.5)),
    deny(CREATE, "locked perhaps", CAROL, made(CAROL, locked="no")),
    deny(CREATE, "listed perhaps", CAROL, made(CAROL, listed=1)),
    deny(CREATE, "with more fields", CAROL, made(CAROL, more="x" * 90_000)),
    deny(CREATE, "with a shard of its own", CAROL, made(CAROL, shard=-1)),
    deny(CREATE, "with an id that is none", CAROL, made(CAROL, "den~1")),
    deny(CREATE, "with an id too long", CAROL, made(CAROL, "x" * 129)),
    allow("create a sealed room", CAROL.claiming(room="den"), made(CAROL, sealed=SEAL)),
    deny("create a sealed room", "with a story", CAROL, made(CAROL, sealed={**SEAL, "salt": "x" * 129})),
    deny("create a sealed room", "with more fields", CAROL, made(CAROL, sealed={**SEAL, "more": 1})),
    deny("create a sealed room", "with a map", CAROL, made(CAROL, sealed={**SEAL, "check": {"x": "y" * 90_000}})),
    deny("create a sealed room", "with text", CAROL, made(CAROL, sealed="yes")),
    allow("prolong a room", BOB, change(LOBBY, leaseUntil=Ahead(1439))),
    deny("prolong a room", "from outside", CAROL, change(LOBBY, leaseUntil=Ahead(1439))),
    deny("prolong a room", "in another session", BOB.again, change(LOBBY, leaseUntil=Ahead(1439))),
    deny("prolong a room", "for a month", BOB, change(LOBBY, leaseUntil=Ahead(43_200))),
    deny("prolong a room", "and shorten it", BOB, change(LOBBY, leaseUntil=Ahead(1))),
    deny("prolong a room", "after the session", BOB.over, change(LOBBY, leaseUntil=Ahead(1439))),
    deny("prolong a room", "with a token bound to another room", BOB.claiming(room="hall"), change(LOBBY, leaseUntil=Ahead(1439))),
    allow("lock a room", MOD, change(LOBBY, locked=True)),
    deny("lock a room", "as a publisher", BOB, change(LOBBY, locked=True)),
    deny("lock a room", "as a moderator from outside", GUARD, change(LOBBY, locked=True)),
    deny("lock a room", "after the session", MOD.over, change(LOBBY, locked=True)),
    deny("lock a room", "with a token bound to another room", MOD.claiming(room="hall"), change(LOBBY, locked=True)),
    deny("lock a room", "with another realm's token", MOD.abroad, change(LOBBY, locked=True)),
    deny("lock a room", "perhaps", MOD, change(LOBBY, locked="yes")),
    deny("lock a room", "and connect it otherwise", MOD, change(LOBBY, connect="none")),
    deny("lock a room", "and take it over", MOD, change(LOBBY, createdBy="mod2")),
    deny("lock a room", "and shorten its life", MOD, change(LOBBY, locked=True, leaseUntil=Ahead(1))),
    allow("resize, list and prolong a room", MOD, change(LOBBY, capacity=1000, listed=False, leaseUntil=Ahead(1439))),
    deny("resize, list and prolong a room", "without bounds", MOD, change(LOBBY, capacity=1001)),
    deny("resize, list and prolong a room", "as a publisher", ALICE, change(LOBBY, capacity=1000)),
    allow("delete a room", GUARD, delete(LOBBY)),
    deny("delete a room", "as a publisher in it", BOB, delete(LOBBY)),
    deny("delete a room", "with a token bound to another room", GUARD.claiming(room="hall"), delete(LOBBY)),
    allow("delete a room that is gone", CAROL, delete("rooms/nowhere")),
    deny("delete a room that is gone", "after the session", CAROL.over, delete("rooms/nowhere")),
    allow("read a room", CAROL, Get(VAULT)),
    deny("read a room", "with a token bound to another room", BOUND_ELSEWHERE, Get(VAULT)),
    deny("read a room", "with another realm's token", CAROL.abroad, Get(VAULT)),
    deny("read a room", "after the session", CAROL.over, Get(VAULT)),
    deny("read a room", "without a token", STRANGER, Get(VAULT)),
    allow("list the rooms", CAROL, List("rooms", {"listed": True})),
    deny("list the rooms", "that are not listed", CAROL, List("rooms", {"listed": False})),
    deny("list the rooms", "all", CAROL, List("rooms")),
    deny("list the rooms", "all, as a moderator", MOD, List("rooms")),
    deny("list the rooms", "with a token bound to a room", CAROL.claiming(room="lobby"), List("rooms", {"listed": True})),
    deny("list the rooms", "of all realms", CAROL, List("rooms", {"listed": True}, group=True)),
]


def first_in(person: Person) -> Commit:
    """A new room and its first peer."""
    return commit(made(person), entered(person, "rooms/den"))


ENTER = "come in"
PEERS = [
    allow(ENTER, CAROL, entered(CAROL)),
    deny(ENTER, "as another", CAROL, entered(Person("eve", CAROL.session))),
    deny(ENTER, "with another session", CAROL, entered(CAROL.again)),
    deny(ENTER, "to a locked room", CAROL, entered(CAROL, VAULT)),
    deny(ENTER, "to a room that isn't there", CAROL, entered(CAROL, "rooms/nowhere")),
    deny(ENTER, "after being put out", DAVE, entered(DAVE)),
    deny(ENTER, "with a token bound to another room", BOUND_ELSEWHERE, entered(CAROL)),
    deny(ENTER, "with another realm's token", CAROL.abroad, entered(CAROL)),
    deny(ENTER, "after the session", CAROL.over, entered(CAROL)),
    deny(ENTER, "without a token", STRANGER, entered(CAROL)),
    deny(ENTER, "as a moderator, of one's own accord", CAROL, entered(CAROL, role="moderator")),
    deny(ENTER, "with a role of one's own", CAROL.but(role="king"), entered(CAROL, role="king")),
    deny(ENTER, "as if first", CAROL, entered(CAROL, joinedAt=Ahead(-600))),
    deny(ENTER, "for a day", CAROL, entered(CAROL, leaseUntil=Ahead(1440))),
    deny(ENTER, "with much to say", CAROL, entered(CAROL, data="x" * 8193)),
    deny(ENTER, "with a map for data", CAROL, entered(CAROL, data={"x": 1})),
    deny(ENTER, "with other media", CAROL, entered(CAROL, media={"smell": True})),
    deny(ENTER, "with audio perhaps", CAROL, entered(CAROL, media={"audio": "yes"})),
    deny(ENTER, "with video perhaps", CAROL, entered(CAROL, media={"video": "x" * 90_000})),
    deny(ENTER, "with a screen perhaps", CAROL, entered(CAROL, media={"screen": 1})),
    deny(ENTER, "with unknown abilities", CAROL, entered(CAROL, can=["fly"])),
    deny(ENTER, "with too many abilities", CAROL, entered(CAROL, can=["files"] * 9)),
    deny(ENTER, "with more fields", CAROL, entered(CAROL, more="x" * 90_000)),
    deny(ENTER, "with a shard of its own", CAROL, entered(CAROL, shard=9)),
    deny(ENTER, "under an id that is none", Person("a~b", "a-b-session-0001"), entered(Person("a~b", "a-b-session-0001"))),
    deny(ENTER, "under an id too long", Person("x" * 81, "x-session-0000001"), entered(Person("x" * 81, "x-session-0000001"))),
    deny(ENTER, "with a session of the open kind", Person("carol", "open-carol-session"), entered(Person("carol", "open-carol-session"))),
    allow("come in as a subscriber", SUE, put("rooms/hall/peers/sue", card(SUE)), delete("rooms/hall/peers/sue")),
    deny("come in as a subscriber", "but publish", SUE, put("rooms/hall/peers/sue", card(SUE, "publisher")), delete("rooms/hall/peers/sue")),
    allow("create a room and come in", CAROL, first_in(CAROL)),
    deny("create a room and come in", "but locked", CAROL, commit(made(CAROL, locked=True), entered(CAROL, "rooms/den"))),
    allow("come back", BOB.again, entered(BOB.again)),
    deny("come back", "to a locked room", BOB.again, entered(BOB.again, VAULT)),
    deny("come back", "as if one had never left", BOB.again, change("rooms/lobby/peers/bob", session=BOB.again.session)),
    deny("come back", "as another", CAROL, put("rooms/lobby/peers/bob", card(CAROL))),
    deny("come back", "in an open account's place", Person("ann-tab1", "ann-key-session-1"),
         entered(Person("ann-tab1", "ann-key-session-1")), put("rooms/lobby/peers/ann-tab1", {"session": "open-ann-session-1"})),
    allow("stay", BOB, change("rooms/lobby/peers/bob", leaseUntil=Ahead(19), data="{}", media={"video": True, "screen": True}, can=[])),
    deny("stay", "for a day", BOB, change("rooms/lobby/peers/bob", leaseUntil=Ahead(1440))),
    deny("stay", "and become a moderator", BOB, change("rooms/lobby/peers/bob", role="moderator")),
    deny("stay", "and be the first, or the last", BOB, change("rooms/lobby/peers/bob", joinedAt=NOW)),
    deny("stay", "in another's place", CAROL, change("rooms/lobby/peers/bob", leaseUntil=Ahead(19))),
    deny("stay", "in another's place, as a moderator", MOD, change("rooms/lobby/peers/bob", leaseUntil=Ahead(19))),
    deny("stay", "in an older session", BOB, change("rooms/lobby/peers/bob", leaseUntil=Ahead(19)), put("rooms/lobby/peers/bob", card(BOB.again))),
    deny("stay", "after the session", BOB.over, change("rooms/lobby/peers/bob", leaseUntil=Ahead(19))),
    deny("stay", "without end", BOB, change("rooms/lobby/peers/bob", leaseUntil=GONE)),
    deny("stay", "with much to say", BOB, change("rooms/lobby/peers/bob", data="x" * 8193)),
    allow("stay in a room that was locked", BOB, change("rooms/vault/peers/bob", leaseUntil=Ahead(19))),
    deny("stay in a room that was locked", "after being put out", BOB, entered(BOB, VAULT), delete("rooms/vault/peers/bob")),
    allow("leave", BOB.again, delete("rooms/lobby/peers/bob")),
    deny("leave", "for another", CAROL, delete("rooms/lobby/peers/bob")),
    deny("leave", "with another realm's token", BOB.abroad, delete("rooms/lobby/peers/bob")),
    deny("leave", "after the session", BOB.over, delete("rooms/lobby/peers/bob")),
    allow("leave twice", CAROL, delete("rooms/lobby/peers/carol")),
    deny("leave twice", "with a token bound to another room", BOUND_ELSEWHERE, delete("rooms/lobby/peers/carol")),
    allow("put a peer out", MOD, commit(delete("rooms/lobby/peers/bob"), put("rooms/lobby/removed/bob", removal(MOD)))),
    deny("put a peer out", "as a publisher", ALICE, commit(delete("rooms/lobby/peers/bob"), put("rooms/lobby/removed/bob", removal(ALICE)))),
    allow("see a peer", CAROL, Get("rooms/lobby/peers/bob")),
    deny("see a peer", "in a locked room", CAROL, Get("rooms/vault/peers/bob")),
    deny("see a peer", "with a token bound to another room", BOUND_ELSEWHERE, Get("rooms/lobby/peers/bob")),
    allow("see whether one is still in a locked room", CAROL, Get("rooms/vault/peers/carol")),
    deny("see whether one is still in a locked room", "after the session", CAROL.over, Get("rooms/vault/peers/carol")),
    allow("list the peers", CAROL, List("rooms/lobby/peers")),
    deny("list the peers", "of a locked room", CAROL, List("rooms/vault/peers")),
    deny("list the peers", "of a locked room, as a moderator from outside", GUARD, List("rooms/vault/peers")),
    deny("list the peers", "of all rooms", BOB, List("peers", group=True)),
    deny("list the peers", "with a token bound to another room", BOUND_ELSEWHERE, List("rooms/lobby/peers")),
    deny("list the peers", "with another realm's token", CAROL.abroad, List("rooms/lobby/peers")),
    deny("list the peers", "after the session", CAROL.over, List("rooms/lobby/peers")),
    allow("list the peers of a locked room as a member", BOB, List("rooms/vault/peers")),
    deny("list the peers of a locked room as a member", "put out", BOB, List("rooms/vault/peers"), delete("rooms/vault/peers/bob")),
    allow("list the peers of a room to be", CAROL, List("rooms/nowhere/peers")),
    deny("list the peers of a room to be", "without a token", STRANGER, List("rooms/nowhere/peers")),
]


def said(person: Person, slot: int | str = 3, **fields: Any) -> Write:
    """A message."""
    return put(f"rooms/lobby/messages/{person.peer}~m{slot}", message(person), **fields)


SAY = "say something"
MESSAGES = [
    allow(SAY, BOB, said(BOB)),
    deny(SAY, "from outside", CAROL, said(CAROL)),
    deny(SAY, "as another", BOB, said(ALICE)),
    deny(SAY, "in another's slot", BOB, put("rooms/lobby/messages/sue~m3", message(BOB))),
    deny(SAY, "in a seventeenth slot", BOB, said(BOB, 16)),
    deny(SAY, "in a slot by another spelling", BOB, said(BOB, "03")),
    deny(SAY, "under any id", BOB, put("rooms/lobby/messages/bob", message(BOB))),
    deny(SAY, "in another session", BOB.again, said(BOB.again)),
    deny(SAY, "after the session", BOB.over, said(BOB)),
    deny(SAY, "at length", BOB, said(BOB, body="x" * 16_385)),
    deny(SAY, "in a map", BOB, said(BOB, body={"x": 1})),
    deny(SAY, "to no id", BOB, said(BOB, to="x~y")),
    deny(SAY, "to an id that Firestore keeps for itself", BOB, said(BOB, to="__x__")),
    deny(SAY, "to an id too long", BOB, said(BOB, to="x" * 81)),
    allow("say something to one", BOB, said(BOB, to="alice")),
    deny("say something to one", "as another", BOB, said(SUE, to="alice")),
    deny(SAY, "without a number", BOB, said(BOB, n="5")),
    deny(SAY, "with a negative number", BOB, said(BOB, n=-1)),
    deny(SAY, "at another time", BOB, said(BOB, createdAt=Ahead(-5))),
    deny(SAY, "for an hour", BOB, said(BOB, leaseUntil=Ahead(60))),
    deny(SAY, "with more fields", BOB, said(BOB, more="x")),
    deny(SAY, "with a shard of its own", BOB, said(BOB, shard=8)),
    deny(SAY, "after being put out", BOB, said(BOB), delete("rooms/lobby/peers/bob")),
    allow("say the next thing", ALICE, said(ALICE, 0, n=6)),
    deny("say the next thing", "with the same number", ALICE, said(ALICE, 0)),
    deny("say the next thing", "over another's", BOB, put("rooms/lobby/messages/alice~m0", message(BOB, n=6))),
    allow("say the first thing in a new session", ALICE.again, said(ALICE.again, 0, n=0), put("rooms/lobby/peers/alice", card(ALICE.again))),
    deny("say the first thing in a new session", "before coming in", ALICE.again, said(ALICE.again, 0, n=0)),
    allow("unsay something", ALICE, delete("rooms/lobby/messages/alice~m0")),
    deny("unsay something", "of another", BOB, delete("rooms/lobby/messages/alice~m0")),
    allow("remove a message as a moderator", GUARD, delete("rooms/lobby/messages/alice~m0")),
    deny("remove a message as a moderator", "of another room", GUARD.claiming(room="hall"), delete("rooms/lobby/messages/alice~m0")),
    allow("unsay what is gone", BOB, delete("rooms/lobby/messages/bob~m0")),
    deny("unsay what is gone", "after the session", BOB.over, delete("rooms/lobby/messages/bob~m0")),
    allow("hear what is said to all", BOB, List("rooms/lobby/messages", {"to": "*"})),
    deny("hear what is said to all", "from outside", CAROL, List("rooms/lobby/messages", {"to": "*"})),
    deny("hear what is said to all", "and to others", BOB, List("rooms/lobby/messages")),
    deny("hear what is said to all", "in all rooms", BOB, List("messages", {"to": "*"}, group=True)),
    deny("hear what is said to all", "after the session", BOB.over, List("rooms/lobby/messages", {"to": "*"})),
    allow("hear what is said to oneself", BOB, List("rooms/lobby/messages", {"to": "bob"})),
    deny("hear what is said to oneself", "to another", SUE, List("rooms/lobby/messages", {"to": "bob"})),
    deny("hear what is said to oneself", "after being put out", BOB, List("rooms/lobby/messages", {"to": "bob"}), delete("rooms/lobby/peers/bob")),
    allow("list what one said", ALICE, List("rooms/lobby/messages", {"from": "alice"})),
    deny("list what one said", "of another", BOB, List("rooms/lobby/messages", {"from": "alice"})),
    allow("read a message to oneself", BOB, Get("rooms/lobby/messages/alice~m1")),
    deny("read a message to oneself", "to another", SUE, Get("rooms/lobby/messages/alice~m1")),
    allow("read a message to all", SUE, Get("rooms/lobby/messages/alice~m0")),
    deny("read a message to all", "from outside", CAROL, Get("rooms/lobby/messages/alice~m0")),
    allow("read one's message", ALICE, Get("rooms/lobby/messages/alice~m1")),
    deny("read one's message", "from outside", ALICE, Get("rooms/lobby/messages/alice~m1"), delete("rooms/lobby/peers/alice")),
    allow("read a message that is gone", BOB, Get("rooms/lobby/messages/bob~m9")),
    deny("read a message that is gone", "from outside", CAROL, Get("rooms/lobby/messages/bob~m9")),
]

KEEP = "keep a peer out"
OUT = [
    allow(KEEP, MOD, put("rooms/lobby/removed/bob", removal(MOD))),
    deny(KEEP, "as a publisher", ALICE, put("rooms/lobby/removed/bob", removal(ALICE))),
    deny(KEEP, "in another's name", MOD, put("rooms/lobby/removed/bob", removal(ALICE))),
    deny(KEEP, "with a token bound to another room", MOD.claiming(room="hall"), put("rooms/lobby/removed/bob", removal(MOD))),
    deny(KEEP, "with another realm's token", MOD.abroad, put("rooms/lobby/removed/bob", removal(MOD))),
    deny(KEEP, "after the session", MOD.over, put("rooms/lobby/removed/bob", removal(MOD))),
    deny(KEEP, "for a year", MOD, put("rooms/lobby/removed/bob", removal(MOD, leaseUntil=Ahead(525_600)))),
    deny(KEEP, "with a story", MOD, put("rooms/lobby/removed/bob", removal(MOD, reason="x" * 257))),
    deny(KEEP, "at another time", MOD, put("rooms/lobby/removed/bob", removal(MOD, at=Ahead(-5)))),
    deny(KEEP, "with more fields", MOD, put("rooms/lobby/removed/bob", removal(MOD, more=1))),
    deny(KEEP, "with a shard of its own", MOD, put("rooms/lobby/removed/bob", removal(MOD, shard=8))),
    deny(KEEP, "who is none", MOD, put("rooms/lobby/removed/a~b", removal(MOD))),
    deny(KEEP, "twice", MOD, change("rooms/lobby/removed/dave", reason="more")),
    allow("let a peer in again", GUARD, delete("rooms/lobby/removed/dave")),
    deny("let a peer in again", "who is oneself", DAVE, delete("rooms/lobby/removed/dave")),
    deny("let a peer in again", "as a publisher", ALICE, delete("rooms/lobby/removed/dave")),
    allow("let a peer in that never was out", BOB, delete("rooms/lobby/removed/bob")),
    deny("let a peer in that never was out", "after the session", BOB.over, delete("rooms/lobby/removed/bob")),
    allow("see whether one was put out", DAVE, Get("rooms/lobby/removed/dave")),
    deny("see whether one was put out", "of another", BOB, Get("rooms/lobby/removed/dave")),
    allow("see whether a peer was put out", MOD, Get("rooms/lobby/removed/dave")),
    deny("see whether a peer was put out", "all of them", MOD, List("rooms/lobby/removed")),
]

CASES: list[Case] = [*ROOMS, *PEERS, *MESSAGES, *OUT]
