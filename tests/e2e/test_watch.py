"""``firertc watch``: a room's documents, live, with nothing secret in what is shown."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest_asyncio

from firertc.config import Config

from .conftest import Run
from .gathering import Gathering

SECRETS = re.compile(r"a=|ufrag|pwd|fingerprint|sha-256|candidate:|\d+\.\d+\.\d+\.\d+|of-ann")


@pytest_asyncio.fixture
async def hall(config: Config) -> AsyncIterator[Gathering]:
    made = Gathering(config)
    yield made
    await made.close()


async def test_a_room_from_its_making_to_its_end(hall: Gathering, run: Run) -> None:
    await hall.enter("ann", connect="all", data="secret-of-ann")
    terminal = run("watch", "hall", "--json")
    wait = terminal.wait_for
    room = await asyncio.to_thread(wait, "room")
    assert (room["what"], room["details"]["connect"]) == ("present", "all")
    peer = await asyncio.to_thread(wait, "peer")
    assert (peer["what"], peer["id"], peer["details"]["role"]) == ("present", "ann", "publisher")
    assert peer["details"]["dataCharacters"] == len('"secret-of-ann"')
    bob = await hall.enter("bob", connect="all")
    came = await asyncio.to_thread(lambda: wait("peer", what="created"))
    assert came["id"] == "bob"
    answered = await asyncio.to_thread(lambda: wait("call", what="changed"))
    assert answered["id"] == "ann~s0"
    assert answered["details"]["to"] == "bob"
    answer = answered["details"]["answer"]
    assert {section["kind"] for section in answer} <= {"application", "audio", "video"}
    await hall.linked("ann", "bob")
    await bob.broadcast("whisper-of-ann", to="ann")
    said = await asyncio.to_thread(lambda: wait("message", what="created"))
    assert (said["details"]["to"], said["details"]["n"]) == ("ann", 1)
    await bob.leave()
    gone = await asyncio.to_thread(lambda: wait("peer", what="deleted"))
    assert gone["id"] == "bob"
    terminal.interrupt()
    assert await asyncio.to_thread(terminal.end) == 0
    shown = "\n".join((*terminal.out, *terminal.err))
    assert SECRETS.search(shown) is None, SECRETS.search(shown)
    assert bob.session.session not in shown


async def test_for_people_with_addresses_and_sealed(hall: Gathering, run: Run) -> None:
    terminal = run("watch", "hall", "--wait", "--addresses")
    sealed = run("watch", "cellar", "--wait")
    await hall.enter("ann", connect="all")
    line = await asyncio.to_thread(terminal.wait_for_line, "call ann~s0 ")
    assert re.search(r"offer=\[\(kind=application .*direction|offer=\[\(kind=application", line)
    assert re.search(r"\d+\.\d+\.\d+\.\d+:\d+ host", line)
    assert not re.search(r"ufrag|pwd|fingerprint", line)
    hall.name = "cellar"
    await hall.enter("bob", connect="all", passphrase="x", data="y")
    line = await asyncio.to_thread(sealed.wait_for_line, "call bob~s0 ")
    assert re.search(r"offer=\(sealed=\d+\)", line)
    for one in (terminal, sealed):
        one.interrupt()
        assert await asyncio.to_thread(one.end) == 0
        assert one.err == []


def test_what_can_not_be_watched(run: Run) -> None:
    for arguments, code, says in (
        (("watch", "nowhere"), 1, "There is no room 'nowhere'"),
        (("watch", "x" * 200, "--wait"), 2, "The room name is too long"),
        (("watch", ""), 2, "A room needs a name"),
    ):
        terminal = run(*arguments)
        assert terminal.end() == code
        assert terminal.out == []
        assert len(terminal.err) == 1
        assert says in terminal.err[0]
