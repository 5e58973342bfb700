"""Links over a network that fails one way or both, at any moment: in the end both sides stand on
one connection, or both have ended; and an outage that a repair has time for ends no link."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
from hypothesis import example, given, settings

from firertc.carrier import Carrier
from firertc.link import Link, LinkState
from firertc.mending import try_again

from .lossy import Network, Way, Wire, passes

SIGNALING_SECONDS = 0.1
SETTLED_SECONDS = 200.0
"""Whatever broke has been repaired by then, or given up."""
Outage = tuple[float, float, tuple[Way, ...]]
"""Seconds before it, seconds of it, and which ways are cut."""
WAYS = st.sampled_from([(0,), (1,), (0, 1)])


@dataclass
class Call:
    """Two links, and the database between them, which never fails."""

    network: Network
    reads_when_open: bool
    """Whether the answerer takes offers also while it doesn't know that the link is broken: in a
    room it does, at a code it only listens when it does."""
    links: list[Link] = field(default_factory=list)
    said: list[list[str]] = field(default_factory=lambda: [[], []])
    heard: tuple[list[Any], list[Any]] = field(default_factory=lambda: ([], []))
    number: int = 0
    coming: Carrier | None = None
    """The connection of the offer that the answerer took last."""

    async def open(self) -> None:
        """Link the two."""
        wire = Wire(self.network)
        ends: list[Any] = list(wire.ends)
        self.links = [Link(ends[0], "offerer"), Link(ends[1], "answerer")]
        for number, link in enumerate(self.links):
            for event in ("reconnecting", "reconnected"):
                link.on(event, lambda *_, n=number, e=event: self.said[n].append(e))
            link.on("message", self.heard[number].append)
        offerer, answerer = self.links
        offerer.mend, answerer.mend = self._offer, self._wait
        await asyncio.gather(*(link.opened() for link in self.links))

    async def _offer(self, link: Link) -> None:
        await try_again(link, self._attempt)

    async def _attempt(self) -> None:
        offerer, answerer = self.links
        wire = Wire(self.network, opens=False)
        mine = offerer.carry(wire.ends[0])  # type: ignore[arg-type]
        try:
            await asyncio.sleep(SIGNALING_SECONDS)
            while answerer.state is LinkState.OPEN and not self.reads_when_open:
                await asyncio.sleep(SIGNALING_SECONDS)
            if answerer.state is LinkState.CLOSED:
                return
            if self.coming is not None:
                answerer.abandon(self.coming)
            self.coming = answerer.carry(wire.ends[1])  # type: ignore[arg-type]
            await asyncio.sleep(SIGNALING_SECONDS)
            wire.begin()
            await offerer.settled()
        finally:
            offerer.abandon(mine)

    async def _wait(self, link: Link) -> None:
        await link.settled()

    async def say(self, seconds: float) -> None:
        """Say something from both sides every half second, for so long."""
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            self.number += 1
            for link in self.links:
                if link.state is not LinkState.CLOSED:
                    link.send(self.number)
            await asyncio.sleep(0.5)

    async def suffer(self, outages: list[Outage]) -> None:
        """One outage after the other, and time to recover."""
        seconds = sum(before + during for before, during, _ in outages)
        await asyncio.gather(self.say(seconds + 10), self._fail(outages))
        await asyncio.sleep(SETTLED_SECONDS)

    async def _fail(self, outages: list[Outage]) -> None:
        for before, during, ways in outages:
            await asyncio.sleep(before)
            for way in ways:
                self.network.switch(way, False)
            await asyncio.sleep(during)
            for way in ways:
                self.network.switch(way, True)

    def states(self) -> tuple[LinkState, LinkState]:
        """How the two links are."""
        one, other = self.links
        return one.state, other.state

    def check(self) -> None:
        """What holds in the end, whatever happened."""
        one, other = self.links
        assert self.states() in ((LinkState.OPEN,) * 2, (LinkState.CLOSED,) * 2), self.said
        for heard in self.heard:
            assert heard == list(range(1, len(heard) + 1))
        if one.state is LinkState.OPEN:
            ends: list[Any] = [one.connection, other.connection]
            assert ends[0].wire is ends[1].wire and all(end.lives for end in ends)
            assert [len(heard) for heard in self.heard] == [self.number] * 2, self.said

    async def close(self) -> None:
        """End both."""
        for link in self.links:
            await link.close()


def suffered(
    outages: list[Outage],
    consent: tuple[float, float],
    patience: tuple[float, float],
    reads_when_open: bool,
) -> tuple[LinkState, LinkState]:
    """What became of two links."""

    async def run() -> tuple[LinkState, LinkState]:
        call = Call(Network(consent, patience), reads_when_open)
        await call.open()
        await call.suffer(outages)
        call.check()
        states = call.states()
        await call.close()
        return states

    return passes(run())


CONSENT = st.tuples(st.floats(25, 35), st.floats(25, 35))
PATIENCE = st.tuples(st.floats(0.02, 1.2), st.floats(0.02, 1.2))
SHORT = st.one_of(
    st.tuples(st.floats(0.1, 5), st.floats(0.1, 25), st.sampled_from([(0,), (1,)])),
    st.tuples(st.floats(0.1, 5), st.floats(0.1, 45), st.just((0, 1))),
)
"""Of one way only until consent runs out: who hears the other side makes no attempt before."""


@settings(max_examples=60, deadline=None)
@given(
    outages=st.lists(st.tuples(st.floats(0.1, 20), st.floats(0.1, 45), WAYS), max_size=5),
    consent=CONSENT,
    patience=PATIENCE,
    reads_when_open=st.booleans(),
)
def test_both_sides_agree_in_the_end(
    outages: list[Outage],
    consent: tuple[float, float],
    patience: tuple[float, float],
    reads_when_open: bool,
) -> None:
    suffered(outages, consent, patience, reads_when_open)


@settings(max_examples=60, deadline=None)
@given(outage=SHORT, consent=CONSENT, patience=PATIENCE, reads_when_open=st.booleans())
# The offerer hears the old path again when nobody hears the offerer.
@example(outage=(2, 34, (0, 1)), consent=(35, 35), patience=(1.2, 0.05), reads_when_open=False)
def test_an_outage_that_is_short_enough_ends_no_link(
    outage: Outage,
    consent: tuple[float, float],
    patience: tuple[float, float],
    reads_when_open: bool,
) -> None:
    states = suffered([outage], consent, patience, reads_when_open)
    assert states == (LinkState.OPEN, LinkState.OPEN)
