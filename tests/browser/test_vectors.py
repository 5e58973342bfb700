"""What the web SDK checks by vitest, checked here by the Python client: the same cases."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from firertc import control, negotiation, sealing
from firertc.errors import FireRTCError
from firertc.schema import Call, Ended, encode_id

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


def call_of(fields: dict[str, Any] | None) -> Call | None:
    """A call with these fields, the others plain."""
    if fields is None:
        return None
    ended = fields.get("ended")
    return Call(
        path="realms/demo/calls/0",
        kind="open",
        sender="them",
        sender_session="s",
        receiver=fields["to"],
        receiver_session=fields.get("toSession", ""),
        attempt=0,
        offer={"type": "offer", "sdp": ""},
        answer={"type": "answer", "sdp": ""} if fields.get("answer") else None,
        offer_candidates=(),
        answer_candidates=(),
        metadata=None,
        ended=Ended(**ended) if ended else None,
        lease_until=datetime.now(UTC),
    )


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


def test_decisions() -> None:
    for seconds, pulse in VECTORS["pulse"]:
        assert negotiation.pulse(seconds) == pulse
    for seconds, due in VECTORS["attemptsDue"]:
        assert negotiation.attempts_due(seconds) == due
    for case in VECTORS["connects"]:
        me, other = negotiation.Presence(*case["me"]), negotiation.Presence(*case["other"])
        assert negotiation.connects(me, other) is case["connects"]
    for name, decide in (
        ("offererSteps", negotiation.offerer_step),
        ("calleeSteps", negotiation.callee_step),
    ):
        for case in VECTORS[name]:
            step = decide(call_of(case["call"]), "me")
            assert type(step).__name__.lower() == case["step"]
            assert getattr(step, "reason", None) == case.get("reason")
    for case in VECTORS["answerOutcomes"]:
        assert negotiation.answer_outcome(call_of(case["call"]), "me", "mine") == case["outcome"]
