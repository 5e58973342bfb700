"""Rooms of the web SDK: pages with one another, and with Python peers."""

from __future__ import annotations

import json
import secrets
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from e2e.remains import CLEAN_SECONDS, remains
from google.cloud.firestore import Client as Owner
from playwright.sync_api import Browser, Page

from firertc.suite import LocalSuite, Seeds

from .blank import Settings, blank
from .conftest import Run

SECRET = "tür 7: offen"

MESHED = "() => Object.values(rooms)[0]?.room.links.size === 9"
HEARD_NINE = """() =>
  Object.values(rooms)[0].log.filter(([event]) => event === "message").length === 9"""

# What the tests do in a page: rooms by the name of who is in.
ROOMS = """
window.rooms = {};
window.enter = async (config, who, name, options = {}) => {
  const client = new firertc.Client(config);
  const log = [];
  const { resume, ...others } = options;
  const room = await client.enter(name, {
    ...others,
    ...(resume && { resume }),
    data: { name: who },
    media: () => ({ receiving: [] }),
    onRoom: (made) => {
      window.whenMade?.(made);
      for (const event of ["joined", "left", "updated"]) {
        made.on(event, (peer) => log.push([event, peer.data?.name ?? null]));
      }
      made.on("message", ({ body }) => log.push(["message", body]));
      made.on("broadcast", ({ body, isPrivate }) => log.push(["broadcast", body, isPrivate]));
      made.on("locked", () => log.push(["locked"]));
      made.on("unlocked", () => log.push(["unlocked"]));
      made.on("removed", (reason) => log.push(["removed", reason]));
      made.on("lost", (error) => log.push(["lost", error.code]));
      made.on("unlinked", ({ end }) => log.push(["unlinked", end.reason]));
    },
  });
  rooms[who] = { client, room, log };
  return room.session.peer;
};
// The next key of a seal is made only after the room has been told who is there.
window.holdSeal = () => {
  const { importKey } = SubtleCrypto.prototype;
  let toldAll;
  const told = new Promise((resolve) => { toldAll = resolve; });
  SubtleCrypto.prototype.importKey = async function (format, key, algorithm, ...rest) {
    if (algorithm === "AES-GCM") await told;
    return await importKey.call(this, format, key, algorithm, ...rest);
  };
  // The same query, listened to before the room does: told together, this one first.
  window.whenMade = ({ session, peersPath }) => {
    const seen = ({ changed }) => { if (changed.size > 0) setTimeout(toldAll, 0); };
    session.database.watch({ collection: peersPath }, seen, console.error);
  };
};
null;
"""


@pytest.fixture
def page(page: Page) -> Page:
    """A page for rooms."""
    page.evaluate(ROOMS)
    return page


def enter(page: Page, settings: Settings, who: str, room: str, **options: Any) -> str:
    """Let somebody come in; its peer id."""
    call = "([c, w, r, o]) => enter(c, w, r, o)"
    peer: str = page.evaluate(call, [settings, who, room, options])
    return peer


def wait_log(page: Page, who: str, entry: list[Any]) -> None:
    """Wait until something was told to somebody."""
    page.wait_for_function(
        "([w, e]) => rooms[w].log.some((one) => JSON.stringify(one) === e)",
        arg=[who, _json(entry)],
        polling=50,
    )


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


@pytest.fixture
def name() -> str:
    """A room of the test's own."""
    return f"room-{secrets.token_hex(4)}"


def test_why_somebody_left(page: Page, settings: Settings, name: str) -> None:
    enter(page, settings, "ann", name)
    page.evaluate(
        """() => {
          window.went = [];
          rooms.ann.room.on("left", (peer) => went.push(peer.left));
        }"""
    )
    enter(page, settings, "bob", name)
    resume = page.evaluate("rooms.bob.room.session.resume")
    enter(page, settings, "again", name, resume=resume)
    page.wait_for_function("went.length === 1", polling=50)
    page.evaluate("rooms.again.room.leave()")
    page.wait_for_function("went.length === 2", polling=50)
    assert page.evaluate("went") == ["replaced", "left"]


def test_ten_at_once(
    browser: Browser, script: Path, suite: LocalSuite, settings: Settings, name: str
) -> None:
    # Each in a context of its own: a browser opens six connections to one host, and each
    # listening client keeps one.
    with ExitStack() as stack:
        pages = [stack.enter_context(blank(browser, script, suite)) for _ in range(10)]
        for page in pages:
            page.evaluate(ROOMS)
        began = time.monotonic()
        for number, page in enumerate(pages):
            # All begin before any has ended.
            page.evaluate(
                "([c, w, r]) => { void enter(c, w, r, { connect: 'all' }); }",
                [settings, f"p{number}", name],
            )
        for page in pages:
            page.wait_for_function(MESHED)
        seconds = time.monotonic() - began
        operations = [
            page.evaluate("Object.values(Object.values(rooms)[0].client.operations)")
            for page in pages
        ]
        print(f"ten pages at once, 45 links: {seconds:.2f} s")
        print("operations of each:", [sum(one) for one in operations])
        for page in pages:
            page.evaluate("Object.values(rooms)[0].room.send('hello')")
        for page in pages:
            page.wait_for_function(HEARD_NINE)
            log = page.evaluate("Object.values(rooms)[0].log")
            assert [entry for entry in log if entry[0] == "unlinked"] == []
            assert len([entry for entry in log if entry[0] == "joined"]) == 9


def test_a_page_and_python(
    page: Page, settings: Settings, name: str, firertc: Run, realm: Seeds
) -> None:
    python = firertc("room", "join", name, "--json", "--chat", "--key", realm.key)
    python.wait_for("entered")
    enter(page, settings, "page", name, connect="all")
    page.wait_for_function("() => rooms.page.room.links.size === 1")
    page.evaluate("rooms.page.room.send('from the page')")
    assert python.wait_for("message")["body"] == "from the page"
    python.say("from python")
    wait_log(page, "page", ["message", "from python"])


def test_nothing_is_left(
    page: Page, settings: Settings, name: str, realm: Seeds, admin_sync: Owner
) -> None:
    for who in ("one", "two"):
        enter(page, settings, who, name, connect="all")
    page.wait_for_function("() => rooms.one.room.links.size === 1")
    page.evaluate("async () => { await rooms.one.client.close(); await rooms.two.client.close(); }")
    give_up = time.monotonic() + CLEAN_SECONDS
    # The room itself is deleted by the functions.
    while left := remains(admin_sync, realm.realm):
        assert time.monotonic() < give_up, left
        time.sleep(0.1)


def test_the_others_are_seen_sooner_than_the_passphrase_is_stretched(
    page: Page, settings: Settings, name: str
) -> None:
    enter(page, settings, "ann", name, connect="all", passphrase=SECRET)
    page.evaluate("holdSeal()")
    enter(page, settings, "bob", name, connect="all", passphrase=SECRET)
    wait_log(page, "bob", ["joined", "ann"])
    page.wait_for_function("() => rooms.bob.room.links.size === 1")
    page.evaluate("rooms.bob.room.send('hello')")
    wait_log(page, "ann", ["message", "hello"])


def test_who_is_refused_is_not_told_who_is_there(page: Page, settings: Settings, name: str) -> None:
    enter(page, settings, "ann", name, connect="all", passphrase=SECRET)
    page.evaluate("holdSeal()")
    told = page.evaluate(
        """async ([config, name]) => {
          const told = [];
          const listen = window.whenMade;
          window.whenMade = (made) => {
            made.on("joined", (peer) => told.push(peer.id));
            listen(made);
          };
          const going = enter(config, "eve", name, { passphrase: "another" });
          return [await codeOf(going), ...told];
        }""",
        [settings, name],
    )
    assert told == ["wrong-passphrase"]


def test_looking_into_a_sealed_room(page: Page, settings: Settings, name: str) -> None:
    ann = enter(page, settings, "ann", name, passphrase=SECRET)
    look = """async ([config, name, passphrase]) => {
      const client = new firertc.Client(config);
      const { sealed, peers } = await client.look(name, passphrase ?? undefined);
      await client.close();
      return [sealed, peers.map(({ id, data }) => [id, data])];
    }"""
    assert page.evaluate(look, [settings, name, None]) == [True, [[ann, None]]]
    assert page.evaluate(look, [settings, name, SECRET]) == [True, [[ann, {"name": "ann"}]]]
