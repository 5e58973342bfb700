"""What happens when…: each row of the table in docs/faults.md holds."""

from __future__ import annotations

import pytest

from .conftest import Results
from .outcomes import SCENARIOS


@pytest.mark.timeout(400)
@pytest.mark.parametrize("scenario", list(SCENARIOS))
def test_what_happens_when(together: Results, scenario: str) -> None:
    outcome = together[scenario]
    if isinstance(outcome, BaseException):
        raise outcome
