"""Which web origins a key allows.

An origin keeps other websites from using a key, nothing more: a program can send any header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_ORIGIN: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}|\*))?"
)
_DEFAULT_PORT: Final = {"http": "80", "https": "443"}
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


def origin_allowed(origin: str, patterns: Iterable[str]) -> bool:
    """Say whether one of a key's patterns allows a request's ``Origin`` header.

    Args:
        origin: the header, as a browser writes it (RFC 6454, section 6.2): scheme, host and,
            if it isn't the scheme's own, port; or ``null``.
        patterns: ``https://host[:port]``; ``http://localhost:*`` (any port, on the loopback
            only); ``https://*.example.com`` (any depth of subdomains, not the domain itself);
            ``*`` (anything, ``null`` too). A pattern of another form allows nothing.
    """
    return any(_matches(origin, pattern) for pattern in patterns)


def _matches(origin: str, pattern: str) -> bool:
    if pattern == "*":
        return True
    # People paste addresses with their last slash; browsers never send one.
    wanted = _ORIGIN.fullmatch(pattern.lower().removesuffix("/"))
    sent = _ORIGIN.fullmatch(origin.lower())
    if wanted is None or sent is None or "*" in origin:
        return False
    return (
        wanted["scheme"] == sent["scheme"]
        and _host_matches(sent["host"], wanted["host"])
        and _port_matches(sent, wanted)
    )


def _host_matches(sent: str, wanted: str) -> bool:
    if not wanted.startswith("*."):
        return sent == wanted
    domain = wanted[1:]
    # "https://*.com" would be most of the web: at least two labels must be spelled out.
    return domain.count(".") >= 2 and ".." not in domain and sent.endswith(domain)


def _port_matches(sent: re.Match[str], wanted: re.Match[str]) -> bool:
    default = _DEFAULT_PORT[sent["scheme"]]
    if wanted["port"] == "*":
        return wanted["host"] in _LOOPBACK
    return (sent["port"] or default) == (wanted["port"] or default)
