"""Who offers, when to try again, when a link is dead, what a call's document means next: decisions
without I/O.

The same decisions are taken in the web SDK; ``tests/vectors`` holds both to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from .schema import ANYONE, Call

PING_SECONDS = 1.0
SUSPECT_SECONDS = 2.0
"""Silent for so long: suspect. Probed, nothing is written."""
DEAD_SECONDS = 4.0
"""Silent for so long: dead."""
ATTEMPT_SECONDS = (5.0, 10.0)
"""A link that hasn't opened by then is tried again with a direct offer."""
UNREACHABLE_SECONDS = 20.0
"""A link that hasn't opened by then never will."""
CANDIDATE_BATCH_SECONDS = 0.05
GATHER_GRACE_SECONDS = 0.02
"""Candidates found this soon travel inside the description."""

Pulse = Literal["alive", "suspect", "dead"]


def pulse(silent_seconds: float) -> Pulse:
    """What a link's silence means."""
    if silent_seconds >= DEAD_SECONDS:
        return "dead"
    return "suspect" if silent_seconds >= SUSPECT_SECONDS else "alive"


def ends_break(moved: bool, pong: int | None, pinged_before: int) -> bool:
    """Whether a broken link is open again, now that something came on the connection in use.

    On another connection than the one that broke, whatever comes says that the other side has moved
    there too. The old one may have come back one way only: then a side that took what it hears for
    a repair would leave the other one waiting. So it takes an answer to what was asked since.

    :param moved: the link has got another connection since it broke.
    :param pong: number of the ping that is answered; None: something else came.
    :param pinged_before: number of the last ping before the break.
    """
    return moved or (pong is not None and pong > pinged_before)


@dataclass(frozen=True)
class Presence:
    """What decides between two peers of a room."""

    peer: str
    joined_at: float
    """Unix seconds, the server's."""


def connects(me: Presence, other: Presence) -> bool:
    """Whether I make the connection: the one who came later does, or of two at once the greater
    id."""
    return (me.joined_at, me.peer) > (other.joined_at, other.peer)


def attempts_due(seconds_since_first: float) -> int:
    """How many direct offers should have been made for a link that hasn't opened yet."""
    return sum(seconds_since_first >= after for after in ATTEMPT_SECONDS)


class CallState(Enum):
    """Where one side of a call stands."""

    NEW = "new"
    """Nothing is written yet."""
    WAITING = "waiting"
    """The offer is written; nobody has answered."""
    CONNECTING = "connecting"
    """Offer and answer are exchanged; the network path is being found."""
    CONNECTED = "connected"
    """The control channel is open."""
    ENDED = "ended"
    """Over, for good or for a reason."""


NEXT_STATES: dict[CallState, frozenset[CallState]] = {
    CallState.NEW: frozenset({CallState.WAITING, CallState.CONNECTING, CallState.ENDED}),
    CallState.WAITING: frozenset({CallState.CONNECTING, CallState.ENDED}),
    CallState.CONNECTING: frozenset({CallState.CONNECTED, CallState.ENDED}),
    CallState.CONNECTED: frozenset({CallState.ENDED}),
    CallState.ENDED: frozenset(),
}
"""Which state may follow which."""


@dataclass(frozen=True)
class Wait:
    """Nothing to do yet."""


@dataclass(frozen=True)
class Accept:
    """The call was answered: take the answer."""


@dataclass(frozen=True)
class Over:
    """The call ended before it connected."""

    reason: str
    """``gone``, ``cancelled``, ``rejected``, ``busy``, ``answered-elsewhere``…"""


Step = Wait | Accept | Over


def offerer_step(call: Call | None, me: str) -> Step:
    """What the document says to the side that wrote the offer and waits.

    :param call: as last seen; None: it is gone.
    :param me: the offerer's peer id.
    """
    if call is None:
        return Over("gone")
    if call.ended is not None:
        return Over("cancelled" if call.ended.by == me else call.ended.reason)
    return Accept() if call.answer is not None and call.receiver != ANYONE else Wait()


def callee_step(call: Call | None, me: str) -> Step:
    """What the document says to the side that is rung and hasn't answered.

    :param call: as last seen; None: it is gone.
    :param me: the callee's peer id.
    """
    if call is None:
        return Over("cancelled")
    if call.ended is not None:
        return Over(call.ended.reason if call.ended.by != me else "rejected")
    return Wait()


Outcome = Literal["mine", "elsewhere", "gone", "retry"]


def answer_outcome(call: Call | None, me: str, session: str) -> Outcome:
    """What became of an answer whose write was refused or whose reply was lost.

    A refusal after a lost reply may be one's own success: so the document is read again.

    :param call: as read again; None: gone, or closed to us.
    """
    if call is None:
        return "gone"
    if call.answer is None:
        return "gone" if call.ended is not None else "retry"
    mine = call.receiver == me and call.receiver_session == session
    return "mine" if mine else "elsewhere"
