"""Which names of files may be taken from a stranger; no I/O.

A transfer names its files by relative paths with ``/`` between the parts. What could lead out of
the folder, stand for a device, or fall together with another name is refused whole: a name is never
repaired behind the person's back.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Literal

System = Literal["posix", "windows"]
Problem = Literal[
    "empty",
    "encoding",
    "control",
    "absolute",
    "drive",
    "backslash",
    "parent",
    "too-long",
    "too-deep",
    "reserved",
    "clash",
]

PART_BYTES = 250
"""Of one name: 255 (NAME_MAX of Linux, macOS and Windows) less ``.part``."""
PATH_BYTES = 1_024
DEPTH_MOST = 64
PARTIAL_ENDING = ".part"

_RESERVED = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(\..*)?", re.I
)
"""Names of devices, with any ending (Windows, 'Naming Files, Paths, and Namespaces')."""
_FORBIDDEN = frozenset('<>:"|?*')

_WORDS: dict[str, str] = {
    "empty": "it is empty, or has an empty part",
    "encoding": "it is no valid Unicode",
    "control": "it has control characters",
    "absolute": "it is absolute",
    "drive": "it names a drive",
    "backslash": "it has a backslash",
    "parent": "it leads out of the folder ('.' or '..')",
    "too-long": f"it is too long (a name {PART_BYTES} bytes, in all {PATH_BYTES})",
    "too-deep": f"it is more than {DEPTH_MOST} folders deep",
    "reserved": "this system can't have such a name",
    "clash": "it falls together with another name of the same transfer",
}


def explain(problem: Problem) -> str:
    """A problem in words."""
    return _WORDS[problem]


def path_problem(path: str, system: System = "posix") -> Problem | None:
    """Whether a path from a stranger may be used below a folder of ours.

    :param path: relative, parts joined with ``/``.
    :param system: ``windows`` also refuses what Windows can't have.
    :returns: what is wrong with it; None: nothing.
    """
    try:
        raw = path.encode("utf-8")
    except UnicodeEncodeError:
        return "encoding"
    if not path:
        return "empty"
    if any(unicodedata.category(character) == "Cc" for character in path):
        return "control"
    if path[0] in "/\\":
        return "absolute"
    if re.match(r"[A-Za-z]:", path):
        return "drive"
    if "\\" in path:
        return "backslash"
    parts = path.split("/")
    if "" in parts:
        return "empty"
    if "." in parts or ".." in parts:
        return "parent"
    if len(raw) > PATH_BYTES or any(len(part.encode()) > PART_BYTES for part in parts):
        return "too-long"
    if len(parts) > DEPTH_MOST:
        return "too-deep"
    if system == "windows" and any(map(_is_reserved, parts)):
        return "reserved"
    return None


def _is_reserved(part: str) -> bool:
    return (
        _RESERVED.fullmatch(part) is not None
        or part[-1] in " ."
        or any(character in _FORBIDDEN for character in part)
    )


def clash(paths: Iterable[str]) -> tuple[str, str] | None:
    """Two paths of one transfer that could be the same file: twice the same, or but for case or
    Unicode's composition; one a folder of the other; one the partial file of the other.

    :returns: the two, the later one first; None: there are none.
    """
    seen: dict[str, str] = {}
    folders: dict[str, str] = {}
    for path in paths:
        key = _folded(path)
        partial = key + PARTIAL_ENDING
        whole = key.removesuffix(PARTIAL_ENDING)
        for taken in (key, partial):
            if taken in seen:
                return path, seen[taken]
        if whole != key and whole in seen:
            return path, seen[whole]
        for taken in (key, partial):
            if taken in folders:
                return path, folders[taken]
        parts = key.split("/")
        for end in range(1, len(parts)):
            folder = "/".join(parts[:end])
            for name in (folder, folder.removesuffix(PARTIAL_ENDING)):
                if name in seen:
                    return path, seen[name]
            folders.setdefault(folder, path)
        seen[key] = path
    return None


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", path).lower()
