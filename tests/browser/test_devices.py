"""Camera, microphone and screen in the middle of a call."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from firertc.suite import Seeds

from .conftest import OpenPage
from .screen import CallPage

GAP_MILLISECONDS = 1500
"""The longest time between two pictures while the screen takes the camera's place."""

WIDE = "() => document.getElementById('remote').videoWidth > 640"

WATCH_GAPS = """() => {
  const video = document.getElementById("remote");
  window.gaps = { longest: 0, frames: 0, track: video.srcObject.getVideoTracks()[0].id };
  let last = null;
  const take = (now) => {
    if (last !== null) window.gaps.longest = Math.max(window.gaps.longest, now - last);
    window.gaps.frames++;
    last = now;
    video.requestVideoFrameCallback(take);
  };
  video.requestVideoFrameCallback(take);
}"""


@pytest.fixture
def pair(open_page: OpenPage, realm: Seeds) -> tuple[CallPage, CallPage]:
    """Two pages in a call, the first with a camera."""
    query = f"?key={realm.key}"
    waiting, coming = open_page(query=query), open_page(query=query)
    coming.join(waiting.start_call())
    waiting.wait_for_view("call")
    coming.wait_for_view("call")
    return waiting, coming


def wait_for_numbers(page: CallPage, there: bool) -> None:
    """Wait until the other side's numbered camera picture is shown, or another picture is."""
    page.page.wait_for_function(
        "(there) => (reading.frameNumber() !== null) === there", arg=there, polling=100
    )


def test_screen_takes_the_cameras_place(pair: tuple[CallPage, CallPage]) -> None:
    sharing, watching = pair
    wait_for_numbers(watching, True)
    watching.page.evaluate(WATCH_GAPS)
    sharing.button("Share screen").click()
    wait_for_numbers(watching, False)
    expect(sharing.button("Stop sharing")).to_have_attribute("aria-pressed", "true")
    # The screen is wider than the camera, and fills the picture.
    watching.page.wait_for_function(WIDE)
    sharing.button("Stop sharing").click()
    wait_for_numbers(watching, True)
    seen = watching.page.evaluate("gaps")
    assert seen["longest"] < GAP_MILLISECONDS, seen
    track = "document.getElementById('remote').srcObject.getVideoTracks().map((t) => t.id)"
    assert watching.page.evaluate(track) == [seen["track"]]


def test_screen_without_a_camera(open_page: OpenPage, realm: Seeds) -> None:
    query = f"?key={realm.key}"
    waiting, coming = open_page(query=query), open_page(query=query)
    coming.page.get_by_label("Camera").uncheck()
    coming.join(waiting.start_call())
    waiting.wait_for_view("call")
    coming.wait_for_view("call")
    coming.button("Share screen").click()
    waiting.page.wait_for_function(WIDE)
    expect(waiting.page.locator("#no-picture")).to_be_hidden()
    # The browser's own button ends it, too.
    end = "document.getElementById('local').srcObject.getTracks()[0].dispatchEvent"
    coming.page.evaluate(f"{end}(new Event('ended'))")
    expect(coming.button("Share screen")).to_have_attribute("aria-pressed", "false")
    expect(coming.page.locator("#local")).to_be_hidden()
    # Its last picture doesn't stay on the other side, nor does the track.
    expect(waiting.page.locator("#no-picture")).to_be_visible()
    tracks = "document.getElementById('remote').srcObject.getVideoTracks().length"
    assert waiting.page.evaluate(tracks) == 0
    coming.button("Share screen").click()
    expect(waiting.page.locator("#no-picture")).to_be_hidden()
    assert waiting.page.evaluate(tracks) == 1


def test_only_one_camera(pair: tuple[CallPage, CallPage]) -> None:
    page, _ = pair
    page.button("Switch camera").click()
    expect(page.page.locator("#status")).to_have_text("There is no other camera.")
    wait_for_numbers(pair[1], True)
