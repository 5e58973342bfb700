"""Recording: over a real pair of peer connections, and whatever a peer may do to it."""

from __future__ import annotations

import asyncio
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from array import array
from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path

import av
import pytest
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from av import AudioFrame, VideoFrame

from firertc.encoding import FileWriter, Timeline, canvas_size, check_writable
from firertc.errors import MediaNotFound, MediaUnreadable, RecordingFailed
from firertc.media import open_source, read_frame_number
from firertc.playback import QueuedTrack
from firertc.recording import Recorder, drain, probe
from firertc.sample import Picture, Tone, make_clip


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    """Every test leaves the threads and tasks behind that it found.

    The threads of the event loop's own pool (``asyncio_0``), in which aiortc encodes, end with
    the loop.
    """
    tasks = asyncio.all_tasks()
    threads = set(threading.enumerate())

    def left() -> list[str]:
        new = set(threading.enumerate()) - threads
        return [thread.name for thread in new if not thread.name.startswith("asyncio_")]

    yield
    until = time.monotonic() + 3
    while time.monotonic() < until and left():
        await asyncio.sleep(0.01)
    assert not left()
    this = asyncio.current_task()
    assert {task for task in asyncio.all_tasks() if task is not this} <= tasks


def recorded_numbers(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        frames = (read_frame_number(frame) for frame in container.decode(video=0))
        return [number for number in frames if number is not None]


def loudest_hertz(path: Path) -> int:
    """The pitch, of those around 440 Hz, that has the most energy (Fourier sums)."""
    values = array("h")
    resampler = av.AudioResampler("s16", "mono", 48_000, frame_size=960)
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            for part in resampler.resample(frame):
                values.frombytes(bytes(part.planes[0])[: part.samples * 2])
    loud = [n for n, value in enumerate(values) if abs(value) > 2_000]
    quarter = (loud[-1] - loud[0]) // 4
    middle = values[loud[0] + quarter : loud[-1] - quarter]
    scores = {
        hertz: math.hypot(
            sum(v * math.cos(2 * math.pi * hertz * n / 48_000) for n, v in enumerate(middle)),
            sum(v * math.sin(2 * math.pi * hertz * n / 48_000) for n, v in enumerate(middle)),
        )
        for hertz in (220, 392, 415, 440, 466, 494, 880)
    }
    return max(scores, key=lambda hertz: scores[hertz])


class Pair:
    """Two peer connections, the first of which sends; no server, no STUN."""

    def __init__(self) -> None:
        self.sender = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.receiver = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.tracks: list[MediaStreamTrack] = []
        self.receiver.on("track", self.tracks.append)

    async def connect(self, *tracks: MediaStreamTrack | None) -> None:
        for track in tracks:
            if track is not None:
                self.sender.addTrack(track)
        await self.sender.setLocalDescription(await self.sender.createOffer())
        await self.receiver.setRemoteDescription(self.sender.localDescription)
        await self.receiver.setLocalDescription(await self.receiver.createAnswer())
        answer: RTCSessionDescription = self.receiver.localDescription
        await self.sender.setRemoteDescription(answer)

    async def close(self) -> None:
        await asyncio.gather(self.sender.close(), self.receiver.close())


@pytest.mark.parametrize("extension", ["mp4", "webm"])
async def test_call_is_recorded(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"call.{extension}"
    recorder, pair = Recorder(path), Pair()
    async with await open_source("test") as source:
        await pair.connect(source.audio, source.video)
        assert sorted(track.kind for track in pair.tracks) == ["audio", "video"]
        for track in pair.tracks:
            recorder.add_track(track)
        await recorder.start()
        assert recorder.recording and not path.exists()
        await asyncio.sleep(2.5)
        recorded = await recorder.stop()
        await pair.close()
    assert not recorder.recording
    assert await recorder.stop() is recorded

    numbers = recorded_numbers(path)
    assert len(numbers) > 30 and numbers == sorted(set(numbers))
    assert loudest_hertz(path) == 440
    seen = probe(path)
    assert seen.video_frames == recorded.video_frames
    assert (seen.width, seen.height) == (recorded.width, recorded.height) == (640, 360)
    assert (
        1.5 < recorded.audio_seconds < 4 and abs(seen.audio_seconds - recorded.audio_seconds) < 0.1
    )
    assert abs(seen.duration_seconds - recorded.duration_seconds) < 0.2
    assert not seen.silent and not recorded.silent and not recorded.empty
    assert recorded.dropped_frames == 0


@pytest.mark.parametrize("extension", ["wav", "ogg", "mp3"])
async def test_sound_alone(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"call.{extension}"
    async with await open_source("test") as source:
        recorder = Recorder(path)
        for track in (source.audio, source.video):
            assert track is not None
            recorder.add_track(track)
        await recorder.start()
        await asyncio.sleep(0.6)
        recorded = await recorder.stop()
    assert recorded.video_frames == 0 and 0.2 < recorded.audio_seconds < 3
    assert loudest_hertz(path) == 440
    assert not probe(path).silent


async def test_peer_that_never_sends_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "call.mp4"
    recorder, pair = Recorder(path), Pair()
    await pair.connect(QueuedTrack("audio", 1), QueuedTrack("video", 1))
    for track in pair.tracks:
        recorder.add_track(track)
    await recorder.start()
    await asyncio.sleep(0.3)
    recorded = await recorder.stop()
    for sender in pair.sender.getSenders():
        sender.track.stop()
    await pair.close()
    assert recorded.empty and recorded.silent and not path.exists()


async def test_never_started_and_without_tracks(tmp_path: Path) -> None:
    path = tmp_path / "call.mp4"
    path.write_bytes(b"an earlier recording")
    assert (await Recorder(path).stop()).empty
    recorder = Recorder(path)
    await recorder.start()
    assert (await recorder.stop()).empty
    await recorder.start()  # after the end: no harm
    assert path.read_bytes() == b"an earlier recording"


async def fed(recorder: Recorder, *tracks: QueuedTrack) -> None:
    for track in tracks:
        recorder.add_track(track)
    await recorder.start()


async def handed_over() -> None:
    """Let the recorder's readers take what was put in."""
    for _ in range(20):
        await asyncio.sleep(0.005)


async def test_picture_that_changes_its_size(tmp_path: Path) -> None:
    path = tmp_path / "call.mp4"
    recorder, track = Recorder(path), QueuedTrack("video", 100)
    await fed(recorder, track)
    sizes = [(320, 180)] * 5 + [(640, 360)] * 5 + [(1280, 720)] * 5 + [(360, 640)] * 5
    for number, size in enumerate([*sizes, (161, 121), (640, 360)]):
        picture = Picture(640, 360).frame(number)
        frame = picture.reformat(*size)
        frame.pts, frame.time_base = picture.pts, picture.time_base
        track.put(frame)
    await handed_over()
    recorded = await recorder.stop()
    assert (recorded.video_frames, recorded.width, recorded.height) == (22, 640, 360)
    assert probe(path).video_frames == 22
    # the frames of the first picture's shape fill the canvas and can be read, the upright
    # and the nearly square one are fitted between black bars
    assert recorded_numbers(path) == [*range(15), 21]


async def test_frames_given_stay_as_they_were(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "call.webm")
    video, audio = QueuedTrack("video", 100), QueuedTrack("audio", 100)
    await fed(recorder, video, audio)
    picture, tone = Picture().frame(7), Tone().frame(9)
    video.put(picture)
    audio.put(tone)
    await handed_over()
    await recorder.stop()
    assert (picture.pts, picture.time_base) == (7 * 3000, Fraction(1, 90_000))
    assert (tone.pts, tone.time_base) == (9 * 960, Fraction(1, 48_000))


async def test_pause_in_the_sound_is_filled(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    recorder, track, tone = Recorder(path), QueuedTrack("audio", 1000), Tone()
    await fed(recorder, track)
    for number in [*range(25), *range(100, 125)]:
        track.put(tone.frame(number))
    await handed_over()
    recorded = await recorder.stop()
    assert recorded.audio_seconds == pytest.approx(2.5, abs=0.05)
    assert probe(path).duration_seconds == pytest.approx(2.5, abs=0.05)


async def test_track_that_ends_and_another_that_takes_over(tmp_path: Path) -> None:
    path = tmp_path / "call.mkv"
    recorder, first, second = Recorder(path), QueuedTrack("video", 99), QueuedTrack("video", 99)
    await fed(recorder, first)
    picture = Picture()
    for number in range(5):
        first.put(picture.frame(number))
    first.finish()
    await asyncio.sleep(0.5)
    assert first.readyState == "ended"
    recorder.add_track(second)
    for number in range(5):  # a new connection: timestamps start anew
        second.put(picture.frame(number))
    await handed_over()
    recorded = await recorder.stop()
    assert recorded_numbers(path) == [*range(5), *range(5)]
    assert 0.5 < recorded.duration_seconds < 3


async def test_promised_picture_that_never_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firertc.recording.HOLD_SECONDS", 0.2)
    path = tmp_path / "call.mp4"
    recorder, tone = Recorder(path), Tone()
    audio, video = QueuedTrack("audio", 100), QueuedTrack("video", 100)
    await fed(recorder, audio, video)
    for number in range(20):
        audio.put(tone.frame(number))
        await asyncio.sleep(0.02)
    late = Picture().frame(0)
    video.put(late)
    await handed_over()
    recorded = await recorder.stop()
    assert recorded.video_frames == 1
    assert probe(path).video_frames == 2  # a black one at the start
    assert recorded_numbers(path) == [0]
    assert not probe(path).silent


async def test_stopped_before_the_picture_came(tmp_path: Path) -> None:
    path = tmp_path / "call.mp4"
    recorder = Recorder(path)
    audio, video = QueuedTrack("audio", 100), QueuedTrack("video", 100)
    await fed(recorder, audio, video)
    audio.put(Tone().frame(0))
    await handed_over()
    recorded = await recorder.stop()
    assert recorded.video_frames == 0 and recorded.audio_seconds > 0
    assert probe(path).video_frames == 0 and probe(path).audio_seconds > 0


async def test_only_the_picture_comes(tmp_path: Path) -> None:
    path = tmp_path / "call.mp4"
    recorder = Recorder(path)
    audio, video = QueuedTrack("audio", 100), QueuedTrack("video", 100)
    await fed(recorder, audio, video)
    for number in range(3):
        video.put(Picture().frame(number))
    await handed_over()
    assert (await recorder.stop()).silent
    seen = probe(path)
    assert seen.video_frames == 3 and seen.silent


async def test_full_disk_is_reported_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full")
    path = tmp_path / "call.wav"
    recorder, track, tone = Recorder(path), QueuedTrack("audio", 5000), Tone()
    os.symlink(full, path)  # the disk fills up after the check
    await fed(recorder, track)
    for number in range(1000):
        track.put(tone.frame(number))
    await handed_over()
    with pytest.raises(RecordingFailed, match="No space left"):
        await recorder.stop()
    with pytest.raises(RecordingFailed, match="No space left"):
        await recorder.stop()
    assert recorder.error is not None


@pytest.mark.parametrize("extension", ["mp4", "mkv", "webm"])
def test_killed_process_leaves_a_playable_file(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"call.{extension}"
    code = (
        "import os, sys; from firertc.encoding import *; from firertc.sample import *\n"
        "w = FileWriter(check_writable(sys.argv[1]), audio=True, size=(640, 360))\n"
        "p, t = Picture(), Tone()\n"
        "for n in range(300):\n"
        "    w.write_video(p.frame(n), n / 30)\n"
        "    w.write_audio(t.frame(n), n / 50)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], timeout=90).returncode == -9
    assert probe(path).video_frames >= 100


# before a call


def test_where_nothing_can_be_recorded(tmp_path: Path) -> None:
    with pytest.raises(RecordingFailed, match="there is no folder"):
        Recorder(tmp_path / "absent" / "call.mp4")
    with pytest.raises(RecordingFailed, match="is a directory"):
        Recorder(tmp_path)
    with pytest.raises(RecordingFailed, match=r"extension \.txt; use one of \.mp4, .*\.wav"):
        Recorder(tmp_path / "call.txt")
    with pytest.raises(RecordingFailed, match="without extension"):
        Recorder(tmp_path / "call")
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(RecordingFailed, match="not a regular file"):
        Recorder(tmp_path / "pipe.mp4")
    with pytest.raises(RecordingFailed, match="can't be written"):
        Recorder("/proc/call.mp4")
    assert [entry.name for entry in tmp_path.iterdir()] == ["pipe.mp4"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_folder_without_permission() -> None:
    program = (
        "import os, sys; os.geteuid() or os.seteuid(65534)\n"
        "from firertc.errors import RecordingFailed\n"
        "from firertc.encoding import check_writable\n"
        "try: check_writable(sys.argv[1])\n"
        "except RecordingFailed as error: print(error)\n"
    )
    # Root may write anywhere: a process of its own becomes nobody first, once all is imported.
    program = program.replace("import os, sys; ", "import firertc.encoding, os, sys; ")
    with tempfile.TemporaryDirectory() as open_to_all:
        folder = Path(open_to_all)
        folder.chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", program, str(folder / "call.mp4")],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    assert "Permission denied" in done.stdout


# parts


def test_timeline() -> None:
    line = Timeline()
    assert line.place(100.0, 2.0) == 2.0  # starts where it arrives
    assert line.place(100.5, 2.9) == 2.5  # then its own timestamps, not the network's
    assert line.place(130.5, 32.9) == 32.5  # a long pause that really passed
    assert line.place(5000.0, 33.0) == 33.0  # a jump that did not
    assert line.place(1.0, 34.0) == 34.0  # backwards: a sender that began anew
    assert line.place(1.25, 40.0) == 34.25
    assert line.place(None, 35.0) == 35.0


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((640, 360), (640, 360)),
        ((320, 180), (640, 360)),
        ((161, 91), (644, 364)),
        ((1281, 721), (1280, 720)),
        ((180, 320), (360, 640)),
        ((1, 1), (1024, 1024)),
    ],
)
def test_canvas_size(given: tuple[int, int], expected: tuple[int, int]) -> None:
    assert canvas_size(*given) == expected


def test_picture_that_is_not_later_is_left_out(tmp_path: Path) -> None:
    writer = FileWriter(check_writable(tmp_path / "a.mkv"), audio=False, size=(640, 360))
    for number, seconds in enumerate((0.0, 0.5, 0.5, 0.2, 0.6)):
        writer.write_video(Picture().frame(number), seconds)
    assert writer.close().video_frames == 3
    assert recorded_numbers(tmp_path / "a.mkv") == [0, 1, 4]


@pytest.mark.parametrize("extension", ["mp4", "mov", "mkv", "webm"])
def test_clip(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"clip.{extension}"
    made = make_clip(path, 1.0, width=320, height=180, hertz=494)
    assert recorded_numbers(path) == list(range(30))
    assert loudest_hertz(path) == 494
    seen = probe(path)
    assert seen.video_frames == made.video_frames == 30
    assert seen.audio_seconds == pytest.approx(1.0, abs=0.05)
    assert (seen.width, seen.height) == (320, 180)


def test_probe_errors(tmp_path: Path) -> None:
    with pytest.raises(MediaNotFound):
        probe(tmp_path / "absent.mp4")
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no film" * 99)
    with pytest.raises(MediaUnreadable, match="damaged, or no recording"):
        probe(bad)


async def test_drain_ends_with_its_track() -> None:
    track = QueuedTrack("audio", 10)
    draining = asyncio.create_task(drain(track))
    track.put(Tone().frame(0))
    await asyncio.sleep(0.01)
    track.finish()
    await asyncio.wait_for(draining, 1)
    assert track.readyState == "ended"


def test_silence_is_silent(tmp_path: Path) -> None:
    writer = FileWriter(check_writable(tmp_path / "a.wav"), audio=True, size=None)
    frame = AudioFrame("s16", "mono", 960)
    frame.planes[0].update(bytes(1920))
    frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
    writer.write_audio(frame, 0.0)
    writer.write_video(VideoFrame(16, 16, "yuv420p"), 0.0)  # no place for it: left out
    assert writer.close().silent and probe(tmp_path / "a.wav").silent
