"""Answers in rooms, by peers with keys."""

from __future__ import annotations

from .cases import Case, allow, deny
from .operations import Ahead, Append, change, delete, put
from .people import ALICE, BOB, CAROL, STRANGER, SUE
from .world import CANDIDATE, LOUD_SDP, SEALED, SILENT_SDP, answer, call, offer, sdp
from .writes import ANSWERED, BIG, DIRECT, STANDING, TALKING, answered_by

BOUND_ELSEWHERE = BOB.claiming(room="hall")

ANSWER = "answer a standing offer"
ANSWERS = [
    allow(ANSWER, BOB, answered_by(BOB)),
    deny(ANSWER, "who is not in the room", CAROL, answered_by(CAROL)),
    deny(ANSWER, "who is not in the room, for a third peer", CAROL, answered_by(BOB)),
    deny(ANSWER, "for a third peer", BOB, answered_by(SUE)),
    deny(
        ANSWER,
        "for a third peer in one's own session",
        BOB,
        answered_by(SUE, toSession=BOB.session),
    ),
    deny(ANSWER, "without saying who", BOB, change(STANDING, answer=answer())),
    deny(ANSWER, "who was put out", BOB, answered_by(BOB), delete("rooms/lobby/peers/bob")),
    deny(
        ANSWER,
        "in a session that was replaced",
        BOB,
        answered_by(BOB),
        put("rooms/lobby/peers/bob", {"session": BOB.again.session, "role": "publisher"}),
    ),
    deny(ANSWER, "with the session of another", BOB, answered_by(BOB, toSession=ALICE.session)),
    deny(ANSWER, "with a replayed old session", BOB.again, answered_by(BOB)),
    deny(ANSWER, "after the session", BOB.over, answered_by(BOB)),
    deny(ANSWER, "with a token bound to another room", BOUND_ELSEWHERE, answered_by(BOB)),
    deny(ANSWER, "with another realm's token", BOB.abroad, answered_by(BOB)),
    deny(ANSWER, "without a token", STRANGER, answered_by(BOB)),
    deny(ANSWER, "one's own", ALICE, answered_by(ALICE)),
    deny(ANSWER, "twice", SUE, answered_by(SUE, ANSWERED, answer=answer(SILENT_SDP))),
    deny(ANSWER, "again, by the answerer", BOB, change(ANSWERED, answer=answer("v=0\r\nother"))),
    deny(
        ANSWER,
        "after its lease",
        BOB,
        answered_by(BOB),
        put(STANDING, call("standing", ALICE, leaseUntil=Ahead(-1))),
    ),
    deny(
        ANSWER,
        "that was ended",
        BOB,
        answered_by(BOB),
        change(STANDING, ended={"by": "alice", "reason": "x"}),
    ),
    deny(ANSWER, "and change the offer", BOB, answered_by(BOB, offer=offer("v=0\r\nmine"))),
    deny(
        ANSWER,
        "and change the offer's candidates",
        BOB,
        answered_by(BOB, offerCandidates=Append((CANDIDATE + " ",))),
    ),
    deny(ANSWER, "and change the lease", BOB, answered_by(BOB, leaseUntil=Ahead(20))),
    deny(ANSWER, "and change the sender", BOB, answered_by(BOB, **{"from": "bob"})),
    deny(ANSWER, "and end it", BOB, answered_by(BOB, ended={"by": "bob", "reason": "x"})),
    deny(ANSWER, "with an offer", BOB, answered_by(BOB, answer=offer())),
    deny(ANSWER, "with too long an SDP", BOB, answered_by(BOB, answer=answer(BIG))),
    deny(ANSWER, "with more fields", BOB, answered_by(BOB, answer={**answer(), "more": BIG})),
    deny(
        ANSWER,
        "with no string",
        BOB,
        answered_by(BOB, answer={"type": "answer", "sdp": [LOUD_SDP]}),
    ),
    deny(ANSWER, "with no SDP", BOB, answered_by(BOB, answer={"type": "answer"})),
    deny(ANSWER, "with text for a map", BOB, answered_by(BOB, answer="v=0")),
    allow("answer with candidates", BOB, answered_by(BOB, answerCandidates=[CANDIDATE] * 40)),
    deny("answer with candidates", "too many", BOB, answered_by(BOB, answerCandidates=["x"] * 41)),
    deny(
        "answer with candidates",
        "too long",
        BOB,
        answered_by(BOB, answerCandidates=["x" * 6001] * 4),
    ),
    deny("answer with candidates", "in no list", BOB, answered_by(BOB, answerCandidates="x")),
    deny(
        "answer with candidates",
        "that are maps",
        BOB,
        answered_by(BOB, answerCandidates=[{"candidate": BIG}]),
    ),
    allow("answer sealed", BOB, answered_by(BOB, answer={"type": "answer", "sealed": SEALED})),
    deny("answer sealed", "and not", BOB, answered_by(BOB, answer={**answer(), "sealed": SEALED})),
    deny(
        "answer sealed",
        "with too much",
        BOB,
        answered_by(BOB, answer={"type": "answer", "sealed": "x" * 98305}),
    ),
    deny(
        "answer sealed",
        "with no base64url",
        BOB,
        answered_by(BOB, answer={"type": "answer", "sealed": "v=0\r\n"}),
    ),
    deny(
        "answer sealed",
        "with no string",
        BOB,
        answered_by(BOB, answer={"type": "answer", "sealed": 7}),
    ),
    allow("answer silently", SUE, answered_by(SUE, answer=answer(SILENT_SDP))),
    deny("answer silently", "but loud", SUE, answered_by(SUE)),
    deny(
        "answer silently",
        "but loud in one section",
        SUE,
        answered_by(SUE, answer=answer(sdp("a=recvonly\r\n"))),
    ),
    deny("answer silently", "with no direction", SUE, answered_by(SUE, answer=answer(sdp("", "")))),
    deny(
        "answer silently",
        "with two directions",
        SUE,
        answered_by(SUE, answer=answer(sdp("a=recvonly\r\na=sendonly\r\n", "a=inactive\r\n"))),
    ),
    deny(
        "answer silently",
        "with a section behind a line end of another kind",
        SUE,
        answered_by(
            SUE, answer=answer(SILENT_SDP + "a=x\u2028m=audio 9 UDP/TLS/RTP/SAVPF 0\u2028\r\n")
        ),
    ),
    deny(
        "answer silently",
        "with a section behind a bare return",
        SUE,
        answered_by(SUE, answer=answer(SILENT_SDP + "a=x\rm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n")),
    ),
    deny(
        "answer silently",
        "in a section of another kind",
        SUE,
        answered_by(SUE, answer=answer(SILENT_SDP + "m=text 9 RTP/AVP 98\r\na=sendonly\r\n")),
    ),
    allow("answer a direct offer", BOB, change(DIRECT, answer=answer(), toSession=BOB.session)),
    deny(
        "answer a direct offer",
        "to another",
        SUE,
        answered_by(SUE, DIRECT, answer=answer(SILENT_SDP)),
    ),
    deny("answer a direct offer", "and hand it on", BOB, answered_by(SUE, DIRECT)),
    deny("answer a direct offer", "as its offerer", ALICE, change(DIRECT, answer=answer())),
    deny("answer a direct offer", "twice", BOB, change(TALKING, answer=answer("v=0\r\nsecond"))),
    allow(
        "answer a direct offer in a new session",
        BOB.again,
        answered_by(BOB.again, DIRECT),
        put("rooms/lobby/peers/bob", {"session": BOB.again.session, "role": "publisher"}),
    ),
    deny(
        "answer a direct offer in a new session",
        "not come in yet",
        BOB.again,
        answered_by(BOB.again, DIRECT),
    ),
]

CASES: list[Case] = [*ANSWERS]
