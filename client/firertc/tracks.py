"""Tracks that outlast the connection they run on: what is sent, and what is received.

aiortc ends a track with the connection that sends it, and the connection's sender with its track;
and one track can't be sent twice. So a connection never sees the application's tracks, nor the
application aiortc's: between them stand :class:`SentTrack` and :class:`ReceivedTrack`, whose source
can change. Time goes on monotonically over a change.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeAlias

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame
from av.frame import Frame
from av.packet import Packet

Media: TypeAlias = "Frame | Packet[Any]"


class Timeline:
    """Moves the times of one source behind those of the one before.

    A source whose own times go back (a file played over and over) counts as another one: FFmpeg's
    encoders fail for good at a picture from before the first.
    """

    def __init__(self) -> None:
        self._shift = Fraction(0)
        self._last: tuple[Fraction, float] | None = None
        self._changed = False

    def change(self) -> None:
        """What comes now is of another source."""
        self._changed = self._last is not None

    def shift(self, frame: Media) -> int | None:
        """Where a frame belongs.

        :returns: the time to give it, in its own time base; None: the one it has.
        """
        if frame.pts is None or frame.time_base is None:
            return None
        at = frame.pts * Fraction(frame.time_base)
        goes_back = self._last is not None and at + self._shift < self._last[0]
        if (self._changed or goes_back) and self._last is not None:
            last, when = self._last
            # As much later as it came later, and a millisecond at least.
            gap = Fraction(max(0.001, time.monotonic() - when)).limit_denominator(1_000_000)
            self._shift = last + gap - at
            self._changed = False
        self._last = (at + self._shift, time.monotonic())
        if not self._shift:
            return None
        return round((at + self._shift) / Fraction(frame.time_base))


class _Source(MediaStreamTrack):
    """A track whose frames come from another one, that may change."""

    def __init__(self, kind: str, source: MediaStreamTrack | None) -> None:
        super().__init__()
        self.kind = kind
        self.source = source
        self._timeline = Timeline()
        self._changed = asyncio.Event()
        self._taking: asyncio.Future[Media] | None = None

    def change(self, source: MediaStreamTrack | None) -> None:
        """Take the frames of another source from now on; None: wait for one."""
        if source is self.source:
            return
        self.source = source
        self._timeline.change()
        self._wake()

    def stop(self) -> None:
        """It ends."""
        super().stop()
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        if self._taking is not None:
            self._taking.cancel()

    @property
    def _flowing(self) -> MediaStreamTrack | None:
        return self.source

    async def _next(self) -> Media:
        """The next frame of whatever the source is by then."""
        while self.readyState == "live":
            source = self._flowing
            if source is None:
                self._changed.clear()
                await self._changed.wait()
                continue
            self._taking = asyncio.ensure_future(source.recv())
            try:
                frame = await self._taking
                # Else it changed when this frame was there but not handed on: the times of what
                # comes now would be counted from this one.
                if self.source is source:
                    return frame
            except MediaStreamError:
                # This source has ended; another may come.
                if self.source is source:
                    self.source = None
                    self._timeline.change()
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if self._flowing is source or (task is not None and task.cancelling()):
                    if self.readyState != "live":
                        break
                    raise
            finally:
                self._taking = None
        raise MediaStreamError


class ReceivedTrack(_Source):
    """What the other side sends in one section, on whatever connection there is.

    It ends when the other side removes it, or the link ends.
    """

    def __init__(self, kind: str, name: str = "") -> None:
        super().__init__(kind, None)
        self.name = name
        """What the other side calls it; empty: nothing."""

    async def recv(self) -> Media:
        """The next frame.

        :raises aiortc.mediastreams.MediaStreamError: if it was removed, or the link has ended.
        """
        frame = await self._next()
        pts = self._timeline.shift(frame)
        if pts is not None:
            frame.pts = pts
        return frame


class SentTrack(_Source):
    """What one section of one connection sends: a track of the application's, or nothing for now.

    :param source: it is never stopped from here.
    :param live: whether to send already; else when :meth:`go_live` says so.
    """

    def __init__(self, kind: str, source: MediaStreamTrack | None, *, live: bool) -> None:
        super().__init__(kind, source)
        self.was_read = False
        """Whether its source was ever read."""
        self.on_frame: Callable[[], None] = lambda: None
        """Called before each frame is handed to the encoder."""
        self._live = live

    @property
    def _flowing(self) -> MediaStreamTrack | None:
        return self.source if self._live else None

    def go_live(self, live: bool = True) -> None:
        """Send, or send no longer: another connection does."""
        if live != self._live:
            self._live = live
            self._wake()

    async def recv(self) -> Media:
        """The next frame, for aiortc's sender."""
        self.was_read = self.was_read or self._flowing is not None
        frame = await self._next()
        self.was_read = True
        self.on_frame()
        pts = self._timeline.shift(frame)
        if pts is None:
            return frame
        # A relay gives the same frame to several: it is not ours to change.
        copy = _copy(frame)
        copy.pts = pts
        return copy


def _copy(frame: Media) -> Media:
    if isinstance(frame, VideoFrame):
        video = VideoFrame.from_ndarray(frame.to_ndarray(), format=frame.format.name)
        video.time_base = frame.time_base
        return video
    if isinstance(frame, AudioFrame):
        audio = AudioFrame.from_ndarray(
            frame.to_ndarray(), format=frame.format.name, layout=frame.layout.name
        )
        audio.sample_rate = frame.sample_rate
        audio.time_base = frame.time_base
        return audio
    packet: Packet[Any] = Packet(bytes(frame))  # type: ignore[arg-type]
    if frame.time_base is not None:
        packet.time_base = frame.time_base
    return packet
