"""Rooms, by peers with keys."""

from __future__ import annotations

from .cases import Case, allow, deny
from .operations import Ahead, Get, List, change, delete
from .people import ALICE, BOB, CAROL, GUARD, MOD, STRANGER, SUE
from .writes import LOBBY, VAULT, made

BOUND_ELSEWHERE = CAROL.claiming(room="hall")
SEAL = {"kdf": "scrypt", "n": 32768, "r": 8, "p": 1, "salt": "c2FsdA", "check": "Y2hlY2s"}


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
    deny(
        "create a sealed room",
        "with a story",
        CAROL,
        made(CAROL, sealed={**SEAL, "salt": "x" * 129}),
    ),
    deny(
        "create a sealed room", "with more fields", CAROL, made(CAROL, sealed={**SEAL, "more": 1})
    ),
    deny(
        "create a sealed room",
        "with a map",
        CAROL,
        made(CAROL, sealed={**SEAL, "check": {"x": "y" * 90_000}}),
    ),
    deny("create a sealed room", "with text", CAROL, made(CAROL, sealed="yes")),
    allow("prolong a room", BOB, change(LOBBY, leaseUntil=Ahead(1439))),
    deny("prolong a room", "from outside", CAROL, change(LOBBY, leaseUntil=Ahead(1439))),
    deny("prolong a room", "in another session", BOB.again, change(LOBBY, leaseUntil=Ahead(1439))),
    deny("prolong a room", "for a month", BOB, change(LOBBY, leaseUntil=Ahead(43_200))),
    deny("prolong a room", "and shorten it", BOB, change(LOBBY, leaseUntil=Ahead(1))),
    deny("prolong a room", "after the session", BOB.over, change(LOBBY, leaseUntil=Ahead(1439))),
    deny(
        "prolong a room",
        "with a token bound to another room",
        BOB.claiming(room="hall"),
        change(LOBBY, leaseUntil=Ahead(1439)),
    ),
    allow("lock a room", MOD, change(LOBBY, locked=True)),
    deny("lock a room", "as a publisher", BOB, change(LOBBY, locked=True)),
    deny("lock a room", "as a moderator from outside", GUARD, change(LOBBY, locked=True)),
    deny("lock a room", "after the session", MOD.over, change(LOBBY, locked=True)),
    deny(
        "lock a room",
        "with a token bound to another room",
        MOD.claiming(room="hall"),
        change(LOBBY, locked=True),
    ),
    deny("lock a room", "with another realm's token", MOD.abroad, change(LOBBY, locked=True)),
    deny("lock a room", "perhaps", MOD, change(LOBBY, locked="yes")),
    deny("lock a room", "and connect it otherwise", MOD, change(LOBBY, connect="none")),
    deny("lock a room", "and take it over", MOD, change(LOBBY, createdBy="mod2")),
    deny(
        "lock a room", "and shorten its life", MOD, change(LOBBY, locked=True, leaseUntil=Ahead(1))
    ),
    allow(
        "resize, list and prolong a room",
        MOD,
        change(LOBBY, capacity=1000, listed=False, leaseUntil=Ahead(1439)),
    ),
    deny("resize, list and prolong a room", "without bounds", MOD, change(LOBBY, capacity=1001)),
    deny("resize, list and prolong a room", "as a publisher", ALICE, change(LOBBY, capacity=1000)),
    allow("delete a room", GUARD, delete(LOBBY)),
    deny("delete a room", "as a publisher in it", BOB, delete(LOBBY)),
    deny(
        "delete a room",
        "with a token bound to another room",
        GUARD.claiming(room="hall"),
        delete(LOBBY),
    ),
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
    deny(
        "list the rooms",
        "with a token bound to a room",
        CAROL.claiming(room="lobby"),
        List("rooms", {"listed": True}),
    ),
    deny("list the rooms", "of all realms", CAROL, List("rooms", {"listed": True}, group=True)),
]

SEALS = [
    deny(
        "create a sealed room",
        f"with a list for {name}",
        CAROL,
        made(CAROL, sealed={**SEAL, name: []}),
    )
    for name in SEAL
]

CASES: list[Case] = [*ROOMS, *SEALS]
