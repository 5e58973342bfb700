"""One-off calls, and the counter that bounds them."""

from __future__ import annotations

from .cases import Case, allow, deny
from .operations import GONE, Ahead, Append, Get, List, change, commit, delete, put
from .people import ALICE, BOB, CAROL, STRANGER, SUE, Person
from .world import (
    CANDIDATE,
    NEW_CALL,
    OPEN_CALL,
    SEALED,
    SILENT_SDP,
    TAKEN_CALL,
    answer,
    call,
    offer,
)
from .writes import NEW, OPEN, TAKEN, answered_by, both, named, opened

CAROL_HERE = CAROL.claiming(call=NEW_CALL)
OTHER_CALL = "d" * 32
ODD = Person("a:b", "odd-session-00001").claiming(call=NEW_CALL)
"""A peer whose name is no id."""


CREATE = "open a one-off call"
CREATES = [
    allow(CREATE, CAROL, both(CAROL)),
    deny(CREATE, "without the counter", CAROL, opened(CAROL)),
    deny(CREATE, "as another", CAROL, both(BOB)),
    deny(CREATE, "as another, on one's own counter", CAROL, commit(opened(BOB), named(CAROL))),
    deny(CREATE, "on another's counter", CAROL, commit(opened(CAROL), named(BOB))),
    deny(CREATE, "beside another", ALICE, both(ALICE)),
    deny(
        CREATE,
        "and another at once",
        CAROL,
        commit(opened(CAROL), opened(CAROL, OTHER_CALL), named(CAROL)),
    ),
    deny(
        CREATE,
        "beside another, with a fresh counter",
        ALICE,
        commit(delete("callers/alice"), opened(ALICE)),
    ),
    deny(CREATE, "in place of another's", CAROL, both(CAROL, OPEN_CALL)),
    deny(CREATE, "under any id", CAROL, both(CAROL, "hello")),
    deny(CREATE, "under a longer id", CAROL, both(CAROL, "c" * 33)),
    deny(CREATE, "of 100 kB", CAROL, both(CAROL, offer=offer("x" * 100_000))),
    deny(CREATE, "already answered", CAROL, both(CAROL, answer=answer())),
    deny(CREATE, "to somebody", CAROL, both(CAROL, to="bob", toSession=BOB.session)),
    deny(CREATE, "to somebody of no session", CAROL, both(CAROL, to="bob")),
    deny(CREATE, "with half an attempt", CAROL, both(CAROL, attempt=0.5)),
    deny(CREATE, "with a session to somebody", CAROL, both(CAROL, toSession=BOB.session)),
    deny(CREATE, "of another kind", CAROL, both(CAROL, kind="standing")),
    deny(CREATE, "for a day", CAROL, both(CAROL, leaseUntil=Ahead(1440))),
    deny(CREATE, "in another session", CAROL, both(CAROL.again)),
    deny(CREATE, "after the session", CAROL.over, both(CAROL)),
    deny(CREATE, "with another realm's token", CAROL.abroad, both(CAROL)),
    deny(CREATE, "with a token bound to a room", CAROL.claiming(room="lobby"), both(CAROL)),
    deny(CREATE, "without a token", STRANGER, both(CAROL)),
    deny(CREATE, "with a subscriber's loud SDP", SUE, both(SUE)),
    allow("open a silent one-off call", SUE, both(SUE, offer=offer(SILENT_SDP))),
    deny("open a silent one-off call", "that is loud", SUE.claiming(call=NEW_CALL), opened(SUE)),
    allow(
        "open a sealed one-off call",
        CAROL,
        both(CAROL, offer={"type": "offer", "sealed": SEALED}, metadata=SEALED),
    ),
    deny(
        "open a sealed one-off call",
        "that is too long",
        CAROL,
        both(CAROL, offer={"type": "offer", "sealed": "x" * 98_305}),
    ),
    allow("open the call of one's token", CAROL_HERE, opened(CAROL)),
    deny(
        "open the call of one's token",
        "and another, by the counter",
        CAROL_HERE,
        both(CAROL, OTHER_CALL),
    ),
    deny(
        "open the call of one's token",
        "under any id",
        CAROL.claiming(call="hello"),
        opened(CAROL, "hello"),
    ),
    deny("open the call of one's token", "under a name that is none", ODD, opened(ODD)),
    deny("open the call of one's token", "of another's", BOB, opened(BOB)),
    allow(
        "open the call of a token bound to a room", CAROL_HERE.claiming(room="lobby"), opened(CAROL)
    ),
    deny(
        "open the call of a token bound to a room",
        "another one",
        CAROL_HERE.claiming(room="lobby"),
        both(CAROL, OTHER_CALL),
    ),
    allow("open the next once the last is gone", ALICE, commit(delete(OPEN), *both(ALICE).writes)),
    deny(
        "open the next once the last is gone",
        "but it isn't",
        ALICE,
        commit(delete(TAKEN), *both(ALICE).writes),
    ),
]

COUNT = "prolong the counter"
COUNTS = [
    allow(COUNT, ALICE, change("callers/alice", leaseUntil=Ahead(34))),
    deny(COUNT, "for a day", ALICE, change("callers/alice", leaseUntil=Ahead(1440))),
    deny(COUNT, "of another", BOB, change("callers/alice", leaseUntil=Ahead(34))),
    deny(
        COUNT,
        "with a token bound to a room",
        ALICE.claiming(room="lobby"),
        change("callers/alice", leaseUntil=Ahead(34)),
    ),
    deny(COUNT, "with more fields", ALICE, change("callers/alice", more="x")),
    deny(COUNT, "with a shard of its own", ALICE, change("callers/alice", shard="0")),
    deny(COUNT, "after the session", ALICE.over, change("callers/alice", leaseUntil=Ahead(34))),
    allow("name a call", BOB, named(BOB, TAKEN_CALL)),
    deny("name a call", "that isn't there", BOB, named(BOB)),
    deny("name a call", "of another", BOB, named(BOB, OPEN_CALL)),
    deny("name a call", "that is none", BOB, named(BOB, "x"), put("calls/x", call("open", BOB))),
    deny("name a call", "beside another that stands", ALICE, named(ALICE), opened(ALICE)),
    allow(
        "delete the counter of a call that is gone",
        ALICE,
        commit(delete(OPEN), delete("callers/alice")),
    ),
    deny("delete the counter of a call that is gone", "but isn't", ALICE, delete("callers/alice")),
    deny(
        "delete the counter of a call that is gone",
        "of another",
        BOB,
        delete("callers/alice"),
        delete(OPEN),
    ),
    allow("delete a counter that is gone", BOB, delete("callers/bob")),
    deny("delete a counter that is gone", "of another", BOB, delete("callers/sue")),
    allow("read one's counter", ALICE, Get("callers/alice")),
    deny("read one's counter", "of another", BOB, Get("callers/alice")),
    deny("read one's counter", "of all", ALICE, List("callers")),
]

ANSWER = "answer a one-off call"
ANSWERS = [
    allow(ANSWER, BOB, answered_by(BOB, OPEN)),
    deny(ANSWER, "for a third peer", BOB, answered_by(CAROL, OPEN)),
    deny(ANSWER, "in another session", BOB, answered_by(BOB.again, OPEN)),
    deny(ANSWER, "with another's session", BOB, answered_by(BOB, OPEN, toSession=ALICE.session)),
    deny(ANSWER, "one's own", ALICE, answered_by(ALICE, OPEN)),
    deny(ANSWER, "twice", CAROL, answered_by(CAROL, TAKEN)),
    deny(
        ANSWER,
        "after its lease",
        BOB,
        answered_by(BOB, OPEN),
        put(OPEN, call("open", ALICE, leaseUntil=Ahead(-1))),
    ),
    deny(
        ANSWER,
        "that was ended",
        BOB,
        answered_by(BOB, OPEN),
        change(OPEN, ended={"by": "alice", "reason": ""}),
    ),
    deny(ANSWER, "and change the offer", BOB, answered_by(BOB, OPEN, offer=offer("v=0\r\nmine"))),
    deny(ANSWER, "too long", BOB, answered_by(BOB, OPEN, answer=answer("x" * 65_537))),
    deny(ANSWER, "after the session", BOB.over, answered_by(BOB, OPEN)),
    deny(ANSWER, "with another realm's token", BOB.abroad, answered_by(BOB, OPEN)),
    deny(
        ANSWER, "with a token bound to a room", BOB.claiming(room="lobby"), answered_by(BOB, OPEN)
    ),
    deny(ANSWER, "without a token", STRANGER, answered_by(BOB, OPEN)),
    deny(ANSWER, "loud, as a subscriber", SUE, answered_by(SUE, OPEN)),
    allow(
        "add candidates to a one-off call",
        ALICE,
        change(OPEN, offerCandidates=Append((CANDIDATE,))),
    ),
    deny(
        "add candidates to a one-off call",
        "of another",
        BOB,
        change(OPEN, offerCandidates=Append(("x",))),
    ),
    deny(
        "add candidates to a one-off call",
        "in another session",
        ALICE.again,
        change(OPEN, offerCandidates=Append(("x",))),
    ),
    allow(
        "add the answer's candidates to a one-off call",
        ALICE,
        change(TAKEN, answerCandidates=Append((CANDIDATE,))),
    ),
    deny(
        "add the answer's candidates to a one-off call",
        "as its offerer",
        BOB,
        change(TAKEN, answerCandidates=Append(("x",))),
    ),
    deny(
        "add the answer's candidates to a one-off call",
        "before the answer",
        BOB,
        change(OPEN, answerCandidates=Append(("x",))),
    ),
    allow("end a one-off call", ALICE, change(OPEN, ended={"by": "alice", "reason": "never mind"})),
    deny(
        "end a one-off call",
        "of another, open",
        BOB,
        change(OPEN, ended={"by": "bob", "reason": ""}),
    ),
    deny(
        "end a one-off call",
        "of two others",
        CAROL,
        change(TAKEN, ended={"by": "carol", "reason": ""}),
    ),
    allow(
        "end a one-off call that one answered",
        ALICE,
        change(TAKEN, ended={"by": "alice", "reason": ""}),
    ),
    deny(
        "end a one-off call that one answered",
        "and hand it on",
        ALICE,
        change(TAKEN, to="carol", toSession=CAROL.session),
    ),
    deny(
        "end a one-off call that one answered",
        "and prolong it",
        ALICE,
        change(TAKEN, leaseUntil=Ahead(34)),
    ),
    deny(
        "end a one-off call that one answered",
        "and answer otherwise",
        ALICE,
        change(TAKEN, answer=answer("v=0")),
    ),
    allow("prolong a one-off call", ALICE, change(OPEN, leaseUntil=Ahead(34))),
    deny("prolong a one-off call", "without end", ALICE, change(OPEN, leaseUntil=GONE)),
    deny("prolong a one-off call", "in the past", ALICE, change(OPEN, leaseUntil=Ahead(-1))),
]

READS = [
    allow("delete one's one-off call", ALICE, delete(OPEN)),
    deny("delete one's one-off call", "of another", BOB, delete(OPEN)),
    deny(
        "delete one's one-off call",
        "with a token bound to a room",
        ALICE.claiming(room="lobby"),
        delete(OPEN),
    ),
    allow("delete a one-off call that one answered", ALICE, delete(TAKEN)),
    deny("delete a one-off call that one answered", "of two others", CAROL, delete(TAKEN)),
    allow("delete a one-off call that is gone", CAROL, delete(NEW)),
    deny("delete a one-off call that is gone", "after the session", CAROL.over, delete(NEW)),
    allow("read an open call", CAROL, Get(OPEN)),
    deny("read an open call", "that was answered", CAROL, Get(TAKEN)),
    deny("read an open call", "with another realm's token", CAROL.abroad, Get(OPEN)),
    deny(
        "read an open call", "with a token bound to a room", CAROL.claiming(room="lobby"), Get(OPEN)
    ),
    deny("read an open call", "after the session", CAROL.over, Get(OPEN)),
    deny("read an open call", "without a token", STRANGER, Get(OPEN)),
    deny("read an open call", "without its id", CAROL, List("calls")),
    deny(
        "read an open call",
        "without its id, among the open ones",
        CAROL,
        List("calls", {"to": "*"}),
    ),
    deny("read an open call", "without its id, one's own", ALICE, List("calls", {"from": "alice"})),
    allow("wait for a call that isn't there", CAROL, Get(NEW)),
    deny("wait for a call that isn't there", "without a token", STRANGER, Get(NEW)),
    allow("read one's answered call", BOB, Get(TAKEN)),
    deny("read one's answered call", "of two others", SUE, Get(TAKEN)),
    allow("read a call that one answered", ALICE, Get(TAKEN)),
    deny("read a call that one answered", "after the session", ALICE.over, Get(TAKEN)),
]

CASES: list[Case] = [*CREATES, *COUNTS, *ANSWERS, *READS]
