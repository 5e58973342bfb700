"""Peers in rooms, with keys: coming in, staying, leaving, being seen."""

from __future__ import annotations

from .cases import Case, allow, deny
from .operations import GONE, NOW, Ahead, Get, List, change, commit, delete, put
from .people import ALICE, BOB, CAROL, DAVE, GUARD, MOD, STRANGER, SUE, Person
from .world import card, removal
from .writes import VAULT, entered, first_in, made

BOUND_ELSEWHERE = CAROL.claiming(room="hall")


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
    deny(
        ENTER,
        "under an id that is none",
        Person("a~b", "a-b-session-0001"),
        entered(Person("a~b", "a-b-session-0001")),
    ),
    deny(
        ENTER,
        "under an id too long",
        Person("x" * 81, "x-session-0000001"),
        entered(Person("x" * 81, "x-session-0000001")),
    ),
    deny(
        ENTER,
        "with a session of the open kind",
        Person("carol", "open-carol-session"),
        entered(Person("carol", "open-carol-session")),
    ),
    allow(
        "come in as a subscriber",
        SUE,
        put("rooms/hall/peers/sue", card(SUE)),
        delete("rooms/hall/peers/sue"),
    ),
    deny(
        "come in as a subscriber",
        "but publish",
        SUE,
        put("rooms/hall/peers/sue", card(SUE, "publisher")),
        delete("rooms/hall/peers/sue"),
    ),
    allow("create a room and come in", CAROL, first_in(CAROL)),
    deny(
        "create a room and come in",
        "but locked",
        CAROL,
        commit(made(CAROL, locked=True), entered(CAROL, "rooms/den")),
    ),
    allow("come back", BOB.again, entered(BOB.again)),
    deny("come back", "to a locked room", BOB.again, entered(BOB.again, VAULT)),
    deny(
        "come back",
        "as if one had never left",
        BOB.again,
        change("rooms/lobby/peers/bob", session=BOB.again.session),
    ),
    deny("come back", "as another", CAROL, put("rooms/lobby/peers/bob", card(CAROL))),
    deny(
        "come back",
        "in an open account's place",
        Person("ann-tab1", "ann-key-session-1"),
        entered(Person("ann-tab1", "ann-key-session-1")),
        put("rooms/lobby/peers/ann-tab1", {"session": "open-ann-session-1"}),
    ),
    allow(
        "stay",
        BOB,
        change(
            "rooms/lobby/peers/bob",
            leaseUntil=Ahead(19),
            data="{}",
            media={"video": True, "screen": True},
            can=[],
        ),
    ),
    deny("stay", "for a day", BOB, change("rooms/lobby/peers/bob", leaseUntil=Ahead(1440))),
    deny("stay", "and become a moderator", BOB, change("rooms/lobby/peers/bob", role="moderator")),
    deny(
        "stay", "and be the first, or the last", BOB, change("rooms/lobby/peers/bob", joinedAt=NOW)
    ),
    deny(
        "stay", "in another's place", CAROL, change("rooms/lobby/peers/bob", leaseUntil=Ahead(19))
    ),
    deny(
        "stay",
        "in another's place, as a moderator",
        MOD,
        change("rooms/lobby/peers/bob", leaseUntil=Ahead(19)),
    ),
    deny(
        "stay",
        "in an older session",
        BOB,
        change("rooms/lobby/peers/bob", leaseUntil=Ahead(19)),
        put("rooms/lobby/peers/bob", card(BOB.again)),
    ),
    deny(
        "stay", "after the session", BOB.over, change("rooms/lobby/peers/bob", leaseUntil=Ahead(19))
    ),
    deny("stay", "without end", BOB, change("rooms/lobby/peers/bob", leaseUntil=GONE)),
    deny("stay", "with much to say", BOB, change("rooms/lobby/peers/bob", data="x" * 8193)),
    allow(
        "stay in a room that was locked", BOB, change("rooms/vault/peers/bob", leaseUntil=Ahead(19))
    ),
    deny(
        "stay in a room that was locked",
        "after being put out",
        BOB,
        entered(BOB, VAULT),
        delete("rooms/vault/peers/bob"),
    ),
    allow("leave", BOB.again, delete("rooms/lobby/peers/bob")),
    deny("leave", "for another", CAROL, delete("rooms/lobby/peers/bob")),
    deny("leave", "with another realm's token", BOB.abroad, delete("rooms/lobby/peers/bob")),
    deny("leave", "after the session", BOB.over, delete("rooms/lobby/peers/bob")),
    allow("leave twice", CAROL, delete("rooms/lobby/peers/carol")),
    deny(
        "leave twice",
        "with a token bound to another room",
        BOUND_ELSEWHERE,
        delete("rooms/lobby/peers/carol"),
    ),
    allow(
        "put a peer out",
        MOD,
        commit(delete("rooms/lobby/peers/bob"), put("rooms/lobby/removed/bob", removal(MOD))),
    ),
    deny(
        "put a peer out",
        "as a publisher",
        ALICE,
        commit(delete("rooms/lobby/peers/bob"), put("rooms/lobby/removed/bob", removal(ALICE))),
    ),
    allow("see a peer", CAROL, Get("rooms/lobby/peers/bob")),
    deny("see a peer", "in a locked room", CAROL, Get("rooms/vault/peers/bob")),
    deny(
        "see a peer",
        "with a token bound to another room",
        BOUND_ELSEWHERE,
        Get("rooms/lobby/peers/bob"),
    ),
    allow("see whether one is still in a locked room", CAROL, Get("rooms/vault/peers/carol")),
    deny(
        "see whether one is still in a locked room",
        "after the session",
        CAROL.over,
        Get("rooms/vault/peers/carol"),
    ),
    allow("list the peers", CAROL, List("rooms/lobby/peers")),
    deny("list the peers", "of a locked room", CAROL, List("rooms/vault/peers")),
    deny(
        "list the peers",
        "of a locked room, as a moderator from outside",
        GUARD,
        List("rooms/vault/peers"),
    ),
    deny("list the peers", "of all rooms", BOB, List("peers", group=True)),
    deny(
        "list the peers",
        "with a token bound to another room",
        BOUND_ELSEWHERE,
        List("rooms/lobby/peers"),
    ),
    deny("list the peers", "with another realm's token", CAROL.abroad, List("rooms/lobby/peers")),
    deny("list the peers", "after the session", CAROL.over, List("rooms/lobby/peers")),
    allow("list the peers of a locked room as a member", BOB, List("rooms/vault/peers")),
    deny(
        "list the peers of a locked room as a member",
        "put out",
        BOB,
        List("rooms/vault/peers"),
        delete("rooms/vault/peers/bob"),
    ),
    allow("list the peers of a room to be", CAROL, List("rooms/nowhere/peers")),
    deny(
        "list the peers of a room to be", "without a token", STRANGER, List("rooms/nowhere/peers")
    ),
]

CASES: list[Case] = [*PEERS]
