"""What happens when…: each row of the table in docs/faults.md, on hosts of its own."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable

from firertc.repair import REPAIR_SECONDS

from .lab import Event, Lab, Program
from .soak import TALK_SECONDS
from .wire import CLEAR, Line

NOTICE_SECONDS = 5.0
"""A silent side is noticed by then."""
SHORT_SECONDS = 20.0
BUSY_SECONDS = 10.0
"""What a busy machine may add."""

Scenario = Callable[[Lab], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {}


def scenario(work: Scenario) -> Scenario:
    """One of them, under its name."""
    SCENARIOS[work.__name__] = work
    return work


async def talking(lab: Lab) -> tuple[Program, Program]:
    """Two in a call, who talk."""
    pair = await lab.call()
    for peer in pair:
        peer.do("talk", every=TALK_SECONDS)
    return pair


async def intact(pair: tuple[Program, Program]) -> None:
    """The call stands, and all that was said was heard, once and in order."""
    tallies = []
    for peer in pair:
        peer.do("hush")
    for peer in pair:
        await peer.wait_for("hushed")
    for peer in pair:
        [talk] = (await peer.figures())["talks"].values()
        assert talk["state"] == "open" and talk["heard"]["wrong"] == []
        tallies.append((talk["said"], talk["heard"]))
    (said, heard), (other_said, other_heard) = tallies
    assert said["count"] > 20 and said == other_heard and other_said == heard
    assert not any(peer.count(bad) for peer in pair for bad in ("closed", "error"))
    await hang_up(*pair)


async def hang_up(*peers: Program) -> None:
    for peer in peers:
        peer.do("hang-up")
        await peer.wait_for("hung-up")


async def repaired(peer: Program, within: float) -> float:
    """Wait until a link is back.

    :returns: how long it was away.
    """
    broke = await peer.wait_for("reconnecting")
    back = await peer.wait_for("reconnected", timeout=within + BUSY_SECONDS)
    return float(back["at"] - broke["at"])


@scenario
async def a_peer_sleeps_for_eight_seconds(lab: Lab) -> None:
    """The other side notices, and the call goes on when it wakes."""
    awake, sleeper = pair = await talking(lab)
    await asyncio.sleep(2)
    sleeper.signal(signal.SIGSTOP)
    stopped = time.time()
    broke = await awake.wait_for("reconnecting", timeout=NOTICE_SECONDS + BUSY_SECONDS)
    assert broke["at"] - stopped < NOTICE_SECONDS + BUSY_SECONDS
    await asyncio.sleep(8 - (time.time() - stopped))
    sleeper.signal(signal.SIGCONT)
    await awake.wait_for("reconnected", timeout=NOTICE_SECONDS + BUSY_SECONDS)
    await intact(pair)


@scenario
async def a_peer_sleeps_for_longer_than_a_repair_may_last(lab: Lab) -> None:
    """The other side gives up; the sleeper learns it when it has woken.

    With twenty seconds in place of the minute that a repair may last, which passes in
    :func:`a_process_is_killed`.
    """
    awake, sleeper = pair = await lab.call()
    for peer in pair:
        peer.do("repair", seconds=SHORT_SECONDS)
        peer.do("talk", every=TALK_SECONDS)
    await asyncio.sleep(2)
    sleeper.signal(signal.SIGSTOP)
    end = await ended(awake, SHORT_SECONDS + NOTICE_SECONDS)
    assert end["reason"] == "gone"
    await asyncio.sleep(2)
    sleeper.signal(signal.SIGCONT)
    end = await ended(sleeper, SHORT_SECONDS + NOTICE_SECONDS)
    assert end["reason"] in ("gone", "failed")
    await hang_up(awake, sleeper)


async def ended(peer: Program, within: float) -> Event:
    return await peer.wait_for("closed", timeout=within + BUSY_SECONDS)


@scenario
async def the_network_changes(lab: Lab) -> None:
    """The address that the call ran on is gone: a fresh connection, from the new one."""
    pair = await talking(lab)
    await asyncio.sleep(2)
    lab.places[0].host.move(201)
    for peer in pair:
        assert await repaired(peer, 10) < 10 + BUSY_SECONDS
    await intact(pair)


@scenario
async def the_other_sides_network_changes(lab: Lab) -> None:
    """Also if it is the side that can't offer."""
    pair = await talking(lab)
    await asyncio.sleep(2)
    lab.places[1].host.move(202)
    for peer in pair:
        assert await repaired(peer, 10) < 10 + BUSY_SECONDS
    await intact(pair)


@scenario
async def the_cable_is_out_for_half_a_minute(lab: Lab) -> None:
    """The call waits for it."""
    pair = await talking(lab)
    await asyncio.sleep(2)
    lab.places[0].host.plug(False)
    await asyncio.sleep(30)
    lab.places[0].host.plug(True)
    for peer in pair:
        assert await repaired(peer, 40) > 20
    await intact(pair)


@scenario
async def a_process_is_killed(lab: Lab) -> None:
    """Noticed within five seconds; the link ends when a minute has brought nobody back."""
    survivor, killed = await talking(lab)
    await asyncio.sleep(2)
    killed.signal(signal.SIGKILL)
    died = time.time()
    broke = await survivor.wait_for("reconnecting", timeout=NOTICE_SECONDS + BUSY_SECONDS)
    assert broke["at"] - died < NOTICE_SECONDS + BUSY_SECONDS
    end = await ended(survivor, REPAIR_SECONDS)
    assert end["reason"] == "gone" and end["at"] - broke["at"] > REPAIR_SECONDS - 2
    await hang_up(survivor)


@scenario
async def the_database_is_away_for_twenty_seconds(lab: Lab) -> None:
    """Nobody notices: what is connected stays connected."""
    pair = await talking(lab)
    await asyncio.sleep(2)
    for place in lab.places:
        place.database.fail("cut")
    await asyncio.sleep(20)
    for place in lab.places:
        place.database.mend()
    assert not any(peer.count("reconnecting") for peer in pair)
    await intact(pair)


@scenario
async def everything_is_away(lab: Lab) -> None:
    """The path for six seconds, the database longer: the path that comes back by itself is
    enough."""
    pair = await talking(lab)
    await asyncio.sleep(2)
    for place in lab.places:
        place.database.fail("cut")
    lab.wire.set(Line(cut=True))
    await asyncio.sleep(6)
    lab.wire.set(CLEAR)
    for peer in pair:
        await repaired(peer, 15)
    for place in lab.places:
        place.database.mend()
    await intact(pair)


@scenario
async def the_network_changes_while_the_database_is_away(lab: Lab) -> None:
    """The repair waits for the database."""
    pair = await talking(lab)
    await asyncio.sleep(2)
    for place in lab.places:
        place.database.fail("cut")
    lab.places[0].host.move(203)
    for peer in pair:
        await peer.wait_for("reconnecting")
    await asyncio.sleep(12)
    for place in lab.places:
        place.database.mend()
    for peer in pair:
        await peer.wait_for("reconnected", timeout=REPAIR_SECONDS)
    await intact(pair)


@scenario
async def a_peer_of_a_room_is_killed_and_comes_back(lab: Lab) -> None:
    """The same peer in another session: the old link ends, a new one is made."""
    one, other = [await lab.start(place) for place in lab.places]
    one.do("enter", room="hall", peer="one")
    await one.wait_for("entered")
    other.do("enter", room="hall", peer="other")
    resume = (await other.wait_for("entered"))["resume"]
    for peer in (one, other):
        await peer.wait_for("connected")
    other.signal(signal.SIGKILL)
    await one.wait_for("reconnecting")
    again = await lab.start(lab.places[1])
    again.do("enter", room="hall", peer="other", resume=resume)
    await again.wait_for("entered")
    assert (await one.wait_for("closed"))["remote"] == "other"
    await again.wait_for("connected")
    if one.count("connected") < 2:
        await one.wait_for("connected")
    await hang_up(one, again)


@scenario
async def a_path_that_is_bad(lab: Lab) -> None:
    """Late, lossy, doubled, out of order: the link holds."""
    pair = await talking(lab)
    lab.wire.set(Line(delay_seconds=0.1, jitter_seconds=0.2, loss=0.1, repeat=0.1))
    await asyncio.sleep(20)
    lab.wire.set(CLEAR)
    await intact(pair)
