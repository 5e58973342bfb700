"""What the two parties of a call in a room do to it after the offer."""

from __future__ import annotations

from .cases import Case, allow, deny
from .operations import GONE, Ahead, Append, change, delete, put
from .people import ALICE, BOB, CAROL, MOD, SUE
from .world import CANDIDATE, offer
from .writes import ANSWERED, BIG, DIRECT, LOBBY, STANDING, TALKING, answered_by

LOBBY_CALLS = f"{LOBBY}/calls"

PARTIES = [
    allow(
        "add one's candidates", ALICE, change(STANDING, offerCandidates=Append((CANDIDATE + " ",)))
    ),
    deny(
        "add one's candidates",
        "to another's offer",
        BOB,
        change(STANDING, offerCandidates=Append(("x",))),
    ),
    deny(
        "add one's candidates",
        "to the other side, as its answerer",
        BOB,
        change(TALKING, offerCandidates=Append(("x",))),
    ),
    deny(
        "add one's candidates",
        "in place of the old",
        ALICE,
        change(STANDING, offerCandidates=["x"]),
    ),
    deny(
        "add one's candidates",
        "before the old",
        ALICE,
        change(STANDING, offerCandidates=["x", CANDIDATE]),
    ),
    deny("add one's candidates", "by removing them", ALICE, change(STANDING, offerCandidates=GONE)),
    deny(
        "add one's candidates",
        "beyond the most",
        ALICE,
        change(STANDING, offerCandidates=[CANDIDATE] + ["x"] * 40),
    ),
    deny(
        "add one's candidates",
        "and another offer",
        ALICE,
        change(STANDING, offer=offer("v=0\r\nnew")),
    ),
    deny(
        "add one's candidates",
        "after being put out",
        ALICE,
        change(STANDING, offerCandidates=Append(("x",))),
        delete("rooms/lobby/peers/alice"),
    ),
    deny(
        "add one's candidates",
        "in another session",
        ALICE.again,
        change(STANDING, offerCandidates=Append(("x",))),
        put("rooms/lobby/peers/alice", {"session": ALICE.again.session, "role": "publisher"}),
    ),
    deny(
        "add one's candidates",
        "after the end",
        ALICE,
        change(STANDING, offerCandidates=Append(("x",))),
        change(STANDING, ended={"by": "alice", "reason": ""}),
    ),
    deny(
        "add one's candidates",
        "after the session",
        ALICE.over,
        change(STANDING, offerCandidates=Append(("x",))),
    ),
    allow(
        "add the answer's candidates",
        BOB,
        change(ANSWERED, answerCandidates=Append((CANDIDATE + " ",))),
    ),
    deny(
        "add the answer's candidates",
        "as the offerer",
        ALICE,
        change(ANSWERED, answerCandidates=Append(("x",))),
    ),
    deny(
        "add the answer's candidates",
        "as a third peer",
        SUE,
        change(ANSWERED, answerCandidates=Append(("x",))),
    ),
    deny(
        "add the answer's candidates",
        "before the answer",
        BOB,
        change(DIRECT, answerCandidates=Append(("x",))),
    ),
    deny(
        "add the answer's candidates",
        "in place of the old",
        BOB,
        change(ANSWERED, answerCandidates=["x"]),
    ),
    deny(
        "add the answer's candidates",
        "after being put out",
        BOB,
        change(ANSWERED, answerCandidates=Append(("x",))),
        delete("rooms/lobby/peers/bob"),
    ),
    deny(
        "add the answer's candidates",
        "after the end",
        BOB,
        change(ANSWERED, answerCandidates=Append(("x",))),
        change(ANSWERED, ended={"by": "bob", "reason": ""}),
    ),
    allow("prolong one's offer", ALICE, change(STANDING, leaseUntil=Ahead(34))),
    deny("prolong one's offer", "for a day", ALICE, change(STANDING, leaseUntil=Ahead(1440))),
    deny("prolong one's offer", "of another", BOB, change(STANDING, leaseUntil=Ahead(34))),
    deny("prolong one's offer", "as its answerer", BOB, change(ANSWERED, leaseUntil=Ahead(34))),
    deny("prolong one's offer", "without end", ALICE, change(STANDING, leaseUntil=GONE)),
    allow("reject a call", BOB, change(DIRECT, ended={"by": "bob", "reason": "busy"})),
    deny("reject a call", "to another", SUE, change(DIRECT, ended={"by": "sue", "reason": "busy"})),
    deny(
        "reject a call",
        "in another's name",
        BOB,
        change(DIRECT, ended={"by": "alice", "reason": "busy"}),
    ),
    deny(
        "reject a call",
        "with a story",
        BOB,
        change(DIRECT, ended={"by": "bob", "reason": "x" * 65}),
    ),
    deny(
        "reject a call",
        "with more fields",
        BOB,
        change(DIRECT, ended={"by": "bob", "reason": "", "x": BIG}),
    ),
    deny(
        "reject a call",
        "and send it elsewhere",
        BOB,
        change(DIRECT, ended={"by": "bob", "reason": ""}, to="sue"),
    ),
    deny(
        "reject a call",
        "after the session",
        BOB.over,
        change(DIRECT, ended={"by": "bob", "reason": "busy"}),
    ),
    deny(
        "reject a call",
        "twice",
        BOB,
        change(DIRECT, ended={"by": "bob", "reason": "2"}),
        change(DIRECT, ended={"by": "bob", "reason": "1"}),
    ),
    allow("hang up", ALICE, change(TALKING, ended={"by": "alice", "reason": "done"})),
    deny("hang up", "as a third peer", SUE, change(TALKING, ended={"by": "sue", "reason": "done"})),
    deny(
        "hang up",
        "in the other's name",
        ALICE,
        change(TALKING, ended={"by": "bob", "reason": "done"}),
    ),
    allow(
        "withdraw a standing offer by its end",
        ALICE,
        change(STANDING, ended={"by": "alice", "reason": ""}),
    ),
    deny(
        "withdraw a standing offer by its end",
        "of another",
        BOB,
        change(STANDING, ended={"by": "bob", "reason": ""}),
    ),
    deny(
        "withdraw a standing offer by its end",
        "while answering as a stranger",
        CAROL,
        answered_by(CAROL, ended={"by": "carol", "reason": ""}),
    ),
    allow(
        "send an answered call on to nobody else",
        BOB,
        change(ANSWERED, ended={"by": "bob", "reason": ""}),
    ),
    deny(
        "send an answered call on to nobody else",
        "but a third peer",
        BOB,
        change(ANSWERED, to="sue", toSession=SUE.session),
    ),
    deny(
        "send an answered call on to nobody else",
        "as the offerer",
        ALICE,
        change(ANSWERED, to="sue", toSession=SUE.session),
    ),
    allow("delete one's offer", ALICE, delete(STANDING)),
    deny("delete one's offer", "of another", BOB, delete(STANDING)),
    deny("delete one's offer", "as a stranger to the room", CAROL, delete(STANDING)),
    deny("delete one's offer", "as a moderator", MOD, delete(STANDING)),
    deny("delete one's offer", "with another realm's token", ALICE.abroad, delete(STANDING)),
    deny("delete one's offer", "after the session", ALICE.over, delete(STANDING)),
    allow("delete one's offer of an older session", ALICE.again, delete(STANDING)),
    deny(
        "delete one's offer of an older session",
        "with a token bound to another room",
        ALICE.again.claiming(room="hall"),
        delete(STANDING),
    ),
    allow("delete a call that one answered", BOB, delete(ANSWERED)),
    deny("delete a call that one answered", "as a third peer", SUE, delete(ANSWERED)),
    allow("delete a call to oneself", BOB, delete(DIRECT)),
    deny("delete a call to oneself", "to another", SUE, delete(DIRECT)),
    allow("delete a call that is gone", BOB, delete(f"{LOBBY_CALLS}/alice~bob~3")),
    deny(
        "delete a call that is gone",
        "after the session",
        BOB.over,
        delete(f"{LOBBY_CALLS}/alice~bob~3"),
    ),
]

CASES: list[Case] = [*PARTIES]
