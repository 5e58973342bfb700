"""Many calls leave nothing behind; ``make soak`` makes a thousand, and a hundred at once."""

from __future__ import annotations

import pytest

from firertc.config import Config

from . import many
from .conftest import Left

SEQUENCE = 40
CROWD = 25


@pytest.mark.timeout(240)
async def test_one_after_the_other(config: Config, left: Left) -> None:
    await many.in_sequence(config, 3)
    figures = await many.measure(lambda: many.in_sequence(config, SEQUENCE), left)
    assert figures["problems"] == []
    assert figures["calls"] == SEQUENCE


@pytest.mark.timeout(240)
async def test_at_once(config: Config, left: Left) -> None:
    await many.in_sequence(config, 3)
    figures = await many.measure(lambda: many.at_once(config, CROWD), left)
    assert figures["problems"] == []
    assert figures["calls"] == CROWD
