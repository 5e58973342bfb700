"""Tracks of a link: added, removed, replaced, named, several of a kind, bounded, by either side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from fractions import Fraction
from typing import Any

import pytest
import pytest_asyncio
from aiortc import MediaStreamTrack
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, VideoStreamTrack
from av import AudioFrame, VideoFrame

from firertc.connection import Connection
from firertc.errors import ConfigError
from firertc.link import Link
from firertc.tracks import ReceivedTrack, SentTrack, Timeline

from .pairs import BOTH, WAIT_SECONDS, Pair, heard, linked, soon, until

STILL_SECONDS = 12.0
"""A second of pictures comes in less; one that a packet is lost of for good stands still longer."""


class Grey(VideoStreamTrack):
    """A picture of one shade."""

    def __init__(self, shade: int) -> None:
        super().__init__()
        self.shade = shade

    async def recv(self) -> VideoFrame:
        pts, base = await self.next_timestamp()
        frame = VideoFrame(64, 48, "yuv420p")
        for plane, value in zip(frame.planes, (self.shade, 128, 128), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.pts, frame.time_base = pts, base
        return frame


async def shade(track: MediaStreamTrack) -> int:
    """How bright the picture is now."""
    frame: Any = await track.recv()
    return int(frame.to_ndarray(format="yuv420p")[: frame.height].mean())


async def shows(track: MediaStreamTrack, wanted: int) -> None:
    """Wait until the picture has about that shade."""
    async with asyncio.timeout(WAIT_SECONDS):
        while abs(await shade(track) - wanted) > 12:
            pass


@pytest_asyncio.fixture
async def pair() -> AsyncIterator[Pair]:
    links = await linked(receiving=BOTH)
    yield links
    for each in links:
        await each.close()


@pytest.mark.parametrize("sender", ["offerer", "answerer"])
async def test_two_pictures_and_one_of_them_goes(pair: Pair, sender: str) -> None:
    mine, theirs = pair if sender == "offerer" else pair[::-1]
    tracks, removed = heard(theirs, "track"), heard(theirs, "track_removed")
    dark, light = Grey(40), Grey(200)
    await mine.add_track(dark)
    first = await soon(tracks)
    await mine.add_track(light)
    second = await soon(tracks)
    await asyncio.gather(shows(first, 40), shows(second, 200))
    with pytest.raises(ConfigError, match="sent on this link already"):
        await mine.add_track(light)
    await mine.remove_track(dark)
    assert dark.readyState == "live"
    assert await soon(removed) is first and first.readyState == "ended"
    assert theirs.tracks == [second]
    with pytest.raises(ConfigError, match="not sent on this link"):
        await mine.remove_track(dark)
    # Its section is used again.
    sections = len(pair[0].connection.pc.getTransceivers())
    await mine.add_track(Grey(120))
    third = await soon(tracks)
    await shows(third, 120)
    assert len(pair[0].connection.pc.getTransceivers()) == sections
    assert theirs.tracks == [second, third] and removed.empty()


async def test_a_lost_packet_of_one_of_two_pictures_is_sent_again(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = pair
    tracks = heard(theirs, "track")
    pictures = []
    for shade in (40, 200):
        await mine.add_track(Grey(shade))
        pictures.append(await soon(tracks))
    await asyncio.gather(shows(pictures[0], 40), shows(pictures[1], 200))
    router: Any = theirs.connection.pc.getTransceivers()[0].receiver.transport._rtp_router
    route, lost = router.route_rtp, []

    def lose(packet: Any) -> Any:
        receiver = route(packet)
        first = receiver is not None and receiver not in lost
        if first:
            lost.append(receiver)
        return None if first else receiver

    monkeypatch.setattr(router, "route_rtp", lose)
    began = asyncio.get_running_loop().time()
    for _ in range(30):
        await asyncio.gather(*(picture.recv() for picture in pictures))
    assert len(lost) == 2
    assert asyncio.get_running_loop().time() - began < STILL_SECONDS


async def test_tracks_of_both_sides_at_once(pair: Pair) -> None:
    queues = [heard(each, "track") for each in pair]
    await asyncio.gather(*(each.add_track(Grey(60 + 80 * n)) for n, each in enumerate(pair)))
    await shows(await soon(queues[1]), 60)
    await shows(await soon(queues[0]), 140)


async def test_a_track_in_anothers_place(pair: Pair) -> None:
    mine, theirs = pair
    dark, light = Grey(40), Grey(200)
    tracks = heard(theirs, "track")
    await mine.add_track(dark)
    track = await soon(tracks)
    await shows(track, 40)
    await mine.replace_track(dark, light)
    dark.stop()
    await shows(track, 200)
    with pytest.raises(ConfigError, match="not sent"):
        await mine.replace_track(dark, light)
    with pytest.raises(ConfigError, match="can't take the place"):
        await mine.replace_track(light, AudioStreamTrack())


async def test_several_of_a_kind_from_the_start() -> None:
    one, other = (
        Connection((), sending={"video": Grey(40)}, more=[Grey(200)], receiving=BOTH),
        Connection((), sending={"video": Grey(80)}, more=[Grey(160)], receiving=BOTH),
    )
    links = Link(one, "offerer"), Link(other, "answerer")
    try:
        offer = await one.offer()
        answer = await other.answer(offer.sdp)
        await one.accept(answer.sdp)
        for side, description, told in ((other, offer, one), (one, answer, other)):
            if not description.complete:
                await side.add_candidates(await told.late_candidates())
        await asyncio.gather(*(link.opened() for link in links))
        for link, shades in zip(links, ((80, 160), (40, 200)), strict=True):
            assert len(link.tracks) == 2
            await asyncio.gather(*(shows(*each) for each in zip(link.tracks, shades, strict=True)))
    finally:
        for link in links:
            await link.close()


async def test_a_bounded_bitrate(pair: Pair) -> None:
    mine, theirs = pair
    tracks = heard(theirs, "track")
    await mine.add_track(Grey(90))
    await shows(await soon(tracks), 90)
    sender: Any = next(s for s in mine.connection.pc.getSenders() if s.kind == "video")
    encoder = sender._RTCRtpSender__encoder
    assert encoder.target_bitrate > 300_000
    mine.limit_bitrate("video", 300_000)
    await until(lambda: encoder.target_bitrate == 300_000)
    # What the receiver allows does not raise it again.
    encoder.target_bitrate = 1_000_000
    await until(lambda: encoder.target_bitrate == 300_000)
    mine.limit_bitrate("video", None)
    encoder.target_bitrate = 900_000
    await asyncio.sleep(0.2)
    assert encoder.target_bitrate == 900_000
    with pytest.raises(ConfigError, match="Only video"):
        mine.limit_bitrate("audio", 20_000)
    with pytest.raises(ConfigError, match="positive"):
        mine.limit_bitrate("video", 0)


async def test_what_was_sent_ends_with_the_link(pair: Pair) -> None:
    sent, removed = Grey(40), Grey(80)
    tracks = heard(pair[1], "track")
    await pair[0].add_track(sent)
    track = await soon(tracks)
    await shows(track, 40)
    await pair[0].add_track(removed)
    await pair[0].remove_track(removed)
    await pair[0].hang_up()
    assert sent.readyState == "ended" and removed.readyState == "live"
    with pytest.raises(MediaStreamError):
        while True:
            await track.recv()


# ---- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize("sender", ["offerer", "answerer"])
async def test_names_say_which_is_which(pair: Pair, sender: str) -> None:
    mine, theirs = pair if sender == "offerer" else pair[::-1]
    tracks, removed = heard(theirs, "track"), heard(theirs, "track_removed")
    camera, screen = Grey(40), Grey(200)
    await mine.add_track(camera, "camera")
    first = await soon(tracks)
    await mine.add_track(screen, "screen")
    second = await soon(tracks)
    assert [theirs.name_of(track) for track in (first, second)] == ["camera", "screen"]
    await asyncio.gather(shows(first, 40), shows(second, 200))

    # What takes a track's place has its name; what uses its section again has its own.
    await mine.replace_track(screen, slides := Grey(90))
    await mine.add_track(Grey(120))
    assert theirs.name_of(await soon(tracks)) == ""
    assert theirs.name_of(second) == "screen"
    await mine.remove_track(slides)
    assert await soon(removed) is second
    await mine.add_track(Grey(160), "document")
    third = await soon(tracks)
    assert theirs.name_of(third) == "document"
    await shows(third, 160)
    with pytest.raises(ConfigError, match="at most 64"):
        await mine.add_track(Grey(1), "x" * 65)


@pytest.mark.parametrize("asking", ["offerer", "answerer"])
async def test_a_track_is_named_anew(pair: Pair, asking: str) -> None:
    mine, theirs = pair if asking == "offerer" else pair[::-1]
    queue = heard(theirs, "track")
    await mine.add_track(track := Grey(90), "camera")
    first = await soon(queue)
    # Called something else, it comes as another track.
    mine.connection.name(track, "microscope")
    removed = heard(theirs, "track_removed")
    await mine.renegotiate()
    assert await soon(removed) is first
    second = await soon(queue)
    assert theirs.name_of(second) == "microscope" and theirs.tracks == [second]
    await shows(second, 90)


# ---- time --------------------------------------------------------------------------------------


def frame_at(pts: int) -> AudioFrame:
    frame = AudioFrame(format="s16", layout="mono", samples=160)
    frame.pts, frame.sample_rate, frame.time_base = pts, 8000, Fraction(1, 8000)
    return frame


def test_time_goes_on_over_a_change() -> None:
    timeline = Timeline()
    assert timeline.shift(frame_at(8000)) is None
    assert timeline.shift(frame_at(8160)) is None
    timeline.change()
    moved = timeline.shift(frame_at(0))
    assert moved is not None and moved > 8160
    assert timeline.shift(frame_at(160)) == moved + 160


def test_time_does_not_go_back_with_a_source_that_begins_anew() -> None:
    timeline = Timeline()
    times = [timeline.shift(frame_at(pts)) for pts in (0, 160, 320, 0, 160)]
    assert times[:3] == [None] * 3
    again, later = times[3:]
    assert again is not None and later is not None
    assert 320 < again == later - 160


class Script(MediaStreamTrack):
    """A track that gives the frames it was made with, then ends."""

    kind = "audio"

    def __init__(self, *pts: int) -> None:
        super().__init__()
        self.frames = [frame_at(each) for each in pts]

    async def recv(self) -> AudioFrame:
        if not self.frames:
            raise MediaStreamError
        return self.frames.pop(0)


async def test_a_received_track_waits_for_the_next_source() -> None:
    track = ReceivedTrack("audio")
    reading = asyncio.create_task(track.recv())
    await asyncio.sleep(0)
    track.change(Script(0, 160))
    first, second = await reading, await track.recv()
    waiting = asyncio.create_task(track.recv())
    await asyncio.sleep(0.01)
    assert not waiting.done(), "its source has ended, the link has not"
    track.change(Script(0))
    third = await waiting
    times = [frame.pts for frame in (first, second, third)]
    assert times == sorted(set(times))  # type: ignore[type-var]
    ending = asyncio.create_task(track.recv())
    await asyncio.sleep(0.01)
    track.stop()
    with pytest.raises(MediaStreamError):
        await ending


class Held(MediaStreamTrack):
    """A track that gives one frame when it is told to."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.frame: asyncio.Future[AudioFrame] = asyncio.get_running_loop().create_future()

    async def recv(self) -> AudioFrame:
        return await self.frame


async def test_a_frame_that_is_there_when_its_source_changes() -> None:
    held = Held()
    track = SentTrack("audio", held, live=True)
    reading = asyncio.create_task(track.recv())
    await asyncio.sleep(0.01)
    held.frame.set_result(frame_at(16_000))
    await asyncio.sleep(0)  # the frame has arrived, who reads has not gone on
    track.change(Script(0, 160))
    times = [(await reading).pts, (await track.recv()).pts]
    assert times == [0, 160], "the old source's frame came late, and is no measure for the new"


async def test_who_waits_for_a_frame_can_be_cancelled() -> None:
    track = ReceivedTrack("audio")
    reading = asyncio.create_task(track.recv())
    await asyncio.sleep(0.01)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_a_sent_track_does_not_change_its_sources_frames() -> None:
    first, second = Script(0), Script(0)
    kept = second.frames[0]
    track = SentTrack("audio", first, live=False)
    reading = asyncio.create_task(track.recv())
    await asyncio.sleep(0.01)
    assert not reading.done() and not track.was_read
    track.go_live()
    await reading
    assert track.was_read
    track.change(second)
    moved = await track.recv()
    assert kept.pts == 0 and moved.pts is not None and moved.pts > 0
    assert (first.readyState, second.readyState) == ("live", "live")
