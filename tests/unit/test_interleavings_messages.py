"""Messages over connections that break at any moment: each arrives exactly once, in order."""

from __future__ import annotations

from collections import deque

import hypothesis.strategies as st
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from firertc.control import Ack, Inbox, Message, Outbox, decode, encode
from firertc.repair import REPAIR_ATTEMPT_SECONDS, REPAIR_SECONDS, repair_delay, repair_step

SIDES = st.sampled_from([0, 1])
STEPS = st.lists(st.floats(0.01, 8.0), max_size=40)


class Side:
    """One end of a link."""

    def __init__(self) -> None:
        self.outbox = Outbox()
        self.inbox = Inbox()
        self.said: list[int] = []
        self.heard: list[int] = []


class Messages(RuleBasedStateMachine):
    """Two sides; the connection between them carries frames in order until it breaks, and what was
    under way is lost. The next one begins with all that is not acknowledged."""

    def __init__(self) -> None:
        super().__init__()
        self.sides = (Side(), Side())
        self.under_way: tuple[deque[str], deque[str]] = (deque(), deque())
        """Frames from each side."""
        self.whole = True

    def send(self, side: int, frame: Message | Ack) -> None:
        if self.whole:
            self.under_way[side].append(encode(frame))

    @rule(side=SIDES, count=st.integers(1, 5))
    def say(self, side: int, count: int) -> None:
        """Also while there is no connection."""
        for _ in range(count):
            one = self.sides[side]
            one.said.append(len(one.said) + 1)
            self.send(side, one.outbox.add(one.said[-1]))

    @precondition(lambda self: any(self.under_way))
    @rule(side=SIDES, count=st.integers(1, 5))
    def arrive(self, side: int, count: int) -> None:
        """Frames get to the other side."""
        for _ in range(min(count, len(self.under_way[side]))):
            self.take(1 - side, self.under_way[side].popleft())

    def take(self, side: int, text: str) -> None:
        one = self.sides[side]
        match decode(text):
            case Message() as message:
                if one.inbox.take(message):
                    one.heard.append(message.body)
                self.send(side, Ack(one.inbox.last))
            case Ack(number):
                one.outbox.acknowledge(number)
            case other:
                raise AssertionError(other)

    @rule()
    def breaks(self) -> None:
        """What was under way is lost."""
        for frames in self.under_way:
            frames.clear()
        self.whole = False

    @precondition(lambda self: not self.whole)
    @rule()
    def repaired(self) -> None:
        """Another connection."""
        self.whole = True
        for side in (0, 1):
            for message in tuple(self.sides[side].outbox.waiting):
                self.send(side, message)

    @rule(side=SIDES)
    def come_back(self, side: int) -> None:
        """A repair that turns out to be none: all is said again on the same connection."""
        for message in tuple(self.sides[side].outbox.waiting):
            self.send(side, message)

    @invariant()
    def heard_is_the_beginning_of_said(self) -> None:
        for side in (0, 1):
            heard = self.sides[1 - side].heard
            assert heard == self.sides[side].said[: len(heard)]

    @invariant()
    def nothing_is_forgotten(self) -> None:
        """What is no longer kept has been heard."""
        for side in (0, 1):
            one = self.sides[side]
            waiting = [message.body for message in one.outbox.waiting]
            assert one.said[len(one.said) - len(waiting) :] == waiting
            assert len(one.said) - len(waiting) <= len(self.sides[1 - side].heard)

    def teardown(self) -> None:
        self.breaks()
        self.repaired()
        while any(self.under_way):
            for side in (0, 1):
                self.arrive(side, 5)
        for side in (0, 1):
            assert self.sides[1 - side].heard == self.sides[side].said
            assert not self.sides[side].outbox.waiting


Messages.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestMessages = Messages.TestCase


@settings(max_examples=200, deadline=None)
@given(STEPS, st.booleans())
def test_repairs_are_tried_in_time_and_given_up_in_time(
    steps: list[float], can_restart: bool
) -> None:
    """However late one is woken: never before its time, at most one restart and that first, and it
    ends."""
    elapsed, made, tried = 0.0, 0, []
    for step in [*steps, *[5.0] * 20]:
        what = repair_step(elapsed, made, can_restart)
        if what == "give-up":
            break
        if what != "wait":
            assert elapsed >= repair_delay(made)
            tried.append(what)
            made += 1
        elapsed += step
    else:
        raise AssertionError("it never gives up")
    assert elapsed >= REPAIR_SECONDS
    assert 1 <= made <= len(REPAIR_ATTEMPT_SECONDS)
    assert tried[0] == ("restart" if can_restart else "fresh")
    assert set(tried[1:]) <= {"fresh"}
