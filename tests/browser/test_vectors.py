"""What the web SDK checks by vitest, checked here by the Python client: the same cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from firertc import control, sealing
from firertc.errors import FireRTCError
from firertc.schema import encode_id

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).resolve().parents[1] / "vectors" / "one_off.json").read_text("utf-8")
)


@pytest.fixture(autouse=True)
def nothing_leaks() -> None:
    """No process is started here."""


def outcome(act: Any) -> Any:
    """What an act gives, or the code of its error."""
    try:
        return act()
    except FireRTCError as error:
        return {"error": error.code}


def expected(case: dict[str, Any], name: str) -> Any:
    """What a case says it must give."""
    return {"error": case["error"]} if "error" in case else case[name]


def test_ids_and_codes() -> None:
    for case in VECTORS["ids"]:
        made = outcome(lambda c=case: encode_id(c["name"], limit=c["limit"], what="room"))
        assert made == expected(case, "id")
    for case in VECTORS["codes"]:
        made = outcome(lambda c=case: sealing.normalize_code(c["text"]))
        assert made == expected(case, "code")


def test_seals() -> None:
    for case in VECTORS["stretched"]:
        seal = sealing.stretch(case["code"], case["project"])
        assert (seal.call, seal.key.hex()) == (case["call"], case["key"])
    for case in VECTORS["sealed"]:
        seal = sealing.Seal("0" * 32, bytes.fromhex(case["key"]))
        context = sealing.Context(*case["context"].values())
        opened = outcome(lambda s=seal, c=case, x=context: s.open(c["sealed"], x))
        assert opened == expected(case, "text")


def test_frames() -> None:
    for case in VECTORS["frames"]:
        decoded = outcome(lambda c=case: control.decode(c["text"]))
        if "error" in case or case["frame"] is None:
            assert decoded == expected(case, "frame"), case
        else:
            assert json.loads(control.encode(decoded)) == case["frame"]
