"""The call page in a room whose people ring one another."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from firertc.suite import Seeds

from .conftest import OpenPage, Run
from .screen import READING, STEP_MILLISECONDS, CallPage

OpenLobby = Callable[[str], CallPage]


@pytest.fixture
def room() -> str:
    """A room of the test's own."""
    return f"office-{secrets.token_hex(4)}"


@pytest.fixture
def open_lobby(open_page: OpenPage, realm: Seeds, room: str) -> OpenLobby:
    """Opens the page and enters the room by a name."""

    def open_it(name: str) -> CallPage:
        page = open_page(query=f"?key={realm.key}&room={room}")
        enter(page, name)
        return page

    return open_it


def enter(page: CallPage, name: str) -> None:
    """Enter the room of the address."""
    page.page.get_by_label("Your name").fill(name)
    page.button("Enter the room").click()
    page.wait_for_view("lobby")


def asked(page: CallPage) -> Locator:
    """The question whether to take a call."""
    return page.page.get_by_role("dialog", name="A call for you")


def status(page: CallPage, text: str) -> None:
    """Wait until this is said."""
    expect(page.page.locator("#status")).to_contain_text(text)


def test_ringing(open_lobby: OpenLobby) -> None:
    ada, grace = open_lobby("Ada"), open_lobby("Grace <b>")
    ada.button("Call Grace <b>").click()
    expect(ada.page.locator("#calling-text")).to_have_text("Calling Grace <b>…")
    expect(asked(grace)).to_contain_text("Ada calls")
    expect(grace.page).to_have_title("Ada calls")

    # No.
    grace.button("Reject").click()
    expect(ada.problem()).to_have_text("Grace <b> rejected the call.")
    status(grace, "You rejected the call from Ada.")

    # Given up.
    ada.button("Try again").click()
    expect(asked(grace)).to_be_visible()
    ada.button("Cancel").click()
    expect(asked(grace)).to_be_hidden()
    status(grace, "You missed a call from Ada.")
    status(ada, "You no longer call Grace <b>.")

    # Yes, by keyboard alone: the question has the keyboard, on what does no harm.
    grace.button("Call Ada").click()
    expect(asked(ada)).to_be_visible()
    expect(ada.button("Reject")).to_be_focused()
    ada.page.keyboard.press("Tab")
    ada.page.keyboard.press("Enter")
    for page in (ada, grace):
        page.wait_for_view("call")
        assert len(page.frame_numbers()) == 3
    ada.say("here")
    grace.expect_message("here")

    # A third one hears that they talk.
    linus = open_lobby("Linus")
    linus.button("Call Ada").click()
    expect(linus.problem()).to_have_text("Ada is in another call.")
    grace.button("Hang up").click()
    for page in (ada, grace):
        page.wait_for_view("lobby")
    status(ada, "The other side hung up.")

    # Nobody is there any more.
    grace.button("Leave").click()
    grace.wait_for_view("start")
    expect(ada.button("Call Grace <b>")).to_have_count(0)


def test_a_call_goes_on_when_a_page_is_loaded_anew(open_lobby: OpenLobby) -> None:
    ada, grace = open_lobby("Ada"), open_lobby("Grace")
    peer = grace.page.locator("#people li").get_attribute("data-peer")
    ada.button("Call Grace").click()
    grace.button("Accept").click()
    for page in (ada, grace):
        page.wait_for_view("call")
    ada.page.reload()
    ada.page.evaluate(READING)
    for page in (ada, grace):
        page.wait_for_view("call")
        assert len(page.frame_numbers()) == 3
    ada.say("I'm back")
    grace.expect_message("I'm back")
    grace.button("Hang up").click()
    grace.wait_for_view("lobby")
    ada.wait_for_view("lobby")
    assert grace.page.locator("#people li").get_attribute("data-peer") == peer
    # After hanging up it rings.
    ada.button("Call Grace").click()
    expect(asked(grace)).to_be_visible()
    grace.page.keyboard.press("Escape")
    expect(ada.problem()).to_have_text("Grace rejected the call.")


def test_python_rings_and_is_rung(
    open_lobby: OpenLobby, firertc: Run, realm: Seeds, room: str
) -> None:
    ada = open_lobby("Ada")
    grace = open_lobby("Grace")
    peer = grace.page.locator("#people li").get_attribute("data-peer") or ""
    grace.button("Leave").click()
    here = ("--room", room, "--as", "robot", "--key", realm.key, "--stay", "--chat")
    python = firertc("call", peer, *here, "--play", "test")
    expect(asked(ada)).to_contain_text("robot calls", timeout=STEP_MILLISECONDS)
    ada.button("Accept").click()
    python.wait_for("connected")
    ada.wait_for_view("call")
    assert len(ada.frame_numbers()) == 3
    python.interrupt()
    ada.wait_for_view("lobby")
    python.exit_code()

    python = firertc("answer", *here, "--yes", "--play", "test")
    ada.button("Call robot").click()
    ada.wait_for_view("call")
    assert len(ada.frame_numbers()) == 3
    ada.say("hello robot")
    assert python.wait_for("message")["body"] == "hello robot"
    ada.button("Hang up").click()
    assert python.exit_code() == 0


def test_a_call_that_is_missed(
    open_lobby: OpenLobby, firertc: Run, realm: Seeds, room: str
) -> None:
    ada, grace = open_lobby("Ada"), open_lobby("Grace")
    peer = grace.page.locator("#people li").get_attribute("data-peer") or ""
    python = firertc(
        *("call", peer, "--room", room, "--as", "robot", "--key", realm.key, "--timeout", "3"),
    )
    expect(asked(ada)).to_contain_text("robot calls", timeout=STEP_MILLISECONDS)
    expect(asked(ada)).to_be_hidden()
    status(ada, "You missed a call from robot.")
    expect(ada.page).to_have_title("Call · FireRTC")
    assert python.exit_code() != 0


def test_nobody_answers(open_lobby: OpenLobby) -> None:
    ada, grace = open_lobby("Ada"), open_lobby("Grace")
    ada.button("Call Grace").click()
    expect(asked(grace)).to_contain_text("Ada calls")
    # It rings for 30 s.
    expect(ada.problem()).to_have_text("Grace did not answer.", timeout=45_000)
    ada.wait_for_view("lobby")
    expect(ada.button("Try again")).to_be_visible()
    expect(asked(grace)).to_be_hidden()
    status(grace, "You missed a call from Ada.")
    expect(grace.page).to_have_title("Call · FireRTC")


def test_who_calls_is_gone(open_lobby: OpenLobby) -> None:
    ada, grace = open_lobby("Ada"), open_lobby("Grace")
    ada.button("Call Grace").click()
    expect(asked(grace)).to_be_visible()
    ada.page.context.close()
    expect(asked(grace)).to_be_hidden()
    status(grace, "You missed a call from Ada.")
