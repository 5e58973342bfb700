"""Recording received tracks into a file, and checking a finished recording.

aiortc's ``MediaRecorder`` is not used: it encodes on the event loop, takes every frame's
timestamp as it comes (two tracks that start apart end up shifted), fails when the picture
changes its size, and leaves an empty file when nothing was sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
import time
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Literal

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, AudioResampler, VideoFrame
from av.stream import Disposition, Stream

from .encoding import (
    USUAL_FRAME_SECONDS,
    FileWriter,
    Recorded,
    Timeline,
    canvas_size,
    check_writable,
    frame_energy,
    rms_level,
)
from .errors import MediaNotFound, MediaUnreadable, RecordingFailed

__all__ = ["Recorded", "Recorder", "drain", "probe"]

logger = logging.getLogger(__name__)

HOLD_SECONDS = 3.0
"""How long sound waits for the first picture before the file is opened without one."""
VIDEO_BACKLOG_FRAMES = 90
"""Frames that may wait for the encoder; later ones are left out and counted."""
AUDIO_BACKLOG_FRAMES = 1_500
STOP_SECONDS = 60.0
DEFAULT_CANVAS = (640, 360)
"""Width and height of the black picture of a peer that promised video and sent none."""
PROBE_RATE_HERTZ = 16_000

Kind = Literal["audio", "video"]


@dataclass(frozen=True)
class _Item:
    kind: Kind
    frame: AudioFrame | VideoFrame
    timeline: Timeline
    arrival: float
    """By the monotonic clock, in seconds."""


async def drain(track: MediaStreamTrack) -> None:
    """Read a track and throw its frames away until it ends.

    A received track that nobody reads keeps every decoded frame in memory.
    """
    with contextlib.suppress(MediaStreamError):
        while True:
            await track.recv()


class Recorder:
    """Records one audio and one video track into a file, while they last.

    The file is opened with the first frame, encoded in a thread, and playable after
    :meth:`stop` at any moment. Sound and picture are placed by their arrival, pauses in the
    sound are filled with silence, a picture that changes its size is fitted into the size
    chosen at the start (the first picture's, doubled while it is under 640 pixels). A track
    added later takes over from the earlier one of its kind, so a recording outlives a repaired
    connection. A peer that promised video and sends none gets a black picture after 3 seconds.

    :param path: the file; the extension says how: mp4, mov, mkv, webm, and for sound alone
        wav, mp3, m4a, ogg, opus, flac. An existing file is replaced when the first frame comes.
    :raises RecordingFailed: it can't be written there; found out here, before any call.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self._target = check_writable(path)
        self._tracks: dict[Kind, MediaStreamTrack] = {}
        self._readers: dict[Kind, asyncio.Task[None]] = {}
        self._drains: set[asyncio.Task[None]] = set()
        self._items: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._waiting = {"audio": 0, "video": 0}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._finished: asyncio.Future[None] | None = None
        self._stopping: asyncio.Future[Recorded] | None = None
        # written by the encoder's thread only
        self._writer: FileWriter | None = None
        self._held: list[_Item] = []
        self._origin: float | None = None
        self._dropped = 0
        self._result: Recorded | None = None
        self.error: RecordingFailed | None = None
        """What went wrong while recording (a full disk, say); :meth:`stop` raises it."""

    @property
    def path(self) -> Path:
        """The file, absolute."""
        return self._target.path

    @property
    def recording(self) -> bool:
        """It was started, was not stopped, and nothing went wrong."""
        return self._thread is not None and self._stopping is None and self.error is None

    def add_track(self, track: MediaStreamTrack) -> None:
        """Record this track, from :meth:`start` on, or from now on if that was before.

        A picture is read and thrown away if the file takes sound only.
        """
        kind: Kind = "audio" if track.kind == "audio" else "video"
        if self._stopping is not None or self._tracks.get(kind) is track:
            return
        self._tracks[kind] = track
        if self._thread is not None:
            self._read(kind, track)

    async def start(self) -> None:
        """Begin to record. Doing it twice does no harm."""
        if self._thread is not None or self._stopping is not None:
            return
        loop = asyncio.get_running_loop()
        self._finished = loop.create_future()
        self._thread = threading.Thread(
            target=self._encode, args=(loop, self._finished), name="firertc-recorder", daemon=True
        )
        self._thread.start()
        for kind, track in self._tracks.items():
            self._read(kind, track)

    def _read(self, kind: Kind, track: MediaStreamTrack) -> None:
        former = self._readers.pop(kind, None)
        if former is not None:
            former.cancel()
            self._drains.add(former)
        taken = kind == "audio" or self._target.video is not None
        reading = self._pull(kind, track) if taken else drain(track)
        self._readers[kind] = asyncio.get_running_loop().create_task(reading)

    async def _pull(self, kind: Kind, track: MediaStreamTrack) -> None:
        timeline = Timeline()
        limit = VIDEO_BACKLOG_FRAMES if kind == "video" else AUDIO_BACKLOG_FRAMES
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                if not isinstance(frame, AudioFrame | VideoFrame):
                    continue  # still encoded: no track of a peer connection does this
                if self._waiting[kind] >= limit:
                    self._dropped += kind == "video"
                    continue
                with self._lock:
                    self._waiting[kind] += 1
                self._items.put(_Item(kind, frame, timeline, time.monotonic()))

    async def stop(self) -> Recorded:
        """Finish the file and say what is in it. Again: the same answer.

        If no frame came there is no file (or an earlier one is untouched), and the answer is
        :attr:`~Recorded.empty`.

        :raises RecordingFailed: the file could not be written to its end.
        """
        if self._stopping is None:
            self._stopping = asyncio.ensure_future(self._stop())
        return await asyncio.shield(self._stopping)

    async def _stop(self) -> Recorded:
        tasks = [*self._readers.values(), *self._drains]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._thread is not None and self._finished is not None:
            self._items.put(None)
            try:
                await asyncio.wait_for(self._finished, STOP_SECONDS)
            except TimeoutError:
                raise RecordingFailed(
                    f"{self.path} could not be finished within {STOP_SECONDS:.0f} s; "
                    "it may lack its end"
                ) from None
            self._thread.join()
        if self.error is not None:
            raise self.error
        if self._result is None:
            return Recorded(self.path, 0, 0.0, 0.0, 0, 0, 0.0)
        return replace(self._result, dropped_frames=self._dropped)

    # the encoder's thread

    def _encode(self, loop: asyncio.AbstractEventLoop, finished: asyncio.Future[None]) -> None:
        while (item := self._items.get()) is not None:
            with self._lock:
                self._waiting[item.kind] -= 1
            self._guarded(item)
        self._guarded(None)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(_set_done, finished)

    def _guarded(self, item: _Item | None) -> None:
        try:
            if item is None:
                self._finish()
            elif self.error is None:
                self._take(item)
        except RecordingFailed as error:
            if self.error is None:
                logger.warning("%s", error)
                self.error = error

    def _take(self, item: _Item) -> None:
        if self._origin is None:
            self._origin = item.arrival
        if self._writer is not None:
            self._write(self._writer, item)
            return
        self._held.append(item)
        promised = set(self._tracks) if self._target.video else {"audio"}
        waited = item.arrival - self._origin
        if item.kind == "video" or "video" not in promised or waited > HOLD_SECONDS:
            self._open(promised)

    def _open(self, kinds: set[str] | set[Kind]) -> None:
        size = None
        first = next((i.frame for i in self._held if isinstance(i.frame, VideoFrame)), None)
        if first is not None:
            size = canvas_size(first.width, first.height)
        elif "video" in kinds:
            size = DEFAULT_CANVAS
        writer = FileWriter(self._target, audio="audio" in kinds, size=size)
        self._writer = writer
        if size is not None and first is None:
            writer.write_blank()
        held, self._held = self._held, []
        for item in held:
            self._write(writer, item)

    def _write(self, writer: FileWriter, item: _Item) -> None:
        frame = item.frame
        seconds = item.timeline.place(frame.time, item.arrival - (self._origin or 0.0))
        if isinstance(frame, VideoFrame):
            writer.write_video(frame, seconds)
        else:
            writer.write_audio(frame, seconds)

    def _finish(self) -> None:
        if self._held and self.error is None:
            self._open({item.kind for item in self._held})
        if self._writer is not None:
            self._result = self._writer.close()


def _set_done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def probe(path: str | PathLike[str]) -> Recorded:
    """Decode a finished recording from start to end and say what is in it. Blocking.

    :raises MediaNotFound: there is no such file.
    :raises MediaUnreadable: it is damaged, or no recording.
    """
    file = Path(path).expanduser().absolute()
    if not file.is_file():
        raise MediaNotFound(f"{path}: there is no such file")
    tally = _Tally()
    try:
        with av.open(str(file), "r") as container:
            picture = next((s for s in container.streams.video if not is_cover(s)), None)
            sound = next(iter(container.streams.audio), None)
            streams = [s for s in (picture, sound) if s is not None]
            for frame in container.decode(*streams) if streams else ():
                if isinstance(frame, VideoFrame):
                    tally.video(frame)
                elif isinstance(frame, AudioFrame):
                    tally.audio(frame)
            tally.flush()
            width, height = (picture.width, picture.height) if picture else (0, 0)
    except (av.FFmpegError, ValueError) as error:
        raise MediaUnreadable(f"{path} is damaged, or no recording: {error}") from error
    return Recorded(
        path=file,
        video_frames=tally.frames,
        audio_seconds=tally.audio_seconds,
        duration_seconds=tally.end,
        width=width,
        height=height,
        audio_level=rms_level(tally.energy, tally.values),
    )


def is_cover(stream: Stream) -> bool:
    """Whether this is a cover picture in a sound file, and no video."""
    return bool(stream.disposition & Disposition.attached_pic)


class _Tally:
    """Counts decoded frames."""

    def __init__(self) -> None:
        self.frames = 0
        self.audio_seconds = 0.0
        self.end = 0.0
        self.energy = 0
        self.values = 0
        self._resampler = AudioResampler("s16", "mono", PROBE_RATE_HERTZ, frame_size=1024)

    def video(self, frame: VideoFrame) -> None:
        self.frames += 1
        if frame.pts is not None:
            self.end = max(self.end, frame.time + USUAL_FRAME_SECONDS)

    def audio(self, frame: AudioFrame) -> None:
        seconds = frame.samples / frame.sample_rate
        self.audio_seconds += seconds
        if frame.time is not None:
            self.end = max(self.end, frame.time + seconds)
        self._measure(self._resampler.resample(frame))

    def flush(self) -> None:
        self._measure(self._resampler.resample(None))

    def _measure(self, parts: list[AudioFrame]) -> None:
        for part in parts:
            energy, count = frame_energy(part)
            self.energy += energy
            self.values += count
