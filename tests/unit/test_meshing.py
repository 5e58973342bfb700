"""What a mesh decides about each pair: who makes the link, which offers are taken, when a link is
tried again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import given

from firertc.meshing import Taken, is_from, is_usable, makes, takes, try_until
from firertc.negotiation import ATTEMPT_SECONDS, UNREACHABLE_SECONDS, Presence, attempts_due
from firertc.schema import ANYONE, Call

NOW = datetime(2030, 1, 1, tzinfo=UTC)
OFFER = Call(
    path="calls/one",
    kind="standing",
    sender="ann",
    sender_session="session",
    receiver=ANYONE,
    receiver_session="",
    attempt=0,
    offer={"type": "offer", "sdp": ""},
    answer=None,
    offer_candidates=(),
    answer_candidates=(),
    metadata=None,
    ended=None,
    lease_until=NOW + timedelta(seconds=1),
)
presences = st.builds(Presence, st.text("ab", min_size=1, max_size=3), st.integers(0, 2))


@given(presences, presences)
def test_of_two_peers_exactly_one_makes_the_link(one: Presence, other: Presence) -> None:
    if one.peer == other.peer:
        return
    assert makes(one, other, False) != makes(other, one, False)
    assert not makes(one, other, True) and not makes(None, other, False)


@given(st.lists(presences, unique_by=lambda presence: presence.peer, max_size=6))
def test_every_pair_of_a_room_is_made_once(room: list[Presence]) -> None:
    made = [
        frozenset((one.peer, other.peer))
        for one in room
        for other in room
        if one != other and makes(one, other, False)
    ]
    assert len(made) == len(set(made)) == len(room) * (len(room) - 1) // 2


@given(st.lists(st.tuples(st.sampled_from(["old", "new"]), st.integers(0, 5)), max_size=12))
def test_an_offer_is_taken_once_and_no_older_one_after_it(seen: list[tuple[str, int]]) -> None:
    known: Taken | None = None
    for session, attempt in seen:
        offer = replace(OFFER, kind="direct", sender_session=session, attempt=attempt)
        before = known
        if takes(known, offer):
            known = Taken(session, attempt)
        assert not takes(known, offer), "once"
        if before is not None and before.session == session:
            assert known is not None and known.attempt == max(before.attempt, attempt)
        else:
            assert known == (session, attempt), "another session is another peer"


@given(st.lists(st.floats(0, 30), max_size=6))
def test_tries_end_one_after_the_other_and_in_time(lasting: list[float]) -> None:
    elapsed, until, ends = 0.0, try_until(0.0), []
    for seconds in lasting:
        if until is None:
            break
        ends.append(until)
        # A try ends at its time; a busy machine may notice later.
        elapsed = max(elapsed, until) + seconds / 10
        until = try_until(elapsed, until)
        assert until is not None or elapsed >= UNREACHABLE_SECONDS
    assert ends == sorted(set(ends)) and len(ends) <= 1 + len(ATTEMPT_SECONDS)
    assert all(end <= UNREACHABLE_SECONDS for end in ends)


def test_a_clock_that_wakes_early_begins_no_try_twice() -> None:
    assert try_until(0.0) == ATTEMPT_SECONDS[0]
    assert try_until(4.999, 5.0) == ATTEMPT_SECONDS[1]
    assert try_until(19.999, 20.0) is None
    due = [end for end in range(1, 20) if try_until(end - 0.5) != try_until(end + 0.5)]
    assert len(due) == attempts_due(UNREACHABLE_SECONDS) == 2


@pytest.mark.parametrize(
    ("offer", "usable"),
    [
        (OFFER, True),
        (replace(OFFER, sender="me"), False),
        (replace(OFFER, lease_until=NOW), False),
        (replace(OFFER, answer={"type": "answer", "sdp": ""}), False),
    ],
    ids=["waiting", "our own", "too old", "answered"],
)
def test_which_standing_offers_are_answered(offer: Call, usable: bool) -> None:
    assert is_usable(offer, "me", NOW.timestamp()) is usable
    assert is_from(offer, "session") and not is_from(offer, "another") and not is_from(offer, None)
