"""What the heaviest commits cost the rules: access calls and expressions.

Firestore's limits: 20 access calls in a commit and 10 in an operation, 1,000 expressions
(firebase.google.com/docs/firestore/security/rules-structure#security_rule_limits). The engine
counts an access call to the same document once, and none to a document that the commit writes;
production only may. So the calls are counted here as they are evaluated, from its coverage report.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import pytest

from .cases import Case
from .conftest import Stage
from .engine import Engine
from .operations import Commit, Operation, Write, commit, delete, put
from .people import ALICE, ANN, BOB, CAROL, CAT, Person, account, keyed
from .test_matrix import MATRIX
from .world import CANDIDATE, call, card
from .writes import DIRECT, LOBBY, answered_by, called, entered, first_in, offered

ACCESS_CALLS_PER_COMMIT: Final = 20
EXPRESSIONS: Final = 1000
ANSWERS_PER_COMMIT: Final = 12
DELETES_PER_COMMIT: Final = 5
ACCESS_CALL: Final = re.compile(r"(?:get|getAfter|exists|existsAfter)\(")

NUMBERS: Final = itertools.count()
"""Each measurement has a project of its own."""

LEAVE: Final = commit(delete(DIRECT), delete(f"{LOBBY}/peers/alice"))
OPEN_LEAVE: Final = delete(f"{LOBBY}/peers/ann-tab1")

COSTS: Final = {
    "come in": ("allow create: if isJoin(", 0, 291),
    "come in, openly": ("allow create: if isJoin(", 0, 293),
    "leave a standing offer": ("allow create: if isAllowedOffer(", 1, 280),
    "leave all that fits": ("allow create: if isAllowedOffer(", 1, 304),
    "call a peer": ("allow create: if isAllowedOffer(", 1, 300),
    "answer a standing offer": ("allow update: if isAllowedAnswer(", 1, 178),
    "answer with candidates": ("allow update: if isAllowedAnswer(", 1, 202),
    "answer silently": ("allow update: if isAllowedAnswer(", 1, 185),
    "answer a one-off call": ("allow update: if isAllowedAnswer(", 0, 212),
    "create a room": ("allow create: if isRoom(", 0, 210),
}
"""Expressions of a write: the row that makes it, its statement, which one of those, how many."""


def _newcomer(me: Person, waiting: list[Person], **fields: Any) -> Commit:
    return commit(
        entered(me),
        offered(me, offerCandidates=[CANDIDATE] * 40, metadata="x" * 4096),
        *(answered_by(me, f"{LOBBY}/calls/{other.peer}~s0", **fields) for other in waiting),
    )


def _crowd(world: str) -> list[Person]:
    make = keyed if world == "keyed" else account
    return [make(f"guest{number}") for number in range(ANSWERS_PER_COMMIT)]


def _arrival(world: str, me: Person) -> Case:
    """A newcomer in a room where as many wait as one commit may answer."""
    crowd = _crowd(world)
    given = [put(f"{LOBBY}/peers/{guest.peer}", card(guest)) for guest in crowd]
    given += [put(f"{LOBBY}/calls/{guest.peer}~s0", call("standing", guest)) for guest in crowd]
    do = _newcomer(me, crowd, answerCandidates=[CANDIDATE] * 40)
    return Case("arrival", me, do, None, tuple(given), "keyed" if world == "keyed" else "open")


def _tidying(world: str) -> Case:
    """Somebody whose links to a crowd are open deletes the calls."""
    crowd = _crowd(world)[:DELETES_PER_COMMIT]
    me = CAROL if world == "keyed" else CAT
    calls = {
        f"{LOBBY}/calls/{me.peer}~{guest.peer}~0": call("direct", me, guest) for guest in crowd
    }
    given = [put(path, fields) for path, fields in calls.items()]
    do = commit(*(delete(path) for path in calls))
    return Case("tidying", me, do, None, tuple(given), "keyed" if world == "keyed" else "open")


def _access_calls(engine: Engine, rules: str, project: str) -> int:
    def walk(nodes: list[dict[str, Any]]) -> Iterator[int]:
        for node in nodes:
            yield from walk(node.get("children", []))
            position = node["sourcePosition"]
            text = rules[position["currentOffset"] : position["endOffset"] + 1]
            # A call's node ends before its closing bracket, that of a member of it later.
            if ACCESS_CALL.match(text) and text.count("(") > text.count(")"):
                # Neither skipped, nor failed for want of a path.
                came = [seen for seen in node.get("values", []) if seen.get("value")]
                yield sum(seen["count"] for seen in came if "undefined" not in seen["value"])

    return sum(walk(engine.coverage(project)["report"]))


@pytest.mark.parametrize(
    ("case", "most"),
    [
        pytest.param(_arrival("keyed", CAROL), 16, id="newcomer"),
        pytest.param(_arrival("open", CAT), 17, id="open newcomer"),
        pytest.param(Case("first", CAROL, first_in(CAROL)), 2, id="first in a room"),
        pytest.param(Case("ring", BOB, called(BOB, ALICE)), 2, id="direct offer"),
        pytest.param(Case("pick up", BOB, answered_by(BOB)), 1, id="answer"),
        pytest.param(Case("pick up", BOB, answered_by(BOB, DIRECT)), 1, id="direct answer"),
        pytest.param(Case("tidy", ALICE, LEAVE), 0, id="leave"),
        pytest.param(Case("tidy", ANN, OPEN_LEAVE, world="open"), 0, id="leave openly"),
        pytest.param(_tidying("keyed"), 0, id="tidy up"),
        pytest.param(_tidying("open"), 0, id="tidy up openly"),
    ],
)
def test_access_calls(engine: Engine, rules: str, case: Case, most: int) -> None:
    """The commit is accepted, and stays within the limits even if nothing is cached."""
    stage = Stage(engine, rules, f"access-{next(NUMBERS)}")
    writes = [write for write in getattr(case.do, "writes", [case.do]) if isinstance(write, Write)]
    # As production does, and the engine only if told: no `update` is tried on what isn't there.
    fresh = [replace(write, fresh=not write.merge and write.data is not None) for write in writes]
    reply = stage.play(replace(case, do=commit(*fresh)))
    assert reply.fine, reply.body
    assert _access_calls(engine, rules, stage.project) == most <= ACCESS_CALLS_PER_COMMIT


def test_a_denied_write_denies_the_newcomers_whole_commit(stage: Stage) -> None:
    """One offer was taken meanwhile: nothing is written, and coming in alone goes through."""
    arrival = _arrival("keyed", CAROL)
    guest = _crowd("keyed")[7]
    taken = answered_by(BOB, f"{LOBBY}/calls/{guest.peer}~s0")
    assert stage.play(replace(arrival, given=(*arrival.given, taken))).denied
    alone: Operation = commit(entered(CAROL), offered(CAROL))
    assert stage.play(replace(arrival, do=alone, given=(*arrival.given, taken))).fine


def _padded(rules: str, statement: str, which: int, expressions: int) -> str:
    """The rules, with a statement that evaluates so many expressions more (6 at least)."""
    before = rules.split(statement)
    zeros = ", ".join(["0"] * (expressions - 6))
    # The literals, the list, size(), its comparison and literal, and two for a `&&` that goes on.
    heavier = statement.replace(": if ", f": if [{zeros}].size() >= 0 && ")
    head, tail = before[: which + 1], before[which + 1 :]
    return statement.join(head) + heavier + statement.join(tail)


@pytest.mark.parametrize("name", COSTS)
def test_expressions(engine: Engine, rules: str, name: str) -> None:
    """A write costs just as many expressions as docs/security.md says: one more is too many."""
    statement, which, cost = COSTS[name]
    (case,) = (case for case in MATRIX if case.id == name)
    spare = EXPRESSIONS - cost
    for expressions, fits in ((spare, True), (spare + 1, False)):
        padded = _padded(rules, statement, which, expressions)
        stage = Stage(engine, padded, f"cost-{next(NUMBERS)}")
        assert stage.play(case).fine is fits
