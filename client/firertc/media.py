"""Media to send: the test picture, a camera, a microphone, a screen, a file or a URL."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Self

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame

from .errors import ConfigError, MediaKindMissing, MediaUnreadable
from .opening import WITHOUT_DEVICE, Opened, device_parts, open_device, open_location
from .playback import Kind, Playback, Relay
from .sample import FRAMES_PER_SECOND, Picture, Tone, read_frame_number

__all__ = ["Source", "open_source", "read_frame_number"]

SOUNDS_PER_SECOND = 50
"""20 ms of tone each."""
LATE_FRAMES = 15
"""A generated frame overdue by more than so many is left out."""


class Source:
    """Tracks to send, and what feeds them; an asynchronous context manager.

    Nothing is played before a track is first read. Made by :func:`open_source`.
    """

    def __init__(
        self,
        audio: MediaStreamTrack | None,
        video: MediaStreamTrack | None,
        playbacks: list[Playback],
    ) -> None:
        self.audio = audio
        """The sound, or None."""
        self.video = video
        """The picture, or None."""
        self.ended = asyncio.Event()
        """Set when every track was played to its end, or the source was closed."""
        self._playbacks = playbacks
        self._relays: dict[Kind, Relay] = {}
        for track in self._tracks:
            track.on("ended", self._look)

    @property
    def _tracks(self) -> list[MediaStreamTrack]:
        return [track for track in (self.audio, self.video) if track is not None]

    @property
    def error(self) -> MediaUnreadable | None:
        """Why the source ended too early, once :attr:`ended` is set; None if all went well."""
        return next((p.error for p in self._playbacks if p.error is not None), None)

    def _look(self) -> None:
        # "ended" is emitted when the track says so, so this sees the last one too
        if all(track.readyState == "ended" for track in self._tracks):
            self.ended.set()

    def share(self) -> tuple[MediaStreamTrack | None, MediaStreamTrack | None]:
        """Copies of both tracks, (audio, video), for one more peer.

        A track can be read once only: two connections that send the same one get half of the
        frames each. Use copies for all readers then, and stop each when its reader is gone.
        """
        return self._copy("audio", self.audio), self._copy("video", self.video)

    def _copy(self, kind: Kind, track: MediaStreamTrack | None) -> MediaStreamTrack | None:
        if track is None:
            return None
        if kind not in self._relays:
            self._relays[kind] = Relay(track)
        return self._relays[kind].copy()

    async def close(self) -> None:
        """End the tracks, close files and devices, end the threads. Within a few seconds."""
        for track in self._tracks:
            track.stop()
        await asyncio.gather(
            *(relay.close() for relay in self._relays.values()),
            *(playback.close() for playback in self._playbacks),
        )
        self.ended.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


class _Clock:
    """Gives the numbered frames of a generated source their time; shared by its tracks."""

    def __init__(self, realtime: bool) -> None:
        self._realtime = realtime
        self._start: float | None = None

    async def next_number(self, number: int, per_second: int) -> int:
        """Wait until frame ``number`` is due; a later one if this one is long overdue."""
        if not self._realtime:
            await asyncio.sleep(0)  # let others run: nothing else here waits
            return number
        now = time.monotonic()
        if self._start is None:
            self._start = now
        due = self._start + number / per_second
        if now - due > LATE_FRAMES / per_second:
            return int((now - self._start) * per_second)
        await asyncio.sleep(max(0.0, due - now))
        return number


class TestVideoTrack(MediaStreamTrack):
    """The test picture, 30 frames a second, without end."""

    __test__ = False
    kind = "video"

    def __init__(self, clock: _Clock) -> None:
        super().__init__()
        self._clock = clock
        self._picture = Picture()
        self._next = 0

    async def recv(self) -> VideoFrame:
        """Wait for the next frame.

        :raises MediaStreamError: the track was stopped.
        """
        if self.readyState != "live":
            raise MediaStreamError
        number = await self._clock.next_number(self._next, FRAMES_PER_SECOND)
        self._next = number + 1
        return self._picture.frame(number)


class TestAudioTrack(MediaStreamTrack):
    """The test tone, 50 frames a second, without end."""

    __test__ = False
    kind = "audio"

    def __init__(self, clock: _Clock) -> None:
        super().__init__()
        self._clock = clock
        self._tone = Tone()
        self._next = 0

    async def recv(self) -> AudioFrame:
        """Wait for the next frame.

        :raises MediaStreamError: the track was stopped.
        """
        if self.readyState != "live":
            raise MediaStreamError
        number = await self._clock.next_number(self._next, SOUNDS_PER_SECOND)
        self._next = number + 1
        return self._tone.frame(number)


async def open_source(
    spec: str,
    *,
    audio: bool | None = None,
    video: bool | None = None,
    loop: bool = False,
    realtime: bool = True,
) -> Source:
    """Open something to send.

    :param spec: ``test`` (a picture that carries its frame number, and a 440 Hz tone),
        ``camera``, ``microphone``, ``screen``, one of these with a number, path or name behind
        a colon (``camera:1``, ``camera:/dev/video2``), several joined by a plus sign
        (``camera+microphone``), else a file's path or a URL. A file that is called like one of
        these words is opened as ``./test``.
    :param audio: True: there must be sound; False: leave it out; None: as it comes.
    :param video: the same for the picture.
    :param loop: play a file again and again; the other sources have no end anyway.
    :param realtime: at its own pace; False: as fast as the tracks are read, all of which must
        be read then.
    :raises MediaNotFound: there is no such file, URL or device.
    :raises MediaUnreadable: it can't be opened or decoded, or doesn't open within 10 seconds.
    :raises MediaKindMissing: it lacks what is wanted.
    :raises ConfigError: nothing is wanted, or ``spec`` is empty.
    """
    if audio is False and video is False:
        raise ConfigError("neither sound nor picture is wanted: leave one of them in")
    if not spec:
        raise ConfigError(f"no media source is named: name a file or a device; {WITHOUT_DEVICE}")
    wanted: dict[Kind, bool | None] = {"audio": audio, "video": video}
    if spec == "test":
        clock = _Clock(realtime)
        return Source(
            TestAudioTrack(clock) if audio is not False else None,
            TestVideoTrack(clock) if video is not False else None,
            [],
        )
    parts = device_parts(spec)
    playbacks: list[Playback] = []
    tracks: dict[Kind, MediaStreamTrack] = {}
    found: set[Kind] = set()
    try:
        for part in parts or [spec]:
            opened = await (open_device(part) if parts else open_location(spec))
            found.update(opened.streams)
            playback = Playback(
                opened.container,
                [
                    stream
                    for kind, stream in opened.streams.items()
                    if wanted[kind] is not False and kind not in tracks
                ],
                name=opened.name,
                live=opened.live,
                loop=loop,
                realtime=realtime,
            )
            playbacks.append(playback)
            tracks.update(playback.tracks)
        _check_kinds(opened, wanted, found, bool(parts))
    except BaseException:
        await asyncio.gather(*(playback.close() for playback in playbacks))
        raise
    return Source(tracks.get("audio"), tracks.get("video"), playbacks)


def _check_kinds(
    opened: Opened, wanted: dict[Kind, bool | None], found: set[Kind], device: bool
) -> None:
    """Raise :exc:`MediaKindMissing` if a kind that must be there is not, or nothing is left."""
    names = {"audio": "sound", "video": "picture"}
    options = {"audio": "--no-audio", "video": "--no-video"}
    has = " and ".join(names[kind] for kind in sorted(found))
    for kind in wanted:
        if wanted[kind] and kind not in found:
            add = (
                "add a microphone with a plus sign" if kind == "audio" else "add camera+ before it"
            )
            instead = add if device else f"play a file that has {names[kind]}"
            raise MediaKindMissing(
                f"{opened.name} has {has} but no {names[kind]}: {instead}, "
                f"or do without ({options[kind]}, in Python {kind}=False)"
            )
    if not any(wanted[kind] is not False for kind in found):
        left_out = next(kind for kind in sorted(wanted) if wanted[kind] is False)
        raise MediaKindMissing(
            f"{opened.name} has {has} only, and that is left out: "
            f"remove {options[left_out]} (in Python {left_out}=False) or play something else"
        )
