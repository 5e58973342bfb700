"""Which origin patterns a key may list: those that ``join`` can ever match.

``join`` ignores a pattern of another form, so a mistake would shut a page out without a word.
"""

from __future__ import annotations

import re
from typing import Final

from ..errors import ConfigError

__all__ = ["origin_pattern"]

_PATTERN: Final = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}|\*))?"
)
_LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")
_FORMS: Final = (
    "It must be https://host[:port], https://*.example.com for subdomains, http://localhost:* for "
    "any port of this machine, or * for every page."
)


def origin_pattern(text: str) -> str:
    """Check an origin pattern, and write it the way that origins are compared.

    :param text: as a person wrote it.
    :raises ConfigError: if it can match no origin; says why.
    """
    if text == "*":
        return text
    pattern = text.lower().removesuffix("/")
    found = _PATTERN.fullmatch(pattern)
    if found is None:
        raise ConfigError(f"{text[:200]!r} is no origin pattern{_hint(text)}. {_FORMS}")
    host, port = found["host"], found["port"]
    if host.startswith("*.") and (host.count(".") < 2 or ".." in host):
        raise ConfigError(
            f"{text!r} is too wide: name at least two labels after the star, as in "
            "https://*.example.com."
        )
    if port == "*" and host not in _LOOPBACK:
        raise ConfigError(
            f"{text!r}: any port is for this machine alone ({', '.join(_LOOPBACK)}). Name the port."
        )
    if port not in (None, "*") and not 0 < int(port) < 65_536:
        raise ConfigError(f"{text!r}: there is no port {port}.")
    return pattern


def _hint(text: str) -> str:
    scheme, separator, rest = text.partition("://")
    if not separator:
        return ": it does not begin with https://"
    if scheme.lower() not in ("http", "https"):
        return ": only http and https have origins"
    if "/" in rest.removesuffix("/"):
        return ": an origin ends where the path begins"
    if not rest.isascii():
        return ": write an international name in its xn-- form"
    return ""
