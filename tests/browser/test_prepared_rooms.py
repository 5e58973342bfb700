"""Rooms of the web SDK that are prepared before one goes in."""

from __future__ import annotations

import secrets
import time
from typing import Any

import pytest
from google.cloud.firestore import Client as Owner
from google.cloud.firestore_v1.base_query import FieldFilter
from playwright.sync_api import Page

from .blank import Settings

OFFERS_SECONDS = 30.0

# What the tests do in a page: rooms by the name of who is in, or prepares to be.
ROOMS = """
window.rooms = {};
window.make = async (config, how, who, name, more = {}) => {
  const client = new firertc.Client(config);
  const log = [];
  const room = await client[how](name, {
    ...more,
    connect: "all",
    data: { name: who },
    media: () => ({ receiving: [] }),
    onRoom: (made) => {
      for (const event of ["joined", "left"]) {
        made.on(event, (peer) => log.push([event, peer.data.name]));
      }
      made.on("link", () => log.push(["link"]));
    },
  });
  rooms[who] = { client, room, log };
};
window.connections = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...how) {
    super(...how);
    connections.push(this);
  }
};
window.asked = async () => {
  const reports = await Promise.all(connections.map((pc) => pc.getStats()));
  const stats = reports.flatMap((report) => [...report.values()]);
  const pairs = stats.filter(({ type }) => type === "candidate-pair");
  return pairs.reduce((sum, pair) => sum + pair.requestsSent + pair.requestsReceived, 0);
};
window.linked = (who, count) => until(() => rooms[who].room.links.size === count);
null;
"""


@pytest.fixture
def page(page: Page) -> Page:
    """A page for rooms."""
    page.evaluate(ROOMS)
    return page


@pytest.fixture
def name() -> str:
    """A room of the test's own."""
    return f"prepared-{secrets.token_hex(4)}"


def make(page: Page, settings: Settings, how: str, who: str, room: str, **more: Any) -> None:
    """Let somebody come in (``enter``), or get ready to (``prepare``)."""
    call = "([c, h, w, r, m]) => make(c, h, w, r, m)"
    page.evaluate(call, [settings, how, who, room, more])


def operations(page: Page, who: str) -> list[int]:
    """Reads, writes and deletes so far."""
    counted: list[int] = page.evaluate("(w) => Object.values(rooms[w].client.operations)", who)
    return counted


def offers(owner: Owner, path: str, count: int) -> None:
    """Wait until so many standing offers wait for whoever comes."""
    waiting = owner.collection(f"{path}/calls").where(filter=FieldFilter("to", "==", "*"))
    give_up = time.monotonic() + OFFERS_SECONDS
    while (found := len(list(waiting.stream()))) != count:
        assert time.monotonic() < give_up, found
        time.sleep(0.05)


def close(page: Page) -> None:
    """Leave every room."""
    page.evaluate("Promise.all(Object.values(rooms).map(({ client }) => client.close()))")


def test_who_is_ready_sees_and_is_not_seen(page: Page, settings: Settings, name: str) -> None:
    make(page, settings, "enter", "ann", name)
    make(page, settings, "prepare", "bob", name)
    assert page.evaluate("rooms.bob.log") == [["joined", "ann"]]
    assert page.evaluate("[rooms.ann.room.others.length, rooms.bob.room.links.size]") == [0, 0]
    page.evaluate("rooms.bob.room.comeIn()")
    page.evaluate("Promise.all([linked('ann', 1), linked('bob', 1)])")
    assert page.evaluate("rooms.ann.log") == [["joined", "bob"], ["link"]]
    again = page.evaluate("codeOf(rooms.bob.room.comeIn())")
    assert page.evaluate("codeOf(rooms.ann.room.comeIn())") == again != "settled"
    page.evaluate("rooms.bob.room.send('hello')")
    close(page)


def test_nobody_hears_of_who_is_ready(page: Page, settings: Settings, name: str) -> None:
    make(page, settings, "enter", "ann", name)
    make(page, settings, "prepare", "bob", name)
    page.wait_for_timeout(1500)
    assert page.evaluate("asked()") == 0, "somebody's address is known before it comes in"
    page.evaluate("rooms.bob.room.comeIn().then(() => linked('bob', 1))")
    assert page.evaluate("asked()") > 0
    close(page)


def test_it_costs_no_more_than_to_enter(
    page: Page, settings: Settings, name: str, admin_sync: Owner
) -> None:
    make(page, settings, "enter", "ann", name)
    path = page.evaluate("rooms.ann.room.path")
    offers(admin_sync, path, 1)
    make(page, settings, "enter", "bob", name)
    page.evaluate("linked('bob', 1)")
    offers(admin_sync, path, 2)
    entered = operations(page, "bob")
    page.evaluate("rooms.bob.client.close()")
    page.evaluate("until(() => rooms.ann.room.others.length === 0)")
    offers(admin_sync, path, 1)
    make(page, settings, "prepare", "cid", name)
    page.evaluate("rooms.cid.room.comeIn().then(() => linked('cid', 1))")
    offers(admin_sync, path, 2)
    prepared = operations(page, "cid")
    print("entered", entered, "prepared", prepared)
    # Candidates of the other side that come late are a read more.
    assert prepared[0] <= entered[0] + 1
    assert prepared[1:] == entered[1:]
    close(page)


def test_somebody_came_meanwhile(page: Page, settings: Settings, name: str) -> None:
    make(page, settings, "enter", "ann", name)
    make(page, settings, "prepare", "bob", name)
    make(page, settings, "enter", "cid", name)
    page.evaluate("until(() => rooms.bob.room.others.length === 2)")
    page.evaluate("rooms.bob.room.comeIn()")
    page.evaluate("Promise.all(['ann', 'bob', 'cid'].map((who) => linked(who, 2)))")
    close(page)


def test_an_offer_that_was_taken(page: Page, settings: Settings, name: str) -> None:
    make(page, settings, "enter", "ann", name)
    for who in ("bob", "cid"):
        make(page, settings, "prepare", who, name)
    page.evaluate("Promise.all([rooms.bob.room.comeIn(), rooms.cid.room.comeIn()])")
    page.evaluate("Promise.all(['ann', 'bob', 'cid'].map((who) => linked(who, 2)))")
    close(page)


def test_a_room_that_is_not_there_yet(page: Page, settings: Settings, name: str) -> None:
    for who in ("ann", "bob"):
        make(page, settings, "prepare", who, name)
    page.evaluate("rooms.ann.room.comeIn()")
    page.evaluate("until(() => rooms.bob.room.others.length === 1)")
    page.evaluate("rooms.bob.room.comeIn().then(() => linked('bob', 1))")
    close(page)


def test_a_room_that_was_locked_or_closed(
    page: Page, settings: Settings, name: str, admin_sync: Owner
) -> None:
    make(page, settings, "enter", "ann", name)
    for who in ("bob", "cid"):
        make(page, settings, "prepare", who, name)
    path = page.evaluate("rooms.ann.room.path")
    admin_sync.document(path).update({"locked": True})
    assert page.evaluate("codeOf(rooms.bob.room.comeIn())") == "room-locked"
    admin_sync.document(path).update({"locked": False})
    page.evaluate("rooms.ann.client.close()")
    page.evaluate("until(() => rooms.cid.room.others.length === 0)")
    # The room goes a moment after its last peer: whether it is there still or not.
    page.evaluate("rooms.cid.room.comeIn()")
    page.evaluate("until(() => rooms.cid.room.eldest?.data.name === 'cid')")
    close(page)


def test_who_does_not_go_in_leaves_nothing(
    page: Page, settings: Settings, name: str, admin_sync: Owner
) -> None:
    make(page, settings, "enter", "ann", name)
    make(page, settings, "prepare", "bob", name)
    path = page.evaluate("rooms.ann.room.path")
    page.evaluate("rooms.bob.room.leave()")
    assert operations(page, "bob")[1:] == [0, 0]
    assert len(list(admin_sync.collection(f"{path}/peers").stream())) == 1
    assert page.evaluate("codeOf(rooms.bob.room.comeIn())") != "settled"
    close(page)
