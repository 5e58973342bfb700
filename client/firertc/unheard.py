"""Events that are kept until somebody listens, each kind in order."""

from __future__ import annotations

import asyncio
from typing import Any

from pyee.asyncio import AsyncIOEventEmitter


class Unheard:
    """What came before anybody listened.

    :param emitter: the object whose events these are.
    :param events: the kinds that are kept.
    """

    def __init__(self, emitter: AsyncIOEventEmitter, *events: str) -> None:
        self._emitter = emitter
        self._kept: dict[str, list[Any]] = {event: [] for event in events}
        emitter.on("new_listener", self._on_listener)

    def hand_on(self, event: str, content: Any) -> None:
        """Emit it, or keep it."""
        kept = self._kept[event]
        if kept or not self._emitter.listeners(event):
            kept.append(content)
        else:
            self._emitter.emit(event, content)

    def _on_listener(self, event: str, _: object) -> None:
        if event in self._kept:
            asyncio.get_running_loop().call_soon(self._catch_up, event)

    def _catch_up(self, event: str) -> None:
        kept = self._kept[event]
        while kept and self._emitter.listeners(event):
            self._emitter.emit(event, kept.pop(0))
