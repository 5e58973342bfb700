"""Ringing in a room: every way it can go, and what each side is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from firertc import ringing
from firertc.call import Call, Media
from firertc.client import Client
from firertc.errors import Busy, NoAnswer, PathUnreachable, PeerGone, Rejected
from firertc.negotiation import CallState
from firertc.ringing import Ring
from firertc.room import Room

from .conftest import Left
from .remains import emptied

QUIET = Media(receiving=frozenset())
WAIT_SECONDS = 30.0

Enter = Callable[[str], Awaitable[Room]]


@pytest_asyncio.fixture
async def enter(client: Client) -> AsyncIterator[Enter]:
    """Go into the test's room under a name."""

    async def come(name: str) -> Room:
        return await client.enter("hall", peer=name)

    yield come


def rings(room: Room) -> asyncio.Queue[Ring]:
    """The rings that reach a room."""
    queue: asyncio.Queue[Ring] = asyncio.Queue()
    room.on("ring", queue.put_nowait)
    return queue


async def both(enter: Enter) -> tuple[Room, Room]:
    """A caller and a callee who see each other."""
    callee, caller = await enter("bob"), await enter("ann")
    assert await caller.wait_for("bob", WAIT_SECONDS) is not None
    return caller, callee


async def test_accepted(enter: Enter, left: Left) -> None:
    caller, callee = await both(enter)
    queue = rings(callee)
    calling = asyncio.create_task(caller.ring("bob", QUIET, metadata={"about": "tea"}))
    incoming = await queue.get()
    assert incoming.caller == "ann" and incoming.metadata == {"about": "tea"}
    answered = await incoming.accept(QUIET)
    call = await calling
    assert await incoming.stopped() == "accepted"
    call.link.send("hello")
    heard = asyncio.get_running_loop().create_future()
    answered.link.on("message", heard.set_result)
    assert await heard == "hello"
    await call.close("dinner is ready")
    end = await answered.closed()
    assert (end.reason, end.by_remote) == ("dinner is ready", True)
    await answered.close()
    await caller.leave()
    await callee.leave()
    await emptied(left)


async def test_a_call_is_known_to_both_before_it_connects(enter: Enter) -> None:
    caller, callee = await both(enter)
    queue = rings(callee)
    known: dict[str, tuple[Call, CallState]] = {}

    def note(side: str) -> Callable[[Call], None]:
        return lambda call: known.update({side: (call, call.state)})

    calling = asyncio.create_task(caller.ring("bob", QUIET, on_call=note("caller")))
    answered = await (await queue.get()).accept(QUIET, on_call=note("callee"))
    call = await calling
    assert known == {"caller": (call, CallState.WAITING), "callee": (answered, CallState.NEW)}
    await call.close()
    await answered.close()


@pytest.mark.parametrize(("reason", "error"), [("rejected", Rejected), ("busy", Busy)])
async def test_refused(enter: Enter, left: Left, reason: str, error: type[Exception]) -> None:
    caller, callee = await both(enter)
    queue = rings(callee)
    calling = asyncio.create_task(caller.ring("bob", QUIET))
    incoming = await queue.get()
    await incoming.reject(reason)
    with pytest.raises(error) as caught:
        await calling
    assert type(caught.value) is error
    assert await incoming.stopped() == reason
    with pytest.raises(NoAnswer, match="no longer rings"):
        await incoming.accept(QUIET)
    # The caller may try again at once.
    again = asyncio.create_task(caller.ring("bob", QUIET))
    call = await (await queue.get()).accept(QUIET)
    await (await again).close()
    await call.close()
    assert [path for path in left() if "/calls/" in path] == []


async def test_busy_all_the_time(enter: Enter) -> None:
    caller, callee = await both(enter)
    queue = rings(callee)
    callee.busy = True
    with pytest.raises(Busy, match="in another call"):
        await caller.ring("bob", QUIET)
    assert queue.empty()


async def test_cancelled_by_the_caller(enter: Enter, left: Left) -> None:
    caller, callee = await both(enter)
    queue = rings(callee)
    calling = asyncio.create_task(caller.ring("bob", QUIET))
    incoming = await queue.get()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert await incoming.stopped() == "cancelled"
    assert not incoming.ringing
    await incoming.reject()  # too late, harmless
    assert [path for path in left() if "/calls/" in path] == []


async def test_nobody_picks_up(enter: Enter, left: Left) -> None:
    caller, callee = await both(enter)
    queue = rings(callee)
    with pytest.raises(NoAnswer, match=r"^Nobody answered within 1 s\.$"):
        await caller.ring("bob", QUIET, timeout=0.8)
    assert await (await queue.get()).stopped() == "cancelled"
    assert [path for path in left() if "/calls/" in path] == []


async def test_nobody_of_that_name(enter: Enter) -> None:
    caller, _ = await both(enter)
    with pytest.raises(NoAnswer, match=r"^'eve' is not in the room\. There: 'bob'\.$"):
        await caller.ring("eve", QUIET)


async def test_the_callee_leaves_while_it_rings(enter: Enter) -> None:
    caller, callee = await both(enter)
    queue = rings(callee)
    calling = asyncio.create_task(caller.ring("bob", QUIET))
    incoming = await queue.get()
    await callee.leave()
    assert await incoming.stopped() == "left"
    # The functions clean up after who leaves.
    with pytest.raises(PeerGone, match=r"^The other side left"):
        await calling


async def test_the_first_of_several_gets_it(
    enter: Enter, left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, bob = await both(enter)
    cid = await enter("cid")
    assert await caller.wait_for("cid", WAIT_SECONDS) is not None
    of_bob, of_cid = rings(bob), rings(cid)
    # One who isn't there doesn't spoil it for the others.
    calling = asyncio.create_task(caller.ring_first(["bob", "eve", "cid"], QUIET))
    at_bob, at_cid = await of_bob.get(), await of_cid.get()
    answered = await at_cid.accept(QUIET)
    call = await calling
    assert call.remote == "cid"
    assert await at_bob.stopped() == "answered-elsewhere"
    await call.close()
    await answered.close()
    await caller.leave()
    assert [path for path in left() if "/calls/" in path] == []


async def test_none_of_several_accepts(enter: Enter, left: Left) -> None:
    caller, bob = await both(enter)
    of_bob = rings(bob)
    calling = asyncio.create_task(caller.ring_first(["eve", "bob"], QUIET))
    await (await of_bob.get()).reject()
    with pytest.raises(Rejected):
        await calling
    with pytest.raises(NoAnswer, match="There was nobody to call"):
        await caller.ring_first([], QUIET)
    await caller.leave()
    assert [path for path in left() if "/calls/" in path] == []


async def test_several_are_no_longer_called_when_the_caller_gives_up(
    enter: Enter, left: Left
) -> None:
    caller, bob = await both(enter)
    of_bob = rings(bob)
    calling = asyncio.create_task(caller.ring_first(["bob"], QUIET))
    at_bob = await of_bob.get()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert await at_bob.stopped() == "cancelled"
    await caller.leave()
    assert [path for path in left() if "/calls/" in path] == []


async def test_accepted_by_one_whose_path_is_dead(
    enter: Enter, left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both sides hear of it, and the call's document goes."""
    caller, callee = await both(enter)
    queue = rings(callee)
    monkeypatch.setattr("firertc.link.Link.opened.__defaults__", (1.0,))
    monkeypatch.setattr("firertc.link.Link.carrier_opened", lambda self, carrier: None)
    calling = asyncio.create_task(caller.ring("bob", QUIET))
    incoming = await queue.get()
    with pytest.raises(PathUnreachable, match=r"No network path.*TURN server.*Tried for 1 s"):
        await incoming.accept(QUIET)
    with pytest.raises(PathUnreachable):
        await calling
    assert [path for path in left() if "/calls/" in path] == []


def test_a_ring_costs_what_the_design_says() -> None:
    assert (ringing.RING_RULE_READS, ringing.ANSWER_RULE_READS) == (2, 1)


@pytest.mark.parametrize("answer", ["both accept", "one gives way", "nobody accepts"])
async def test_two_who_ring_each_other_at_the_same_moment(
    enter: Enter, left: Left, answer: str
) -> None:
    """Each ring is a call of its own, and ends for itself."""
    ann, bob = await both(enter)
    assert await bob.wait_for("ann", WAIT_SECONDS) is not None
    queues = rings(ann), rings(bob)
    calling = [
        asyncio.create_task(ann.ring("bob", QUIET)),
        asyncio.create_task(bob.ring("ann", QUIET)),
    ]
    async with asyncio.timeout(WAIT_SECONDS):
        to_ann, to_bob = [await queue.get() for queue in queues]
        if answer == "both accept":
            answered = await asyncio.gather(to_bob.accept(QUIET), to_ann.accept(QUIET))
            calls = await asyncio.gather(*calling)
            for here, there in zip(calls, answered, strict=True):
                heard: asyncio.Queue[str] = asyncio.Queue()
                there.link.on("message", heard.put_nowait)
                here.link.send("hello")
                assert await heard.get() == "hello"
            # They are two: one ends, and the other stays.
            await calls[0].close()
            await answered[0].closed()
            await calls[1].link.flush()
        elif answer == "one gives way":
            # As both sides see it alike: the ring of the lower id is the one that counts.
            calling[1].cancel()
            there = await to_bob.accept(QUIET)
            here = await calling[0]
            assert (here.remote, there.remote) == ("bob", "ann")
            assert await to_ann.stopped() in ("cancelled", "gone")
            await asyncio.gather(calling[1], return_exceptions=True)
        else:
            await asyncio.gather(to_ann.reject(), to_bob.reject("busy"))
            with pytest.raises(Busy):
                await calling[0]
            with pytest.raises(Rejected):
                await calling[1]
    await asyncio.gather(ann.leave(), bob.leave())
    await emptied(left)
