"""Cut again and again: nothing lost, nothing twice, nothing out of order, nothing left.

``make soak`` does the same for half an hour.
"""

from __future__ import annotations

import json

import pytest

from . import soak
from .conftest import Left
from .soak import FILE_RATE, Plan

SEED = 0
"""One that has a cut of the path which is too long for a link to stand without repair."""


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("hosts")
@pytest.mark.parametrize(
    "plan", [Plan("call", 8, 45, SEED), Plan("room", 5, 30, SEED)], ids=["call", "room"]
)
async def test_a_call_that_is_cut(environment: dict[str, str], left: Left, plan: Plan) -> None:
    figures = await soak.run(environment, plan, left)
    print(json.dumps(figures, indent=2))
    assert figures["problems"] == []
    assert figures["longest_cut_seconds"] > 4, "no link had to be repaired"
    assert figures["repairs"]["count"] > 0
    assert figures["messages"] > 10 * plan.seconds and figures["channel_bytes"] > 2**20
    assert figures["file_bytes"] >= FILE_RATE * plan.seconds
