"""The lab itself: hosts reach one another over the wire alone, the wire does what it is told, and
nothing is left, whatever happens."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from firertc.suite import LocalSuite
from firertc.suite.supervisor import descendants

from . import report
from .cuts import KINDS, schedule
from .lab import Lab, Program
from .namespaces import Host
from .wire import CLEAR, Line

pytestmark = [pytest.mark.usefixtures("hosts"), pytest.mark.waits]

PORT = 5000
ECHO = f"""
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.bind(("0.0.0.0", {PORT}))
    print('{{"event": "ready"}}', flush=True)
    while True:
        s.sendto(*s.recvfrom(100))
"""
ASK = """
import json, socket, sys, time
address, count, expected = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.settimeout(10 if expected else 1)
    began = time.monotonic()
    for n in range(count):
        s.sendto(str(n).encode(), (address, PORT))
    heard = []
    try:
        while not expected or len(heard) < expected:
            heard.append(int(s.recv(100)))
            took = time.monotonic() - began
    except TimeoutError:
        pass
    print(json.dumps({"event": "heard", "numbers": heard, "took": took if heard else 0}))
""".replace("PORT", str(PORT))


async def ask(lab: Lab, expected: int = 0, count: int = 20) -> tuple[list[int], float]:
    """What comes back of so many datagrams, and how long it took.

    :param expected: how many to wait for; 0: till a second has brought no more.
    """
    one, other = lab.places
    numbers = (str(count), str(expected))
    asking = await lab.start(one, sys.executable, "-c", ASK, other.host.address, *numbers)
    heard = await asking.wait_for("heard")
    return heard["numbers"], heard["took"]


async def echo(lab: Lab) -> Program:
    echoing = await lab.start(lab.places[1], sys.executable, "-c", ECHO)
    await echoing.wait_for("ready")
    return echoing


async def test_the_wire_does_what_it_is_told(environment: dict[str, str]) -> None:
    every = list(range(20))
    async with Lab(environment, 2, seed=1) as lab:
        one, other = (place.host for place in lab.places)
        echoing = await echo(lab)
        # Sorted where the hosts look for each other first (ARP): meanwhile the kernel keeps
        # datagrams back, and one sent in that moment may overtake them.
        assert sorted((await ask(lab, 20))[0]) == every
        lab.wire.set(Line(delay_seconds=0.1))
        numbers, took = await ask(lab, 20)
        assert numbers == every and took > 0.2
        lab.wire.set(Line(jitter_seconds=0.2))
        numbers, _ = await ask(lab, 20)
        assert sorted(numbers) == every != numbers
        lab.wire.set(CLEAR)
        lab.wire.set(Line(loss=0.5), sender=one, receiver=other)
        assert 2 < len((await ask(lab))[0]) < 18
        lab.wire.set(Line(repeat=1.0), sender=one, receiver=other)
        assert sorted((await ask(lab, 40))[0]) == sorted(every * 2)
        lab.wire.set(Line(cut=True), sender=other)
        assert await ask(lab) == ([], 0)
        lab.wire.set(CLEAR)
        other.plug(False)
        assert await ask(lab) == ([], 0)
        other.plug(True)
        assert sorted((await ask(lab, 20))[0]) == every
        other.move(77)
        assert sorted((await ask(lab, 20))[0]) == every and other.address.endswith(".77")
        echoing.process.kill()


def test_there_is_no_way_around_the_wire(suite: LocalSuite) -> None:
    """Without it a host reaches neither another one nor this one."""
    one, other = Host(1), Host(2)
    server, _, port = suite.addresses.firestore.partition(":")
    try:
        with one.listener() as listening, other.listener():
            inside = listening.getsockname()
            for address in ((server, int(port)), (other.address, 9)):
                connect = functools.partial(socket.create_connection, address, timeout=1)
                with pytest.raises(OSError):
                    one.within(connect)
            with pytest.raises(OSError):
                socket.create_connection(inside, timeout=1)
            one.within(lambda: socket.create_connection(inside, timeout=1)).close()
    finally:
        one.close()
        other.close()


SLEEPER = """
import time
print('{"event": "ready"}', flush=True)
time.sleep(600)
"""
KILLED = """
import asyncio, os, sys
from tests.faults.lab import Lab

async def main():
    async with Lab(dict(os.environ), 2, 1) as lab:
        for place in lab.places:
            await (await lab.start(place, sys.executable, "-c", sys.argv[1])).wait_for("ready")
        print("ready", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_nothing_is_left_by_one_that_is_killed(environment: dict[str, str]) -> None:
    killed = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        KILLED,
        SLEEPER,
        env=environment | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=asyncio.subprocess.PIPE,
    )
    assert killed.stdout is not None
    assert await killed.stdout.readline() == b"ready\n"
    inside = descendants([killed.pid])
    spaces = {os.readlink(f"/proc/{pid}/ns/net") for pid in inside}
    assert len(spaces) == 2
    # One of them is asleep: it goes all the same.
    os.kill(max(inside), signal.SIGSTOP)
    killed.kill()
    assert await killed.wait() == -signal.SIGKILL
    give_up = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in inside):
        assert time.monotonic() < give_up, "a program outlived the lab"
        await asyncio.sleep(0.05)


def test_a_schedule_follows_from_its_seed() -> None:
    cuts = schedule(7, 200, 1800, 2)
    assert cuts == schedule(7, 200, 1800, 2) != schedule(8, 200, 1800, 2)
    lengths = sorted(cut.seconds for cut in cuts)
    assert lengths[0] >= 0.1 and lengths[100] < 1 and 6 < lengths[-1] <= 10
    assert sum(cut.seconds + cut.after_seconds for cut in cuts) == pytest.approx(1800)
    assert {cut.kind for cut in cuts} == set(KINDS)
    with pytest.raises(ValueError, match="give them 900 s"):
        schedule(7, 100, 100, 2)


def test_the_report_goes_between_its_marks(tmp_path: Path) -> None:
    calls = {"at": "2000-01-02T", "calls": 4, "took_seconds": 2.0, "problems": ["a task is left"]}
    calls |= {"connect_median_seconds": 0.3, "connect_worst_seconds": 1.0}
    calls |= {"before": {"rss_bytes": 10**8}, "after": {"rss_bytes": 10**8 + 2 * 10**6}}
    kept = report.keep(tmp_path / "soak.json", {"sequence": calls})
    kept = report.keep(tmp_path / "soak.json", {"crowd": {**calls, "calls": 9, "problems": []}})
    assert list(kept) == ["sequence", "crowd"]
    page = tmp_path / "page.md"
    page.write_text(f"Before.\n{report.BEGIN}\nold\n{report.END}\nAfter.\n", encoding="utf-8")
    report.put(page, report.table(kept))
    *_, one, other, _, _, after = page.read_text(encoding="utf-8").splitlines()
    assert "4 calls in sequence" in one and "**1 problems**" in one and "+2.0 MB" in one
    assert "9 calls at once" in other and "nothing left" in other and after == "After."
    page.write_text("No marks.", encoding="utf-8")
    with pytest.raises(ValueError, match="write between"):
        report.put(page, "")
