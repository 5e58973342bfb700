"""Links whose path breaks, of pages with one another and with Python: they come back."""

from __future__ import annotations

import secrets
import time
from typing import Any

import pytest
from e2e.remains import CLEAN_SECONDS, remains
from google.cloud.firestore import Client as Owner
from playwright.sync_api import Page

from firertc.call import Call, Media
from firertc.client import Client
from firertc.config import Config
from firertc.link import Link
from firertc.room import Room
from firertc.suite import Seeds

from .aside import Aside
from .blank import Settings
from .sides import SIDES

QUIET = Media(receiving=frozenset())
BACK = ["reconnecting failed", "reconnected"]

# Somebody who goes into a room, and its link to the one other who is there.
ROOMS = """
window.enter = async (who, config, name, connect, options = {}) => {
  const client = new firertc.Client(config);
  const told = [];
  const room = await client.enter(name, {
    connect,
    media: () => ({ receiving: [] }),
    ...options,
    onRoom: (room) => {
      for (const event of ["reconnecting", "reconnected"]) {
        room.on(event, (peer) => told.push([event, peer]));
      }
      room.on("channel", ({ peer, channel }) => {
        told.push(["channel", peer, channel.label]);
        channel.on("message", (data) => told.push(["data", data]));
      });
      room.onRequest = (peer, body) => ({ peer, body });
      room.on("ring", async (ring) => keep(who, client, (await ring.accept()).link));
    },
  });
  window.rooms = { ...window.rooms, [who]: { room, told, client } };
  return room.session.peer;
};
window.linked = async (who) => {
  const { room, client } = rooms[who];
  await until(() => room.links.size === 1);
  const [[peer, link]] = room.links;
  keep(who, client, link);
  return peer;
};
null;
"""
TALK = """async ([one, two]) => {
  for (const who of [one, two]) {
    for (let n = 0; n < 50; n++) sides[who].link.send(`${who} ${n}`);
  }
}"""


@pytest.fixture
def page(page: Page) -> Page:
    """A page for links and rooms."""
    page.evaluate(SIDES)
    page.evaluate(ROOMS)
    return page


@pytest.fixture
def name() -> str:
    """A room of the test's own."""
    return f"room-{secrets.token_hex(4)}"


def said(who: str) -> list[str]:
    """What is said by one side of a link while it is being repaired."""
    return [f"{who} {number}" for number in range(50)]


def wait_until_empty(owner: Owner, realm: str) -> None:
    """Wait until nothing is left in the database."""
    give_up = time.monotonic() + CLEAN_SECONDS
    while left := remains(owner, realm):
        assert time.monotonic() < give_up, left
        time.sleep(0.1)


def wait_until_back(page: Page, who: str) -> None:
    """Wait until a link has broken and come back, once, by the same object."""
    page.evaluate(
        """async (who) => {
          const { log } = sides[who];
          await until(() => log.includes("reconnected"), 40);
        }""",
        who,
    )
    log = page.evaluate("(who) => sides[who].log", who)
    assert [entry.split()[0] for entry in log] == ["reconnecting", "reconnected"]


def break_between(page: Page, broken: str, one: str = "ann", two: str = "bob") -> None:
    """Close one side's connection; both talk on: all arrives once, in order; a channel lives."""
    page.evaluate(
        """async ([one, two]) => {
          const [a, b] = [sides[one], sides[two]];
          b.got = [];
          const opened = new Promise((resolve) => b.link.on("channel", resolve));
          a.channel = await a.link.openChannel("kept", { metadata: 5 });
          b.channel = await opened;
          b.channel.on("message", (data) => b.got.push(data));
          await a.channel.send("before");
        }""",
        [one, two],
    )
    page.evaluate("(who) => sides[who].link.connection.pc.close()", broken)
    page.evaluate(
        "([one, two]) => until(() => sides[two].log.length || sides[one].log.length)",
        [
            one,
            two,
        ],
    )
    page.evaluate(TALK, [one, two])
    page.evaluate(
        "([one]) => { window.sending = sides[one].channel.send('x'.repeat(200_000)); }", [one]
    )
    for who in (one, two):
        wait_until_back(page, who)
    page.evaluate(
        """async ([one, two]) => {
          await sending;
          await Promise.all([one, two].map((who) => until(() => sides[who].heard.length >= 50)));
          await sides[one].channel.flush();
        }""",
        [one, two],
    )
    heard = page.evaluate("([one, two]) => [sides[one].heard, sides[two].heard]", [one, two])
    assert heard == [said(two), said(one)]
    assert page.evaluate("(who) => sides[who].got.map((data) => data.length)", two) == [6, 200_000]


@pytest.mark.parametrize("broken", ["ann", "bob"])
def test_two_pages(
    page: Page, settings: Settings, broken: str, admin_sync: Owner, realm: Seeds
) -> None:
    page.evaluate("(config) => two(config)", settings)
    break_between(page, broken)
    page.evaluate("closeAll()")
    wait_until_empty(admin_sync, realm.realm)


@pytest.mark.parametrize("options", [{}, {"passphrase": "correct horse"}], ids=["open", "sealed"])
def test_a_room(
    page: Page,
    settings: Settings,
    name: str,
    options: dict[str, Any],
    admin_sync: Owner,
    realm: Seeds,
) -> None:
    peers = {}
    for who in ("ann", "bob"):
        arguments = [who, settings, name, options]
        peers[who] = page.evaluate("([w, c, n, o]) => enter(w, c, n, 'all', o)", arguments)
    for who in ("ann", "bob"):
        page.evaluate("(who) => linked(who)", who)
    side = page.evaluate("sides.ann.link.side")
    # Whichever it is: the offerer has to notice by itself, or by the other's end.
    break_between(page, "ann" if side == "offerer" else "bob")
    for who, other in (("ann", "bob"), ("bob", "ann")):
        told = page.evaluate("(who) => rooms[who].told", who)
        assert [entry for entry in told if entry[0].startswith("reconnect")] == [
            ["reconnecting", peers[other]],
            ["reconnected", peers[other]],
        ]
        asked = "([who, peer]) => rooms[who].room.request(peer, [1])"
        assert page.evaluate(asked, [who, peers[other]]) == {"peer": peers[who], "body": [1]}
    assert ["channel", peers["ann"], "kept"] in page.evaluate("rooms.bob.told")
    assert page.evaluate("rooms.ann.room.links.size") == 1
    page.evaluate("closeAll()")
    wait_until_empty(admin_sync, realm.realm)


def test_a_ring(page: Page, settings: Settings, name: str) -> None:
    peers = {}
    for who in ("ann", "bob"):
        arguments = [who, settings, name]
        peers[who] = page.evaluate("([w, c, n]) => enter(w, c, n, 'none')", arguments)
    page.evaluate(
        """async (bob) => {
          const { room, client } = rooms.ann;
          await until(() => room.peers.has(bob));
          const call = await room.ring(bob, { media: { receiving: [] } });
          keep("ann", client, call.link, call);
          await until(() => sides.bob);
        }""",
        peers["bob"],
    )
    break_between(page, "bob")
    heard = page.evaluate(
        """() => new Promise((resolve) => {
          rooms.ann.room.on("message", resolve);
          sides.bob.link.send("by the ring");
        })"""
    )
    assert heard == {"peer": peers["bob"], "body": "by the ring"}
    assert page.evaluate("[...rooms.ann.room.links.keys()]") == [peers["bob"]]
    page.evaluate("closeAll()")


def test_who_leaves_while_the_link_is_broken(page: Page, settings: Settings, name: str) -> None:
    for who in ("ann", "bob"):
        page.evaluate("([w, c, n]) => enter(w, c, n, 'all')", [who, settings, name])
    for who in ("ann", "bob"):
        page.evaluate("(who) => linked(who)", who)
    page.evaluate(
        """async () => {
          sides.bob.link.mend = async () => await new Promise(() => undefined);
          sides.ann.link.mend = async () => await new Promise(() => undefined);
          sides.bob.link.connection.pc.close();
          await until(() => sides.ann.log.length > 0);
          await rooms.bob.room.leave();
          await until(() => sides.ann.log.length > 1);
        }"""
    )
    assert page.evaluate("sides.ann.log[1]") == "closed left"
    page.evaluate("closeAll()")


@pytest.mark.parametrize("offers", ["page", "python"])
@pytest.mark.parametrize("broken", ["page", "python"])
def test_a_page_and_python(
    page: Page, settings: Settings, aside: Aside, python: Config, offers: str, broken: str
) -> None:
    heard: list[Any] = []
    told: list[str] = []

    def listen(link: Link) -> None:
        link.on("message", heard.append)
        link.on("reconnecting", lambda reason: told.append(f"reconnecting {reason}"))
        link.on("reconnected", lambda: told.append("reconnected"))

    async def wait() -> tuple[Client, Call]:
        client = Client(python)
        return client, await client.wait_at_code(QUIET)

    async def come(code: str) -> tuple[Client, Call]:
        client = Client(python)
        return client, await client.come_with_code(code, QUIET)

    if offers == "python":
        client, call = aside.run(wait())
        come_there = "([c, code]) => { window.coming = come('page', c, code); }"
        page.evaluate(come_there, [settings, call.code])
        aside.run(call.answered(30))
        page.evaluate("() => coming")
    else:
        client, call = aside.run(come(page.evaluate("(c) => wait('page', c)", settings)))
        page.evaluate("() => sides.page.answered")

    async def act() -> None:
        listen(call.link)
        if broken == "python":
            await call.link.connection.pc.close()

    aside.run(act())
    if broken == "page":
        page.evaluate("sides.page.link.connection.pc.close()")
    page.evaluate("until(() => sides.page.log.length > 0)")
    page.evaluate("() => { for (let n = 0; n < 50; n++) sides.page.link.send(`page ${n}`); }")

    async def speak() -> None:
        for line in said("python"):
            call.link.send(line)

    aside.run(speak())
    wait_until_back(page, "page")
    page.evaluate("until(() => sides.page.heard.length >= 50)")

    async def finish() -> None:
        await call.link.settled()
        await call.link.flush()

    page.evaluate("() => sides.page.link.flush()")
    aside.run(finish())
    assert page.evaluate("sides.page.heard") == said("python")
    assert heard == said("page")
    assert told == BACK or told == ["reconnecting silent", "reconnected"]
    page.evaluate("closeAll()")
    aside.run(client.close())


def test_a_room_with_python(
    page: Page, settings: Settings, aside: Aside, python: Config, name: str
) -> None:
    told: list[tuple[str, Any]] = []

    def register(room: Room) -> None:
        for event in ("reconnecting", "reconnected"):
            room.on(event, lambda peer, event=event: told.append((event, peer)))
        room.on("message", lambda peer, body: told.append(("message", body)))

    async def enter() -> tuple[Client, Room]:
        client = Client(python)
        media = lambda: QUIET  # noqa: E731
        return client, await client.enter(name, connect="all", media=media, on_event=register)

    client, _ = aside.run(enter())
    me = page.evaluate("([c, n]) => enter('page', c, n, 'all')", [settings, name])
    page.evaluate("linked('page')")
    page.evaluate(
        """async () => {
          const { link, log } = sides.page;
          link.connection.pc.close();
          await until(() => log.length > 0);
          link.send("while it was broken");
          await until(() => log.includes("reconnected"), 40);
          await link.flush();
        }"""
    )
    assert told == [("reconnecting", me), ("reconnected", me), ("message", "while it was broken")]
    page.evaluate("closeAll()")
    aside.run(client.close())
