"""What the messages of a Firestore listen stream mean: no I/O, no clock.

Firestore multiplexes many *targets* (a document or a query) on one stream. Changes to documents
arrive one by one, and a later message says when what has arrived is a consistent whole.
:class:`Targets` is fed each message and answers with what there is to tell (:class:`Snapshot`,
:class:`Failure`) and what there is to do (:class:`Relisten`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

PERMISSION_DENIED = 7
UNAUTHENTICATED = 16
"""google.rpc.Code."""


@dataclass(frozen=True)
class Added:
    """The server took a target on, or took one off (:class:`Removed`)."""

    targets: tuple[int, ...]


@dataclass(frozen=True)
class Removed:
    """The server stopped serving these targets; ``code`` says why."""

    targets: tuple[int, ...]
    code: int
    reason: str


@dataclass(frozen=True)
class Current:
    """All that existed at the start has been sent for these targets."""

    targets: tuple[int, ...]
    resume_token: bytes = b""


@dataclass(frozen=True)
class Reset:
    """Forget what these targets showed: everything will be sent again."""

    targets: tuple[int, ...]
    resume_token: bytes = b""


@dataclass(frozen=True)
class Consistent:
    """No change; without targets: all targets now show one moment of the database."""

    targets: tuple[int, ...]
    resume_token: bytes = b""


@dataclass(frozen=True)
class Changed:
    """A document is in these targets with these fields, and no longer in those."""

    path: str
    fields: Mapping[str, Any]
    targets: tuple[int, ...]
    removed: tuple[int, ...] = ()


@dataclass(frozen=True)
class Gone:
    """A document was deleted, or no longer matches these targets."""

    path: str
    targets: tuple[int, ...]


@dataclass(frozen=True)
class Count:
    """How many documents a target should have by now: a check on what was missed."""

    target: int
    count: int


Message = Added | Removed | Current | Reset | Consistent | Changed | Gone | Count


@dataclass(frozen=True)
class Snapshot:
    """What a target shows at one moment."""

    target: int
    documents: Mapping[str, Mapping[str, Any]]
    """Fields by path."""
    changed: tuple[str, ...]
    """Paths that are new or different since the snapshot before."""
    removed: tuple[str, ...]
    """Paths that are gone since the snapshot before."""


@dataclass(frozen=True)
class Failure:
    """The server refuses this target; it will send nothing more."""

    target: int
    code: int
    reason: str


@dataclass(frozen=True)
class Relisten:
    """What is held of this target can't be trusted: listen anew, without a resume token.

    Under another number (:meth:`Targets.move`): what is still under way for this one is not for the
    new one.
    """

    target: int
    served: bool
    """Whether the server still serves it, and must be told to stop."""


Outcome = Snapshot | Failure | Relisten


@dataclass
class _Target:
    documents: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    shown: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)
    current: bool = False
    told: bool = False
    resume_token: bytes = b""


class Targets:
    """The state of every target of one stream; survives the stream itself."""

    def __init__(self) -> None:
        self._targets: dict[int, _Target] = {}

    def add(self, target: int) -> None:
        """Begin to keep state for a target."""
        self._targets[target] = _Target()

    def remove(self, target: int) -> None:
        """Forget a target; late messages for it are ignored."""
        self._targets.pop(target, None)

    def __iter__(self) -> Iterator[int]:
        return iter(tuple(self._targets))

    def __len__(self) -> int:
        return len(self._targets)

    def resume_token(self, target: int) -> bytes:
        """Where to go on after the stream broke; empty: from the start."""
        return self._targets[target].resume_token

    def reopened(self) -> None:
        """The stream is a new one: nothing is current until the server says so again."""
        for state in self._targets.values():
            state.current = False
            if not state.resume_token:
                self._clear(state)

    def move(self, target: int, to: int) -> None:
        """Listen to a target from the start, under another number; what was told stays told."""
        state = self._targets.pop(target)
        state.resume_token = b""
        state.current = False
        self._clear(state)
        self._targets[to] = state

    def receive(self, message: Message) -> list[Outcome]:
        """Take one message of the server's.

        :returns: what follows from it, in order.
        """
        match message:
            case Changed(path, fields, targets, removed):
                for state in self._states(targets):
                    state.documents[path] = fields
                    state.touched.add(path)
                for state in self._states(removed):
                    self._drop(state, path)
            case Gone(path, targets):
                for state in self._states(targets):
                    self._drop(state, path)
            case Reset(targets, token):
                for state in self._states(targets, all_if_empty=True):
                    self._clear(state)
                    state.current = False
                    state.resume_token = token
            case Current(targets, token):
                for state in self._states(targets, all_if_empty=True):
                    state.current = True
                    state.resume_token = token or state.resume_token
            case Consistent(targets, token):
                for state in self._states(targets, all_if_empty=True):
                    state.resume_token = token or state.resume_token
                if not targets:
                    return list(self._tell())
            case Count(target, count):
                if target in self._targets and len(self._targets[target].documents) != count:
                    return [Relisten(target, served=True)]
            case Removed(targets, code, reason):
                return list(self._refused(targets, code, reason))
            case Added():
                pass
        return []

    def _states(self, targets: tuple[int, ...], *, all_if_empty: bool = False) -> list[_Target]:
        if not targets and all_if_empty:
            return list(self._targets.values())
        return [self._targets[target] for target in targets if target in self._targets]

    @staticmethod
    def _drop(state: _Target, path: str) -> None:
        if state.documents.pop(path, None) is not None:
            state.touched.add(path)

    @staticmethod
    def _clear(state: _Target) -> None:
        state.touched.update(state.documents)
        state.documents = {}

    def _tell(self) -> Iterator[Snapshot]:
        for target, state in self._targets.items():
            if not state.current or (state.told and not state.touched):
                continue
            touched = sorted(state.touched | (set(state.documents) - set(state.shown)))
            changed = tuple(
                path
                for path in touched
                if path in state.documents and state.documents[path] != state.shown.get(path)
            )
            removed = tuple(
                path for path in touched if path in state.shown and path not in state.documents
            )
            state.touched = set()
            state.shown = dict(state.documents)
            if state.told and not changed and not removed:
                continue
            state.told = True
            yield Snapshot(target, state.shown, changed, removed)

    def _refused(self, targets: tuple[int, ...], code: int, reason: str) -> Iterator[Outcome]:
        for target in targets:
            if target not in self._targets:
                continue
            if code not in (PERMISSION_DENIED, UNAUTHENTICATED) and self.resume_token(target):
                # An expired resume token is refused in many words; the target itself may be fine.
                yield Relisten(target, served=False)
            else:
                yield Failure(target, code, reason)
