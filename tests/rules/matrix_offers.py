"""Offers in rooms, by peers with keys."""

from __future__ import annotations

from .cases import Case, allow, deny
from .operations import GONE, Ahead, put
from .people import ALICE, BOB, CAROL, SUE
from .world import SILENT_SDP, answer, call, offer
from .writes import ANSWERED, BIG, HALL, LOBBY, STANDING, called, offered

LOBBY_CALLS = f"{LOBBY}/calls"
HALL_CALLS = f"{HALL}/calls"
BOUND_ELSEWHERE = BOB.claiming(room="hall")

STAND = "leave a standing offer"
OFFERS = [
    allow(STAND, BOB, offered(BOB)),
    deny(STAND, "in another's slot", BOB, put(f"{LOBBY_CALLS}/sue~s0", call("standing", BOB))),
    deny(STAND, "as another", BOB, offered(SUE)),
    deny(
        STAND,
        "in a third slot",
        BOB,
        put(f"{LOBBY_CALLS}/bob~s2", call("standing", BOB, attempt=2)),
    ),
    deny(
        STAND,
        "in a slot that isn't the attempt's",
        BOB,
        put(f"{LOBBY_CALLS}/bob~s1", call("standing", BOB)),
    ),
    deny(
        STAND,
        "under any id (one of 500 of 100 kB)",
        BOB,
        put(f"{LOBBY_CALLS}/x0001", call("standing", BOB, offer=offer("x" * 65_000))),
    ),
    deny(STAND, "of 100 kB", BOB, offered(BOB, offer=offer("x" * 100_000))),
    deny(STAND, "who is not in the room", CAROL, offered(CAROL)),
    deny(STAND, "after the session", BOB.over, offered(BOB)),
    deny(STAND, "with a token bound to another room", BOUND_ELSEWHERE, offered(BOB)),
    deny(STAND, "with another realm's token", BOB.abroad, offered(BOB)),
    deny(
        STAND,
        "in a room that connects none",
        BOB,
        put(f"{HALL_CALLS}/bob~s0", call("standing", BOB)),
    ),
    deny(
        STAND,
        "in a room that isn't there",
        BOB,
        put("rooms/nowhere/calls/bob~s0", call("standing", BOB)),
    ),
    deny(STAND, "already answered", BOB, offered(BOB, answer=answer())),
    deny(STAND, "already addressed", BOB, offered(BOB, to="sue", toSession=SUE.session)),
    deny(STAND, "already addressed, to no session", BOB, offered(BOB, to="sue")),
    deny(STAND, "with a session for nobody", BOB, offered(BOB, toSession="x")),
    deny(STAND, "with an old time", BOB, offered(BOB, createdAt=Ahead(-5))),
    deny(STAND, "with no time", BOB, offered(BOB, createdAt=GONE)),
    deny(STAND, "with a lease of a day", BOB, offered(BOB, leaseUntil=Ahead(1440))),
    deny(STAND, "with a lease that is over", BOB, offered(BOB, leaseUntil=Ahead(-1))),
    deny(STAND, "with text for a lease", BOB, offered(BOB, leaseUntil="2030-01-01")),
    deny(STAND, "with a shard of its own", BOB, offered(BOB, shard=8)),
    deny(STAND, "with half a shard", BOB, offered(BOB, shard=0.5)),
    deny(STAND, "of another version", BOB, offered(BOB, v=2)),
    deny(STAND, "of another kind", BOB, offered(BOB, kind="open")),
    deny(STAND, "with an endless attempt", BOB, offered(BOB, attempt=1002)),
    deny(STAND, "with text for an attempt", BOB, offered(BOB, attempt="0")),
    deny(STAND, "with a negative attempt", BOB, offered(BOB, attempt=-2)),
    deny(STAND, "with more fields", BOB, offered(BOB, more=BIG)),
    deny(STAND, "with no offer", BOB, offered(BOB, offer=GONE)),
    deny(STAND, "with an answer for an offer", BOB, offered(BOB, offer=answer())),
    deny(STAND, "with long metadata", BOB, offered(BOB, metadata="x" * 4097)),
    deny(STAND, "with a map for metadata", BOB, offered(BOB, metadata={"x": BIG})),
    deny(STAND, "with too many candidates", BOB, offered(BOB, offerCandidates=["x"] * 41)),
    allow(
        "leave all that fits",
        BOB,
        offered(
            BOB,
            offer=offer("x" * 65_536),
            metadata="x" * 4096,
            offerCandidates=["x" * 600] * 40,
            leaseUntil=Ahead(34.9),
            shard=7,
        ),
    ),
    deny("leave all that fits", "and one character", BOB, offered(BOB, offer=offer("x" * 65_537))),
    allow("leave a silent standing offer", SUE, offered(SUE, offer=offer(SILENT_SDP))),
    deny("leave a silent standing offer", "that is loud", SUE, offered(SUE)),
    deny(
        "leave a silent standing offer",
        "that is loud, with a publisher's claim on a subscriber's seat",
        SUE.but(role="publisher"),
        offered(SUE),
    ),
    allow("replace one's offer by a higher attempt", ALICE, offered(ALICE, 0, attempt=2)),
    deny(
        "replace one's offer by a higher attempt",
        "of another",
        BOB,
        put(STANDING, call("standing", BOB, attempt=2)),
    ),
    deny(
        "replace one's offer by a higher attempt",
        "by the same attempt",
        ALICE,
        offered(ALICE, offer=offer("v=0\r\nnew")),
    ),
    deny(
        "replace one's offer by a higher attempt",
        "and keep the answer",
        ALICE,
        put(ANSWERED, call("standing", ALICE, attempt=3), answer=answer()),
    ),
    allow(
        "replace one's offer in a new session",
        ALICE.again,
        offered(ALICE.again),
        put("rooms/lobby/peers/alice", {"session": ALICE.again.session, "role": "publisher"}),
    ),
    deny(
        "replace one's offer in a new session",
        "before coming in",
        ALICE.again,
        offered(ALICE.again),
    ),
    allow("call a peer", BOB, called(BOB, ALICE)),
    deny("call a peer", "who is not there", BOB, called(BOB, CAROL)),
    deny("call a peer", "in an old session", BOB, called(BOB, ALICE.again)),
    deny("call a peer", "as another", BOB, called(SUE, ALICE)),
    deny(
        "call a peer",
        "in another's slot",
        BOB,
        put(f"{LOBBY_CALLS}/sue~alice~2", call("direct", BOB, ALICE, attempt=2)),
    ),
    deny(
        "call a peer",
        "in a slot of another callee",
        BOB,
        put(f"{LOBBY_CALLS}/bob~sue~2", call("direct", BOB, ALICE, attempt=2)),
    ),
    deny(
        "call a peer",
        "in a fifth slot",
        BOB,
        put(f"{LOBBY_CALLS}/bob~alice~4", call("direct", BOB, ALICE, attempt=4)),
    ),
    deny("call a peer", "who is oneself", BOB, called(BOB, BOB)),
    deny("call a peer", "who is not in the room oneself", CAROL, called(CAROL, ALICE)),
    deny("call a peer", "with a kind of its own", BOB, called(BOB, ALICE, kind="open")),
    deny(
        "call a peer", "as if open to all", BOB, put(f"{LOBBY_CALLS}/bob~*~0", call("direct", BOB))
    ),
    allow(
        "ring a peer where none are connected",
        BOB,
        put(f"{HALL_CALLS}/bob~alice~3", call("ring", BOB, ALICE, attempt=3)),
    ),
    deny(
        "ring a peer where none are connected",
        "who is not there",
        BOB,
        put(f"{HALL_CALLS}/bob~carol~3", call("ring", BOB, CAROL, attempt=3)),
    ),
]

CASES: list[Case] = [*OFFERS]
