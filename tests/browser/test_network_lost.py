"""The network goes away under a call, and comes back."""

from __future__ import annotations

from playwright.sync_api import CDPSession, expect

from firertc.suite import Seeds

from .conftest import OpenPage
from .screen import CallPage

AWAY_MILLISECONDS = 10_000
BACK_MILLISECONDS = 40_000
# What Chromium itself writes of requests that nobody could answer, which no page can prevent;
# Firebase's probe of another site is refused by the page's policy.
EXPECTED = ("net::ERR_", "cleardot.gif")
LOST = "Connection lost, getting it back…"


class Network:
    """What a page reaches: all, or nothing."""

    def __init__(self, page: CallPage) -> None:
        self._session: CDPSession = page.page.context.new_cdp_session(page.page)
        self._session.send("Network.enable")
        self.set(True)

    def set(self, there: bool) -> None:
        """Be on the network or off it: HTTP and the packets of WebRTC."""
        # With no latency at all Chromium emulates nothing; a socket made before is left alone.
        conditions = {"latency": 1, "downloadThroughput": -1, "uploadThroughput": -1}
        lost = {"offline": not there, "packetLoss": 0 if there else 100}
        self._session.send("Network.emulateNetworkConditions", {**conditions, **lost})


def test_offline_for_ten_seconds(open_page: OpenPage, realm: Seeds) -> None:
    query = f"?key={realm.key}"
    waiting, coming = open_page(query=query), open_page(query=query)
    network = Network(waiting)
    coming.join(waiting.start_call())
    for page in (waiting, coming):
        page.wait_for_view("call")
        assert len(page.frame_numbers()) == 3
        page.page.evaluate("window.stream = document.getElementById('remote').srcObject")
    network.set(False)
    waiting.page.wait_for_timeout(AWAY_MILLISECONDS)
    for page in (waiting, coming):
        expect(page.page.locator("#status")).to_contain_text(LOST)
    waiting.say("are you there?")
    coming.say("I can't hear you")
    network.set(True)
    for page in (waiting, coming):
        status = page.page.locator("#status")
        expect(status).to_have_text("The connection is back.", timeout=BACK_MILLISECONDS)
    coming.expect_message("are you there?")
    waiting.expect_message("I can't hear you")
    for page in (waiting, coming):
        # The picture runs on, in the same element, and in the same stream.
        numbers = page.frame_numbers(5)
        assert len(set(numbers)) > 1, numbers
        assert page.page.evaluate("document.getElementById('remote').srcObject === stream")
        expect(page.page.locator("#no-picture")).to_be_hidden()
    others = [line for line in waiting.complaints if not any(name in line for name in EXPECTED)]
    waiting.complaints.clear()
    assert others == []
    waiting.button("Hang up").click()
    coming.wait_for_view("ended")
    expect(coming.page.locator("#ended-text")).to_have_text("The other side hung up.")


def test_no_network_at_the_start(open_page: OpenPage, realm: Seeds) -> None:
    page = open_page(query=f"?key={realm.key}")
    network = Network(page)
    network.set(False)
    page.button("Start a new call").click()
    expect(page.problem()).to_contain_text("Check the network", timeout=BACK_MILLISECONDS)
    page.wait_for_view("start")
    network.set(True)
    page.button("Try again").click()
    page.wait_for_view("waiting")
    others = [line for line in page.complaints if not any(name in line for name in EXPECTED)]
    page.complaints.clear()
    assert others == []
