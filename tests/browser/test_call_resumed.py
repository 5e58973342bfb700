"""A call by code whose pages are loaded anew goes on."""

from __future__ import annotations

import pytest
from google.cloud.firestore import Client
from playwright.sync_api import Route, expect

from firertc.suite import Seeds

from .conftest import OpenPage, Run
from .screen import READING, STEP_MILLISECONDS, CallPage
from .test_pages import wait_until_clean

Pair = tuple[CallPage, CallPage]
KEPT = "JSON.parse(sessionStorage.getItem('firertc.going-on.call'))"


@pytest.fixture
def pair(open_page: OpenPage, realm: Seeds) -> Pair:
    """Two pages in a call: who waited, and who came."""
    waiting, coming = open_page(query=f"?key={realm.key}"), open_page(query=f"?key={realm.key}")
    coming.join(waiting.start_call())
    for page in (waiting, coming):
        page.wait_for_view("call")
    return waiting, coming


def remote(page: CallPage) -> str:
    """Peer id of the other side, as the page keeps it."""
    peer: str = page.page.evaluate(f"{KEPT}.remote")
    return peer


def check_talking(pair: Pair) -> None:
    """Pictures, sound and messages go both ways."""
    for page in pair:
        page.wait_for_view("call")
        assert len(page.frame_numbers()) == 3
        assert page.sound()["decibels"] > -60
    for one, other in (pair, pair[::-1]):
        text = f"hello {one.page.evaluate('performance.now()')}"
        one.say(text)
        other.expect_message(text)


@pytest.mark.parametrize("anew", ["who waited", "who came", "both"])
def test_a_page_is_loaded_anew(pair: Pair, anew: str, admin_sync: Client, realm: Seeds) -> None:
    peers = [remote(page) for page in pair]
    check_talking(pair)
    pages = {"who waited": pair[:1], "who came": pair[1:], "both": pair}[anew]
    for page in pages:
        page.page.reload(wait_until="commit")
    for page in pages:
        page.page.wait_for_load_state()
        page.page.evaluate(READING)
    for page in pair:
        page.wait_for_view("call")
    check_talking(pair)
    # Both are who they were.
    assert [remote(page) for page in pair] == peers
    wait_until_clean(admin_sync, realm.realm)
    # And once more.
    pair[0].page.reload()
    pair[0].page.evaluate(READING)
    check_talking(pair)
    pair[1].button("Hang up").click()
    for page in pair:
        page.wait_for_view("ended")
    wait_until_clean(admin_sync, realm.realm)
    # What was hung up does not come back.
    pair[0].page.reload()
    pair[0].wait_for_view("start")


def test_it_comes_back_as_it_was(pair: Pair) -> None:
    waiting, coming = pair
    waiting.button("Camera on").click()
    coming.button("Microphone on").click()
    expect(coming.page.locator("#muted")).to_have_text("Their camera is off")
    coming.page.reload()
    expect(coming.button("Microphone off")).to_be_visible(timeout=STEP_MILLISECONDS)
    expect(coming.button("Camera on")).to_be_visible()
    expect(waiting.page.locator("#muted")).to_have_text("Their microphone is off")
    # Who stayed says again what is dark.
    expect(coming.page.locator("#muted")).to_have_text("Their camera is off")


def test_who_is_left_hangs_up(pair: Pair) -> None:
    waiting, coming = pair
    address = coming.page.url
    coming.page.goto("about:blank")
    status = waiting.page.locator("#status")
    expect(status).to_contain_text("closed its page", timeout=5_000)
    waiting.button("Hang up").click()
    waiting.wait_for_view("ended")
    expect(waiting.page.locator("#ended-text")).to_have_text("You hung up.")
    # Coming to the page again is no reload.
    coming.page.goto(address)
    coming.wait_for_view("start")
    expect(coming.problem()).to_be_hidden()


def test_nobody_is_there_any_more(pair: Pair) -> None:
    waiting, coming = pair
    held: list[Route] = []
    coming.page.route("**/join", lambda route: held.append(route))
    coming.page.reload()
    coming.wait_for_view("connecting")
    waiting.page.close()
    while not held:
        coming.page.wait_for_timeout(50)
    held.pop().continue_()
    expect(coming.problem()).to_contain_text("the other side did not wait", timeout=45_000)
    coming.wait_for_view("start")


def test_python_does_not_wait(open_page: OpenPage, realm: Seeds, firertc: Run) -> None:
    page = open_page(query=f"?key={realm.key}")
    code = page.start_call()
    python = firertc("call", "--key", realm.key, "--stay", code=code)
    page.wait_for_view("call")
    page.page.reload()
    assert python.wait_for("ended")["reason"] == "away"
    page.button("Cancel").click()
    page.wait_for_view("start")
