"""What every test can have: one local suite for the session, a realm of its own, no leaks."""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import secrets
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from google.cloud.firestore import AsyncClient, Client

from firertc.suite import LocalSuite, Seeds, add_key, seed, user_token
from firertc.suite.supervisor import descendants

__all__ = ["user_token"]

ROOT = Path(__file__).resolve().parents[1]

LEAK_SECONDS = 3.0
"""How long a thread, a task or a process of a test may take to end after it."""

LASTING_THREADS = re.compile(r"asyncio_|ThreadPoolExecutor-|.*\(_poll_wrapper\)$|pytest_timeout")
"""Threads of pools that outlive the test that made them (asyncio's, the poller of grpc.aio)."""


def pytest_configure() -> None:
    """A shell lets what it runs in the background ignore interrupts, and so would what we start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def suite() -> Iterator[LocalSuite]:
    """The local suite, started for the first test that wants it; the environment leads to it."""
    with LocalSuite(ROOT) as running, pytest.MonkeyPatch.context() as patch:
        seed(running.addresses)
        for name, value in running.environment().items():
            patch.setenv(name, value)
        yield running


@pytest.fixture
def realm(suite: LocalSuite) -> Seeds:
    """A realm of the test's own (``realm``, ``key``, ``secret``), with nothing in it."""
    token = secrets.token_hex(6)
    return add_key(suite.addresses, f"realm-{token}", f"key-{token}", label="test")


@pytest.fixture
def open_realm(suite: LocalSuite) -> Seeds:
    """A realm of the test's own that is open to those without a key."""
    token = secrets.token_hex(6)
    return add_key(suite.addresses, f"open-{token}", f"key-{token}", label="test", open_realm=True)


@pytest_asyncio.fixture
async def admin(suite: LocalSuite) -> AsyncIterator[AsyncClient]:
    """The database as its owner, past the rules."""
    client = AsyncClient(project=suite.project)
    yield client
    await client._firestore_api.transport.close()


@pytest.fixture
def admin_sync(suite: LocalSuite) -> Iterator[Client]:
    """The database as its owner, past the rules, without ``await``."""
    client = Client(project=suite.project)
    yield client
    client.close()  # type: ignore[no-untyped-call]


@pytest.fixture(autouse=True)
def nothing_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a thread, a task or a process behind."""
    if inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
        request.getfixturevalue("_tasks_end")
    if "suite" in request.fixturenames:
        request.getfixturevalue("suite")  # lasts longer than the test: not its leak
    threads = set(threading.enumerate())
    processes = set(descendants([os.getpid()]))
    yield
    deadline = time.monotonic() + LEAK_SECONDS
    while left := _left(threads, processes):
        if time.monotonic() > deadline:
            pytest.fail(f"left behind: {', '.join(left)}")
        time.sleep(0.05)


def _left(threads: set[threading.Thread], processes: set[int]) -> list[str]:
    left = [
        f"thread {thread.name}"
        for thread in threading.enumerate()
        if thread not in threads and not LASTING_THREADS.match(thread.name)
    ]
    mine = set(descendants([os.getpid()])) - processes
    return left + [f"process {pid}" for pid in mine if not _of_a_suite(pid)]


def _of_a_suite(pid: int) -> bool:
    """Whether this is a part of the session's suite, which starts functions when they are used."""
    try:
        return b"FIRERTC_SUITE_MARK=" in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return True  # it is gone


@pytest_asyncio.fixture
async def _tasks_end() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    deadline = time.monotonic() + LEAK_SECONDS
    while left := asyncio.all_tasks() - before - {asyncio.current_task()}:
        if time.monotonic() > deadline:
            pytest.fail(f"tasks left behind: {', '.join(map(repr, left))}")
        await asyncio.sleep(0.02)
