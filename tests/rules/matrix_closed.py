"""What is closed to clients, and the tutorial's paths with their switch off and on."""

from __future__ import annotations

from dataclasses import replace

from .cases import NOBODY_MAY, Case, allow, deny
from .operations import Get, List, Operation, change, delete, put
from .people import ADMIN, ALICE, BOB, CAT, GUARD, MOD, STRANGER, Person
from .world import LOUD_SDP, answer, card, offer

CANDIDATE = {
    "candidate": "candidate:1 1 udp 1 192.0.2.1 1 typ host",
    "sdpMid": "0",
    "sdpMLineIndex": 0,
    "usernameFragment": "abcd",
}

VAULT_CALLS = "rooms/vault/calls"
UNLOCK = change("rooms/vault", locked=False)

ADMINS = [
    allow("read a realm as its owner", ADMIN, Get(".")),
    deny("read a realm as its owner", "as a moderator", MOD, Get(".")),
    deny("read a realm as its owner", "who says so in words", CAT.claiming(admin="true"), Get(".")),
    allow("list the realms as their owner", ADMIN, List("/realms")),
    deny("list the realms as their owner", "as a peer", ALICE, List("/realms")),
    allow("read the counters as their owner", ADMIN, Get("usage/2026-01-01_0")),
    deny("read the counters as their owner", "as a moderator", MOD, Get("usage/2026-01-01_0")),
    deny(
        "read the counters as their owner",
        "and write them",
        ADMIN,
        put("usage/2026-01-01_0", {"joins": 0}),
    ),
    deny("read the counters as their owner", "of all realms", ADMIN, List("usage", group=True)),
    deny("read a realm as its owner", "and write it", ADMIN, put(".", {"open": True})),
    deny("read a realm as its owner", "and its keys", ADMIN, Get("/keys/demo")),
    deny("read a realm as its owner", "and list its keys", ADMIN, List("/keys")),
    deny("read a realm as its owner", "and its peers' resume tokens", ADMIN, Get("ids/alice")),
    allow("look into a locked room as its owner", ADMIN, Get("rooms/vault")),
    deny("look into a locked room as its owner", "and unlock it", ADMIN, UNLOCK),
    deny("look into a locked room as its owner", "and delete it", ADMIN, delete("rooms/vault")),
    deny(
        "look into a locked room as its owner",
        "and its calls",
        ADMIN,
        Get(f"{VAULT_CALLS}/alice~s0"),
    ),
    deny("look into a locked room as its owner", "and list its calls", ADMIN, List(VAULT_CALLS)),
    deny(
        "look into a locked room as its owner",
        "and its messages",
        ADMIN,
        List("rooms/vault/messages", {"to": "*"}),
    ),
    deny(
        "look into a locked room as its owner",
        "and who was put out",
        ADMIN,
        Get("rooms/lobby/removed/dave"),
    ),
    allow("list all rooms as their owner", ADMIN, List("rooms")),
    deny("list all rooms as their owner", "as a moderator", MOD, List("rooms")),
    deny(
        "list all rooms as their owner",
        "who says so in words",
        CAT.claiming(admin=1),
        List("rooms"),
    ),
    deny("list all rooms as their owner", "of all realms", ADMIN, List("rooms", group=True)),
    allow("list a locked room's peers as its owner", ADMIN, List("rooms/vault/peers")),
    deny(
        "list a locked room's peers as its owner",
        "as a moderator",
        GUARD,
        List("rooms/vault/peers"),
    ),
    deny(
        "list a locked room's peers as its owner", "of all rooms", ADMIN, List("peers", group=True)
    ),
    deny(
        "list a locked room's peers as its owner",
        "and put one out",
        ADMIN,
        delete("rooms/vault/peers/bob"),
    ),
]

_CLOSED: dict[str, Operation] = {
    "read a key": Get("/keys/demo"),
    "list the keys": List("/keys"),
    "list the keys of one's realm": List("/keys", {"realm": "r"}),
    "write a key": put("/keys/mine", {"realm": "r", "secret": "s"}),
    "read who holds one's name": Get("ids/alice"),
    "list who holds the names": List("ids"),
    "list who holds the names, in all realms": List("ids", group=True),
    "take a name": put("ids/bob", {"session": ALICE.session}),
    "open the realm": put(".", {"open": True}),
    "count joins": put("usage/2026-01-01_0", {"joins": 0}),
    "list all offer's candidates anywhere": List("offerCandidates", group=True),
    "write below a call": put("rooms/lobby/calls/alice~s0/notes/x", {"x": 1}),
    "write below one's peer document": put("rooms/lobby/peers/alice/notes/x", {"x": 1}),
    "write below a realm": put("notes/x", {"x": 1}),
    "write below everything": put("/a/b/c/d/e/f/g/h", {"x": 1}),
    "write beside everything": put("/anything/x", {"x": 1}),
    "read below a room": List("rooms/lobby/notes"),
    "a peer document outside a room": put("peers/alice", card(ALICE)),
}

CLOSED = [deny(NOBODY_MAY, name, ALICE, do) for name, do in _CLOSED.items()]


def _tutorial(root: str, first: str, second: str) -> list[Case]:
    """The rows of one of the two tutorials."""
    one, other, new = f"/{root}/one-{{realm}}", f"/{root}/two-{{realm}}", f"/{root}/new-{{realm}}"
    given = (
        put(one, {"offer": offer()}),
        put(other, {"offer": offer(), "answer": answer()}),
        put(f"{one}/{first}/a", CANDIDATE),
    )

    def yes(name: str, do: Operation, who: Person = CAT) -> Case:
        return allow(f"{name}, in {root}", who, do, *given)

    def no(twin: str, name: str, do: Operation, who: Person = CAT) -> Case:
        return deny(f"{twin}, in {root}", name, who, do, *given)

    rows = [
        yes("make a call", put(new, {"offer": offer()})),
        no("make a call", "without a token", put(new, {"offer": offer()}), STRANGER),
        no("make a call", "after the session", put(new, {"offer": offer()}), BOB.over),
        no(
            "make a call",
            "with a token bound to a room",
            put(new, {"offer": offer()}),
            BOB.claiming(room="x"),
        ),
        no("make a call", "over another", put(one, {"offer": offer("v=0\r\nmine")})),
        no("make a call", "with more fields", put(new, {"offer": offer(), "more": "x" * 90_000})),
        no("make a call", "with too long an SDP", put(new, {"offer": offer("x" * 65_537)})),
        no("make a call", "already answered", put(new, {"offer": offer(), "answer": answer()})),
        yes("answer a call", change(one, answer=answer())),
        no("answer a call", "twice", change(other, answer=answer("v=0\r\nmine"))),
        no(
            "answer a call",
            "and change the offer",
            change(one, answer=answer(), offer=offer("v=0\r\nmine")),
        ),
        no("answer a call", "with an offer", change(one, answer=offer(LOUD_SDP))),
        no("answer a call", "without a token", change(one, answer=answer()), STRANGER),
        yes("read a call", Get(one), BOB),
        no("read a call", "without its id", List(f"/{root}")),
        yes("hang up", delete(other)),
        yes("hang up where somebody has", delete(new)),
        no("hang up", "before the answer", delete(one)),
        no("hang up", "without a token", delete(other), STRANGER),
        no("read a call", "without a token", Get(one), STRANGER),
    ]
    for side in (first, second):
        rows += [
            yes(f"add to {side}", put(f"{one}/{side}/b", CANDIDATE)),
            no(f"add to {side}", "over another", put(f"{one}/{first}/a", {"candidate": "x"})),
            no(
                f"add to {side}",
                "too long a one",
                put(f"{one}/{side}/b", {"candidate": "x" * 2049}),
            ),
            no(f"add to {side}", "with more fields", put(f"{one}/{side}/b", {**CANDIDATE, "x": 1})),
            no(
                f"add to {side}",
                "with a number for a mid",
                put(f"{one}/{side}/b", {**CANDIDATE, "sdpMid": 0}),
            ),
            no(
                f"add to {side}",
                "with text for an index",
                put(f"{one}/{side}/b", {**CANDIDATE, "sdpMLineIndex": "0"}),
            ),
            no(
                f"add to {side}",
                "with half an index",
                put(f"{one}/{side}/b", {**CANDIDATE, "sdpMLineIndex": 0.5}),
            ),
            no(
                f"add to {side}",
                "with a negative index",
                put(f"{one}/{side}/b", {**CANDIDATE, "sdpMLineIndex": -1}),
            ),
            no(
                f"add to {side}",
                "with a map for a fragment",
                put(f"{one}/{side}/b", {**CANDIDATE, "usernameFragment": {}}),
            ),
            no(f"add to {side}", "without a token", put(f"{one}/{side}/b", CANDIDATE), STRANGER),
            yes(
                f"add nulls to {side}",
                put(
                    f"{one}/{side}/c",
                    {
                        "candidate": "",
                        "sdpMid": None,
                        "sdpMLineIndex": None,
                        "usernameFragment": None,
                    },
                ),
            ),
            no(
                f"add nulls to {side}",
                "for a candidate",
                put(f"{one}/{side}/c", {"candidate": None}),
            ),
            yes(f"list {side}", List(f"{one}/{side}")),
            no(f"list {side}", "without a token", List(f"{one}/{side}"), STRANGER),
            no(f"list {side}", "of all calls", List(f"/{side}", group=True)),
            yes(f"delete from {side}", delete(f"{one}/{side}/a")),
            no(f"delete from {side}", "without a token", delete(f"{one}/{side}/a"), STRANGER),
        ]
    return rows


TUTORIALS = [
    *_tutorial("calls", "offerCandidates", "answerCandidates"),
    *_tutorial("rooms", "callerCandidates", "calleeCandidates"),
]

PRESETS: list[Case] = [replace(case, world="presets") for case in TUTORIALS]
"""The tutorial's paths, opened."""

SHUT: list[Case] = [
    replace(case, id=f"presets off | {case.id}", twin=case.id) for case in TUTORIALS if case.allowed
]
"""The same requests with the switch off."""

CASES: list[Case] = [*ADMINS, *CLOSED, *SHUT]
