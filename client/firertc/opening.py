"""Opening files, URLs and devices off the event loop, and saying what is wrong with them."""

from __future__ import annotations

import asyncio
import glob
import os
import re
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.format import ContainerFormat
from av.video.stream import VideoStream

from .errors import MediaError, MediaNotFound, MediaUnreadable
from .playback import Kind
from .recording import is_cover

__all__ = [
    "WITHOUT_DEVICE",
    "Device",
    "Opened",
    "device_parts",
    "devices_for",
    "open_device",
    "open_location",
]

OPEN_SECONDS = 10.0
"""A source that has not opened by then never will, for a person who waits."""
READ_SECONDS = 10.0
"""How long a source may say nothing in mid-play before it counts as broken."""
LIVE_SCHEMES = frozenset({"rtsp", "rtsps", "rtmp", "rtmps", "rtp", "udp", "srt"})
WITHOUT_DEVICE = "`--play test` needs no device"

_DEVICE = r"(?:camera|microphone|screen)(?::|\Z|\+)"
_FIRST_DEVICE = re.compile(_DEVICE)
_NEXT_DEVICE = re.compile(rf"\+(?={_DEVICE})")


@dataclass(frozen=True)
class Opened:
    """A container that was opened, and what is in it."""

    name: str
    """What to call it in a message: no password, no query of a URL."""
    container: InputContainer
    """The container."""
    streams: dict[Kind, AudioStream | VideoStream]
    """The first stream of each kind that can be decoded."""
    live: bool
    """It sets the pace itself."""


@dataclass(frozen=True)
class Device:
    """One way of asking FFmpeg for a device."""

    format: str
    """FFmpeg's name of the input format."""
    file: str
    """What that format calls the device."""
    options: dict[str, str] = field(default_factory=dict)
    """FFmpeg options for it."""


def device_parts(spec: str) -> list[str]:
    """The devices that a spec names, joined by plus signs; empty if it is a path or a URL."""
    return _NEXT_DEVICE.split(spec) if _FIRST_DEVICE.match(spec) else []


def devices_for(
    word: str, which: str, platform: str, cameras: list[str], display: str | None
) -> list[Device]:
    """What to try, in this order, for a device word on a platform; empty if nothing can be.

    :param word: ``camera``, ``microphone`` or ``screen``.
    :param which: its number, path or name; empty for the first one.
    :param platform: as ``sys.platform`` says it.
    :param cameras: paths or names of the cameras that the system reports.
    :param display: the X11 display.
    """
    if platform == "darwin":
        number = which or "0"
        smooth = {"framerate": "30"}
        return {
            "camera": [Device("avfoundation", f"{number}:none", smooth)],
            "microphone": [Device("avfoundation", f"none:{number}")],
            "screen": [Device("avfoundation", f"Capture screen {number}:none", smooth)],
        }[word]
    if platform == "win32":
        if word == "screen":
            return [Device("gdigrab", which or "desktop", {"framerate": "15"})]
        if word == "microphone":
            return [Device("dshow", f"audio={which}")] if which else []
        if which and not which.isdecimal():
            return [Device("dshow", f"video={which}")]
        return [Device("dshow", f"video={name}") for name in cameras[int(which or 0) :][:1]]
    if word == "screen":
        shown = which or display
        return [Device("x11grab", shown, {"framerate": "15"})] if shown else []
    if word == "microphone":
        return [Device("pulse", which or "default"), Device("alsa", which or "default")]
    if which:
        return [Device("v4l2", f"/dev/video{which}" if which.isdecimal() else which)]
    return [Device("v4l2", path) for path in cameras or ["/dev/video0"]]


def _cameras(platform: str) -> list[str]:
    if platform != "win32":
        return sorted(glob.glob("/dev/video*"))
    try:
        from av.device import enumerate_input_devices
    except ImportError:  # PyAV before 17
        return []
    found = enumerate_input_devices("dshow")
    return [device.description for device in found if "video" in device.media_types]


async def open_device(part: str) -> Opened:
    """Open ``camera``, ``microphone`` or ``screen``, or one of these with a name.

    :raises MediaNotFound: there is none.
    :raises MediaUnreadable: it is there, but busy, forbidden or silent.
    """
    word, _, which = part.partition(":")
    display = os.environ.get("DISPLAY")
    devices = devices_for(word, which, sys.platform, _cameras(sys.platform), display)
    tried: list[str] = []
    for device in devices:
        name = f"{part} ({device.format} {device.file})"
        try:
            ContainerFormat(device.format, "r")
        except ValueError:
            tried.append(f"{device.format} {device.file} (not in this build of PyAV)")
            continue
        try:
            container = await _in_thread(lambda device=device: _open(device), name)  # type: ignore[misc]
        except (av.error.PermissionError, av.error.BlockingIOError) as error:
            raise MediaUnreadable(
                f"{name} is busy or forbidden to this user ({error.strerror}): close the program "
                f"that uses it, or allow this one to; {WITHOUT_DEVICE}"
            ) from error
        except (av.FFmpegError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            tried.append(f"{device.format} {device.file} ({reason})")
            continue
        return _opened(name, container, live=True)
    if tried:
        raise MediaNotFound(
            f"no {word} found; tried {', '.join(tried)}. Name another as {word}:NAME; "
            f"{WITHOUT_DEVICE}"
        )
    hint = {
        "screen": "there is no X11 display (DISPLAY is not set); name one as screen::0",
        "camera": "none is reported; name it as camera:NAME",
        "microphone": "name it as microphone:NAME, as the sound settings call it",
    }[word]
    raise MediaNotFound(f"no {word} found: {hint}; {WITHOUT_DEVICE}")


async def open_location(spec: str) -> Opened:
    """Open a file or a URL.

    :raises MediaNotFound: there is no such file, or nothing answers at the URL.
    :raises MediaUnreadable: it can't be read or decoded, or does not open in time.
    """
    url = "://" in spec
    if url:
        parts = urlsplit(spec)
        name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        location, live = spec, parts.scheme.lower() in LIVE_SCHEMES
    else:
        path = Path(spec).expanduser().absolute()
        name, location, live = spec, str(path), False
        if not path.exists():
            raise MediaNotFound(f"{spec}: there is no such file; {WITHOUT_DEVICE} and no file")
        if path.is_char_device():
            raise MediaUnreadable(f"{spec} is a device: name it as camera:{spec}")
        if not path.is_file():
            raise MediaUnreadable(f"{spec} is not a file that can be played")
    try:
        container = await _in_thread(lambda: _open(Device("", location)), name)
    except (av.FFmpegError, ValueError) as error:
        # FFmpeg's own error holds the URL with its password
        raise _location_error(name, url, error) from None
    return _opened(name, container, live=live)


def _location_error(name: str, url: bool, error: Exception) -> MediaError:
    reason = getattr(error, "strerror", None) or type(error).__name__
    if isinstance(error, av.error.InvalidDataError):
        return MediaUnreadable(f"{name} is no sound or video that can be decoded, or is damaged")
    if isinstance(error, av.error.PermissionError):
        return MediaUnreadable(f"{name} may not be read by this user: change its permissions")
    if isinstance(error, av.error.ProtocolNotFoundError):
        scheme = name.partition(":")[0]
        return MediaUnreadable(f"{name}: the installed PyAV knows no {scheme} URLs")
    if isinstance(error, av.error.ExitError | av.error.TimeoutError):
        return _too_slow(name)
    if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
        return MediaUnreadable(f"{name} wants a permission that was not given ({reason})")
    if url and not isinstance(error, av.error.DecoderNotFoundError):
        return MediaNotFound(f"{name} can't be reached ({reason}): check the address")
    return MediaUnreadable(f"{name} can't be opened: {reason}")


def _too_slow(name: str) -> MediaUnreadable:
    return MediaUnreadable(
        f"{name} did not open within {OPEN_SECONDS:.0f} s: check that it is on and can be reached"
    )


def _opened(name: str, container: InputContainer, *, live: bool) -> Opened:
    streams: dict[Kind, AudioStream | VideoStream] = {}
    for stream in container.streams:
        # without a decoder PyAV gives a stream no codec context
        if stream.codec_context is None:
            continue
        if isinstance(stream, AudioStream):
            streams.setdefault("audio", stream)
        elif isinstance(stream, VideoStream) and not is_cover(stream):
            streams.setdefault("video", stream)
    if not streams:
        container.close()
        raise MediaUnreadable(f"{name} has neither sound nor a picture that can be decoded")
    return Opened(name, container, streams, live)


def _open(device: Device) -> InputContainer:
    return av.open(
        device.file,
        "r",
        format=device.format or None,
        options=device.options,
        timeout=(OPEN_SECONDS, READ_SECONDS),
    )


async def _in_thread(opening: Callable[[], InputContainer], name: str) -> InputContainer:
    """Open in a daemon thread: one that hangs in a driver must not hold up the program's end."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[InputContainer] = loop.create_future()

    def deliver(container: InputContainer | None, error: Exception | None) -> None:
        if future.done():  # too late: nobody waits any more
            if container is not None:
                container.close()
        elif container is not None:
            future.set_result(container)
        elif error is not None:
            future.set_exception(error)

    def run() -> None:
        container, failure = None, None
        try:
            container = opening()
        except Exception as error:  # handed over to the one who waits
            failure = error
        try:
            loop.call_soon_threadsafe(deliver, container, failure)
        except RuntimeError:  # the event loop is closed
            if container is not None:
                container.close()

    threading.Thread(target=run, name="firertc-open", daemon=True).start()
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            return await future
    except TimeoutError:
        # builtin TimeoutError is also a base of FFmpeg's: both mean the same here
        raise _too_slow(name) from None
