"""What happens when…: each row of the table in docs/faults.md holds. And cut again and again:
nothing lost, nothing twice, nothing out of order, nothing left.

``make soak`` cuts for half an hour.
"""

from __future__ import annotations

import json

import pytest

from .conftest import PLANS, Results
from .outcomes import SCENARIOS
from .soak import FILE_RATE

pytestmark = [pytest.mark.timeout(400), pytest.mark.waits]


@pytest.mark.parametrize("scenario", list(SCENARIOS))
def test_what_happens_when(together: Results, scenario: str) -> None:
    outcome = together[scenario]
    if isinstance(outcome, BaseException):
        raise outcome


@pytest.mark.parametrize("shape", list(PLANS))
def test_cut_again_and_again(together: Results, shape: str) -> None:
    plan, figures = PLANS[shape], together[shape]
    if isinstance(figures, BaseException):
        raise figures
    print(json.dumps(figures, indent=2))
    assert figures is not None and figures["problems"] == []
    assert figures["longest_cut_seconds"] > 4.5, "no link had to be repaired"
    assert figures["repairs"]["count"] > 0
    assert figures["messages"] > 10 * plan.seconds and figures["channel_bytes"] > 2**20
    assert figures["file_bytes"] >= FILE_RATE * plan.seconds
