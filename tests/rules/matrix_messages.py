"""Messages in rooms, and who is kept out, by peers with keys."""

from __future__ import annotations

from .cases import Case, allow, deny
from .operations import Ahead, Get, List, change, delete, put
from .people import ALICE, BOB, CAROL, DAVE, GUARD, MOD, SUE
from .world import card, message, removal
from .writes import said

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
    deny(SAY, "with half a number", BOB, said(BOB, n=5.5)),
    deny(SAY, "with a negative number", BOB, said(BOB, n=-1)),
    deny(SAY, "at another time", BOB, said(BOB, createdAt=Ahead(-5))),
    deny(SAY, "for an hour", BOB, said(BOB, leaseUntil=Ahead(60))),
    deny(SAY, "with more fields", BOB, said(BOB, more="x")),
    deny(SAY, "with a shard of its own", BOB, said(BOB, shard=8)),
    deny(SAY, "after being put out", BOB, said(BOB), delete("rooms/lobby/peers/bob")),
    allow("say the next thing", ALICE, said(ALICE, 0, n=6)),
    deny("say the next thing", "with the same number", ALICE, said(ALICE, 0)),
    deny(
        "say the next thing",
        "over another's",
        BOB,
        put("rooms/lobby/messages/alice~m0", message(BOB, n=6)),
    ),
    allow(
        "say the first thing in a new session",
        ALICE.again,
        said(ALICE.again, 0, n=0),
        put("rooms/lobby/peers/alice", card(ALICE.again)),
    ),
    deny(
        "say the first thing in a new session",
        "before coming in",
        ALICE.again,
        said(ALICE.again, 0, n=0),
    ),
    allow("unsay something", ALICE, delete("rooms/lobby/messages/alice~m0")),
    deny("unsay something", "of another", BOB, delete("rooms/lobby/messages/alice~m0")),
    allow("remove a message as a moderator", GUARD, delete("rooms/lobby/messages/alice~m0")),
    deny(
        "remove a message as a moderator",
        "of another room",
        GUARD.claiming(room="hall"),
        delete("rooms/lobby/messages/alice~m0"),
    ),
    allow("unsay what is gone", BOB, delete("rooms/lobby/messages/bob~m0")),
    deny(
        "unsay what is gone", "after the session", BOB.over, delete("rooms/lobby/messages/bob~m0")
    ),
    allow("hear what is said to all", BOB, List("rooms/lobby/messages", {"to": "*"})),
    deny(
        "hear what is said to all", "from outside", CAROL, List("rooms/lobby/messages", {"to": "*"})
    ),
    deny("hear what is said to all", "and to others", BOB, List("rooms/lobby/messages")),
    deny(
        "hear what is said to all", "in all rooms", BOB, List("messages", {"to": "*"}, group=True)
    ),
    deny(
        "hear what is said to all",
        "after the session",
        BOB.over,
        List("rooms/lobby/messages", {"to": "*"}),
    ),
    allow("hear what is said to oneself", BOB, List("rooms/lobby/messages", {"to": "bob"})),
    deny(
        "hear what is said to oneself",
        "to another",
        SUE,
        List("rooms/lobby/messages", {"to": "bob"}),
    ),
    deny(
        "hear what is said to oneself",
        "after being put out",
        BOB,
        List("rooms/lobby/messages", {"to": "bob"}),
        delete("rooms/lobby/peers/bob"),
    ),
    allow("list what one said", ALICE, List("rooms/lobby/messages", {"from": "alice"})),
    deny("list what one said", "of another", BOB, List("rooms/lobby/messages", {"from": "alice"})),
    allow("read a message to oneself", BOB, Get("rooms/lobby/messages/alice~m1")),
    deny("read a message to oneself", "to another", SUE, Get("rooms/lobby/messages/alice~m1")),
    allow("read a message to all", SUE, Get("rooms/lobby/messages/alice~m0")),
    deny("read a message to all", "from outside", CAROL, Get("rooms/lobby/messages/alice~m0")),
    allow("read one's message", ALICE, Get("rooms/lobby/messages/alice~m1")),
    deny(
        "read one's message",
        "from outside",
        ALICE,
        Get("rooms/lobby/messages/alice~m1"),
        delete("rooms/lobby/peers/alice"),
    ),
    allow("read a message that is gone", BOB, Get("rooms/lobby/messages/bob~m9")),
    deny("read a message that is gone", "from outside", CAROL, Get("rooms/lobby/messages/bob~m9")),
]

KEEP = "keep a peer out"
OUT = [
    allow(KEEP, MOD, put("rooms/lobby/removed/bob", removal(MOD))),
    deny(KEEP, "as a publisher", ALICE, put("rooms/lobby/removed/bob", removal(ALICE))),
    deny(KEEP, "in another's name", MOD, put("rooms/lobby/removed/bob", removal(ALICE))),
    deny(
        KEEP,
        "with a token bound to another room",
        MOD.claiming(room="hall"),
        put("rooms/lobby/removed/bob", removal(MOD)),
    ),
    deny(
        KEEP, "with another realm's token", MOD.abroad, put("rooms/lobby/removed/bob", removal(MOD))
    ),
    deny(KEEP, "after the session", MOD.over, put("rooms/lobby/removed/bob", removal(MOD))),
    deny(
        KEEP,
        "for a year",
        MOD,
        put("rooms/lobby/removed/bob", removal(MOD, leaseUntil=Ahead(525_600))),
    ),
    deny(KEEP, "with a story", MOD, put("rooms/lobby/removed/bob", removal(MOD, reason="x" * 257))),
    deny(KEEP, "at another time", MOD, put("rooms/lobby/removed/bob", removal(MOD, at=Ahead(-5)))),
    deny(KEEP, "with more fields", MOD, put("rooms/lobby/removed/bob", removal(MOD, more=1))),
    deny(
        KEEP, "with a shard of its own", MOD, put("rooms/lobby/removed/bob", removal(MOD, shard=8))
    ),
    deny(KEEP, "who is none", MOD, put("rooms/lobby/removed/a~b", removal(MOD))),
    deny(KEEP, "twice", MOD, change("rooms/lobby/removed/dave", reason="more")),
    allow("let a peer in again", GUARD, delete("rooms/lobby/removed/dave")),
    deny("let a peer in again", "who is oneself", DAVE, delete("rooms/lobby/removed/dave")),
    deny("let a peer in again", "as a publisher", ALICE, delete("rooms/lobby/removed/dave")),
    allow("let a peer in that never was out", BOB, delete("rooms/lobby/removed/bob")),
    deny(
        "let a peer in that never was out",
        "after the session",
        BOB.over,
        delete("rooms/lobby/removed/bob"),
    ),
    allow("see whether one was put out", DAVE, Get("rooms/lobby/removed/dave")),
    deny("see whether one was put out", "of another", BOB, Get("rooms/lobby/removed/dave")),
    allow("see whether a peer was put out", MOD, Get("rooms/lobby/removed/dave")),
    deny("see whether a peer was put out", "all of them", MOD, List("rooms/lobby/removed")),
]

CASES: list[Case] = [*MESSAGES, *OUT]
