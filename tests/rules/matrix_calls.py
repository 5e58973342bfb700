"""Calls in rooms, by peers with keys: offers, answers, candidates, ends."""

from __future__ import annotations

from typing import Any

from .cases import Case, allow, deny
from .operations import GONE, Ahead, Append, Get, List, Write, change, delete, put
from .people import ALICE, BOB, CAROL, DAVE, GUARD, MOD, STRANGER, SUE, Person
from .world import CANDIDATE, LOUD_SDP, NOW, SEALED, SILENT_SDP, answer, call, offer, sdp

LOBBY, VAULT, HALL = "rooms/lobby/calls", "rooms/vault/calls", "rooms/hall/calls"
STANDING = f"{LOBBY}/alice~s0"
ANSWERED = f"{LOBBY}/alice~s1"
DIRECT = f"{LOBBY}/alice~bob~0"
TALKING = f"{LOBBY}/alice~bob~1"
BOUND_ELSEWHERE = BOB.claiming(room="hall")
BIG = "x" * 90_000


def answered_by(person: Person, path: str = STANDING, **fields: Any) -> Write:
    """An answer, as a person gives it."""
    return change(
        path, **{"to": person.peer, "toSession": person.session, "answer": answer(), **fields}
    )


def offered(person: Person, slot: int = 0, **fields: Any) -> Write:
    """A standing offer in the lobby."""
    fields.setdefault("attempt", slot)
    return put(f"{LOBBY}/{person.peer}~s{slot}", call("standing", person), **fields)


def called(person: Person, to: Person, attempt: int = 2, kind: str = "direct", **fields: Any) -> Write:
    """A direct offer in the lobby."""
    path = f"{LOBBY}/{person.peer}~{to.peer}~{attempt % 4}"
    return put(path, call(kind, person, to, attempt=attempt), **fields)


ANSWER = "answer a standing offer"
ANSWERS = [
    allow(ANSWER, BOB, answered_by(BOB)),
    deny(ANSWER, "who is not in the room", CAROL, answered_by(CAROL)),
    deny(ANSWER, "who is not in the room, for a third peer", CAROL, answered_by(BOB)),
    deny(ANSWER, "for a third peer", BOB, answered_by(SUE)),
    deny(ANSWER, "for a third peer in one's own session", BOB, answered_by(SUE, toSession=BOB.session)),
    deny(ANSWER, "without saying who", BOB, change(STANDING, answer=answer())),
    deny(ANSWER, "who was put out", BOB, answered_by(BOB), delete("rooms/lobby/peers/bob")),
    deny(ANSWER, "in a session that was replaced", BOB,
         answered_by(BOB), put("rooms/lobby/peers/bob", {"session": BOB.again.session, "role": "publisher"})),
    deny(ANSWER, "with the session of another", BOB, answered_by(BOB, toSession=ALICE.session)),
    deny(ANSWER, "with a replayed old session", BOB.again, answered_by(BOB)),
    deny(ANSWER, "after the session", BOB.over, answered_by(BOB)),
    deny(ANSWER, "with a token bound to another room", BOUND_ELSEWHERE, answered_by(BOB)),
    deny(ANSWER, "with another realm's token", BOB.abroad, answered_by(BOB)),
    deny(ANSWER, "without a token", STRANGER, answered_by(BOB)),
    deny(ANSWER, "one's own", ALICE, answered_by(ALICE)),
    deny(ANSWER, "twice", SUE, answered_by(SUE, ANSWERED, answer=answer(SILENT_SDP))),
    deny(ANSWER, "again, by the answerer", BOB, change(ANSWERED, answer=answer("v=0\r\nother"))),
    deny(ANSWER, "after its lease", BOB, answered_by(BOB), put(STANDING, call("standing", ALICE, leaseUntil=Ahead(-1)))),
    deny(ANSWER, "that was ended", BOB, answered_by(BOB), change(STANDING, ended={"by": "alice", "reason": "x"})),
    deny(ANSWER, "and change the offer", BOB, answered_by(BOB, offer=offer("v=0\r\nmine"))),
    deny(ANSWER, "and change the offer's candidates", BOB, answered_by(BOB, offerCandidates=Append((CANDIDATE + " ",)))),
    deny(ANSWER, "and change the lease", BOB, answered_by(BOB, leaseUntil=Ahead(20))),
    deny(ANSWER, "and change the sender", BOB, answered_by(BOB, **{"from": "bob"})),
    deny(ANSWER, "and end it", BOB, answered_by(BOB, ended={"by": "bob", "reason": "x"})),
    deny(ANSWER, "with an offer", BOB, answered_by(BOB, answer=offer())),
    deny(ANSWER, "with too long an SDP", BOB, answered_by(BOB, answer=answer(BIG))),
    deny(ANSWER, "with more fields", BOB, answered_by(BOB, answer={**answer(), "more": BIG})),
    deny(ANSWER, "with no string", BOB, answered_by(BOB, answer={"type": "answer", "sdp": [LOUD_SDP]})),
    deny(ANSWER, "with no SDP", BOB, answered_by(BOB, answer={"type": "answer"})),
    deny(ANSWER, "with text for a map", BOB, answered_by(BOB, answer="v=0")),
    allow("answer with candidates", BOB, answered_by(BOB, answerCandidates=[CANDIDATE] * 40)),
    deny("answer with candidates", "too many", BOB, answered_by(BOB, answerCandidates=["x"] * 41)),
    deny("answer with candidates", "too long", BOB, answered_by(BOB, answerCandidates=["x" * 6001] * 4)),
    deny("answer with candidates", "in no list", BOB, answered_by(BOB, answerCandidates="x")),
    deny("answer with candidates", "that are maps", BOB, answered_by(BOB, answerCandidates=[{"candidate": BIG}])),
    allow("answer sealed", BOB, answered_by(BOB, answer={"type": "answer", "sealed": SEALED})),
    deny("answer sealed", "and not", BOB, answered_by(BOB, answer={**answer(), "sealed": SEALED})),
    deny("answer sealed", "with too much", BOB, answered_by(BOB, answer={"type": "answer", "sealed": "x" * 98305})),
    deny("answer sealed", "with no base64url", BOB, answered_by(BOB, answer={"type": "answer", "sealed": "v=0\r\n"})),
    deny("answer sealed", "with no string", BOB, answered_by(BOB, answer={"type": "answer", "sealed": 7})),
    allow("answer silently", SUE, answered_by(SUE, answer=answer(SILENT_SDP))),
    deny("answer silently", "but loud", SUE, answered_by(SUE)),
    deny("answer silently", "but loud in one section", SUE,
         answered_by(SUE, answer=answer(sdp("a=recvonly\r\n")))),
    deny("answer silently", "with no direction", SUE, answered_by(SUE, answer=answer(sdp("", "")))),
    deny("answer silently", "with two directions", SUE,
         answered_by(SUE, answer=answer(sdp("a=recvonly\r\na=sendonly\r\n", "a=inactive\r\n")))),
    deny("answer silently", "with a section behind a line end of another kind", SUE,
         answered_by(SUE, answer=answer(SILENT_SDP + "a=x\u2028m=audio 9 UDP/TLS/RTP/SAVPF 0\u2028\r\n"))),
    deny("answer silently", "with a section behind a bare return", SUE,
         answered_by(SUE, answer=answer(SILENT_SDP + "a=x\rm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"))),
    deny("answer silently", "in a section of another kind", SUE,
         answered_by(SUE, answer=answer(SILENT_SDP + "m=text 9 RTP/AVP 98\r\na=sendonly\r\n"))),
    allow("answer a direct offer", BOB, change(DIRECT, answer=answer(), toSession=BOB.session)),
    deny("answer a direct offer", "to another", SUE, answered_by(SUE, DIRECT, answer=answer(SILENT_SDP))),
    deny("answer a direct offer", "and hand it on", BOB, answered_by(SUE, DIRECT)),
    deny("answer a direct offer", "as its offerer", ALICE, change(DIRECT, answer=answer())),
    deny("answer a direct offer", "twice", BOB, change(TALKING, answer=answer("v=0\r\nsecond"))),
    allow("answer a direct offer in a new session", BOB.again, answered_by(BOB.again, DIRECT),
          put("rooms/lobby/peers/bob", {"session": BOB.again.session, "role": "publisher"})),
    deny("answer a direct offer in a new session", "not come in yet", BOB.again,
         answered_by(BOB.again, DIRECT)),
]

STAND = "leave a standing offer"
OFFERS = [
    allow(STAND, BOB, offered(BOB)),
    deny(STAND, "in another's slot", BOB, put(f"{LOBBY}/sue~s0", call("standing", BOB))),
    deny(STAND, "as another", BOB, offered(SUE)),
    deny(STAND, "in a third slot", BOB, put(f"{LOBBY}/bob~s2", call("standing", BOB, attempt=2))),
    deny(STAND, "in a slot that isn't the attempt's", BOB, put(f"{LOBBY}/bob~s1", call("standing", BOB))),
    deny(STAND, "under any id (one of 500 of 100 kB)", BOB, put(f"{LOBBY}/x0001", call("standing", BOB, offer=offer("x" * 65_000)))),
    deny(STAND, "of 100 kB", BOB, offered(BOB, offer=offer("x" * 100_000))),
    deny(STAND, "who is not in the room", CAROL, offered(CAROL)),
    deny(STAND, "after the session", BOB.over, offered(BOB)),
    deny(STAND, "with a token bound to another room", BOUND_ELSEWHERE, offered(BOB)),
    deny(STAND, "with another realm's token", BOB.abroad, offered(BOB)),
    deny(STAND, "in a room that connects none", BOB, put(f"{HALL}/bob~s0", call("standing", BOB))),
    deny(STAND, "in a room that isn't there", BOB, put("rooms/nowhere/calls/bob~s0", call("standing", BOB))),
    deny(STAND, "already answered", BOB, offered(BOB, answer=answer())),
    deny(STAND, "already addressed", BOB, offered(BOB, to="sue", toSession=SUE.session)),
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
    allow("leave all that fits", BOB, offered(BOB, offer=offer("x" * 65_536), metadata="x" * 4096, offerCandidates=["x" * 600] * 40, leaseUntil=Ahead(34.9), shard=7)),
    deny("leave all that fits", "and one character", BOB, offered(BOB, offer=offer("x" * 65_537))),
    allow("leave a silent standing offer", SUE, offered(SUE, offer=offer(SILENT_SDP))),
    deny("leave a silent standing offer", "that is loud", SUE, offered(SUE)),
    deny("leave a silent standing offer", "that is loud, with a publisher's claim on a subscriber's seat", SUE.but(role="publisher"), offered(SUE)),
    allow("replace one's offer by a higher attempt", ALICE, offered(ALICE, 0, attempt=2)),
    deny("replace one's offer by a higher attempt", "of another", BOB, put(STANDING, call("standing", BOB, attempt=2))),
    deny("replace one's offer by a higher attempt", "by the same attempt", ALICE, offered(ALICE, offer=offer("v=0\r\nnew"))),
    deny("replace one's offer by a higher attempt", "and keep the answer", ALICE, put(ANSWERED, call("standing", ALICE, attempt=3), answer=answer())),
    allow("replace one's offer in a new session", ALICE.again, offered(ALICE.again),
          put("rooms/lobby/peers/alice", {"session": ALICE.again.session, "role": "publisher"})),
    deny("replace one's offer in a new session", "before coming in", ALICE.again, offered(ALICE.again)),
    allow("call a peer", BOB, called(BOB, ALICE)),
    deny("call a peer", "who is not there", BOB, called(BOB, CAROL)),
    deny("call a peer", "in an old session", BOB, called(BOB, ALICE.again)),
    deny("call a peer", "as another", BOB, called(SUE, ALICE)),
    deny("call a peer", "in another's slot", BOB, put(f"{LOBBY}/sue~alice~2", call("direct", BOB, ALICE, attempt=2))),
    deny("call a peer", "in a slot of another callee", BOB, put(f"{LOBBY}/bob~sue~2", call("direct", BOB, ALICE, attempt=2))),
    deny("call a peer", "in a fifth slot", BOB, put(f"{LOBBY}/bob~alice~4", call("direct", BOB, ALICE, attempt=4))),
    deny("call a peer", "who is oneself", BOB, called(BOB, BOB)),
    deny("call a peer", "who is not in the room oneself", CAROL, called(CAROL, ALICE)),
    deny("call a peer", "with a kind of its own", BOB, called(BOB, ALICE, kind="open")),
    deny("call a peer", "as if open to all", BOB, put(f"{LOBBY}/bob~*~0", call("direct", BOB))),
    allow("ring a peer where none are connected", BOB, put(f"{HALL}/bob~alice~3", call("ring", BOB, ALICE, attempt=3))),
    deny("ring a peer where none are connected", "who is not there", BOB, put(f"{HALL}/bob~carol~3", call("ring", BOB, CAROL, attempt=3))),
]

PARTIES = [
    allow("add one's candidates", ALICE, change(STANDING, offerCandidates=Append((CANDIDATE + " ",)))),
    deny("add one's candidates", "to another's offer", BOB, change(STANDING, offerCandidates=Append(("x",)))),
    deny("add one's candidates", "to the other side, as its answerer", BOB, change(TALKING, offerCandidates=Append(("x",)))),
    deny("add one's candidates", "in place of the old", ALICE, change(STANDING, offerCandidates=["x"])),
    deny("add one's candidates", "before the old", ALICE, change(STANDING, offerCandidates=["x", CANDIDATE])),
    deny("add one's candidates", "by removing them", ALICE, change(STANDING, offerCandidates=GONE)),
    deny("add one's candidates", "beyond the most", ALICE, change(STANDING, offerCandidates=[CANDIDATE] + ["x"] * 40)),
    deny("add one's candidates", "and another offer", ALICE, change(STANDING, offer=offer("v=0\r\nnew"))),
    deny("add one's candidates", "after being put out", ALICE, change(STANDING, offerCandidates=Append(("x",))), delete("rooms/lobby/peers/alice")),
    deny("add one's candidates", "in another session", ALICE.again, change(STANDING, offerCandidates=Append(("x",))),
         put("rooms/lobby/peers/alice", {"session": ALICE.again.session, "role": "publisher"})),
    deny("add one's candidates", "after the end", ALICE, change(STANDING, offerCandidates=Append(("x",))), change(STANDING, ended={"by": "alice", "reason": ""})),
    deny("add one's candidates", "after the session", ALICE.over, change(STANDING, offerCandidates=Append(("x",)))),
    allow("add the answer's candidates", BOB, change(ANSWERED, answerCandidates=Append((CANDIDATE + " ",)))),
    deny("add the answer's candidates", "as the offerer", ALICE, change(ANSWERED, answerCandidates=Append(("x",)))),
    deny("add the answer's candidates", "as a third peer", SUE, change(ANSWERED, answerCandidates=Append(("x",)))),
    deny("add the answer's candidates", "before the answer", BOB, change(DIRECT, answerCandidates=Append(("x",)))),
    deny("add the answer's candidates", "in place of the old", BOB, change(ANSWERED, answerCandidates=["x"])),
    deny("add the answer's candidates", "after being put out", BOB, change(ANSWERED, answerCandidates=Append(("x",))), delete("rooms/lobby/peers/bob")),
    deny("add the answer's candidates", "after the end", BOB, change(ANSWERED, answerCandidates=Append(("x",))), change(ANSWERED, ended={"by": "bob", "reason": ""})),
    allow("prolong one's offer", ALICE, change(STANDING, leaseUntil=Ahead(34))),
    deny("prolong one's offer", "for a day", ALICE, change(STANDING, leaseUntil=Ahead(1440))),
    deny("prolong one's offer", "of another", BOB, change(STANDING, leaseUntil=Ahead(34))),
    deny("prolong one's offer", "as its answerer", BOB, change(ANSWERED, leaseUntil=Ahead(34))),
    deny("prolong one's offer", "without end", ALICE, change(STANDING, leaseUntil=GONE)),
    allow("reject a call", BOB, change(DIRECT, ended={"by": "bob", "reason": "busy"})),
    deny("reject a call", "to another", SUE, change(DIRECT, ended={"by": "sue", "reason": "busy"})),
    deny("reject a call", "in another's name", BOB, change(DIRECT, ended={"by": "alice", "reason": "busy"})),
    deny("reject a call", "with a story", BOB, change(DIRECT, ended={"by": "bob", "reason": "x" * 65})),
    deny("reject a call", "with more fields", BOB, change(DIRECT, ended={"by": "bob", "reason": "", "x": BIG})),
    deny("reject a call", "and send it elsewhere", BOB, change(DIRECT, ended={"by": "bob", "reason": ""}, to="sue")),
    deny("reject a call", "after the session", BOB.over, change(DIRECT, ended={"by": "bob", "reason": "busy"})),
    deny("reject a call", "twice", BOB, change(DIRECT, ended={"by": "bob", "reason": "2"}), change(DIRECT, ended={"by": "bob", "reason": "1"})),
    allow("hang up", ALICE, change(TALKING, ended={"by": "alice", "reason": "done"})),
    deny("hang up", "as a third peer", SUE, change(TALKING, ended={"by": "sue", "reason": "done"})),
    deny("hang up", "in the other's name", ALICE, change(TALKING, ended={"by": "bob", "reason": "done"})),
    allow("withdraw a standing offer by its end", ALICE, change(STANDING, ended={"by": "alice", "reason": ""})),
    deny("withdraw a standing offer by its end", "of another", BOB, change(STANDING, ended={"by": "bob", "reason": ""})),
    deny("withdraw a standing offer by its end", "while answering as a stranger", CAROL,
         answered_by(CAROL, ended={"by": "carol", "reason": ""})),
    allow("send an answered call on to nobody else", BOB, change(ANSWERED, ended={"by": "bob", "reason": ""})),
    deny("send an answered call on to nobody else", "but a third peer", BOB, change(ANSWERED, to="sue", toSession=SUE.session)),
    deny("send an answered call on to nobody else", "as the offerer", ALICE, change(ANSWERED, to="sue", toSession=SUE.session)),
    allow("delete one's offer", ALICE, delete(STANDING)),
    deny("delete one's offer", "of another", BOB, delete(STANDING)),
    deny("delete one's offer", "as a stranger to the room", CAROL, delete(STANDING)),
    deny("delete one's offer", "as a moderator", MOD, delete(STANDING)),
    deny("delete one's offer", "with another realm's token", ALICE.abroad, delete(STANDING)),
    deny("delete one's offer", "after the session", ALICE.over, delete(STANDING)),
    allow("delete one's offer of an older session", ALICE.again, delete(STANDING)),
    deny("delete one's offer of an older session", "with a token bound to another room", ALICE.again.claiming(room="hall"), delete(STANDING)),
    allow("delete a call that one answered", BOB, delete(ANSWERED)),
    deny("delete a call that one answered", "as a third peer", SUE, delete(ANSWERED)),
    allow("delete a call to oneself", BOB, delete(DIRECT)),
    deny("delete a call to oneself", "to another", SUE, delete(DIRECT)),
    allow("delete a call that is gone", BOB, delete(f"{LOBBY}/alice~bob~3")),
    deny("delete a call that is gone", "after the session", BOB.over, delete(f"{LOBBY}/alice~bob~3")),
]

READ = "list the standing offers"
READS = [
    allow(READ, CAROL, List(LOBBY, {"to": "*"})),
    deny(READ, "of a locked room", CAROL, List(VAULT, {"to": "*"})),
    deny(READ, "of a locked room, with a token bound to another room", CAROL.claiming(room="hall"), List(VAULT, {"to": "*"})),
    deny(READ, "of a locked room, as a member with a token bound to another room", BOUND_ELSEWHERE, List(VAULT, {"to": "*"})),
    deny(READ, "with a token bound to another room", CAROL.claiming(room="hall"), List(LOBBY, {"to": "*"})),
    deny(READ, "with another realm's token", CAROL.abroad, List(LOBBY, {"to": "*"})),
    deny(READ, "after the session", CAROL.over, List(LOBBY, {"to": "*"})),
    deny(READ, "without a token", STRANGER, List(LOBBY, {"to": "*"})),
    deny(READ, "and all others", MOD, List(LOBBY)),
    deny(READ, "of all rooms", BOB, List("calls", {"to": "*"}, group=True)),
    deny(READ, "and those to another", CAROL, List(LOBBY, {"to": ["*", "bob"]}, operator="IN")),
    deny(READ, "and whatever is not", CAROL, List(LOBBY, {"to": "*"}, operator="GREATER_THAN_OR_EQUAL")),
    allow("list a locked room's standing offers as a member", BOB, List(VAULT, {"to": "*"})),
    deny("list a locked room's standing offers as a member", "put out", BOB, List(VAULT, {"to": "*"}), delete("rooms/vault/peers/bob")),
    deny("list a locked room's standing offers as a member", "in another session", BOB.again, List(VAULT, {"to": "*"})),
    deny("list a locked room's standing offers as a member", "as a moderator from outside", GUARD, List(VAULT, {"to": "*"})),
    allow("list the calls to oneself", BOB, List(LOBBY, {"to": "bob"})),
    deny("list the calls to oneself", "to another", BOB, List(LOBBY, {"to": "sue"})),
    deny("list the calls to oneself", "in all rooms", BOB, List("calls", {"to": "bob"}, group=True)),
    deny("list the calls to oneself", "with another realm's token", BOB.abroad, List(LOBBY, {"to": "bob"})),
    allow("list one's own calls", ALICE, List(LOBBY, {"from": "alice"})),
    deny("list one's own calls", "of another", BOB, List(LOBBY, {"from": "alice"})),
    deny("list one's own calls", "after the session", ALICE.over, List(LOBBY, {"from": "alice"})),
    allow("read a call to oneself", BOB, Get(DIRECT)),
    deny("read a call to oneself", "to another", SUE, Get(DIRECT)),
    deny("read a call to oneself", "to another, as a moderator", MOD, Get(DIRECT)),
    deny("read a call to oneself", "after the session", BOB.over, Get(DIRECT)),
    allow("read one's own call", ALICE, Get(TALKING)),
    deny("read one's own call", "of two others", SUE, Get(TALKING)),
    allow("read a standing offer", CAROL, Get(STANDING)),
    deny("read a standing offer", "that was answered", CAROL, Get(ANSWERED)),
    deny("read a standing offer", "in a locked room", CAROL, Get(f"{VAULT}/alice~s0")),
    deny("read a standing offer", "after the session", CAROL.over, Get(STANDING)),
    deny("read a standing offer", "who was put out of a locked room", DAVE, Get(f"{VAULT}/alice~s0")),
    allow("read a call that is gone", BOB, Get(f"{LOBBY}/alice~bob~3")),
    deny("read a call that is gone", "after the session", BOB.over, Get(f"{LOBBY}/alice~bob~3")),
    deny("read a call that is gone", "in a locked room, from outside", CAROL, Get(f"{VAULT}/alice~bob~3")),
    allow("list the standing offers of a room to be", CAROL, List("rooms/nowhere/calls", {"to": "*"})),
    deny("list the standing offers of a room to be", "with a token bound to another", CAROL.claiming(room="hall"), List("rooms/nowhere/calls", {"to": "*"})),
]

CASES: list[Case] = [*ANSWERS, *OFFERS, *PARTIES, *READS]
