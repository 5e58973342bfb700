"""What the pages promise is what the functions do; and tokens that the package makes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jwt
import pytest
import settings
from errors import _STATUS, Refused

from firertc.errors import ConfigError
from firertc.tokens import make_token

ROOT = Path(__file__).resolve().parents[2]
SECRET = "a secret of at least thirty-two characters"

OWNERS_CODES = {"misconfigured", "database-unavailable", "token-required"}
"""Codes beyond the protocol's first table: an owner's mistakes, and a key that asks for tokens."""


def test_error_codes_of_the_protocol() -> None:
    page = (ROOT / "docs" / "protocol.md").read_text()
    section = page[page.index("## 6. `join`") :]
    promised: dict[str, int] = {}
    for codes, status in re.findall(r"^\| ((?:`[a-z-]+`(?:, )?)+) \| (\d{3}) \|", section, re.M):
        for code in re.findall(r"`([a-z-]+)`", codes):
            promised[code] = int(status)
    assert len(promised) >= 14
    given = {code: Refused(code, "text").to_https()._http_error_code.status for code in promised}
    assert given == promised
    assert set(_STATUS) <= set(promised) | OWNERS_CODES


def test_settings_are_on_the_page() -> None:
    page = (ROOT / "docs" / "deploying.md").read_text()
    source = Path(settings.__file__).read_text()
    variables = set(re.findall(r"FIRERTC_[A-Z_]+", source))
    assert len(variables) >= 9
    assert variables <= set(re.findall(r"FIRERTC_[A-Z_]+", page))


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ({"key": ""}, "key"),
        ({"secret": "short"}, "32 characters"),
        ({"role": "king"}, "subscriber"),
        ({"room": ""}, "name"),
        ({"peer": ""}, "name"),
        ({"expires_in_seconds": 0}, "above 0"),
        ({"expires_in_seconds": -5}, "above 0"),
        ({"expires_in_seconds": float("nan")}, "above 0"),
        ({"expires_in_seconds": float("inf")}, "finite"),
        ({"data": {"x": object()}}, "JSON"),
        ({"data": {"x": float("nan")}}, "JSON"),
        ({"data": {"x": "y" * 9000}}, "8192"),
    ],
)
def test_bad_arguments_for_a_token(arguments: dict[str, Any], hint: str) -> None:
    good: dict[str, Any] = {"key": "key1", "secret": SECRET}
    with pytest.raises(ConfigError, match=hint) as error:
        make_token(**(good | arguments))
    assert SECRET not in str(error.value)
    assert str(arguments.get("secret", SECRET)) not in str(error.value)


def test_token_says_no_more_than_it_was_told() -> None:
    claims = jwt.decode(make_token("key1", SECRET), options={"verify_signature": False})
    assert set(claims) == {"iss", "iat", "exp", "role"}
    assert claims["exp"] - claims["iat"] == 3600
    soon = jwt.decode(
        make_token("key1", SECRET, expires_in_seconds=0.5), options={"verify_signature": False}
    )
    assert soon["exp"] - soon["iat"] == 1
