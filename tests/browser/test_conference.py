"""The conference page: several browsers and a Python process in one room."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from firertc.suite import LocalSuite, Seeds

from .conference import ConferencePage
from .conftest import Run
from .screen import READING, STEP_MILLISECONDS

GONE_MILLISECONDS = 5_000
CROWD = 10
SCRIPT = "<img src=x onerror=alert(1)>"

OpenConference = Callable[..., ConferencePage]


@pytest.fixture
def room() -> str:
    """A room of the test's own."""
    return f"meeting-{secrets.token_hex(4)}"


@pytest.fixture
def conference(
    pages: Path, suite: LocalSuite, browser: Browser, realm: Seeds, room: str
) -> Iterator[OpenConference]:
    """Opens the page; at the end no page may have complained."""
    opened: list[ConferencePage] = []

    def open_it(fragment: str = "", opened_realm: Seeds | None = None) -> ConferencePage:
        place = f"key={realm.key}&room={room}{fragment}"
        if opened_realm is not None:
            place = f"key=&realm={opened_realm.realm}&room={room}{fragment}"
        address = f"{suite.addresses.hosting}/conference?{place}"
        page = ConferencePage.open(browser, address)
        opened.append(page)
        return page

    yield open_it
    complaints = [line for page in opened for line in page.complaints]
    for page in opened:
        page.page.context.close()
    assert complaints == []


def test_three_people(conference: OpenConference) -> None:
    people = {name: conference() for name in ("Ada", "Grace", "Linus")}
    for name, page in people.items():
        page.join(name)
        page.wait_until_in()
    for name, page in people.items():
        for other in people:
            if other != name:
                page.wait_for_picture(other)
    ada, grace, linus = people.values()
    ada.say("hello all")
    for page in (grace, linus):
        page.expect_line("Ada hello all")
    grace.button("Microphone on").click()
    expect(ada.tile("Grace").locator(".state")).to_have_text("microphone off")
    # The tone of the fake microphone is loud enough to be somebody speaking.
    expect(ada.tile("Linus")).to_have_class("tile speaking")
    linus.close()
    for page in (ada, grace):
        expect(page.tile("Linus")).to_have_count(0, timeout=GONE_MILLISECONDS)
        page.expect_line("Linus left")
    grace.button("Leave").click()
    grace.wait_for_view("ended")
    expect(ada.tile("Grace")).to_have_count(0, timeout=GONE_MILLISECONDS)


def test_the_screen_goes_to_everybody(conference: OpenConference) -> None:
    sharing, watching, late = conference(), conference(), conference()
    sharing.join("Ada", camera=False)
    watching.join("Grace", camera=False)
    for page in (sharing, watching):
        page.wait_until_in()
    expect(watching.tile("Ada")).to_have_class("tile dark")
    sharing.button("Share screen").click()
    expect(watching.tile("Ada")).to_have_class("tile")
    late.join("Linus", camera=False)
    late.wait_until_in()
    expect(late.tile("Ada")).to_have_class("tile")
    sharing.button("Stop sharing").click()
    for page in (watching, late):
        expect(page.tile("Ada")).to_have_class("tile dark")
        video = page.tile("Ada").locator("video")
        assert video.evaluate("(video) => video.srcObject.getTracks().length") == 0


def test_a_page_that_is_loaded_anew(conference: OpenConference) -> None:
    ada, grace = conference(), conference()
    for page, name in ((ada, "Ada"), (grace, "Grace")):
        page.join(name)
        page.wait_until_in()
    grace.wait_for_picture("Ada")
    before = grace.tile("Ada").get_attribute("data-peer")
    ada.button("Microphone on").click()
    ada.page.reload()
    ada.page.evaluate(READING)
    # No click: it comes back by itself, as the same peer, under the same name.
    ada.wait_until_in()
    grace.expect_line("Ada left")
    expect(grace.tile("Ada")).to_have_count(1)
    assert grace.tile("Ada").get_attribute("data-peer") == before
    grace.wait_for_picture("Ada")
    ada.wait_for_picture("Grace")
    expect(grace.tile("Ada").locator(".state")).to_have_text("microphone off")
    ada.say("here I am again")
    grace.expect_line("Ada here I am again")
    # Who left does not come back by loading the page anew.
    ada.button("Leave").click()
    ada.wait_for_view("ended")
    ada.page.reload()
    ada.wait_for_view("start")


def test_python_is_in_it(conference: OpenConference, firertc: Run, realm: Seeds, room: str) -> None:
    page = conference()
    page.join("Ada")
    page.wait_until_in()
    python = firertc(
        *("room", "join", room, "--as", "robot", "--key", realm.key, "--play", "test", "--chat"),
    )
    python.wait_for("linked")
    python.say("beep")
    page.expect_line("beep")
    page.say("go left")
    assert python.wait_for("message")["body"] == "go left"
    page.wait_for_picture("robot")


def test_names_and_messages_stay_text(conference: OpenConference) -> None:
    hostile, other = conference(), conference()
    hostile.join(SCRIPT, camera=False)
    hostile.wait_until_in()
    other.join("Grace", camera=False)
    other.wait_until_in()
    expect(other.tile(SCRIPT)).to_have_count(1)
    hostile.wait_until_linked("Grace")
    hostile.say(SCRIPT)
    other.expect_line(SCRIPT)
    assert other.page.locator("main img").count() == 0


def test_a_passphrase(conference: OpenConference) -> None:
    first, second, stranger = conference(), conference("#open%20sesame"), conference()
    first.join("Ada", camera=False, passphrase="open sesame")
    first.wait_until_in()
    assert first.page.url.endswith("#open%20sesame")
    second.join("Grace", camera=False)
    second.wait_until_in()
    second.wait_until_linked("Ada")
    second.say("hello")
    first.expect_line("Grace hello")
    stranger.join("Eve", camera=False)
    expect(stranger.page.locator("#problem-text")).to_contain_text("passphrase")
    stranger.join("Eve", camera=False, passphrase="open barley")
    expect(stranger.page.locator("#problem-text")).to_contain_text("not this room's")


def test_a_locked_room(conference: OpenConference, open_realm: Seeds) -> None:
    # Who makes a room in an open realm is its moderator.
    ada, eve = (conference(opened_realm=open_realm) for _ in range(2))
    ada.join("Ada", camera=False)
    ada.wait_until_in()
    ada.button("Lock room").click()
    ada.expect_line("The room was locked")
    eve.join("Eve", camera=False)
    expect(eve.page.locator("#problem-text")).to_contain_text("locked")
    eve.wait_for_view("start")
    expect(ada.tile("Eve")).to_have_count(0)
    # The way out: once it is open, the same button leads in.
    ada.button("Unlock room").click()
    ada.expect_line("The room was unlocked")
    eve.button("Try again").click()
    eve.wait_until_in()
    expect(eve.page.locator("#problem")).to_be_hidden()
    expect(ada.tile("Eve")).to_have_count(1)
    # Chromium itself writes about what the rules refused.
    assert all("403" in line for line in eve.complaints)
    eve.complaints.clear()


def test_ten_people(conference: OpenConference) -> None:
    """One with a camera, the others in tabs of one window, as light as can be."""
    ada = conference()
    ada.join("Ada")
    ada.wait_until_in()
    ada.button("Camera on").click()
    crowd = [conference() for _ in range(CROWD - 1)]
    for number, page in enumerate(crowd):
        page.join(f"Guest {number}", camera=False)
        page.wait_until_in()
    for page in (ada, *crowd):
        expect(page.page.locator("#tiles li")).to_have_count(CROWD, timeout=STEP_MILLISECONDS)
        linked = page.page.locator("#tiles .state").filter(has_text=re.compile("connect"))
        expect(linked).to_have_count(0, timeout=STEP_MILLISECONDS)
    # Everybody hears everybody.
    for number, page in enumerate(crowd):
        page.say(f"word {number}")
    for page in (ada, *crowd):
        for number in range(len(crowd)):
            page.expect_line(f"word {number}")
    # The picture reaches all of them.
    ada.button("Camera off").click()
    for page in crowd:
        expect(page.tile("Ada")).to_have_class(re.compile("^tile( speaking)?$"))
    # A tab that is closed is gone from all of them; how soon, a conference of three says: ten that
    # draw and decode on this machine's cores are late with everything.
    crowd[0].close()
    for page in (ada, *crowd[1:]):
        expect(page.tile("Guest 0")).to_have_count(0, timeout=STEP_MILLISECONDS)
