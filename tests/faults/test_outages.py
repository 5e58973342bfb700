"""The database is gone for ten seconds, at each step of a call; then the call goes on.

Every step is tried on a pair of clients of its own, all at the same time: ten seconds are ten
seconds, but they pass for all of them together.
"""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.cloud.firestore import Client as Owner

from firertc.call import Call, Media
from firertc.client import Client
from firertc.config import Config, load_config
from firertc.negotiation import CallState
from firertc.one_off import come_with_code, wait_at_code
from firertc.owner import sweep
from firertc.ringing import Ring, ring
from firertc.schema import PEER_LEASE_SECONDS
from firertc.sealing import Seal
from firertc.session import Session
from firertc.suite import LocalSuite, add_key

from .conftest import remains
from .proxy import Fault, Proxy

pytestmark = pytest.mark.waits

OUTAGE_SECONDS = 10.0
LATE_SECONDS = 25.0
"""How long after the outage all must be well, on a busy machine."""
REALM_PREFIX = "outage-"
QUIET = Media(receiving=frozenset())


@dataclasses.dataclass
class Pair:
    """Two clients, each with its own way to the database."""

    waiter: Client
    comer: Client
    to_waiter: Proxy
    to_comer: Proxy
    left: Callable[[], list[str]]
    outages: list[bool]
    """What the waiter was told of the database: True, it is gone; False, it is back."""

    async def all_gone(self, seconds: float = OUTAGE_SECONDS, fault: Fault = "cut") -> None:
        """Take the database from both for a while."""
        for proxy in (self.to_waiter, self.to_comer):
            proxy.fail(fault)
        await asyncio.sleep(seconds)
        for proxy in (self.to_waiter, self.to_comer):
            proxy.mend()


Step = Callable[[Pair], Awaitable[None]]
STEPS: dict[str, Step] = {}


def step(function: Step) -> Step:
    """One step at which the database goes."""
    STEPS[function.__name__] = function
    return function


async def talk(waiting: Call, coming: Call) -> None:
    """Something is said and heard."""
    heard = asyncio.get_running_loop().create_future()
    waiting.link.once("message", heard.set_result)
    coming.link.send("still there?")
    async with asyncio.timeout(LATE_SECONDS):
        assert await heard == "still there?"


async def finish(pair: Pair, waiting: Call, coming: Call) -> None:
    """The call stands; it ends and nothing is left."""
    await talk(waiting, coming)
    await coming.close()
    assert (await waiting.closed()).reason == "hangup"
    await waiting.close()
    assert pair.left() == []


async def deleted(pair: Pair) -> None:
    """Wait until the call's document is deleted."""
    give_up = asyncio.get_running_loop().time() + LATE_SECONDS
    while pair.left():
        assert asyncio.get_running_loop().time() < give_up, "the call's document was forgotten"
        await asyncio.sleep(0.2)


async def connect(pair: Pair, waiting: Call) -> Call:
    answered = asyncio.create_task(waiting.answered(60))
    try:
        coming = await pair.comer.come_with_code(waiting.code, QUIET)
        await answered
    finally:
        answered.cancel()
        await asyncio.gather(answered, return_exceptions=True)
    return coming


@step
async def before_anything(pair: Pair) -> None:
    """Ten seconds from when it was noticed."""
    noticed = asyncio.Event()

    def outage(down: bool) -> None:
        pair.outages.append(down)
        noticed.set()

    pair.waiter.on_outage = outage
    for proxy in (pair.to_waiter, pair.to_comer):
        proxy.fail("cut")

    async def mend() -> None:
        await noticed.wait()
        await pair.all_gone()

    gone = asyncio.create_task(mend())
    waiting = await pair.waiter.wait_at_code(QUIET)
    assert gone.done(), "it was written to a database that was gone"
    assert pair.outages == [True, False]
    await finish(pair, waiting, await connect(pair, waiting))


@step
async def before_the_offer_is_written(pair: Pair) -> None:
    gone: list[asyncio.Task[None]] = []

    async def join(seal: Seal) -> Session:
        session = await pair.waiter.join(call=seal.call)
        gone.append(asyncio.create_task(pair.all_gone()))
        return session

    waiting = await wait_at_code(join, pair.waiter.config.project, QUIET)
    assert gone[0].done()
    try:
        await finish(pair, waiting, await connect(pair, waiting))
    finally:
        await waiting.close()


@step
async def the_replies_to_the_offer_are_lost(pair: Pair) -> None:
    """The offer is written, and nobody says so: its repetition is refused, and it is ours."""

    async def join(seal: Seal) -> Session:
        session = await pair.waiter.join(call=seal.call)
        pair.to_waiter.fail("mute")
        asyncio.get_running_loop().call_later(1.0, pair.to_waiter.mend)
        return session

    waiting = await wait_at_code(join, pair.waiter.config.project, QUIET)
    try:
        await finish(pair, waiting, await connect(pair, waiting))
    finally:
        await waiting.close()


async def between_offer_and_answer(pair: Pair, fault: Fault) -> None:
    waiting = await pair.waiter.wait_at_code(QUIET)
    answered = asyncio.create_task(waiting.answered(60))
    await asyncio.sleep(0.3)  # it listens by now
    gone = asyncio.create_task(pair.all_gone(fault=fault))
    coming = await pair.comer.come_with_code(waiting.code, QUIET)
    assert gone.done(), "the answer got through a database that was gone"
    await answered
    await finish(pair, waiting, coming)


@step
async def cut_between_offer_and_answer(pair: Pair) -> None:
    await between_offer_and_answer(pair, "cut")


@step
async def stuck_between_offer_and_answer(pair: Pair) -> None:
    await between_offer_and_answer(pair, "stuck")


@step
async def the_waiter_hears_of_the_answer_late(pair: Pair) -> None:
    waiting = await pair.waiter.wait_at_code(QUIET)
    answered = asyncio.create_task(waiting.answered(60))
    await asyncio.sleep(0.3)
    pair.to_waiter.fail("cut")
    asyncio.get_running_loop().call_later(OUTAGE_SECONDS, pair.to_waiter.mend)
    coming = await pair.comer.come_with_code(waiting.code, QUIET)
    await answered
    await finish(pair, waiting, coming)


@step
async def the_comers_reply_is_lost(pair: Pair) -> None:
    """The answer arrives though the database never says so: the link opens, at once if all our
    candidates went with the answer, else when the database has told us on being asked again."""
    waiting = await pair.waiter.wait_at_code(QUIET)
    answered = asyncio.create_task(waiting.answered(60))
    muted: list[str] = []

    async def join() -> Session:
        session = await pair.comer.join()
        read = session.database.get

        async def then_mute(path: str, *, rule_reads: int = 0) -> dict[str, Any] | None:
            fields = await read(path, rule_reads=rule_reads)
            if not muted:
                muted.append(path)
                pair.to_comer.fail("mute")
                asyncio.get_running_loop().call_later(OUTAGE_SECONDS, pair.to_comer.mend)
            return fields

        session.database.get = then_mute  # type: ignore[method-assign]
        return session

    coming = await come_with_code(join, pair.comer.config.project, waiting.code, QUIET)
    await answered
    try:
        await finish(pair, waiting, coming)
    finally:
        await coming.close()


@step
async def while_connected(pair: Pair) -> None:
    """It goes at the moment that the link opens: the call goes on, and tidies up afterwards."""
    gone: list[asyncio.Task[None]] = []

    def state(now: CallState) -> None:
        if now is CallState.CONNECTED:
            gone.append(asyncio.create_task(pair.all_gone()))

    waiting = await pair.waiter.wait_at_code(QUIET, on_state=state)
    coming = await connect(pair, waiting)
    assert not gone[0].done(), "connecting waited for the database"
    assert len(pair.left()) == 1
    while not gone[0].done():
        await talk(waiting, coming)
        await asyncio.sleep(0.5)
    await deleted(pair)
    await finish(pair, waiting, coming)


@step
async def at_hang_up(pair: Pair) -> None:
    """Nothing need be written at the end of a call."""
    waiting = await pair.waiter.wait_at_code(QUIET)
    coming = await connect(pair, waiting)
    await deleted(pair)
    gone = asyncio.create_task(pair.all_gone())
    await coming.close()
    assert (await waiting.closed()).reason == "hangup"
    await waiting.close()
    assert not gone.done()
    await gone
    assert pair.left() == []


@step
async def giving_up_while_it_is_gone(pair: Pair) -> None:
    """The way out is short, and the lease ends what could not be deleted."""
    waiting = await pair.waiter.wait_at_code(QUIET)
    gone = asyncio.create_task(pair.all_gone())
    await asyncio.sleep(0.1)
    began = asyncio.get_running_loop().time()
    await waiting.close()
    assert asyncio.get_running_loop().time() - began < 8
    await gone
    assert len(pair.left()) == 1


@step
async def while_it_rings(pair: Pair) -> None:
    callee = await pair.waiter.enter("hall", peer="bob")
    rings: asyncio.Queue[Ring] = asyncio.Queue()
    callee.on("ring", rings.put_nowait)
    caller = await pair.comer.enter("hall", peer="ann")
    assert await caller.wait_for("bob", 30) is not None
    gone = asyncio.create_task(pair.all_gone())
    await asyncio.sleep(0.1)
    calling = asyncio.create_task(ring(caller, "bob", QUIET, timeout=50))
    accepted = await (await rings.get()).accept(QUIET)
    assert gone.done()
    call = await calling
    await talk(accepted, call)
    await call.close()
    await accepted.close()


@step
async def leaving_a_room_while_it_is_gone(pair: Pair) -> None:
    room = await pair.waiter.enter("hall", peer="bob")
    gone = asyncio.create_task(pair.all_gone())
    await asyncio.sleep(0.1)
    began = asyncio.get_running_loop().time()
    await room.leave()
    assert asyncio.get_running_loop().time() - began < 8
    await gone
    assert any(path.endswith("/peers/bob") for path in pair.left())


@asynccontextmanager
async def paired(suite: LocalSuite, owner: Owner) -> AsyncIterator[Pair]:
    """Two clients in a realm of their own."""
    token = secrets.token_hex(6)
    seeds = add_key(suite.addresses, f"{REALM_PREFIX}{token}", f"key-{token}")
    plain = load_config({"key": seeds.key, "realm": seeds.realm}, environ=suite.environment())
    async with AsyncExitStack() as stack:
        proxies = [
            await stack.enter_async_context(Proxy(suite.addresses.firestore)) for _ in range(2)
        ]

        def through(proxy: Proxy) -> Config:
            return dataclasses.replace(plain, firestore_emulator=proxy.address)

        clients = [await stack.enter_async_context(Client(through(p))) for p in proxies]
        outages: list[bool] = []
        clients[0].on_outage = outages.append
        yield Pair(
            clients[0],
            clients[1],
            proxies[0],
            proxies[1],
            lambda: remains(owner, seeds.realm),
            outages,
        )


Outcomes = dict[str, BaseException | None]


@pytest.fixture(scope="module")
def outcomes(suite: LocalSuite) -> Iterator[Outcomes]:
    """How each step went."""

    async def attempt(owner: Owner, name: str) -> None:
        async with asyncio.timeout(100), paired(suite, owner) as pair:
            await STEPS[name](pair)

    async def attempt_all(owner: Owner) -> Outcomes:
        results = await asyncio.gather(
            *(attempt(owner, name) for name in STEPS), return_exceptions=True
        )
        return dict(zip(STEPS, results, strict=True))

    owner = Owner(project=suite.project)
    yield asyncio.run(attempt_all(owner))
    owner.close()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("name", list(STEPS))
def test_the_database_is_gone_for_ten_seconds(outcomes: Outcomes, name: str) -> None:
    error = outcomes[name]
    if error is not None:
        raise error


def test_what_could_not_be_deleted_is_swept(outcomes: Outcomes, admin_sync: Owner) -> None:
    """A little later than the last lease, nothing of all this is left."""
    assert len(outcomes) == len(STEPS)
    later = datetime.now(UTC) + timedelta(seconds=2 * PEER_LEASE_SECONDS)
    sweep(admin_sync, later)
    left = [
        path
        for realm in admin_sync.collection("realms").list_documents()
        if realm.id.startswith(REALM_PREFIX)
        for path in remains(admin_sync, realm.id)
    ]
    assert left == []
