"""Cuts by chance: what is cut, when and for how long, all from one seed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from .lab import Lab, Place
from .wire import CLEAR, Line

Kind = Literal["both ways", "one way", "bad line", "cable", "database", "stuck", "everything"]
"""``both ways``: nothing gets from any host to any other; ``one way``: nothing leaves one host;
``bad line``: frames are late, lost, repeated and out of order; ``cable``: one host's interface is
down; ``database``: one host's way to it is cut; ``stuck``: nothing moves on it; ``everything``: the
wire and every way to the database."""

KINDS: Final[dict[Kind, float]] = {
    "both ways": 6,
    "one way": 4,
    "bad line": 2,
    "cable": 3,
    "database": 2,
    "stuck": 1,
    "everything": 2,
}
"""How often each comes, relative to the others."""

LENGTHS: Final = ((0.6, 0.1, 1.0), (0.25, 1.0, 3.0), (0.15, 3.0, 10.0))
"""The part of the cuts that is between so many and so many seconds long."""

BAD_LINE: Final = Line(
    delay_seconds=0.05, jitter_seconds=0.15, loss=0.1, repeat=0.1
)  # a crowded mobile network, roughly


@dataclass(frozen=True)
class Cut:
    """One cut."""

    after_seconds: float
    """How long all is well before it."""
    seconds: float
    kind: Kind
    place: int
    """The host that it is about, where it is about one."""


def schedule(seed: int, cuts: int, seconds: float, hosts: int) -> list[Cut]:
    """So many cuts within so much time.

    :raises ValueError: if there is no time between them.
    """
    chance = random.Random(seed)
    lengths: list[float] = []
    for part, least, most in LENGTHS:
        lengths += [chance.uniform(least, most) for _ in range(round(part * cuts))]
    while len(lengths) < cuts:
        lengths.append(chance.uniform(*LENGTHS[0][1:]))
    lengths = lengths[:cuts]
    chance.shuffle(lengths)
    whole = seconds - sum(lengths)
    if whole < 0.5 * cuts:
        raise ValueError(f"{cuts} cuts need more than {seconds:.0f} s: give them {9 * cuts} s")
    shares = [chance.expovariate(1.0) for _ in lengths]
    kinds = chance.choices(list(KINDS), list(KINDS.values()), k=cuts)
    return [
        Cut(whole * share / sum(shares), length, kind, chance.randrange(hosts))
        for share, length, kind in zip(shares, lengths, kinds, strict=True)
    ]


def begin(lab: Lab, cut: Cut) -> Callable[[], None]:
    """Cut.

    :returns: mends it.
    """
    place = lab.places[cut.place]
    match cut.kind:
        case "both ways":
            lab.wire.set(Line(cut=True))
        case "one way":
            lab.wire.set(Line(cut=True), sender=place.host)
        case "bad line":
            lab.wire.set(BAD_LINE)
        case "cable":
            place.host.plug(False)
            return lambda: place.host.plug(True)
        case "database":
            return _database([place], "cut")
        case "stuck":
            return _database([place], "stuck")
        case "everything":
            lab.wire.set(Line(cut=True))
            mend = _database(lab.places, "cut")

            def mend_all() -> None:
                mend()
                lab.wire.set(CLEAR)

            return mend_all
    return lambda: lab.wire.set(CLEAR)


def _database(places: Sequence[Place], fault: Literal["cut", "stuck"]) -> Callable[[], None]:
    proxies = [proxy for place in places for proxy in place.proxies.values()]
    for proxy in proxies:
        proxy.fail(fault)

    def mend() -> None:
        for proxy in proxies:
            proxy.mend()

    return mend


async def endure(
    lab: Lab, cuts: Sequence[Cut], check: Callable[[int], None] = lambda done: None
) -> Counter[str]:
    """Make the cuts, one after the other.

    :param check: told how many are done after each; raises to stop.
    :returns: how many there were of each kind.
    """
    made: Counter[str] = Counter()
    for done, cut in enumerate(cuts, 1):
        await asyncio.sleep(cut.after_seconds)
        mend = begin(lab, cut)
        try:
            await asyncio.sleep(cut.seconds)
        finally:
            mend()
        made[cut.kind] += 1
        check(done)
    return made
