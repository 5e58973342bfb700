"""Skapi's words over FireRTC: what its tutorials do, with two and three users."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from firertc.suite import LocalSuite, Seeds

from .examples import Opener, examples

FRAMES = "() => reading.frameNumber() !== null"


@pytest.fixture
def open_example(
    browser: Browser, suite: LocalSuite, script: Path, realm: Seeds
) -> Iterator[Opener]:
    """Opens the example."""
    with examples(browser, suite, script, realm.key) as opener:
        yield opener


def connect(opener: Opener, user: str) -> Page:
    """A page whose user has joined the example's group."""
    page = opener("skapi", query=f"&user={user}")
    expect(page.locator("#log")).to_contain_text(f"USER_JOINED: {user}")
    return page


def told(page: Page, line: str) -> None:
    """Wait until the page's log says so."""
    expect(page.locator("#log")).to_contain_text(line)


def lists(page: Page, call: str) -> Any:
    """What a list of the directory has in it."""
    return page.evaluate(f"async () => (await {call}).list")


def test_the_tutorial(open_example: Opener) -> None:
    ann = connect(open_example, "ann")
    bob = connect(open_example, "bob")
    # Whoever is there calls who comes.
    told(ann, "USER_JOINED: bob")
    expect(bob.locator("#call_dialog")).to_contain_text("Incoming call")
    expect(ann.locator("#call_dialog")).to_contain_text("Outgoing call")
    bob.get_by_role("button", name="Accept").click()
    for page in (ann, bob):
        told(page, "channel default open")
        page.wait_for_function(FRAMES)
        expect(page.locator("#remote")).to_be_visible()
    ann.evaluate("rtcConnection.channels.default.send('by the channel')")
    told(bob, "channel: by the channel")
    bob.evaluate("rtcConnection.channels.default.send('and back')")
    told(ann, "channel: and back")
    # Hung up here: both ends know, and the camera that was opened for it is off.
    ann.evaluate("rtcConnection.hangup()")
    told(bob, "call with ann closed")
    for page in (ann, bob):
        told(page, "connection closed")
        expect(page.locator("#remote")).to_be_hidden()
        assert page.evaluate(
            "rtcConnection.media.getTracks().every((track) => track.readyState === 'ended')"
        )
    assert "call with" not in ann.locator("#log").inner_text()
    assert open_example.complaints == []
