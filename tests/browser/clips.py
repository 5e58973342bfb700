"""What the fake camera and microphone of the browser play, and reading it again elsewhere."""

from __future__ import annotations

import math
import wave
from array import array
from pathlib import Path

import av
import numpy as np

from firertc.sample import Picture, read_frame_number

WIDTH, HEIGHT = 320, 180
FRAMES = 90
FRAMES_PER_SECOND = 30
MICROPHONE_HERTZ = 660
SAMPLE_RATE = 48_000


def write_camera(path: Path) -> Path:
    """Numbered test pictures, three seconds, as Y4M: Chromium shows it again and again."""
    picture = Picture(WIDTH, HEIGHT)
    with path.open("wb") as file:
        file.write(
            f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FRAMES_PER_SECOND}:1 Ip A1:1 C420jpeg\n".encode()
        )
        for number in range(FRAMES):
            file.write(b"FRAME\n")
            for plane in picture.frame(number).planes:
                rows = memoryview(plane)
                for top in range(0, plane.height * plane.line_size, plane.line_size):
                    file.write(rows[top : top + plane.width])
    return path


def write_microphone(path: Path) -> Path:
    """A tone, two seconds, as WAV: Chromium plays it again and again."""
    count = 2 * SAMPLE_RATE
    turn = 2 * math.pi * MICROPHONE_HERTZ / SAMPLE_RATE
    samples = array("h", (int(12_000 * math.sin(turn * n)) for n in range(count)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.tobytes())
    return path


def frame_numbers(path: Path) -> list[int]:
    """The numbers of the test pictures in a recording, those that can be read."""
    with av.open(str(path)) as container:
        numbers = [read_frame_number(frame) for frame in container.decode(video=0)]
    return [number for number in numbers if number is not None]


def loudest_hertz(path: Path) -> float:
    """The strongest frequency in the second half of a recording's sound."""
    with av.open(str(path)) as container:
        rate = container.streams.audio[0].rate
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    samples = np.concatenate([np.asarray(f, dtype=np.float64).mean(axis=0) for f in frames])
    half = samples[len(samples) // 2 :]
    spectrum = np.abs(np.fft.rfft(half * np.hanning(len(half))))
    return float(np.argmax(spectrum) * rate / len(half))
