"""Every row of the matrix, against the rules engine."""

from __future__ import annotations

from collections import Counter

import pytest

from . import (
    matrix_answers,
    matrix_closed,
    matrix_messages,
    matrix_offers,
    matrix_oneoff,
    matrix_open,
    matrix_parties,
    matrix_peers,
    matrix_reading,
    matrix_rooms,
)
from .cases import NOBODY_MAY, Case
from .conftest import Stage
from .engine import NOBODY, OWNER, Engine, RulesRefused
from .operations import Place, put
from .people import ALICE, BOB

MATRIX: list[Case] = [
    *matrix_answers.CASES,
    *matrix_offers.CASES,
    *matrix_parties.CASES,
    *matrix_reading.CASES,
    *matrix_oneoff.CASES,
    *matrix_rooms.CASES,
    *matrix_peers.CASES,
    *matrix_messages.CASES,
    *matrix_open.CASES,
    *matrix_closed.CASES,
    *matrix_closed.PRESETS,
]


def test_what_must_be_denied_is_denied(stage: Stage) -> None:
    """The first of all: an engine whose rules didn't load would let everything through."""
    for project in (stage.project, stage.tutorials):
        place = Place(project, "first")
        for claims in (NOBODY, ALICE.claims("first")):
            reply = put("secrets/x", {"x": 1}).send(stage.engine, place, claims)
            assert reply.denied, reply.body


def test_the_owner_is_not_a_user(stage: Stage) -> None:
    """Rows are played by users; the administrator's requests prove nothing."""
    assert put("secrets/x", {"x": 1}).send(stage.engine, Place(stage.project, "first"), OWNER).fine
    assert BOB.claims("first")["sub"] == "first:bob"


def test_rules_that_do_not_parse_are_noticed(engine: Engine, rules: str) -> None:
    """Loading must fail, and not serve everything open."""
    with pytest.raises(RulesRefused):
        engine.load("demo-broken", rules + "}")


@pytest.mark.parametrize("case", MATRIX, ids=[case.id for case in MATRIX])
def test_row(stage: Stage, case: Case) -> None:
    """The rules allow what the row allows, and deny what it denies."""
    reply = stage.play(case)
    if case.allowed:
        assert reply.fine, reply.body
    else:
        assert reply.denied, reply.body


def test_every_permission_has_a_denied_twin() -> None:
    """Each allowed row is denied to somebody; each denied row is somebody's permission."""
    permissions = {case.id for case in MATRIX if case.allowed}
    twins = {case.twin for case in MATRIX if case.twin is not None}
    assert permissions - twins == set()
    assert twins - permissions == {NOBODY_MAY}


def test_rows_have_names_of_their_own() -> None:
    """A name is how a row is found."""
    assert [name for name, count in Counter(case.id for case in MATRIX).items() if count > 1] == []
