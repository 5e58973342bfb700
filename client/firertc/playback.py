"""Tracks that a thread fills from a file, a stream or a device, and copies of a track.

Two classes of aiortc are not used, for what was found in 1.16. ``MediaPlayer`` swallows the
decoder's errors, joins its thread on the event loop, keeps every frame of a track that nobody
reads, loses the frames a decoder gives out last, and plays a loop's second round at full speed
(its timestamps start anew). A ``MediaRelay`` copy first read after its source ended waits
forever, and one that is no longer read keeps every frame.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Literal

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, AudioResampler, VideoFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from .errors import MediaUnreadable

__all__ = ["Kind", "Playback", "QueuedTrack", "Relay"]

logger = logging.getLogger(__name__)

Kind = Literal["audio", "video"]

SAMPLE_RATE = 48_000
SAMPLES_PER_FRAME = 960
"""20 ms of sound, the packet length that WebRTC uses by default (RFC 7874, section 3)."""
READ_AHEAD_SECONDS = 0.5
LATE_SECONDS = 0.5
"""A frame overdue by more than this is left out, if a newer one is there."""
GAP_SECONDS = 0.1
FIRST_READER_SECONDS = 1.0
"""How long a track played as fast as it is read waits for its first reader."""
FILE_LIMITS = {"audio": 128, "video": 64}
"""Frames kept of a file; bounds memory, twice what is read ahead at 60 frames a second."""
LIVE_LIMITS = {"audio": 50, "video": 4}
"""Frames kept of a live source: one second of sound, and no stale pictures."""
BAD_PACKETS_AT_MOST = 100
CLOSE_SECONDS = 2.0
POLL_SECONDS = 0.05
BUSY_SECONDS = 0.005

Frame = AudioFrame | VideoFrame


class QueuedTrack(MediaStreamTrack):
    """A track whose frames are put in from the event loop; the oldest is lost when it is full."""

    def __init__(self, kind: Kind, limit: int) -> None:
        super().__init__()
        self.kind = kind
        self._frames: deque[Frame] = deque(maxlen=limit)
        self._news = asyncio.Event()
        self._finished = False

    def put(self, frame: Frame) -> None:
        """Hand a frame to the reader."""
        if self.readyState == "live":
            self._frames.append(frame)
            self._news.set()

    def finish(self) -> None:
        """No frame follows: the track ends once those that wait were read."""
        self._finished = True
        self._news.set()

    async def recv(self) -> Frame:
        """Wait for the next frame.

        :raises MediaStreamError: the track has ended.
        """
        while self.readyState == "live":
            if self._frames:
                return self._frames.popleft()
            if self._finished:
                self.stop()
                break
            self._news.clear()
            await self._news.wait()
        raise MediaStreamError

    def stop(self) -> None:
        """End the track; a reader that waits is told."""
        super().stop()
        self._frames.clear()
        self._news.set()


class PlayedTrack(QueuedTrack):
    """A track of a :class:`Playback`, given out at the pace of its timestamps."""

    def __init__(self, kind: Kind, playback: Playback, limit: int) -> None:
        super().__init__(kind, limit)
        self._playback = playback
        self.slots = threading.Semaphore(limit)
        """Free places, for a playback that waits for its reader."""
        self.wanted = False
        """Somebody has read from it."""

    async def recv(self) -> Frame:
        """Wait until the next frame is due.

        :raises MediaStreamError: the track has ended.
        """
        self.wanted = True
        if self.readyState == "live":
            self._playback.begin()
        while True:
            frame = await super().recv()
            self.slots.release()
            overdue = self._playback.overdue(frame)
            if overdue > LATE_SECONDS and self._frames:
                continue
            if overdue < 0:
                await asyncio.sleep(-overdue)
            return frame


class Playback:
    """Decodes a container in a thread of its own, which also closes it.

    Decoding begins when a track is first read. Timestamps start near 0 and only grow, in a
    loop's next rounds too; sound becomes 48 kHz, stereo, 16 bits, in pieces of 20 ms.

    :param container: opened; it belongs to the playback from now on.
    :param streams: the streams wanted, one of a kind.
    :param name: what to call it in an error, without secrets.
    :param live: a device or the like, which sets the pace and whose old frames are worthless.
    :param loop: begin again at the end.
    :param realtime: at the pace of its timestamps; else as fast as its tracks are read.
    """

    def __init__(
        self,
        container: InputContainer,
        streams: list[AudioStream | VideoStream],
        *,
        name: str,
        live: bool,
        loop: bool,
        realtime: bool,
    ) -> None:
        self.error: MediaUnreadable | None = None
        """Why it ended before its end."""
        self._container = container
        self._streams = streams
        self._name = name
        self._loop = loop
        self._paced = realtime and not live
        self._patient = not realtime and not live
        limits = LIVE_LIMITS if live else FILE_LIMITS
        self.tracks: dict[Kind, PlayedTrack] = {}
        for stream in streams:
            kind: Kind = "audio" if isinstance(stream, AudioStream) else "video"
            self.tracks[kind] = PlayedTrack(kind, self, limits[kind])
        self._events = asyncio.get_running_loop()
        self._quit = threading.Event()
        self._left = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="firertc-playback", daemon=True)
        self._began = False
        self._clock_start: float | None = None
        self._resampler = self._new_resampler()
        self._audio_pts: int | None = None
        self._audio_until = 0.0
        self._base: float | None = None
        self._round_start = 0.0
        self._end = 0.0

    def begin(self) -> None:
        """Start the thread, once."""
        if not self._began:
            self._began = True
            self._thread.start()

    def overdue(self, frame: Frame) -> float:
        """Seconds since this frame was due, negative if it is not; 0.0 without a pace."""
        if not self._paced or self._clock_start is None or frame.time is None:
            return 0.0
        return time.monotonic() - self._clock_start - frame.time

    async def close(self) -> None:
        """End the tracks and the thread.

        It waits 2 seconds at most: a thread that hangs in the network or a device ends by
        itself when that read times out.
        """
        for track in self.tracks.values():
            track.stop()
        self._quit.set()
        self.begin()  # the thread closes the container, even if it never played
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._left.wait(), CLOSE_SECONDS)
            self._thread.join()

    # the thread

    def _run(self) -> None:
        try:
            if not self._quit.is_set():
                self._play()
        except (av.FFmpegError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            self.error = MediaUnreadable(f"{self._name} could not be played to its end: {reason}")
            logger.warning("%s", self.error)
        finally:
            with contextlib.suppress(av.FFmpegError):
                self._container.close()
            for track in self.tracks.values():
                self._call(track.finish)
            if self._paced and self._clock_start is not None:
                # a track that nobody reads (any more) ends too, when its time has come
                remaining = self._clock_start + self._end + LATE_SECONDS - time.monotonic()
                self._quit.wait(max(0.0, remaining))
                for track in self.tracks.values():
                    self._call(track.stop)
            else:
                for track in self.tracks.values():
                    if not track.wanted:
                        self._call(track.stop)
            self._call(self._left.set)

    def _call(self, function: object, *args: object) -> None:
        try:
            self._events.call_soon_threadsafe(function, *args)  # type: ignore[arg-type]
        except RuntimeError:  # the event loop is closed: nobody is left to play to
            self._quit.set()

    def _play(self) -> None:
        while not self._quit.is_set():
            before = self._end
            for frame in self._decoded():
                for part in self._prepared(frame):
                    self._deliver(part)
                if self._quit.is_set():
                    return
            for part in self._flushed():
                self._deliver(part)
            if not self._loop or self._end <= before:
                return
            self._round_start = self._end
            self._container.seek(self._container.start_time or 0)

    def _decoded(self) -> Iterator[Frame]:
        bad = 0
        packets = self._container.demux(*self._streams)
        while not self._quit.is_set():
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                frames = packet.decode()
            except av.error.BlockingIOError:
                self._quit.wait(BUSY_SECONDS)
                packets = self._container.demux(*self._streams)
                continue
            except av.error.EOFError:
                continue
            except av.error.InvalidDataError:
                bad += 1
                if bad > BAD_PACKETS_AT_MOST:
                    raise
                continue
            for frame in frames:
                if isinstance(frame, AudioFrame | VideoFrame):
                    bad = 0
                    yield frame

    def _placed(self, frame: Frame) -> float | None:
        """When the frame is due, in seconds of playing."""
        if frame.time is None:
            return None
        if self._base is None:
            start = self._container.start_time if self._paced or self._patient else None
            self._base = frame.time if start is None else start / av.time_base
        return max(0.0, frame.time - self._base) + self._round_start

    def _prepared(self, frame: Frame) -> list[Frame]:
        at = self._placed(frame)
        if isinstance(frame, AudioFrame):
            return list(self._audio(frame, at))
        if at is None:
            return []
        frame.pts = round(at * 90_000)
        frame.time_base = Fraction(1, 90_000)
        self._end = max(self._end, at + 1 / self._frame_rate)
        return [frame]

    @property
    def _frame_rate(self) -> float:
        for stream in self._streams:
            if isinstance(stream, VideoStream) and stream.average_rate:
                return stream.average_rate.numerator / stream.average_rate.denominator
        return 30.0

    @staticmethod
    def _new_resampler() -> AudioResampler:
        return AudioResampler("s16", "stereo", SAMPLE_RATE, frame_size=SAMPLES_PER_FRAME)

    def _audio(self, frame: AudioFrame, at: float | None) -> Iterator[AudioFrame]:
        gap = 0.0 if at is None else at - self._audio_until
        if self._audio_pts is None or gap > GAP_SECONDS:
            # counted samples have no jitter; only a real pause moves the count
            yield from self._flushed()
            self._audio_until = self._audio_until if at is None else at
            self._audio_pts = round(self._audio_until * SAMPLE_RATE)
        self._audio_until += frame.samples / frame.sample_rate
        self._end = max(self._end, self._audio_until)
        try:
            parts = self._resampler.resample(frame)
        except ValueError:  # the format changed in mid-stream
            yield from self._flushed()
            parts = self._resampler.resample(frame)
        yield from self._stamped(parts)

    def _flushed(self) -> list[AudioFrame]:
        rest = self._stamped(self._resampler.resample(None))
        self._resampler = self._new_resampler()
        return rest

    def _stamped(self, parts: list[AudioFrame]) -> list[AudioFrame]:
        for part in parts:
            pts = self._audio_pts or 0
            part.pts = pts
            part.time_base = Fraction(1, SAMPLE_RATE)
            self._audio_pts = pts + part.samples
        return parts

    def _deliver(self, frame: Frame) -> None:
        track = self.tracks["audio" if isinstance(frame, AudioFrame) else "video"]
        if self._clock_start is None:
            self._clock_start = time.monotonic()
        if self._paced:
            due = self._clock_start + (frame.time or 0.0)
            self._quit.wait(max(0.0, due - READ_AHEAD_SECONDS - time.monotonic()))
        elif self._patient and not self._found_slot(track):
            return
        self._call(track.put, frame)

    def _found_slot(self, track: PlayedTrack) -> bool:
        given_up = time.monotonic() + FIRST_READER_SECONDS
        while not self._quit.is_set() and track.readyState == "live":
            if track.slots.acquire(timeout=POLL_SECONDS):
                return True
            if not track.wanted and time.monotonic() > given_up:
                return False
        return False


class RelayedTrack(QueuedTrack):
    """A copy made by a :class:`Relay`."""

    def __init__(self, kind: Kind, relay: Relay) -> None:
        super().__init__(kind, LIVE_LIMITS[kind])
        self._relay = relay

    async def recv(self) -> Frame:
        """Wait for the next frame.

        :raises MediaStreamError: the copy was stopped, or its track has ended.
        """
        if self.readyState == "live":
            self._relay.begin()
        return await super().recv()

    def stop(self) -> None:
        """End this copy; the others go on."""
        self._relay.forget(self)
        super().stop()


class Relay:
    """Copies one track for several readers, such as one per peer of a room.

    It reads the track from the first time a copy is read; nobody else may read it then.
    """

    def __init__(self, track: MediaStreamTrack) -> None:
        self._track = track
        self._copies: set[RelayedTrack] = set()
        self._task: asyncio.Task[None] | None = None

    def copy(self) -> MediaStreamTrack:
        """A new track with the same frames from now on; stop it when it is no longer needed."""
        copy = RelayedTrack("audio" if self._track.kind == "audio" else "video", self)
        if self._track.readyState == "live":
            self._copies.add(copy)
        else:
            copy.stop()
        return copy

    def begin(self) -> None:
        """Start reading the track, once."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._pump())

    def forget(self, copy: RelayedTrack) -> None:
        """Hand this copy no further frames."""
        self._copies.discard(copy)

    async def _pump(self) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await self._track.recv()
                if isinstance(frame, AudioFrame | VideoFrame):
                    for copy in self._copies:
                        copy.put(frame)
        for copy in list(self._copies):
            copy.finish()

    async def close(self) -> None:
        """End every copy."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for copy in list(self._copies):
            copy.stop()
