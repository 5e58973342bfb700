"""Names of tracks in descriptions, by vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from firertc.errors import ConfigError
from firertc.names import check_name, read_names, write_names

VECTORS = json.loads(
    Path(__file__).parents[1].joinpath("vectors", "names.json").read_text(encoding="utf-8")
)
SDP = "v=0\r\nm=audio 9 X 0\r\nm=video 9 X 96\r\na=mid:1\r\nm=application 9 Y z\r\n"


@pytest.mark.parametrize("case", VECTORS["written"], ids=lambda case: case["token"][:20])
def test_written(case: dict[str, Any]) -> None:
    written = write_names(SDP, ["", check_name(case["name"])])
    assert f"a=mid:1\r\na=label:{case['token']}\r\nm=application" in written
    assert read_names(written) == ["", case["name"]]


@pytest.mark.parametrize("name", VECTORS["refused"])
def test_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="at most 64"):
        check_name(name)


def test_half_a_character_is_no_name() -> None:
    with pytest.raises(ConfigError, match="half a character"):
        check_name("\ud83d")


@pytest.mark.parametrize("case", VECTORS["read"], ids=lambda case: " ".join(case["names"]))
def test_read(case: dict[str, Any]) -> None:
    assert read_names(case["sdp"]) == case["names"]


def test_a_description_without_an_end() -> None:
    assert write_names("v=0\r\nm=video 9 X 96", ["a"]) == "v=0\r\nm=video 9 X 96\r\na=label:a\r\n"
    assert write_names(SDP, []) == SDP
