"""Open realms: accounts without claims, whose peers are ``{uid}-{suffix}``."""

from __future__ import annotations

from dataclasses import replace

from .cases import Case, allow, deny
from .operations import Ahead, Append, Get, List, change, commit, delete, put
from .people import ANN, BEN, BOB, CAT, DAVE, MOD, STRANGER, Person, account
from .world import NEW_CALL, call, caller, card, removal
from .writes import (
    LOBBY,
    NEW,
    OPEN,
    TAKEN,
    VAULT,
    answered_by,
    both,
    called,
    entered,
    first_in,
    made,
    named,
    offered,
    opened,
    said,
)

CALLS = "rooms/lobby/calls"
ANNS = f"{CALLS}/ann-tab1~s0"
DAN = account("dan")
ELSEWHERE = BOB.but(realm="elsewhere")
"""A keyed peer of another realm."""
MARY = account("mary")
MARY_ANN = account("mary-ann")
NAMESAKE = Person("ann-tab1", "ann-key-session-1")
"""A peer with a key, that chose the name of an open one."""
ODD = account("a:b").but(session="open-odd-session-1")
"""An account whose uid makes no id."""
CLOSED = put(".", {"open": False})

ENTER = "come in, openly"
ENTERING = [
    allow(ENTER, CAT, entered(CAT)),
    deny(ENTER, "in a realm that is not open", CAT, entered(CAT), CLOSED),
    deny(ENTER, "as another account", CAT, entered(ANN.again)),
    deny(ENTER, "as an account whose name begins like one's own", account("c"), entered(CAT)),
    deny(ENTER, "as an account whose name goes on after a dash", MARY, entered(MARY_ANN)),
    deny(
        ENTER, "as an account that is a pattern", account(".*").but(peer="cat-tab1"), entered(CAT)
    ),
    deny(ENTER, "without a suffix", CAT, entered(CAT.but(peer="cat"))),
    deny(ENTER, "with an empty suffix", CAT, entered(CAT.but(peer="cat-"))),
    deny(ENTER, "with a capital suffix", CAT, entered(CAT.but(peer="cat-TAB"))),
    deny(ENTER, "with a long suffix", CAT, entered(CAT.but(peer="cat-" + "x" * 17))),
    deny(
        ENTER, "with a session of a key's kind", CAT, entered(CAT.but(session="cat-session-00001"))
    ),
    deny(ENTER, "with a session too short", CAT, entered(CAT.but(session="open-x"))),
    deny(ENTER, "as a moderator", CAT, entered(CAT, role="moderator")),
    deny(ENTER, "as a subscriber", CAT, entered(CAT, role="subscriber")),
    deny(
        ENTER,
        "by a role claim of one's own",
        CAT.claiming(role="moderator"),
        entered(CAT, role="moderator"),
    ),
    deny(ENTER, "after being put out", DAN, entered(DAN)),
    deny(ENTER, "to a locked room", CAT, entered(CAT, VAULT)),
    deny(ENTER, "with another realm's token", ELSEWHERE, entered(BOB)),
    deny(
        ENTER,
        "with another realm's token, as an account of it",
        ELSEWHERE,
        entered(Person("elsewhere:bob-tab1", "open-bob-session-1")),
    ),
    deny(ENTER, "without a token", STRANGER, entered(CAT)),
    allow("come in with claims of one's own", CAT.claiming(realm=7, admin="no"), entered(CAT)),
    deny(
        "come in with claims of one's own", "as another", CAT.claiming(realm=7), entered(BEN.again)
    ),
    allow("come back to moderate one's room", ANN.again, entered(ANN.again, role="moderator")),
    deny(
        "come back to moderate one's room",
        "as a king",
        ANN.again,
        entered(ANN.again, role="king"),
    ),
    deny(
        "come back to moderate one's room",
        "of another",
        BEN.again,
        entered(BEN.again, role="moderator"),
    ),
    deny(
        "come back to moderate one's room",
        "over a keyed peer of that name",
        ANN.again,
        entered(ANN.again),
        put("rooms/lobby/peers/ann-tab1", card(NAMESAKE)),
    ),
    allow(
        "create a room and come in, openly",
        CAT,
        commit(*first_in(CAT).writes[:1], entered(CAT, "rooms/den", role="moderator")),
    ),
    deny("create a room and come in, openly", "in another's name", CAT, made(ANN)),
    deny(
        "create a room and come in, openly", "in a realm that is not open", CAT, made(CAT), CLOSED
    ),
    allow("stay, openly", BEN, change("rooms/lobby/peers/ben-tab1", leaseUntil=Ahead(19))),
    deny(
        "stay, openly",
        "in a realm that was closed",
        BEN,
        change("rooms/lobby/peers/ben-tab1", leaseUntil=Ahead(19)),
        CLOSED,
    ),
    deny(
        "stay, openly",
        "as another",
        CAT,
        change("rooms/lobby/peers/ben-tab1", leaseUntil=Ahead(19)),
    ),
    allow("leave, openly", BEN, delete("rooms/lobby/peers/ben-tab1")),
    deny("leave, openly", "for another", CAT, delete("rooms/lobby/peers/ben-tab1")),
    deny(
        "leave, openly",
        "for a keyed peer of that name",
        BEN,
        delete("rooms/lobby/peers/ben-tab1"),
        put("rooms/lobby/peers/ben-tab1", card(Person("ben-tab1", "ben-key-session-1"))),
    ),
    deny(
        "leave, openly",
        "by a key's peer of that name",
        NAMESAKE,
        delete("rooms/lobby/peers/ann-tab1"),
    ),
    allow(
        "put a peer out, openly",
        ANN,
        commit(
            delete("rooms/lobby/peers/ben-tab1"), put("rooms/lobby/removed/ben-tab1", removal(ANN))
        ),
    ),
    deny("put a peer out, openly", "of another's room", BEN, delete("rooms/lobby/peers/ann-tab1")),
    deny(
        "put a peer out, openly",
        "with another realm's moderator",
        MOD.abroad,
        delete("rooms/lobby/peers/ben-tab1"),
    ),
]

CALLING = [
    allow("answer openly", BEN, answered_by(BEN, ANNS)),
    deny("answer openly", "from outside", CAT, answered_by(CAT, ANNS)),
    deny("answer openly", "as another", CAT, answered_by(BEN, ANNS)),
    deny(
        "answer openly",
        "as a keyed peer of that name",
        BEN,
        answered_by(BEN.but(session="ben-key-session-1"), ANNS),
        put("rooms/lobby/peers/ben-tab1", card(Person("ben-tab1", "ben-key-session-1"))),
    ),
    deny("answer openly", "with another realm's token", ELSEWHERE, answered_by(BOB, ANNS)),
    allow("leave a standing offer, openly", BEN, offered(BEN)),
    deny("leave a standing offer, openly", "as another", CAT, offered(BEN)),
    deny("leave a standing offer, openly", "from outside", CAT, offered(CAT)),
    allow("call a peer, openly", BEN, called(BEN, ANN)),
    deny("call a peer, openly", "from outside", CAT, called(CAT, ANN)),
    allow("add candidates, openly", ANN, change(ANNS, offerCandidates=Append(("x",)))),
    deny("add candidates, openly", "of another", BEN, change(ANNS, offerCandidates=Append(("x",)))),
    allow("delete one's offer, openly", ANN, delete(ANNS)),
    deny("delete one's offer, openly", "of another", BEN, delete(ANNS)),
    allow("list the standing offers, openly", CAT, List(CALLS, {"to": "*"})),
    deny(
        "list the standing offers, openly",
        "of a locked room",
        CAT,
        List("rooms/vault/calls", {"to": "*"}),
    ),
    deny(
        "list the standing offers, openly",
        "of a locked room, as a member that doesn't say so",
        BEN,
        List("rooms/vault/calls", {"to": "*"}),
    ),
    deny(
        "list the standing offers, openly",
        "in a realm that is not open",
        CAT,
        List(CALLS, {"to": "*"}),
        CLOSED,
    ),
    deny(
        "list the standing offers, openly",
        "with another realm's token, after its session",
        ELSEWHERE.over,
        List(CALLS, {"to": "*"}),
    ),
    allow(
        "list a locked room's standing offers as its creator",
        ANN,
        List("rooms/vault/calls", {"to": "*"}),
    ),
    deny(
        "list a locked room's standing offers as its creator",
        "of another",
        CAT,
        List("rooms/vault/calls", {"to": "*"}),
    ),
    allow("list the calls to oneself, openly", BEN, List("rooms/vault/calls", {"to": "ben-tab1"})),
    deny(
        "list the calls to oneself, openly",
        "to another",
        CAT,
        List("rooms/vault/calls", {"to": "ben-tab1"}),
    ),
    deny(
        "list the calls to oneself, openly",
        "in a realm that is not open",
        BEN,
        List("rooms/vault/calls", {"to": "ben-tab1"}),
        CLOSED,
    ),
    allow("list one's own calls, openly", ANN, List(CALLS, {"from": "ann-tab1"})),
    deny("list one's own calls, openly", "of another", BEN, List(CALLS, {"from": "ann-tab1"})),
    allow("open a one-off call, openly", CAT, both(CAT)),
    deny("open a one-off call, openly", "as another", CAT, both(BEN)),
    deny("open a one-off call, openly", "without the counter", CAT, opened(CAT)),
    deny(
        "open a one-off call, openly",
        "by a call claim of one's own",
        CAT.claiming(call="c" * 32),
        opened(CAT),
    ),
    deny("open a one-off call, openly", "beside another", ANN, both(ANN)),
    deny("open a one-off call, openly", "in a realm that is not open", CAT, both(CAT), CLOSED),
    deny(
        "open a one-off call, openly",
        "with a session of a key's kind",
        CAT,
        both(CAT.but(session="cat-session-00001")),
    ),
    deny(
        "open a one-off call, openly",
        "in a realm that was closed since it was named",
        CAT,
        opened(CAT),
        put("callers/cat-tab1", caller(NEW_CALL)),
        CLOSED,
    ),
    deny("open a one-off call, openly", "under an id that is none", ODD, both(ODD)),
    deny(
        "open a one-off call, openly",
        "with the counter of an id that is none",
        ODD,
        named(ODD, "b" * 32),
        put(TAKEN, call("open", ODD)),
    ),
    allow("answer a one-off call, openly", CAT, answered_by(CAT, OPEN)),
    deny("answer a one-off call, openly", "as another", CAT, answered_by(BEN, OPEN)),
    deny(
        "answer a one-off call, openly",
        "in a realm that is not open",
        CAT,
        answered_by(CAT, OPEN),
        CLOSED,
    ),
    deny("answer a one-off call, openly", "under an id that is none", ODD, answered_by(ODD, OPEN)),
    allow("wait for a one-off call, openly", CAT, Get(NEW)),
    deny("wait for a one-off call, openly", "in a realm that is not open", CAT, Get(NEW), CLOSED),
    deny("wait for a one-off call, openly", "that two others have", CAT, Get(TAKEN)),
    allow("delete one's one-off call, openly", ANN, delete(OPEN)),
    deny("delete one's one-off call, openly", "of another", BEN, delete(OPEN)),
    deny(
        "delete one's one-off call, openly",
        "of a keyed peer of that name",
        ANN,
        delete(OPEN),
        put(OPEN, call("open", NAMESAKE)),
    ),
    allow("name a call, openly", BEN, named(BEN, "b" * 32)),
    deny("name a call, openly", "of another", CAT, named(CAT, "b" * 32)),
]

LOOKING = [
    allow("lock a room, openly", ANN, change(LOBBY, locked=True)),
    deny("lock a room, openly", "of another", BEN, change(LOBBY, locked=True)),
    deny(
        "lock a room, openly",
        "by a role claim of one's own",
        BEN.claiming(role="moderator"),
        change(LOBBY, locked=True),
    ),
    allow("prolong a room, openly", BEN, change(LOBBY, leaseUntil=Ahead(1439))),
    deny(
        "prolong a room, openly",
        "and lock it",
        BEN,
        change(LOBBY, leaseUntil=Ahead(1439), locked=True),
    ),
    allow("delete a room, openly", ANN, delete(LOBBY)),
    deny("delete a room, openly", "of another", BEN, delete(LOBBY)),
    deny("delete a room, openly", "in a realm that was closed", ANN, delete(LOBBY), CLOSED),
    allow("list the rooms, openly", CAT, List("rooms", {"listed": True})),
    deny("list the rooms, openly", "all", CAT, List("rooms")),
    deny(
        "list the rooms, openly",
        "in a realm that is not open",
        CAT,
        List("rooms", {"listed": True}),
        CLOSED,
    ),
    allow("list the peers, openly", CAT, List("rooms/lobby/peers")),
    deny("list the peers, openly", "of a locked room", CAT, List("rooms/vault/peers")),
    deny(
        "list the peers, openly",
        "in a realm that is not open",
        CAT,
        List("rooms/lobby/peers"),
        CLOSED,
    ),
    allow("say something, openly", BEN, said(BEN)),
    deny("say something, openly", "from outside", CAT, said(CAT)),
    allow("hear what is said to all, openly", BEN, List("rooms/lobby/messages", {"to": "*"})),
    deny(
        "hear what is said to all, openly",
        "in a locked room",
        CAT,
        List("rooms/vault/messages", {"to": "*"}),
    ),
    deny(
        "hear what is said to all, openly",
        "in a realm that is not open",
        CAT,
        List("rooms/lobby/messages", {"to": "*"}),
        CLOSED,
    ),
    allow("see whether one was put out, openly", DAN, Get("rooms/lobby/removed/dan-tab1")),
    deny(
        "see whether one was put out, openly",
        "of another",
        CAT,
        Get("rooms/lobby/removed/dan-tab1"),
    ),
    deny(
        "see whether one was put out, openly",
        "by a key's peer of another realm",
        DAVE.abroad,
        Get("rooms/lobby/removed/dave"),
    ),
]

CASES: list[Case] = [replace(case, world="open") for case in (*ENTERING, *CALLING, *LOOKING)]
