"""A row of the matrix: who does what, and whether the rules let it through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from .operations import Operation, Write
from .people import Person

NOBODY_MAY: Final = "nobody may"
"""The twin of what no permission stands against."""

World = Literal["keyed", "open", "presets"]


@dataclass(frozen=True)
class Case:
    """One row."""

    id: str
    """Its name; an allowed row's is the name of a permission."""

    who: Person
    """Who asks."""

    do: Operation
    """What for."""

    twin: str | None = None
    """The permission that this row is denied; ``None``: the row is allowed."""

    given: tuple[Write, ...] = ()
    """What stands in the database besides the usual."""

    world: World = "keyed"
    """Which realm it plays in."""

    @property
    def allowed(self) -> bool:
        """Whether the rules must let it through."""
        return self.twin is None


def allow(name: str, who: Person, do: Operation, *given: Write, world: World = "keyed") -> Case:
    """A permission: this must go through."""
    return Case(name, who, do, None, given, world)


def deny(
    twin: str, name: str, who: Person, do: Operation, *given: Write, world: World = "keyed"
) -> Case:
    """A twin of a permission, in which one thing is different: this must be denied."""
    return Case(f"{twin} | {name}", who, do, twin, given, world)
