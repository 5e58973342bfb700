"""What a listener is told equals what the server holds, whatever order and faults lie between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from firertc.targets import (
    Added,
    Changed,
    Consistent,
    Count,
    Current,
    Failure,
    Gone,
    Relisten,
    Removed,
    Reset,
    Snapshot,
    Targets,
)

PATHS = st.sampled_from(["a", "b", "c", "d"])
VALUES = st.integers(0, 3)


class Listening(RuleBasedStateMachine):
    """A server with one target, and a listener that only knows what it is told.

    The server may lose deletions during a cut; then it counts, as the real one does.
    """

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[str, dict[str, int]] = {}
        self.known: dict[str, Mapping[str, Any]] = {}
        self.targets = Targets()
        self.number = 1
        self.targets.add(1)
        self.told = False
        self.lost: set[str] = set()
        self.sent: dict[str, dict[str, int]] = {}
        """What the server remembers having sent to this target."""
        self.token = 0
        self.start()

    def hear(self, message: Any) -> None:
        for outcome in self.targets.receive(message):
            match outcome:
                case Snapshot(target, documents, changed, removed):
                    assert target == self.number
                    assert changed or removed or not self.told, "nothing new was told"
                    assert not set(changed) & set(removed)
                    for path in removed:
                        del self.known[path]
                    for path in changed:
                        assert self.known.get(path) != documents[path], "no change was told"
                        self.known[path] = documents[path]
                    assert self.known == documents
                    self.told = True
                case Relisten(target):
                    assert target == self.number
                    self.number += 1
                    self.targets.move(target, self.number)
                    self.sent = {}
                    self.lost.clear()
                    self.start()
                case other:
                    raise AssertionError(other)

    def start(self) -> None:
        """The target is added: all of it, or what differs since the resume token."""
        self.hear(Added((self.number,)))
        resuming = bool(self.targets.resume_token(self.number))
        if not resuming:
            self.sent = {}
        self.deltas(lossy=resuming)
        self.hear(Current((self.number,), self.next_token()))
        self.hear(Consistent((), self.next_token()))
        if resuming:
            self.hear(Count(self.number, len(self.held)))
        assert self.known == self.held

    def next_token(self) -> bytes:
        self.token += 1
        return str(self.token).encode()

    def deltas(self, *, lossy: bool = False) -> None:
        for path, fields in self.held.items():
            if self.sent.get(path) != fields:
                self.hear(Changed(path, dict(fields), (self.number,)))
        for path in set(self.sent) - set(self.held):
            if not (lossy and path in self.lost):
                self.hear(Gone(path, (self.number,)))
        self.sent = {path: dict(fields) for path, fields in self.held.items()}

    @rule(path=PATHS, value=VALUES)
    def write(self, path: str, value: int) -> None:
        self.held[path] = {"n": value}

    @rule(path=PATHS)
    def delete(self, path: str) -> None:
        self.held.pop(path, None)

    @rule()
    def flush(self) -> None:
        self.deltas()
        self.hear(Consistent((), self.next_token()))
        assert self.known == self.held

    @rule(lost=st.sets(PATHS))
    def cut(self, lost: set[str]) -> None:
        """The stream breaks and is opened again; of deletions meanwhile the server forgets some."""
        for path in lost:
            self.held.pop(path, None)
        self.lost = lost
        self.targets.reopened()
        self.start()

    @rule()
    def reset(self) -> None:
        self.hear(Reset((self.number,)))
        self.sent = {}
        self.deltas()
        self.hear(Current((self.number,), self.next_token()))
        self.hear(Consistent(()))
        assert self.known == self.held

    @rule(path=PATHS)
    def late(self, path: str) -> None:
        """Something for a number that is no longer listened to."""
        self.hear(Changed(path, {"n": 99}, (self.number - 1,)))
        self.hear(Removed((self.number - 1,), 0, ""))

    @precondition(lambda self: self.targets.resume_token(self.number))
    @rule()
    def forget_the_token(self) -> None:
        """The server refuses the resume token."""
        self.targets.reopened()
        self.hear(Removed((self.number,), 9, "too old"))

    @invariant()
    def is_told_once_there_is_something(self) -> None:
        assert self.told or not self.known


TestListening = Listening.TestCase
TestListening.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_nothing_is_told_before_all_has_come() -> None:
    targets = Targets()
    targets.add(1)
    assert targets.receive(Changed("a", {"n": 1}, (1,))) == []
    assert targets.receive(Consistent((), b"t")) == []
    assert targets.receive(Current((1,), b"u")) == []
    assert targets.receive(Consistent(())) == [Snapshot(1, {"a": {"n": 1}}, ("a",), ())]
    assert targets.receive(Consistent(())) == []
    assert targets.resume_token(1) == b"u"


def test_a_document_moves_from_one_target_to_another() -> None:
    targets = Targets()
    for number in (1, 2):
        targets.add(number)
    targets.receive(Changed("a", {"n": 1}, (1,)))
    targets.receive(Current(()))
    assert len(targets.receive(Consistent(()))) == 2
    targets.receive(Changed("a", {"n": 2}, (2,), removed=(1,)))
    assert targets.receive(Consistent(())) == [
        Snapshot(1, {}, (), ("a",)),
        Snapshot(2, {"a": {"n": 2}}, ("a",), ()),
    ]


@given(st.sampled_from([7, 16]), st.booleans())
def test_a_denial_is_final(code: int, resumed: bool) -> None:
    targets = Targets()
    targets.add(1)
    targets.receive(Current((1,), b"t" if resumed else b""))
    assert targets.receive(Removed((1, 5), code, "no")) == [Failure(1, code, "no")]


def test_a_target_that_is_gone_hears_nothing() -> None:
    targets = Targets()
    targets.add(1)
    targets.remove(1)
    for message in (
        Changed("a", {}, (1,)),
        Gone("a", (1,)),
        Count(1, 5),
        Removed((1,), 7, ""),
        Reset((1,)),
        Current((1,)),
        Consistent(()),
    ):
        assert targets.receive(message) == []
    assert len(targets) == 0 and list(targets) == []
