"""The origin patterns that the command line takes are those that ``join`` can match."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from origins import origin_allowed

VECTORS: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).resolve().parents[1] / "vectors" / "origins.json").read_text("utf-8")
)


@pytest.mark.parametrize("case", VECTORS["valid"], ids=lambda case: case["pattern"])
def test_valid(case: dict[str, Any]) -> None:
    assert case["allowed"], "a valid pattern allows something"
    # As a person wrote it, and as the command line writes it down.
    for pattern in (case["pattern"], case["written"]):
        for origin in case["allowed"]:
            assert origin_allowed(origin, [pattern]), (origin, pattern)
        for origin in case["denied"]:
            assert not origin_allowed(origin, [pattern]), (origin, pattern)


@pytest.mark.parametrize("case", VECTORS["invalid"], ids=lambda case: repr(case["pattern"]))
def test_invalid(case: dict[str, Any]) -> None:
    assert case["denied"]
    for origin in case["denied"]:
        assert not origin_allowed(origin, [case["pattern"]]), origin
