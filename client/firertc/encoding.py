"""Encoding pictures and sound of changing size, format and pace into one playable file."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from operator import mul
from os import PathLike
from pathlib import Path

import av
from av import AudioFrame, AudioResampler, VideoFrame
from av.audio.stream import AudioStream
from av.filter import Graph
from av.video.stream import VideoStream

from .errors import RecordingFailed

__all__ = [
    "FileWriter",
    "Recorded",
    "Target",
    "Timeline",
    "canvas_size",
    "check_writable",
    "frame_energy",
    "rms_level",
]

SAMPLE_RATE = 48_000
"""Samples per second of every recording: what Opus runs at (RFC 7587, section 4.1)."""
SAMPLES_PER_FRAME = 960
VIDEO_CLOCK_HERTZ = 90_000
USUAL_FRAME_SECONDS = 1 / 30
GAP_SECONDS = 0.1
"""A pause in the sound longer than this is filled with silence."""
JUMP_SECONDS = 5.0
"""A step between two timestamps that is only believed if the clock on the wall agrees."""
JUMP_TOLERANCE_SECONDS = 2.0
MINIMUM_LONG_SIDE = 640
"""A smaller first picture is recorded enlarged: WebRTC senders start small and grow."""
SILENT_BELOW = 0.001
"""RMS level, of 1.0, under which a recording counts as silent (-60 dB)."""

_H264 = ("libx264", "libopenh264")
_VP8 = ("libvpx",)
_FORMATS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    # extension: container, audio codecs, video codecs; the first that is there is taken
    ".mp4": ("mp4", ("aac",), _H264),
    ".mov": ("mov", ("aac",), _H264),
    ".mkv": ("matroska", ("libopus", "opus"), _H264 + _VP8),
    ".webm": ("webm", ("libopus",), _VP8),
    ".wav": ("wav", ("pcm_s16le",), ()),
    ".mp3": ("mp3", ("libmp3lame",), ()),
    ".m4a": ("ipod", ("aac",), ()),
    ".ogg": ("ogg", ("libopus",), ()),
    ".opus": ("ogg", ("libopus",), ()),
    ".flac": ("flac", ("flac",), ()),
}
_VIDEO_OPTIONS = {
    # B-frames would shift the picture: fragments hold no edit list that shifts it back
    "libx264": {"preset": "superfast", "crf": "23", "bf": "0"},
    "libopenh264": {"b": "2000000"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "b": "2000000", "lag-in-frames": "0"},
}


@dataclass(frozen=True)
class Recorded:
    """What a recording holds."""

    path: Path
    """The file."""
    video_frames: int
    """Pictures in it; 0 if none came."""
    audio_seconds: float
    """Sound in it, silence that fills a pause included; 0.0 if none came."""
    duration_seconds: float
    """From its start to the end of the last picture or sound."""
    width: int
    """Of the picture in pixels; 0 without one."""
    height: int
    """Of the picture in pixels; 0 without one."""
    audio_level: float
    """RMS of the sound, 0.0 to 1.0; see :attr:`silent`."""
    dropped_frames: int = 0
    """Pictures left out because this machine could not encode them in time."""

    @property
    def empty(self) -> bool:
        """Nothing came, so no file was written."""
        return not self.video_frames and not self.audio_seconds

    @property
    def silent(self) -> bool:
        """There is no sound above -60 dB."""
        return self.audio_level < SILENT_BELOW


@dataclass(frozen=True)
class Target:
    """A file that can be written, and how."""

    path: Path
    """Where, absolute."""
    container: str
    """FFmpeg's name of the container."""
    audio: str
    """FFmpeg's name of the audio encoder."""
    video: str | None
    """FFmpeg's name of the video encoder; None if the container takes sound only."""


def _encoder(names: tuple[str, ...]) -> str | None:
    for name in names:
        try:
            av.Codec(name, "w")
        except ValueError:
            continue
        return name
    return None


def check_writable(path: str | PathLike[str]) -> Target:
    """Find out, before a call starts, whether a recording can be written to ``path``.

    :raises RecordingFailed: unknown extension, missing folder, a directory, no permission, or
        an installation of PyAV without the encoder.
    """
    target = Path(path).expanduser().absolute()
    known = ", ".join(_FORMATS)
    if target.is_dir():
        raise RecordingFailed(f"{path} is a directory: name a file in it, such as call.mp4")
    suffix = target.suffix.lower()
    if suffix not in _FORMATS:
        what = f"the extension {suffix}" if suffix else "a name without extension"
        raise RecordingFailed(f"{path}: can't record to {what}; use one of {known}")
    container, audio_names, video_names = _FORMATS[suffix]
    audio, video = _encoder(audio_names), _encoder(video_names)
    missing = audio_names if audio is None else video_names if video_names and not video else ()
    if audio is None or missing:
        raise RecordingFailed(
            f"{path}: the installed PyAV can't encode {missing[0]}; "
            f"install PyAV from PyPI, or use another of {known}"
        )
    if not target.parent.is_dir():
        raise RecordingFailed(f"{path}: there is no folder {target.parent}; create it first")
    try:
        if not target.exists():
            with target.open("xb"):
                pass
            target.unlink()
        elif not target.is_file():
            raise RecordingFailed(f"{path} is not a regular file; name another")
        else:
            with target.open("r+b"):
                pass
    except OSError as error:
        raise RecordingFailed(f"{path} can't be written: {error.strerror or error}") from error
    return Target(target, container, audio, video)


def canvas_size(width: int, height: int) -> tuple[int, int]:
    """The recording's size for a first picture of this size: doubled while it is small, even."""
    while 0 < max(width, height) < MINIMUM_LONG_SIDE:
        width, height = 2 * width, 2 * height
    return max(2, width & ~1), max(2, height & ~1)


class Timeline:
    """Places one track's frames on the recording's clock.

    The first frame lies where it arrived; the others follow by their own timestamps, which
    have no network jitter, unless those go backwards or jump without time having passed.
    """

    def __init__(self) -> None:
        self._offset: float | None = None
        self._last_time = 0.0
        self._last_arrival = 0.0

    def place(self, frame_time: float | None, arrival: float) -> float:
        """Seconds from the start of the recording.

        :param frame_time: the frame's timestamp in seconds, None if it has none.
        :param arrival: seconds from the start of the recording at which it came.
        """
        if frame_time is None:
            return max(0.0, arrival)
        step = frame_time - self._last_time
        waited = arrival - self._last_arrival
        if (
            self._offset is None
            or step < 0
            or (step > JUMP_SECONDS and abs(step - waited) > JUMP_TOLERANCE_SECONDS)
        ):
            self._offset = arrival - frame_time
        self._last_time = frame_time
        self._last_arrival = arrival
        return max(0.0, frame_time + self._offset)


class _Fitting:
    """Scales pictures of any size and format into one canvas, black where they don't fill it."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self._input: tuple[int, int, str] | None = None
        self._graph = Graph()

    def fit(self, frame: VideoFrame) -> VideoFrame:
        # The graph gives a new frame even where nothing is to be done: the encoder writes
        # into the timestamps, and the one given may be shared with other consumers.
        shape = (frame.width, frame.height, frame.format.name)
        if shape != self._input:
            self._graph = self._build(frame)
            self._input = shape
        self._graph.vpush(frame)
        return self._graph.vpull()

    def _build(self, frame: VideoFrame) -> Graph:
        graph = Graph()
        nodes = [
            graph.add_buffer(
                width=frame.width,
                height=frame.height,
                format=frame.format,
                time_base=Fraction(1, VIDEO_CLOCK_HERTZ),
            )
        ]
        if (frame.width, frame.height) != (self.width, self.height):
            size = f"{self.width}:{self.height}"
            shrink = "force_original_aspect_ratio=decrease:force_divisible_by=2"
            nodes.append(graph.add("scale", f"{size}:{shrink}"))
            nodes.append(graph.add("pad", f"{size}:-1:-1"))
        nodes.append(graph.add("format", "yuv420p"))
        nodes.append(graph.add("buffersink"))
        graph.link_nodes(*nodes).configure()
        return graph


class _Sound:
    """Turns sound of any format into one stream without gaps: 48 kHz, stereo, 16 bits."""

    def __init__(self) -> None:
        self.samples = 0
        """Handed out so far: the stream's end on the recording's clock."""
        self._input: tuple[int, str, str] | None = None
        self._resampler = self._new_resampler()
        self._held = 0.0

    @staticmethod
    def _new_resampler() -> AudioResampler:
        # a frame size makes it hand out new frames, never the (shared) one put in
        return AudioResampler("s16", "stereo", SAMPLE_RATE, frame_size=SAMPLES_PER_FRAME)

    def _stamp(self, frame: AudioFrame) -> AudioFrame:
        frame.pts = self.samples
        frame.time_base = Fraction(1, SAMPLE_RATE)
        self.samples += frame.samples
        return frame

    def add(self, frame: AudioFrame, seconds: float) -> Iterator[AudioFrame]:
        shape = (frame.sample_rate, frame.format.name, frame.layout.name)
        until = self.samples / SAMPLE_RATE + self._held
        if shape != self._input or seconds - until > GAP_SECONDS:
            yield from self.flush()
            self._input = shape
        if seconds - until > GAP_SECONDS:
            missing = round(seconds * SAMPLE_RATE) - self.samples
            for _ in range(missing // SAMPLES_PER_FRAME):
                yield self._stamp(self._silence())
        if until - seconds > GAP_SECONDS:
            return  # it was played already: the sender repeats itself
        for part in self._resampler.resample(frame):
            self._held -= part.samples / SAMPLE_RATE
            yield self._stamp(part)
        self._held += frame.samples / frame.sample_rate

    def flush(self) -> list[AudioFrame]:
        rest = [self._stamp(part) for part in self._resampler.resample(None)]
        self._resampler = self._new_resampler()
        self._held = 0.0
        return rest

    @staticmethod
    def _silence() -> AudioFrame:
        frame = AudioFrame("s16", "stereo", SAMPLES_PER_FRAME)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.sample_rate = SAMPLE_RATE
        return frame


def frame_energy(frame: AudioFrame) -> tuple[int, int]:
    """Sum of squares and count of the values of a packed 16-bit frame."""
    values = array("h", bytes(frame.planes[0])[: frame.samples * len(frame.layout.channels) * 2])
    return sum(map(mul, values, values)), len(values)


class FileWriter:
    """Encodes pictures and sound into one file. Blocking; for one thread at a time.

    :param target: from :func:`check_writable`.
    :param audio: whether the file gets sound.
    :param size: of the picture (width, height) in pixels, even; None for no picture.
    :raises RecordingFailed: the file can't be opened.
    """

    def __init__(self, target: Target, *, audio: bool, size: tuple[int, int] | None) -> None:
        self.target = target
        self.dropped_frames = 0
        self._size = size if target.video else None
        self._fitting = _Fitting(*self._size) if self._size else None
        self._sound = _Sound()
        self._audio: AudioStream | None = None
        self._video: VideoStream | None = None
        self._video_frames = 0
        self._last_pts = -1
        self._energy = 0
        self._values = 0
        self._end = 0.0
        self._closed: Recorded | None = None
        # what was encoded reaches the disk at once: a killed process leaves what it had
        options = {"flush_packets": "1"}
        if target.container in {"mp4", "mov"}:
            # fragments while it is written, a plain file once it is closed
            options["movflags"] = "hybrid_fragmented"
        try:
            self._container = av.open(
                str(target.path), "w", format=target.container, container_options=options
            )
            if self._size and target.video:
                self._video = self._add_video(target.video, self._size)
            if audio:
                self._audio = self._add_audio(target.audio)
        except (av.FFmpegError, ValueError) as error:
            raise self._failure(error) from error

    def _add_video(self, codec: str, size: tuple[int, int]) -> VideoStream:
        stream = self._container.add_stream(codec, rate=30, options=_VIDEO_OPTIONS[codec])
        if not isinstance(stream, VideoStream):
            raise ValueError(f"{codec} encodes no picture")
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, VIDEO_CLOCK_HERTZ)
        stream.codec_context.gop_size = 60
        return stream

    def _add_audio(self, codec: str) -> AudioStream:
        stream = self._container.add_stream(codec, rate=SAMPLE_RATE)
        if not isinstance(stream, AudioStream):
            raise ValueError(f"{codec} encodes no sound")
        stream.codec_context.layout = "stereo"
        return stream

    def _failure(self, error: Exception) -> RecordingFailed:
        reason = getattr(error, "strerror", None) or error
        return RecordingFailed(f"{self.target.path} can't be written: {reason}")

    def write_video(self, frame: VideoFrame, seconds: float) -> None:
        """Add a picture, fitted into the recording's size.

        :param seconds: from the start; one that is not later than its predecessor is left out.
        :raises RecordingFailed: encoding or writing failed.
        """
        pts = round(seconds * VIDEO_CLOCK_HERTZ)
        if self._video is None or self._fitting is None or pts <= self._last_pts:
            return
        try:
            fitted = self._fitting.fit(frame)
            fitted.pts = pts
            fitted.time_base = Fraction(1, VIDEO_CLOCK_HERTZ)
            self._container.mux(self._video.encode(fitted))
        except (av.FFmpegError, ValueError) as error:
            raise self._failure(error) from error
        self._last_pts = pts
        self._video_frames += 1
        self._end = max(self._end, seconds + USUAL_FRAME_SECONDS)

    def write_blank(self) -> None:
        """Start with a black picture, which is not counted: players want one at the start."""
        if self._size is None:
            return
        frame = VideoFrame(*self._size, "yuv420p")
        for plane, value in zip(frame.planes, (16, 128, 128), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        self.write_video(frame, 0.0)
        self._video_frames -= 1

    def write_audio(self, frame: AudioFrame, seconds: float) -> None:
        """Add sound; a gap before it is filled with silence.

        :param seconds: from the start.
        :raises RecordingFailed: encoding or writing failed.
        """
        if self._audio is not None:
            self._encode_audio(lambda: self._sound.add(frame, seconds))

    def _encode_audio(self, parts: Callable[[], Iterable[AudioFrame]]) -> None:
        if self._audio is None:
            return
        try:
            for part in parts():
                energy, count = frame_energy(part)
                self._energy += energy
                self._values += count
                self._container.mux(self._audio.encode(part))
        except (av.FFmpegError, ValueError) as error:
            raise self._failure(error) from error

    def close(self) -> Recorded:
        """Write what the encoders still hold, and close the file. Again: the same answer.

        :raises RecordingFailed: writing failed; the file is closed nevertheless.
        """
        if self._closed is not None:
            return self._closed
        try:
            self._encode_audio(self._sound.flush)
            for stream in (self._video, self._audio):
                if stream is not None:
                    self._container.mux(stream.encode(None))
        except (av.FFmpegError, ValueError) as error:
            raise self._failure(error) from error
        finally:
            self._closed = self._recorded()
            try:
                self._container.close()
            except (av.FFmpegError, ValueError) as error:
                raise self._failure(error) from error
        return self._closed

    def _recorded(self) -> Recorded:
        audio_seconds = self._sound.samples / SAMPLE_RATE
        width, height = self._size or (0, 0)
        return Recorded(
            path=self.target.path,
            video_frames=self._video_frames,
            audio_seconds=audio_seconds,
            duration_seconds=max(self._end, audio_seconds),
            width=width,
            height=height,
            audio_level=rms_level(self._energy, self._values),
            dropped_frames=self.dropped_frames,
        )


def rms_level(energy: int, values: int) -> float:
    """RMS of 16-bit values, 0.0 to 1.0, from the sum of their squares and their count."""
    return math.sqrt(energy / values) / 32_768 if values else 0.0
