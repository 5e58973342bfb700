"""A test picture and a test tone that a receiver can check, and a short clip made of them.

The picture carries its own frame number twice: in digits for people, and as a barcode that
survives a low bit rate, another resolution and a recording (:func:`read_frame_number`).
"""

from __future__ import annotations

import math
import zlib
from array import array
from fractions import Fraction
from os import PathLike
from typing import TYPE_CHECKING

from av import AudioFrame, VideoFrame

from .errors import ConfigError

if TYPE_CHECKING:
    from .encoding import Recorded

__all__ = [
    "FRAMES_PER_SECOND",
    "PICTURE_HEIGHT",
    "PICTURE_WIDTH",
    "SAMPLE_RATE",
    "TONE_HERTZ",
    "Picture",
    "Tone",
    "make_clip",
    "read_frame_number",
]

PICTURE_WIDTH = 640
PICTURE_HEIGHT = 360
FRAMES_PER_SECOND = 30
SAMPLE_RATE = 48_000
"""Samples per second: what Opus runs at in WebRTC (RFC 7587, section 4.1)."""
SAMPLES_PER_FRAME = 960
"""20 ms of sound, the packet length that WebRTC uses by default (RFC 7874, section 3)."""
TONE_HERTZ = 440
TONE_PEAK = 8_000
"""Peak of the tone, of 32,767: loud enough to measure, soft enough for a headset."""

CLOCK_RATE_HERTZ = 90_000
"""The RTP clock of video (RFC 7741, section 4.1)."""

_BLACK, _WHITE, _NO_COLOUR = 16, 235, 128
_BITS_PER_ROW = 16
_NUMBER_BYTES = 3
_LUMA_FIRST = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuv444p", "nv12", "gray"})
"""Pixel formats whose first plane is 8 bits of brightness."""
_DARK_BELOW, _LIGHT_ABOVE = 96, 160
# Rec. 601, 75 %: white, yellow, cyan, green, magenta, red, blue, black as (Y, Cb, Cr)
_BARS = (
    (180, 128, 128),
    (162, 44, 142),
    (131, 156, 44),
    (112, 72, 58),
    (84, 184, 198),
    (65, 100, 212),
    (35, 212, 114),
    (16, 128, 128),
)
# three dots wide, five high, one string per digit, row after row
_DIGITS = (
    "111101101101111",
    "010110010010111",
    "111001111100111",
    "111001111001111",
    "101101111001001",
    "111100111001111",
    "111100111101111",
    "111001001001001",
    "111101111101111",
    "111101111001111",
)


def _barcode_bits(number: int) -> list[bool]:
    payload = (number % (1 << 8 * _NUMBER_BYTES)).to_bytes(_NUMBER_BYTES, "big")
    word = int.from_bytes(payload + bytes([zlib.crc32(payload) & 0xFF]), "big")
    return [bool(word >> shift & 1) for shift in range(31, -1, -1)]


class Picture:
    """Draws the test picture: barcode on top, digits below it, colour bars with a moving box.

    :param width: in pixels, even, at least 160.
    :param height: in pixels, even, at least 96.
    :raises ConfigError: the size is odd or too small for the barcode.
    """

    def __init__(self, width: int = PICTURE_WIDTH, height: int = PICTURE_HEIGHT) -> None:
        if width < 160 or height < 96 or width % 2 or height % 2:
            raise ConfigError(
                f"a test picture of {width}x{height} is not possible: "
                "take even numbers, at least 160x96"
            )
        self.width = width
        self.height = height
        luma, cb, cr = VideoFrame(width, height, "yuv420p").planes
        self._pad = bytes(luma.line_size - width)
        self._scale = min(width // 40, height // 4 // 6)
        self._bars_from = height // 2
        self._bar_row = self._bars(0, width)
        self._chroma = [
            self._chroma_plane(plane.line_size, channel) for plane, channel in ((cb, 1), (cr, 2))
        ]

    def _bars(self, channel: int, width: int) -> bytes:
        return bytes(_BARS[x * len(_BARS) // width][channel] for x in range(width))

    def _chroma_plane(self, line_size: int, channel: int) -> bytes:
        width, height, plain_rows = self.width // 2, self.height // 2, self._bars_from // 2
        pad = bytes(line_size - width)
        plain = bytes([_NO_COLOUR]) * width + pad
        return plain * plain_rows + (self._bars(channel, width) + pad) * (height - plain_rows)

    def _barcode_row(self, bits: list[bool]) -> bytes:
        width = self.width
        return bytes(_WHITE if bits[x * _BITS_PER_ROW // width] else _BLACK for x in range(width))

    def _digit_rows(self, number: int) -> list[bytes]:
        scale = self._scale
        digits = f"{number:08d}"[-8:]
        rows = []
        for line in range(5):
            dots = "0".join(_DIGITS[int(d)][3 * line : 3 * line + 3] for d in digits)
            row = b"".join(bytes([_WHITE if dot == "1" else _BLACK]) * scale for dot in dots)
            rows.extend([row.center(self.width, bytes([_BLACK]))] * scale)
        return rows

    def frame(self, number: int) -> VideoFrame:
        """Draw frame ``number``, shown at ``number / 30`` seconds.

        :param number: counted from 0; the barcode holds it modulo 2^24 (six days).
        """
        height, pad = self.height, self._pad
        bits = _barcode_bits(number)
        code_rows = height // 8
        lines = [self._barcode_row(bits[:_BITS_PER_ROW]) + pad] * code_rows
        lines += [self._barcode_row(bits[_BITS_PER_ROW:]) + pad] * code_rows

        black = bytes([_BLACK]) * self.width + pad
        digits = self._digit_rows(number)
        lines += [black] * ((self._bars_from - len(lines) - len(digits)) // 2)
        lines += [row + pad for row in digits]
        lines += [black] * (self._bars_from - len(lines))

        bar = self._bar_row
        box = height // 6
        left = number * 4 % (self.width - box)
        boxed = bar[:left] + bytes([_WHITE]) * box + bar[left + box :] + pad
        above = (height - self._bars_from - box) // 2
        lines += [bar + pad] * above
        lines += [boxed] * box
        lines += [bar + pad] * (height - len(lines))

        frame = VideoFrame(self.width, height, "yuv420p")
        frame.planes[0].update(b"".join(lines))
        for plane, chroma in zip(frame.planes[1:], self._chroma, strict=True):
            plane.update(chroma)
        frame.pts = number * (CLOCK_RATE_HERTZ // FRAMES_PER_SECOND)
        frame.time_base = Fraction(1, CLOCK_RATE_HERTZ)
        return frame


def read_frame_number(frame: VideoFrame) -> int | None:
    """Read the frame number out of a test picture, at any size it was scaled to.

    :param frame: a decoded frame, in any pixel format.
    :returns: the number modulo 2^24, or None if this is no test picture or it is too damaged:
        every block must be clearly dark or light, and an 8-bit checksum must match.
    """
    if frame.format.name not in _LUMA_FIRST:
        frame = frame.reformat(format="gray")
    width, height = frame.width, frame.height
    plane = frame.planes[0]
    luma, line_size = bytes(plane), plane.line_size
    block_width, block_height = width / _BITS_PER_ROW, height // 8
    if block_width < 4 or block_height < 4:
        return None
    word = 0
    for row in range(2):
        top = row * block_height + block_height // 4
        bottom = row * block_height + block_height - block_height // 4
        for column in range(_BITS_PER_ROW):
            left = int((column + 0.25) * block_width)
            right = max(left + 1, int((column + 0.75) * block_width))
            total = sum(
                sum(luma[y * line_size + left : y * line_size + right])
                for y in range(top, bottom, 2)
            )
            mean = total / ((right - left) * len(range(top, bottom, 2)))
            if _DARK_BELOW <= mean <= _LIGHT_ABOVE:
                return None
            word = word << 1 | (mean > _LIGHT_ABOVE)
    payload = (word >> 8).to_bytes(_NUMBER_BYTES, "big")
    return word >> 8 if zlib.crc32(payload) & 0xFF == word & 0xFF else None


class Tone:
    """A sine of a whole number of hertz, 48 kHz, mono, signed 16 bits.

    :param hertz: pitch, 1 to 20,000.
    """

    def __init__(self, hertz: int = TONE_HERTZ) -> None:
        if not 1 <= hertz <= 20_000:
            raise ConfigError(f"a tone of {hertz} Hz is not possible: take 1 to 20,000")
        wave = array(
            "h",
            (
                round(TONE_PEAK * math.sin(2 * math.pi * hertz * n / SAMPLE_RATE))
                for n in range(SAMPLE_RATE)
            ),
        )
        # one second holds whole periods, so it can be repeated without a click
        self._second = wave.tobytes() + wave[:SAMPLES_PER_FRAME].tobytes()

    def frame(self, number: int) -> AudioFrame:
        """The 20 ms of tone that start at ``number * 20`` milliseconds."""
        first = number * SAMPLES_PER_FRAME
        at = first % SAMPLE_RATE * 2
        frame = AudioFrame("s16", "mono", SAMPLES_PER_FRAME)
        frame.planes[0].update(self._second[at : at + 2 * SAMPLES_PER_FRAME])
        frame.sample_rate = SAMPLE_RATE
        frame.pts = first
        frame.time_base = Fraction(1, SAMPLE_RATE)
        return frame


def make_clip(
    path: str | PathLike[str],
    seconds: float = 5.0,
    *,
    width: int = PICTURE_WIDTH,
    height: int = PICTURE_HEIGHT,
    hertz: int = TONE_HERTZ,
) -> Recorded:
    """Write a clip of the test picture and the tone; the codec follows the file's extension.

    It blocks while it encodes, a fraction of the clip's length.

    :param path: any extension that :class:`~firertc.recording.Recorder` writes, such as
        ``.mp4`` (H.264 and AAC) or ``.webm`` (VP8 and Opus); ``.wav`` and the like get the tone.
    :param seconds: length, at least one frame.
    :raises RecordingFailed: the file can't be written there.
    :raises ConfigError: the size or the pitch is not possible.
    """
    from .encoding import FileWriter, check_writable

    target = check_writable(path)
    picture = Picture(width, height) if target.video else None
    tone = Tone(hertz)
    writer = FileWriter(target, audio=True, size=(width, height) if picture else None)
    frames = max(1, round(seconds * FRAMES_PER_SECOND))
    sounds = max(1, round(seconds * SAMPLE_RATE / SAMPLES_PER_FRAME))
    sound = 0
    try:
        for number in range(frames):
            if picture is not None:
                writer.write_video(picture.frame(number), number / FRAMES_PER_SECOND)
            # keep the sound level with the picture, as players like it
            until = sounds if number == frames - 1 else sounds * (number + 1) // frames
            while sound < until:
                writer.write_audio(tone.frame(sound), sound * SAMPLES_PER_FRAME / SAMPLE_RATE)
                sound += 1
    finally:
        recorded = writer.close()
    return recorded
