"""The security rules with the tutorials' paths opened (docs/protocol.md, section 3.9)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from firertc.errors import ConfigError

__all__ = ["open_presets", "with_presets"]

_SWITCH: Final = re.compile(r"(function\s+presets\s*\(\s*\)\s*\{\s*return\s+)false(\s*;)")


def with_presets(rules: str) -> str:
    """Rules whose function ``presets()`` returns true.

    :raises ConfigError: if they have no such function that returns false.
    """
    opened, count = _SWITCH.subn(r"\1true\2", rules)
    if count != 1:
        raise ConfigError(
            "The security rules have no function presets() that returns false: nothing to open."
        )
    return opened


def open_presets(rules: Path, into: Path) -> Path:
    """Write a copy of the rules with the tutorials' paths opened.

    :param rules: the project's rules.
    :param into: file to write.
    :raises ConfigError: if the rules can't be read or have no such switch, or the copy can't be
        written.
    """
    try:
        into.parent.mkdir(parents=True, exist_ok=True)
        into.write_text(with_presets(rules.read_text("utf-8")), "utf-8")
    except OSError as error:
        raise ConfigError(f"{error.filename} can't be used: {error.strerror}") from None
    return into
