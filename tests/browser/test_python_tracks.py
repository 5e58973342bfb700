"""Tracks added in the middle of a call between the call page and Python, both ways."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from aiortc import MediaStreamTrack
from av import VideoFrame
from numpy.typing import NDArray
from playwright.sync_api import expect

from firertc.call import Call
from firertc.client import Client
from firertc.config import Config
from firertc.media import open_source
from firertc.sample import read_frame_number
from firertc.suite import Seeds

from .aside import Aside
from .clips import WIDTH
from .conftest import OpenPage
from .screen import CallPage
from .test_call import BARS, COLOUR_TOLERANCE
from .test_devices import WIDE

TRACK_SECONDS = 20.0
PATCHES = 4
PATCH_TOLERANCE = 24
# The mean colours of the page's own picture, patch by patch, as (red, green, blue).
OWN_PATCHES = """async (patches) => {
  const video = document.getElementById("local");
  const canvas = new OffscreenCanvas(patches, patches);
  const drawing = canvas.getContext("2d");
  drawing.imageSmoothingQuality = "high";
  const bitmap = await createImageBitmap(
    video, { resizeWidth: patches, resizeHeight: patches, resizeQuality: "high" });
  drawing.drawImage(bitmap, 0, 0);
  const { data } = drawing.getImageData(0, 0, patches, patches);
  return [...data].filter((_, at) => at % 4 < 3);
}"""


class Peer:
    """A Python peer in a call that sends nothing so far, and what it is sent."""

    def __init__(self, client: Client, call: Call) -> None:
        self.client = client
        self.call = call
        self.tracks: asyncio.Queue[MediaStreamTrack] = asyncio.Queue()
        self.removed: asyncio.Queue[MediaStreamTrack] = asyncio.Queue()
        call.link.on("track", self.tracks.put_nowait)
        call.link.on("track_removed", self.removed.put_nowait)
        for track in call.link.tracks:
            self.tracks.put_nowait(track)

    @classmethod
    async def wait(cls, config: Config) -> Peer:
        """Wait at a code."""
        client = Client(config)
        return cls(client, await client.wait_at_code())

    @classmethod
    async def come(cls, config: Config, code: str) -> Peer:
        """Come with a code."""
        client = Client(config)
        return cls(client, await client.come_with_code(code))

    async def send_picture(self) -> MediaStreamTrack:
        """Send the test picture from now on."""
        track = (await open_source("test", audio=False)).video
        if track is None:
            raise AssertionError("the test source has no picture")
        await self.call.link.add_track(track)
        return track

    async def numbers(self, track: MediaStreamTrack, count: int) -> set[int]:
        """So many different numbers of the numbered pictures that a track brings."""
        found: set[int] = set()
        while len(found) < count:
            [frame] = await self.frames(track, 1, 1)
            number = read_frame_number(frame)
            found |= set() if number is None else {number}
        return found

    async def frames(self, track: MediaStreamTrack, width: int, count: int) -> list[VideoFrame]:
        """Frames of a track, once they are at least so wide."""
        found: list[VideoFrame] = []
        while len(found) < count:
            frame = await track.recv()
            assert isinstance(frame, VideoFrame)
            if frame.width >= width:
                found.append(frame)
        return found


@pytest.mark.parametrize("offers", ["page", "python"])
def test_added_in_mid_call(
    open_page: OpenPage, realm: Seeds, python: Config, aside: Aside, offers: str
) -> None:
    page = open_page(query=f"?key={realm.key}")
    for device in ("Camera", "Microphone"):
        page.page.get_by_label(device).uncheck()
    if offers == "page":
        peer = aside.run(Peer.come(python, page.start_call()))
    else:
        peer = aside.run(Peer.wait(python))
        page.join(peer.call.code)
        aside.run(peer.call.answered(30))
    try:
        check_both_ways(page, peer, aside)
    finally:
        aside.run(peer.client.close())
    page.wait_for_view("ended")


def check_both_ways(page: CallPage, peer: Peer, aside: Aside) -> None:
    """What either side adds arrives at the other."""
    page.wait_for_view("call")

    # Python adds a track, and the page shows it.
    expect(page.page.locator("#no-picture")).to_be_visible()
    sent = aside.run(peer.send_picture())
    check_picture(page)

    # The page adds its screen, and Python gets it.
    page.button("Share screen").click()
    screen = aside.run(peer.tracks.get(), TRACK_SECONDS)
    assert screen.kind == "video"
    page.page.wait_for_function(WIDE.replace("remote", "local"))
    check_screen(page, aside.run(peer.frames(screen, WIDTH + 1, 5))[-1])
    page.button("Stop sharing").click()

    # The page takes it away again: for Python the track ends.
    assert aside.run(peer.removed.get(), TRACK_SECONDS) is screen
    assert screen.readyState == "ended" and peer.call.link.tracks == []

    # The page adds its camera: the section is used again, for another track.
    page.button("Camera off").click()
    camera = aside.run(peer.tracks.get(), TRACK_SECONDS)
    assert len(aside.run(peer.numbers(camera, 5))) == 5

    # Python takes its track away again.
    aside.run(peer.call.link.remove_track(sent))
    expect(page.page.locator("#no-picture")).to_be_visible()
    sent.stop()


def check_picture(page: CallPage) -> None:
    """The test picture runs in the page, in its colours."""
    numbers = page.frame_numbers()
    assert len(numbers) == 3 and numbers[0] < numbers[-1], numbers
    expect(page.page.locator("#no-picture")).to_be_hidden()
    for seen, there in zip(page.bars(), BARS, strict=True):
        assert all(abs(a - b) < COLOUR_TOLERANCE for a, b in zip(seen, there, strict=True)), seen


def check_screen(page: CallPage, frame: VideoFrame) -> None:
    """A frame is what the page shows of its own screen."""
    there: Any = page.page.evaluate(OWN_PATCHES, PATCHES)
    shown = np.asarray(there, dtype=np.float64).reshape(PATCHES, PATCHES, 3)
    seen = patches(frame.to_ndarray(format="rgb24").astype(np.uint8))
    # Something moves about in it, and the two were not seen at the same instant.
    alike = np.abs(shown - seen).max(axis=2) < PATCH_TOLERANCE
    assert alike.mean() > 0.7, (shown, seen)
    # Not one colour all over: that would be easy.
    assert np.ptp(seen) > PATCH_TOLERANCE


def patches(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The mean colours of a picture, patch by patch."""
    height, width = (size // PATCHES * PATCHES for size in picture.shape[:2])
    cut = picture[:height, :width].astype(np.float64)
    split = cut.reshape(PATCHES, height // PATCHES, PATCHES, width // PATCHES, 3)
    means: NDArray[np.float64] = split.mean(axis=(1, 3))
    return means
