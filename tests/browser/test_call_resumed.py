"""A call by code whose pages are loaded anew goes on."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from google.cloud.firestore import Client
from playwright.sync_api import Route, expect

from firertc.resuming import BACK_SECONDS
from firertc.suite import Seeds

from .command import Command
from .conftest import OpenPage, Run
from .screen import READING, STEP_MILLISECONDS, CallPage
from .test_call import check_picture_and_sound, check_recording, talk
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


@pytest.fixture(params=["it answered", "it was called"])
def with_python(
    request: pytest.FixtureRequest, open_page: OpenPage, realm: Seeds, firertc: Run, tmp_path: Path
) -> tuple[CallPage, Command]:
    """A page in a call with a Python process that sends the test picture, chats and records."""
    query = f"?key={realm.key}"
    record = str(tmp_path / "page.mp4")
    options = ("--key", realm.key, "--play", "test", "--chat", "--stay", "--record", record)
    if request.param == "it answered":
        python = firertc("answer", *options)
        page = open_page("#" + python.wait_for("code")["code"], query=query)
        page.join()
    else:
        page = open_page(query=query)
        python = firertc("call", *options, code=page.start_call())
    page.wait_for_view("call")
    return page, python


def test_python_waits_for_the_page(
    with_python: tuple[CallPage, Command], admin_sync: Client, realm: Seeds, tmp_path: Path
) -> None:
    page, python = with_python
    peer = python.wait_for("connected")["remote"]
    began = time.monotonic()
    check_picture_and_sound(page)
    talk(page, python)
    before = page.frame_numbers()[-1]
    page.page.reload()
    page.page.evaluate(READING)
    assert python.wait_for("away")["seconds"] == BACK_SECONDS
    # What is written meanwhile arrives.
    python.say("are you there?")
    assert python.wait_for("connected")["remote"] == peer
    page.wait_for_view("call")
    page.expect_message("are you there?")
    check_picture_and_sound(page)
    # The playback went on.
    assert page.frame_numbers()[-1] > before
    talk(page, python)
    wait_until_clean(admin_sync, realm.realm)
    # And once more.
    page.page.reload()
    page.page.evaluate(READING)
    assert python.wait_for("connected")["remote"] == peer
    check_picture_and_sound(page)
    lasted = time.monotonic() - began
    page.button("Hang up").click()
    assert python.wait_for("ended") == {"event": "ended", "reason": "hangup", "by_remote": True}
    recorded = python.wait_for("recorded")
    assert python.exit_code() == 0
    wait_until_clean(admin_sync, realm.realm)
    # One file, with the time in which nobody was there.
    assert recorded["seconds"] == pytest.approx(lasted, abs=3)
    check_recording(tmp_path / "page.mp4")


def test_the_page_does_not_come_back(
    with_python: tuple[CallPage, Command], admin_sync: Client, realm: Seeds
) -> None:
    page, python = with_python
    python.wait_for("connected")
    page.close()
    began = time.monotonic()
    python.wait_for("away")
    ended = python.wait_for("ended")
    assert ended == {"event": "ended", "reason": "away", "by_remote": True}
    assert BACK_SECONDS - 2 < time.monotonic() - began < BACK_SECONDS + 5
    assert python.exit_code() == 0
    wait_until_clean(admin_sync, realm.realm)


def test_python_is_stopped_while_it_waits(
    with_python: tuple[CallPage, Command], admin_sync: Client, realm: Seeds
) -> None:
    page, python = with_python
    python.wait_for("connected")
    page.close()
    python.wait_for("away")
    python.interrupt()
    assert python.exit_code() == 130
    wait_until_clean(admin_sync, realm.realm)
