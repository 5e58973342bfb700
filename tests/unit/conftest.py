"""Two links to test with."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from .pairs import Pair, linked


@pytest_asyncio.fixture
async def pair() -> AsyncIterator[Pair]:
    """An offerer's link and an answerer's, open, for data alone."""
    links = await linked()
    yield links
    for each in links:
        await each.close()
