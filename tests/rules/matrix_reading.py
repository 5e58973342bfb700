"""Who reads the calls of a room."""

from __future__ import annotations

from .cases import Case, allow, deny
from .operations import Get, List, delete
from .people import ALICE, BOB, CAROL, DAVE, GUARD, MOD, STRANGER, SUE
from .writes import ANSWERED, DIRECT, LOBBY, STANDING, TALKING, VAULT

LOBBY_CALLS = f"{LOBBY}/calls"
VAULT_CALLS = f"{VAULT}/calls"
BOUND_ELSEWHERE = BOB.claiming(room="hall")

READ = "list the standing offers"
READS = [
    allow(READ, CAROL, List(LOBBY_CALLS, {"to": "*"})),
    deny(READ, "of a locked room", CAROL, List(VAULT_CALLS, {"to": "*"})),
    deny(
        READ,
        "of a locked room, with a token bound to another room",
        CAROL.claiming(room="hall"),
        List(VAULT_CALLS, {"to": "*"}),
    ),
    deny(
        READ,
        "of a locked room, as a member with a token bound to another room",
        BOUND_ELSEWHERE,
        List(VAULT_CALLS, {"to": "*"}),
    ),
    deny(
        READ,
        "with a token bound to another room",
        CAROL.claiming(room="hall"),
        List(LOBBY_CALLS, {"to": "*"}),
    ),
    deny(READ, "with another realm's token", CAROL.abroad, List(LOBBY_CALLS, {"to": "*"})),
    deny(READ, "after the session", CAROL.over, List(LOBBY_CALLS, {"to": "*"})),
    deny(READ, "without a token", STRANGER, List(LOBBY_CALLS, {"to": "*"})),
    deny(READ, "and all others", MOD, List(LOBBY_CALLS)),
    deny(READ, "of all rooms", BOB, List("calls", {"to": "*"}, group=True)),
    deny(
        READ, "and those to another", CAROL, List(LOBBY_CALLS, {"to": ["*", "bob"]}, operator="IN")
    ),
    deny(
        READ,
        "and whatever is not",
        CAROL,
        List(LOBBY_CALLS, {"to": "*"}, operator="GREATER_THAN_OR_EQUAL"),
    ),
    allow("list a locked room's standing offers as a member", BOB, List(VAULT_CALLS, {"to": "*"})),
    deny(
        "list a locked room's standing offers as a member",
        "put out",
        BOB,
        List(VAULT_CALLS, {"to": "*"}),
        delete("rooms/vault/peers/bob"),
    ),
    deny(
        "list a locked room's standing offers as a member",
        "in another session",
        BOB.again,
        List(VAULT_CALLS, {"to": "*"}),
    ),
    deny(
        "list a locked room's standing offers as a member",
        "as a moderator from outside",
        GUARD,
        List(VAULT_CALLS, {"to": "*"}),
    ),
    allow("list the calls to oneself", BOB, List(LOBBY_CALLS, {"to": "bob"})),
    deny("list the calls to oneself", "to another", BOB, List(LOBBY_CALLS, {"to": "sue"})),
    deny(
        "list the calls to oneself", "in all rooms", BOB, List("calls", {"to": "bob"}, group=True)
    ),
    deny(
        "list the calls to oneself",
        "with another realm's token",
        BOB.abroad,
        List(LOBBY_CALLS, {"to": "bob"}),
    ),
    allow("list one's own calls", ALICE, List(LOBBY_CALLS, {"from": "alice"})),
    deny("list one's own calls", "of another", BOB, List(LOBBY_CALLS, {"from": "alice"})),
    deny(
        "list one's own calls",
        "after the session",
        ALICE.over,
        List(LOBBY_CALLS, {"from": "alice"}),
    ),
    allow("read a call to oneself", BOB, Get(DIRECT)),
    deny("read a call to oneself", "to another", SUE, Get(DIRECT)),
    deny("read a call to oneself", "to another, as a moderator", MOD, Get(DIRECT)),
    deny("read a call to oneself", "after the session", BOB.over, Get(DIRECT)),
    allow("read one's own call", ALICE, Get(TALKING)),
    deny("read one's own call", "of two others", SUE, Get(TALKING)),
    allow("read a standing offer", CAROL, Get(STANDING)),
    deny("read a standing offer", "that was answered", CAROL, Get(ANSWERED)),
    deny("read a standing offer", "in a locked room", CAROL, Get(f"{VAULT_CALLS}/alice~s0")),
    deny("read a standing offer", "after the session", CAROL.over, Get(STANDING)),
    deny(
        "read a standing offer",
        "who was put out of a locked room",
        DAVE,
        Get(f"{VAULT_CALLS}/alice~s0"),
    ),
    allow("read a call that is gone", BOB, Get(f"{LOBBY_CALLS}/alice~bob~3")),
    deny(
        "read a call that is gone", "after the session", BOB.over, Get(f"{LOBBY_CALLS}/alice~bob~3")
    ),
    deny(
        "read a call that is gone",
        "in a locked room, from outside",
        CAROL,
        Get(f"{VAULT_CALLS}/alice~bob~3"),
    ),
    allow(
        "list the standing offers of a room to be", CAROL, List("rooms/nowhere/calls", {"to": "*"})
    ),
    deny(
        "list the standing offers of a room to be",
        "with a token bound to another",
        CAROL.claiming(room="hall"),
        List("rooms/nowhere/calls", {"to": "*"}),
    ),
]

CASES: list[Case] = [*READS]
