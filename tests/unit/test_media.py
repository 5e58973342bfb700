"""Sources: the test picture and tone, files, URLs, devices, and what is said when they fail."""

from __future__ import annotations

import asyncio
import math
import socket
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import av
import pytest
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame

from firertc.errors import ConfigError, MediaKindMissing, MediaNotFound, MediaUnreadable
from firertc.media import open_source, read_frame_number
from firertc.opening import Device, device_parts, devices_for
from firertc.sample import Picture, make_clip


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    make_clip(folder / "both.mp4", 1.0, width=320, height=180)
    make_clip(folder / "both.webm", 1.0, width=320, height=180)
    make_clip(folder / "sound.wav", 1.0)
    silent = folder / "picture.webm"
    with av.open(str(folder / "both.webm")) as source, av.open(str(silent), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    (folder / "text.mp4").write_text("this is no film\n" * 100)
    (folder / "empty.mp4").touch()
    return folder


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    """Every test leaves the threads and tasks behind that it found."""
    threads, tasks = set(threading.enumerate()), asyncio.all_tasks()
    yield
    until = time.monotonic() + 3
    while time.monotonic() < until and set(threading.enumerate()) - threads:
        await asyncio.sleep(0.01)
    assert set(threading.enumerate()) <= threads
    this = asyncio.current_task()
    assert {task for task in asyncio.all_tasks() if task is not this} <= tasks


async def read_all(track: MediaStreamTrack | None) -> list[AudioFrame | VideoFrame]:
    assert track is not None
    frames: list[AudioFrame | VideoFrame] = []
    try:
        while True:
            frame = await asyncio.wait_for(track.recv(), 10)
            assert isinstance(frame, AudioFrame | VideoFrame)
            frames.append(frame)
    except MediaStreamError:
        return frames


def numbers(frames: list[AudioFrame | VideoFrame]) -> list[int | None]:
    return [read_frame_number(frame) for frame in frames if isinstance(frame, VideoFrame)]


def level_at(frames: list[AudioFrame | VideoFrame], hertz: float) -> float:
    """The share of the sound's energy that is at this frequency (Goertzel's sum)."""
    values = array("h")
    channels = 1
    for frame in frames:
        assert isinstance(frame, AudioFrame)
        channels = len(frame.layout.channels)
        values.frombytes(bytes(frame.planes[0])[: frame.samples * channels * 2])
    first = values[::channels]
    real = sum(v * math.cos(2 * math.pi * hertz * n / 48_000) for n, v in enumerate(first))
    imaginary = sum(v * math.sin(2 * math.pi * hertz * n / 48_000) for n, v in enumerate(first))
    return 2 * (real**2 + imaginary**2) / len(first) / max(1, sum(v * v for v in first))


# the test source


@pytest.mark.parametrize("number", [0, 1, 29, 65_535, 2**24 - 1])
@pytest.mark.parametrize("size", [(640, 360), (320, 240), (160, 90), (1280, 720)])
def test_frame_number_is_read_back_at_any_size(number: int, size: tuple[int, int]) -> None:
    frame = Picture().frame(number).reformat(*size)
    assert read_frame_number(frame) == number
    assert read_frame_number(frame.reformat(format="rgb24")) == number


def test_no_frame_number_in_other_pictures() -> None:
    for value in (0, 16, 128, 235, 255):
        frame = VideoFrame(640, 360, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes([value]) * plane.buffer_size)
        assert read_frame_number(frame) is None
    damaged = Picture().frame(1234)
    plane = damaged.planes[0]
    luma = bytearray(bytes(plane))
    for y in range(45):  # one block of the code turned over
        luma[y * plane.line_size : y * plane.line_size + 40] = bytes([235]) * 40
    plane.update(bytes(luma))
    assert read_frame_number(damaged) is None


@pytest.mark.parametrize("size", [(100, 50), (641, 360), (640, 361)])
def test_impossible_picture(size: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="take even numbers"):
        Picture(*size)


async def test_test_source_keeps_time_and_sync() -> None:
    async with await open_source("test") as source:
        assert source.audio is not None and source.video is not None
        began = time.monotonic()
        for n in range(15):
            video = await source.video.recv()
            assert isinstance(video, VideoFrame) and read_frame_number(video) == n
        assert 0.4 < time.monotonic() - began < 3
        sound = [await source.audio.recv() for _ in range(20)]
        assert level_at([f for f in sound if isinstance(f, AudioFrame)], 440) > 0.9
    assert source.ended.is_set() and source.error is None
    with pytest.raises(MediaStreamError):
        await source.video.recv()


async def test_test_source_skips_what_it_is_too_late_for() -> None:
    async with await open_source("test", audio=False) as source:
        assert source.audio is None and source.video is not None
        await source.video.recv()
        await asyncio.sleep(0.8)
        frame = await source.video.recv()
        assert isinstance(frame, VideoFrame)
        assert 20 < (read_frame_number(frame) or 0) < 90


# files


@pytest.mark.parametrize("name", ["both.mp4", "both.webm"])
async def test_file_is_played_whole_as_fast_as_it_is_read(clips: Path, name: str) -> None:
    async with await open_source(str(clips / name), realtime=False) as source:
        video, audio = await asyncio.gather(read_all(source.video), read_all(source.audio))
        assert numbers(video) == list(range(30))
        seconds = sum(f.samples for f in audio if isinstance(f, AudioFrame)) / 48_000
        assert 0.97 < seconds < 1.08
        assert level_at(audio, 440) > 0.9 > 0.1 > level_at(audio, 523)
        await asyncio.wait_for(source.ended.wait(), 1)
        assert source.error is None


async def test_file_is_played_at_its_own_pace_and_in_sync(clips: Path) -> None:
    async with await open_source(str(clips / "both.mp4")) as source:
        began = time.monotonic()
        video, audio = await asyncio.gather(read_all(source.video), read_all(source.audio))
        assert 0.8 < time.monotonic() - began < 5
        played = [number for number in numbers(video) if number is not None]
        # only a machine that stands still for half a second makes it leave out frames
        assert played == sorted(set(played)) and (played[0], played[-1]) == (0, 29)
        assert 40 <= len(audio) <= 54
        assert video[0].time is not None and audio[0].time is not None
        assert abs(video[0].time - audio[0].time) < 0.05


async def test_track_that_nobody_reads_holds_up_nothing(clips: Path) -> None:
    async with await open_source(str(clips / "both.webm")) as source:
        assert numbers(await read_all(source.video)) == list(range(30))
        await asyncio.wait_for(source.ended.wait(), 2)


async def test_loop_goes_on_with_growing_timestamps_at_its_pace(clips: Path) -> None:
    async with await open_source(str(clips / "picture.webm"), loop=True) as source:
        assert source.video is not None
        began = time.monotonic()
        frames = [await source.video.recv() for _ in range(45)]
        assert 1.2 < time.monotonic() - began < 5
        pictures = [f for f in frames if isinstance(f, VideoFrame)]
        shown_at = [round(f.time * 30) for f in pictures]
        assert shown_at == sorted(set(shown_at)) and shown_at[-1] >= 44
        assert numbers(list(pictures)) == [at % 30 for at in shown_at]
        assert not source.ended.is_set()


async def test_closed_in_the_middle(clips: Path) -> None:
    source = await open_source(str(clips / "both.mp4"), loop=True)
    assert source.video is not None and source.audio is not None
    await source.video.recv()
    waiting = asyncio.create_task(read_all(source.audio))
    await asyncio.sleep(0.1)
    began = time.monotonic()
    await source.close()
    await source.close()
    assert time.monotonic() - began < 1
    assert await asyncio.wait_for(waiting, 1)
    assert source.ended.is_set()


async def test_closed_without_being_played(clips: Path) -> None:
    await (await open_source(str(clips / "both.mp4"))).close()


async def test_kinds_as_wanted(clips: Path) -> None:
    async with await open_source(str(clips / "both.mp4"), video=False) as source:
        assert source.video is None and source.audio is not None
    async with await open_source(str(clips / "sound.wav")) as source:
        assert source.video is None and source.audio is not None
    with pytest.raises(MediaKindMissing, match=r"sound\.wav has sound but no picture.*--no-video"):
        await open_source(str(clips / "sound.wav"), video=True)
    with pytest.raises(MediaKindMissing, match=r"has picture but no sound.*--no-audio"):
        await open_source(str(clips / "picture.webm"), audio=True)
    with pytest.raises(MediaKindMissing, match=r"has sound only.*remove --no-audio"):
        await open_source(str(clips / "sound.wav"), audio=False)
    with pytest.raises(ConfigError, match="neither"):
        await open_source("test", audio=False, video=False)
    with pytest.raises(ConfigError, match="no media source"):
        await open_source("")


async def test_copies_for_several_peers() -> None:
    async with await open_source("test") as source:
        (_, first), (_, second) = source.share(), source.share()
        assert first is not None and second is not None
        one, two = await asyncio.gather(
            asyncio.gather(*(first.recv() for _ in range(1))),
            asyncio.gather(*(second.recv() for _ in range(1))),
        )
        assert one == two
        second.stop()
        with pytest.raises(MediaStreamError):
            await second.recv()
        frame = await first.recv()
        assert isinstance(frame, VideoFrame) and read_frame_number(frame) == 1
        waiting = asyncio.create_task(read_all(first))
    await asyncio.wait_for(waiting, 1)
    late, _ = source.share()
    assert late is not None
    with pytest.raises(MediaStreamError):
        await late.recv()


async def test_copy_ends_with_its_file(clips: Path) -> None:
    async with await open_source(str(clips / "picture.webm")) as source:
        _, read = source.share()
        _, unread = source.share()
        assert numbers(await read_all(read)) == list(range(30))
        assert await read_all(unread)
        assert source.ended.is_set()


# what can go wrong


async def test_file_errors(clips: Path) -> None:
    with pytest.raises(MediaNotFound, match="there is no such file"):
        await open_source(str(clips / "absent.mp4"))
    with pytest.raises(MediaUnreadable, match="not a file that can be played"):
        await open_source(str(clips))
    for name in ("text.mp4", "empty.mp4"):
        with pytest.raises(MediaUnreadable, match=f"{name} is no sound or video"):
            await open_source(str(clips / name))
    with pytest.raises(MediaUnreadable, match="camera:/dev/null"):
        await open_source("/dev/null")


async def test_damaged_file_ends_and_says_so(clips: Path, tmp_path: Path) -> None:
    whole = (clips / "both.webm").read_bytes()
    cut = tmp_path / "cut.webm"
    cut.write_bytes(whole[: len(whole) // 2])
    async with await open_source(str(cut), realtime=False) as source:
        video, _ = await asyncio.gather(read_all(source.video), read_all(source.audio))
        assert 0 < len(video) < 30
        await asyncio.wait_for(source.ended.wait(), 1)


@pytest.fixture
def mute_server() -> Iterator[int]:
    """Takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def test_url_errors_end_and_keep_passwords(
    mute_server: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    with pytest.raises(MediaNotFound, match=f"http://127.0.0.1:{closed}/a.mp4 can't be") as caught:
        await open_source(f"http://me:hush@127.0.0.1:{closed}/a.mp4?token=hush")
    assert "hush" not in str(caught.value) and caught.value.__cause__ is None
    with pytest.raises(MediaUnreadable, match="knows no nonsense URLs"):
        await open_source("nonsense://somewhere")

    monkeypatch.setattr("firertc.opening.OPEN_SECONDS", 0.5)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    with pytest.raises(MediaUnreadable, match="did not open within"):
        await open_source(f"http://127.0.0.1:{mute_server}/a.mp4")
    assert ticks > 20  # the event loop was free meanwhile
    ticking.cancel()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names Linux devices")
async def test_missing_devices_say_what_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MediaNotFound, match=r"/dev/video77 .*--play test"):
        await open_source("camera:77")
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(MediaNotFound, match=r"DISPLAY is not set.*--play test"):
        await open_source("screen")
    with pytest.raises(MediaNotFound, match=r"x11grab :77"):
        await open_source("screen::77+microphone")


def test_device_words() -> None:
    assert device_parts("camera") == ["camera"]
    assert device_parts("camera:0+microphone") == ["camera:0", "microphone"]
    assert device_parts("screen::1+microphone:hw:1") == ["screen::1", "microphone:hw:1"]
    for path in ("cameras.mp4", "./camera", "a+camera", "http://camera/", "screenshot.mkv"):
        assert device_parts(path) == []


def test_devices_by_platform() -> None:
    def first(word: str, which: str, platform: str) -> Device | None:
        found = devices_for(word, which, platform, ["/dev/video3"], ":5")
        return found[0] if found else None

    assert first("camera", "", "linux") == Device("v4l2", "/dev/video3")
    assert first("camera", "1", "linux") == Device("v4l2", "/dev/video1")
    assert first("screen", "", "linux") == Device("x11grab", ":5", {"framerate": "15"})
    assert first("camera", "", "darwin") == Device("avfoundation", "0:none", {"framerate": "30"})
    assert first("microphone", "2", "darwin") == Device("avfoundation", "none:2")
    assert first("camera", "Desk", "win32") == Device("dshow", "video=Desk")
    assert first("microphone", "", "win32") is None
    assert first("screen", "", "win32") == Device("gdigrab", "desktop", {"framerate": "15"})


def test_package_and_errors_import_without_media_libraries() -> None:
    code = (
        "import sys, firertc, firertc.errors; "
        "sys.exit(bool({'av', 'aiortc', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=30).returncode == 0


def test_media_runs_without_numpy() -> None:
    code = "import sys; sys.modules['numpy'] = None; import firertc.media, firertc.recording"
    assert subprocess.run([sys.executable, "-c", code], timeout=30).returncode == 0
