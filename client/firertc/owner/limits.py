"""The limits of a key, as ``join`` reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from ..errors import ConfigError

__all__ = ["key_limits"]

_ROLES: Final = ("subscriber", "publisher", "moderator")
_CONNECT: Final = ("all", "none")
_NUMBERS: Final = {"sessionSeconds": (60, 3600), "capacity": (2, 1000)}
_WORDS: Final = {"role": _ROLES, "connect": _CONNECT}
_FLAGS: Final = ("tokenRequired",)


def key_limits(given: Iterable[str]) -> dict[str, Any]:
    """Read limits written as ``name=value``.

    ``role`` (of a peer without a server-made token), ``tokenRequired`` (true: only those with one
    get in), ``sessionSeconds`` (60 to 3600), ``connect`` (all or none) and ``capacity`` (2 to
    1000) of the rooms it creates.

    :raises ConfigError: unknown name or bad value.
    """
    limits: dict[str, Any] = {}
    for text in given:
        name, separator, value = text.partition("=")
        known = (*_WORDS, *_FLAGS, *_NUMBERS)
        if not separator or name not in known:
            raise ConfigError(
                f"{text[:100]!r} is no limit. Write name=value, with a name of {', '.join(known)}."
            )
        limits[name] = _limit(name, value)
    return limits


def _limit(name: str, value: str) -> Any:
    if name in _NUMBERS:
        least, most = _NUMBERS[name]
        # Ten digits and more would be refused anyhow; int() takes long ones ill.
        if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= most:
            raise ConfigError(f"The limit {name} must be a whole number from {least} to {most}.")
        return int(value)
    words = _WORDS.get(name, ("true", "false"))
    if value not in words:
        raise ConfigError(f"The limit {name} must be one of: {', '.join(words)}.")
    return value == "true" if name in _FLAGS else value
