"""Which origins a key allows."""

from __future__ import annotations

import pytest
from origins import origin_allowed

HOST = "https://example.com"
PORT = "https://example.com:8443"
SUB = "https://*.example.com"
LOCAL = "http://localhost:*"

ALLOWED = [
    (HOST, "https://example.com"),
    (HOST, "https://EXAMPLE.com"),
    ("https://Example.COM", "https://example.com"),
    (HOST, "https://example.com:443"),
    ("https://example.com:443", "https://example.com"),
    ("https://example.com/", "https://example.com"),
    (PORT, "https://example.com:8443"),
    (SUB, "https://a.example.com"),
    (SUB, "https://a.b.example.com"),
    (SUB, "https://xn--bcher-kva.example.com"),
    ("https://*.example.com:8443", "https://a.example.com:8443"),
    (LOCAL, "http://localhost:5000"),
    (LOCAL, "http://localhost"),
    ("http://127.0.0.1:*", "http://127.0.0.1:1"),
    ("http://[::1]:*", "http://[::1]:9"),
    ("http://localhost:5000", "http://localhost:5000"),
    ("http://localhost", "http://localhost:80"),
    ("*", "https://anything.example"),
    ("*", "null"),
    ("*", "chrome-extension://abcdef"),
]

DENIED = [
    # another scheme, port or host
    (HOST, "http://example.com"),
    (HOST, "https://example.com:8443"),
    (PORT, "https://example.com"),
    (PORT, "https://example.com:84430"),
    ("http://localhost:5000", "http://localhost:5001"),
    (LOCAL, "https://localhost:5000"),
    (LOCAL, "http://localhost.evil.org:5000"),
    (LOCAL, "http://127.0.0.1:5000"),
    # tricks with the end and the beginning
    (HOST, "https://evil-example.com"),
    (HOST, "https://example.com.evil.org"),
    (HOST, "https://example.com@evil.org"),
    (HOST, "https://evil.org#https://example.com"),
    (HOST, "https://evil.org/https://example.com"),
    (HOST, "https://example.comx"),
    (HOST, "https://example.com\nx"),
    (HOST, "https://example.com\n"),
    (HOST, " https://example.com"),
    (HOST, "https://example.com/"),
    (HOST, "https://example.com/path"),
    (HOST, "https://example.com."),
    (HOST, "https://examplexcom"),
    (SUB, "https://example.com"),
    (SUB, "https://evil-example.com"),
    (SUB, "https://evilexample.com"),
    (SUB, "https://a.example.com.evil.org"),
    (SUB, "https://evil.org/.example.com"),
    (SUB, "https://evil.org?.example.com"),
    (SUB, "https://.example.com"),
    (SUB, "https://a.example.com:8443"),
    (SUB, "https://*.example.com"),
    (SUB, "http://a.example.com"),
    # no origin at all, in other clothes
    (HOST, "null"),
    (HOST, ""),
    (SUB, "null"),
    (LOCAL, "null"),
    ("null", "null"),
    ("", ""),
    # patterns that say too much or nothing
    ("https://*.com", "https://example.com"),
    ("https://*", "https://example.com"),
    ("https://*..com", "https://example.com"),
    ("https://example.com:*", "https://example.com:8443"),
    ("https://ex*mple.com", "https://example.com"),
    ("*://example.com", "https://example.com"),
    ("**", "https://example.com"),
    ("example.com", "https://example.com"),
    ("example.com", "example.com"),
    ("https://example.com/path", "https://example.com"),
    ("https://example.com//", "https://example.com"),
    ("file://", "file://"),
]


@pytest.mark.parametrize(("pattern", "origin"), ALLOWED)
def test_allowed(pattern: str, origin: str) -> None:
    assert origin_allowed(origin, [pattern])
    assert origin_allowed(origin, ["https://other.example", pattern])


@pytest.mark.parametrize(("pattern", "origin"), DENIED)
def test_denied(pattern: str, origin: str) -> None:
    assert not origin_allowed(origin, [pattern])


def test_no_pattern_allows_nothing() -> None:
    assert not origin_allowed("https://example.com", [])
