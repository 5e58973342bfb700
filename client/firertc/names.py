"""Names of tracks: ``camera``, ``screen``, or whatever the sender calls them.

They travel in the descriptions, as the label of the section that a track is sent in (``a=label``,
RFC 4574): so the receiver has the name with the track, also after a renegotiation or a repair.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote, unquote_to_bytes

from .errors import ConfigError

NAME_CHARS = 64
"""The longest name."""
_LABEL = "a=label:"
_TOKEN = re.compile(r"(?:[A-Za-z0-9_.~-]|%[0-9A-Fa-f]{2})+")
"""What is written of a name: UTF-8, percent-encoded but for these (RFC 3986, section 2.3)."""


def check_name(name: str) -> str:
    """The same name.

    :raises ConfigError: if it has more than 64 characters, or is no proper text.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ConfigError("A track's name holds half a character.") from None
    if len(name) > NAME_CHARS:
        raise ConfigError(f"A track's name has at most {NAME_CHARS} characters.")
    return name


def write_names(sdp: str, names: Sequence[str]) -> str:
    """A description that says what its sections are called.

    :param names: by audio and video section, in order; empty: none.
    """
    head, *sections = _split(sdp)
    waiting = list(names)
    for at, section in enumerate(sections):
        if _is_media(section) and waiting and (name := waiting.pop(0)):
            end = "" if section.endswith("\n") else "\r\n"
            sections[at] = f"{section}{end}{_LABEL}{quote(name, safe='')}\r\n"
    return "".join((head, *sections))


def read_names(sdp: str) -> list[str]:
    """What the other side calls its audio and video sections, in order; empty where it says nothing
    that makes sense."""
    return [_name(section) for section in _split(sdp)[1:] if _is_media(section)]


def _split(sdp: str) -> list[str]:
    return re.split(r"(?m)^(?=m=)", sdp)


def _is_media(section: str) -> bool:
    return section.startswith(("m=audio ", "m=video "))


def _name(section: str) -> str:
    for line in section.splitlines():
        token = line.strip().removeprefix(_LABEL)
        if line.startswith(_LABEL) and _TOKEN.fullmatch(token):
            try:
                name = unquote_to_bytes(token).decode()
            except UnicodeDecodeError:
                return ""
            return name if len(name) <= NAME_CHARS else ""
    return ""
