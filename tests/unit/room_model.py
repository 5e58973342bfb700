"""What a room's documents and its peers hold, in a world where everything comes late: the model
that the interleavings of a room run."""

from __future__ import annotations

from dataclasses import dataclass, field

from firertc.meshing import Taken, try_until
from firertc.schema import Call


@dataclass(frozen=True)
class State:
    """What the database holds at one moment."""

    cards: dict[str, tuple[str, float]]
    """Session and time of coming, by peer."""
    calls: dict[str, Call]


@dataclass
class Path:
    """A connection under way or open, named in its offer."""

    offerer: str
    """Session."""
    answerer: str = ""
    ready: bool = False
    """Both descriptions are where they belong."""
    opened: set[str] = field(default_factory=set)
    """Sessions that have seen it open."""
    closed: set[str] = field(default_factory=set)
    """Sessions that have closed it, or have crashed."""


@dataclass
class Making:
    """A link that falls to us."""

    path: str
    document: str
    until: float | None = try_until(0.0)
    """When this try ends, in seconds since the first."""


@dataclass
class Peer:
    """One process: a session of a peer."""

    name: str
    session: str
    seen: int = -1
    """Number of the state last seen."""
    cards: dict[str, tuple[str, float]] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    found: State | None = None
    """What it read before coming in."""
    inside: bool = False
    links: dict[str, str] = field(default_factory=dict)
    making: dict[str, Making] = field(default_factory=dict)
    taken: dict[str, Taken] = field(default_factory=dict)
    taking: dict[str, str] = field(default_factory=dict)
    """Paths of the direct offers taken, by peer."""
    to_answer: list[Call] = field(default_factory=list)
    attempts: dict[str, int] = field(default_factory=dict)
    standing: tuple[str, str] | None = None
    """Document and path of the offer that waits for whoever comes."""
    standings: int = 0
