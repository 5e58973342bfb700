"""The decisions about calls and links, by vectors that the web SDK runs as well."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from firertc import negotiation
from firertc.negotiation import (
    NEXT_STATES,
    CallState,
    Over,
    Presence,
    answer_outcome,
    attempts_due,
    callee_step,
    connects,
    ends_break,
    offerer_step,
    pulse,
)
from firertc.schema import Call, Ended

VECTORS = json.loads(
    Path(__file__).parents[1].joinpath("vectors", "negotiation.json").read_text(encoding="utf-8")
)


def call_of(fields: dict[str, Any] | None) -> Call | None:
    """A call with these fields, the others plain."""
    if fields is None:
        return None
    return Call(
        path="realms/demo/calls/0",
        kind="open",
        sender="me",
        sender_session="mine",
        receiver=fields["to"],
        receiver_session=fields["toSession"],
        attempt=0,
        offer={"type": "offer", "sdp": ""},
        answer={"type": "answer", "sdp": ""} if fields["answer"] else None,
        offer_candidates=(),
        answer_candidates=(),
        metadata=None,
        ended=Ended(**fields["ended"]) if fields["ended"] else None,
        lease_until=datetime.now(UTC),
    )


@pytest.mark.parametrize("case", VECTORS["connects"], ids=str)
def test_who_connects(case: dict[str, Any]) -> None:
    me, other = Presence(*case["me"]), Presence(*case["other"])
    assert connects(me, other) is case["connects"]
    assert connects(other, me) is not case["connects"]


PEERS = st.builds(Presence, st.text(min_size=1, max_size=3), st.integers(0, 3).map(float))


@given(PEERS, PEERS)
def test_of_two_peers_exactly_one_connects(one: Presence, other: Presence) -> None:
    if one != other:
        assert connects(one, other) != connects(other, one)


@pytest.mark.parametrize(("seconds", "expected"), VECTORS["pulse"])
def test_what_silence_means(seconds: float, expected: str) -> None:
    assert pulse(seconds) == expected


@pytest.mark.parametrize("case", VECTORS["ends"], ids=str)
def test_what_ends_a_break(case: dict[str, Any]) -> None:
    assert ends_break(case["moved"], case["pong"], case["pingedBefore"]) is case["ends"]


@pytest.mark.parametrize(("seconds", "expected"), VECTORS["attemptsDue"])
def test_when_to_try_again(seconds: float, expected: int) -> None:
    assert attempts_due(seconds) == expected


@pytest.mark.parametrize("decide", ["offererSteps", "calleeSteps"])
def test_steps(decide: str) -> None:
    step_of = {"offererSteps": offerer_step, "calleeSteps": callee_step}[decide]
    for case in VECTORS[decide]:
        step = step_of(call_of(case["call"]), "me")
        assert type(step).__name__.lower() == case["step"], case
        assert (step.reason if isinstance(step, Over) else None) == case["reason"], case


@pytest.mark.parametrize("case", VECTORS["answerOutcomes"], ids=str)
def test_what_became_of_an_answer(case: dict[str, Any]) -> None:
    assert answer_outcome(call_of(case["call"]), "me", "mine") == case["outcome"]


def test_which_state_may_follow_which() -> None:
    table = {
        state.value: sorted(following.value for following in NEXT_STATES[state])
        for state in CallState
    }
    assert table == {state: sorted(following) for state, following in VECTORS["states"].items()}


def test_the_times_fit_together() -> None:
    assert negotiation.PING_SECONDS < negotiation.SUSPECT_SECONDS < negotiation.DEAD_SECONDS
    assert max(negotiation.ATTEMPT_SECONDS) < negotiation.UNREACHABLE_SECONDS
