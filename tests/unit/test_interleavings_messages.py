"""Messages over connections that break at any moment: each arrives exactly once, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

import hypothesis.strategies as st
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from firertc.control import Ack, Frame, Message, decode, encode
from firertc.messages import Messages
from firertc.repair import REPAIR_ATTEMPT_SECONDS, REPAIR_SECONDS, repair_delay, repair_step

SIDES = st.sampled_from([0, 1])
STEPS = st.lists(st.floats(0.01, 8.0), max_size=40)


class Side:
    """One end of a link."""

    def __init__(self, send: Callable[[Frame], None]) -> None:
        self.said: list[int] = []
        self.heard: list[int] = []
        self.messages = Messages(send, self.heard.append)
        self.messages.is_open = self.messages.is_flowing = True


class Talking(RuleBasedStateMachine):
    """Two sides; the connection between them carries frames in order until it breaks, and what was
    under way is lost. Each side has the next one at a time of its own, and begins with all that is
    not acknowledged."""

    def __init__(self) -> None:
        super().__init__()
        self.under_way: tuple[deque[str], deque[str]] = (deque(), deque())
        """Frames from each side, on the connection that it uses."""
        self.uses = [0, 0]
        """Number of the connection that each side uses."""
        self.whole = 0
        """Number of the connection that works; odd: there is none."""
        self.sides = (Side(partial(self.send, 0)), Side(partial(self.send, 1)))

    def send(self, side: int, frame: Frame) -> None:
        if self.uses[side] == self.whole:
            self.under_way[side].append(encode(frame))

    @rule(side=SIDES, count=st.integers(1, 5))
    def say(self, side: int, count: int) -> None:
        """Also while there is no connection."""
        for _ in range(count):
            one = self.sides[side]
            one.said.append(len(one.said) + 1)
            one.messages.say(one.said[-1])

    @precondition(lambda self: any(self.under_way))
    @rule(side=SIDES, count=st.integers(1, 5))
    def arrive(self, side: int, count: int) -> None:
        """Frames get to the other side."""
        for _ in range(min(count, len(self.under_way[side]))):
            self.take(1 - side, self.under_way[side].popleft())

    def take(self, side: int, text: str) -> None:
        messages = self.sides[side].messages
        match decode(text):
            case Message() as message:
                messages.take(message)
            case Ack(number):
                messages.take_ack(number)
            case other:
                raise AssertionError(other)

    @precondition(lambda self: self.whole % 2 == 0)
    @rule()
    def breaks(self) -> None:
        """What was under way is lost."""
        for frames in self.under_way:
            frames.clear()
        self.whole += 1

    @precondition(lambda self: self.whole % 2)
    @rule(side=SIDES)
    def notices(self, side: int) -> None:
        """One side sees that the link is broken, before another connection comes."""
        self.sides[side].messages.is_flowing = False

    @precondition(lambda self: self.whole % 2)
    @rule()
    def repaired(self) -> None:
        """There is another connection."""
        self.whole += 1

    @precondition(lambda self: self.whole % 2 == 0)
    @rule(side=SIDES)
    def moves(self, side: int) -> None:
        """One side uses it from now on, or says all again on the one that it uses already."""
        self.uses[side] = self.whole
        self.sides[side].messages.repeat()

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
            waiting = [message.body for message in one.messages.outbox.waiting]
            assert one.said[len(one.said) - len(waiting) :] == waiting
            assert len(one.said) - len(waiting) <= len(self.sides[1 - side].heard)

    def teardown(self) -> None:
        if self.whole % 2:
            self.repaired()
        for side in (0, 1):
            if self.uses[side] != self.whole:
                self.moves(side)
        while any(self.under_way):
            for side in (0, 1):
                self.arrive(side, 5)
        for side in (0, 1):
            assert self.sides[1 - side].heard == self.sides[side].said
            assert not self.sides[side].messages.outbox.waiting


Talking.TestCase.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
TestTalking = Talking.TestCase


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
