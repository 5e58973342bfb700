"""Two browsers with each other, and what a person meets on the way there."""

from __future__ import annotations

import re
import time

import pytest
from google.cloud.firestore import Client
from playwright.sync_api import Browser, expect

from firertc.suite import LocalSuite, Seeds

from .conftest import Launch, OpenPage, Run

GONE_SECONDS = 5.0
UNREACHED = "insecure.example"
"""A name that leads here, for a page that is neither on HTTPS nor on localhost."""


def documents(admin: Client, realm: str) -> list[str]:
    """What is left of one-off calls in a realm."""
    place = admin.document(f"realms/{realm}")
    return [
        document.path
        for name in ("calls", "callers")
        for document in place.collection(name).list_documents()
    ]


def wait_until_clean(admin: Client, realm: str) -> None:
    """Wait until nothing is left."""
    give_up = time.monotonic() + GONE_SECONDS
    while left := documents(admin, realm):
        assert time.monotonic() < give_up, left
        time.sleep(0.1)


@pytest.fixture
def query(realm: Seeds) -> str:
    """The part of an address that leads a page to this test's own realm."""
    return f"?key={realm.key}"


def test_two_browsers(open_page: OpenPage, query: str, realm: Seeds, admin_sync: Client) -> None:
    first, second = open_page(query=query), open_page(query=query)
    code = first.start_call()
    shown = first.page.locator("#link").inner_text()
    assert shown.endswith(f"/call{query}#{code}")
    second.join(code.upper().replace("-", " "))
    for page in (first, second):
        page.wait_for_view("call")
        assert len(page.frame_numbers()) == 3
        assert page.sound()["decibels"] > -60
    wait_until_clean(admin_sync, realm.realm)
    first.say("hello")
    second.expect_message("hello")
    second.say("hello yourself")
    first.expect_message("hello yourself")

    second.button("Camera on").click()
    expect(first.page.locator("#muted")).to_have_text("Their camera is off")
    second.button("Camera off").click()
    expect(first.page.locator("#muted")).to_be_hidden()


def test_a_tab_is_closed(open_page: OpenPage, query: str) -> None:
    first, second = open_page(query=query), open_page(query=query)
    second.join(first.start_call())
    for page in (first, second):
        page.wait_for_view("call")
    second.page.close(run_before_unload=False)
    # It is known at once; that it is no reload shows when nobody comes back.
    status = first.page.locator("#status")
    expect(status).to_contain_text("The other side closed its page", timeout=5_000)
    first.page.locator("main[data-view=ended]").wait_for(timeout=45_000)
    expect(first.page.locator("#ended-text")).to_have_text("The other side closed its page.")


@pytest.mark.parametrize("late", ["who waited", "who came"])
def test_camera_added_in_mid_call(open_page: OpenPage, query: str, late: str) -> None:
    waiting, coming = open_page(query=query), open_page(query=query)
    for page in (waiting, coming):
        page.page.get_by_label("Camera").uncheck()
        page.page.get_by_label("Microphone").uncheck()
    coming.join(waiting.start_call())
    waiting.wait_for_view("call")
    coming.wait_for_view("call")
    one, other = (waiting, coming) if late == "who waited" else (coming, waiting)
    one.button("Camera off").click()
    assert len(other.frame_numbers()) == 3
    expect(other.page.locator("#no-picture")).to_be_hidden()
    other.button("Hang up").click()
    one.wait_for_view("ended")


def test_open_realm_needs_no_function(
    open_page: OpenPage, open_realm: Seeds, admin_sync: Client
) -> None:
    query = f"?key=&realm={open_realm.realm}"
    waiting, coming = open_page(query=query), open_page(query=query)
    coming.join(waiting.start_call())
    waiting.wait_for_view("call")
    coming.wait_for_view("call")
    wait_until_clean(admin_sync, open_realm.realm)
    coming.button("Hang up").click()
    waiting.wait_for_view("ended")


@pytest.mark.parametrize("leave", ["cancel", "close the tab"])
def test_who_stops_waiting_leaves_nothing(
    open_page: OpenPage, query: str, realm: Seeds, admin_sync: Client, leave: str
) -> None:
    page = open_page(query=query)
    page.start_call()
    assert len(documents(admin_sync, realm.realm)) == 1
    if leave == "cancel":
        page.button("Cancel").click()
        page.wait_for_view("start")
        expect(page.page.locator("#problem")).to_be_hidden()
    else:
        page.page.close(run_before_unload=False)
    wait_until_clean(admin_sync, realm.realm)


def test_codes_that_lead_nowhere(open_page: OpenPage, query: str) -> None:
    page = open_page(query=query)
    page.join("abandon ability able")
    expect(page.problem()).to_contain_text("A code has 4 words")
    page.join("abandon ability able abuot")
    expect(page.problem()).to_contain_text("Did you mean 'about'?")
    page.join("abandon ability able about")
    expect(page.problem()).to_contain_text("Nobody waits at this code")
    page.wait_for_view("start")


def test_a_key_that_is_refused(open_page: OpenPage) -> None:
    page = open_page(query="?key=no-such-key")
    page.button("Start a new call").click()
    expect(page.problem()).to_contain_text("This page is not set up")
    # Chromium itself writes about the function's 403.
    assert all("403" in line for line in page.complaints)
    page.complaints.clear()


@pytest.fixture(scope="package")
def forbidding(launch: Launch) -> Browser:
    """A browser whose person forbids camera and microphone, and keeps its addresses to itself."""
    return launch(
        "--use-fake-ui-for-media-stream=deny",
        "--disable-features=none",
        f"--host-resolver-rules=MAP {UNREACHED} 127.0.0.1",
    )


def test_camera_denied_and_a_call_without(
    open_page: OpenPage, firertc: Run, forbidding: Browser
) -> None:
    """Without permission Chromium hides its addresses behind mDNS names, too."""
    python = firertc("answer", "--chat", "--stay", "--play", "test")
    code = python.wait_for("code")["code"]
    page = open_page(f"#{code}", within=forbidding)
    page.join()
    expect(page.problem()).to_contain_text("The use of camera and microphone is not allowed")
    page.button("Go on without").click()
    page.wait_for_view("call")
    assert len(page.frame_numbers()) == 3
    page.say("no camera here")
    assert python.wait_for("message")["body"] == "no camera here"
    page.button("Hang up").click()
    assert python.exit_code() == 0


def test_insecure_address(open_page: OpenPage, forbidding: Browser, suite: LocalSuite) -> None:
    page = open_page(within=forbidding, host=UNREACHED)
    page.button("Start a new call").click()
    expect(page.problem()).to_contain_text("only to pages from HTTPS or localhost")


def test_keyboard_alone(open_page: OpenPage, query: str) -> None:
    """From the first key to a code without a pointer; the title that comes has the focus."""
    page = open_page(query=query)
    keyboard = page.page.keyboard
    for _ in range(8):
        keyboard.press("Tab")
        if page.page.evaluate("document.activeElement.id") == "begin":
            break
    keyboard.press("Enter")
    page.wait_for_view("waiting")
    expect(page.page.locator("#waiting-title")).to_be_focused()
    expect(page.page.locator("#shown-code")).to_have_text(re.compile(r"^\w+(-\w+){3}$"))
    expect(page.page.get_by_role("img", name="QR code of the link")).to_be_visible()
