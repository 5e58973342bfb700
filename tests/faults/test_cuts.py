"""Cut again and again: nothing lost, nothing twice, nothing out of order, nothing left.

``make soak`` does the same for half an hour.
"""

from __future__ import annotations

import json

import pytest

from .conftest import PLANS, Results
from .soak import FILE_RATE


@pytest.mark.timeout(400)
@pytest.mark.parametrize("shape", list(PLANS))
def test_a_call_that_is_cut(together: Results, shape: str) -> None:
    plan, figures = PLANS[shape], together[shape]
    if isinstance(figures, BaseException):
        raise figures
    print(json.dumps(figures, indent=2))
    assert figures is not None and figures["problems"] == []
    assert figures["longest_cut_seconds"] > 4.5, "no link had to be repaired"
    assert figures["repairs"]["count"] > 0
    assert figures["messages"] > 10 * plan.seconds and figures["channel_bytes"] > 2**20
    assert figures["file_bytes"] >= FILE_RATE * plan.seconds
