"""Shared tracks: what goes to everybody in a room, on the links that are and on those to come.

A track can be read once only, so each link sends a copy of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable

from aiortc import MediaStreamTrack

from .errors import ConfigError, FireRTCError
from .link import Link
from .names import check_name
from .playback import Relay


class SharedTracks:
    """The tracks that every link of a room sends."""

    def __init__(self) -> None:
        self._relays: dict[MediaStreamTrack, Relay] = {}
        self._names: dict[MediaStreamTrack, str] = {}
        self._copies: dict[Link, dict[MediaStreamTrack, MediaStreamTrack]] = {}
        """By link: the copy it sends of each track."""

    async def add(self, track: MediaStreamTrack, name: str) -> None:
        """Send one more track on every link."""
        if track in self._relays:
            raise ConfigError("That track is sent to everybody already.")
        self._names[track] = check_name(name)
        self._relays[track] = Relay(track)
        await _each(self._send(link, track) for link in list(self._copies))

    async def remove(self, track: MediaStreamTrack) -> None:
        """Send a track no longer; whoever made it stops it."""
        relay = self._relay(track)
        del self._relays[track], self._names[track]
        await _each(self._unsend(link, track) for link in list(self._copies))
        await relay.close()

    async def replace(self, old: MediaStreamTrack, new: MediaStreamTrack) -> None:
        """Send another track of the same kind in a track's place, without negotiating again."""
        relay = self._relay(old)
        if old.kind != new.kind:
            raise ConfigError(f"A track of {new.kind} can't take the place of one of {old.kind}.")
        del self._relays[old]
        self._relays[new] = Relay(new)
        self._names[new] = self._names.pop(old)
        await _each(self._swap(link, old, new) for link in list(self._copies))
        await relay.close()

    async def serve(self, link: Link) -> None:
        """A link has opened: it sends them, too."""
        self._copies[link] = {}
        for track in list(self._relays):
            await _each([self._send(link, track)])

    def forget(self, link: Link) -> None:
        """A link has ended."""
        for copy in self._copies.pop(link, {}).values():
            copy.stop()

    async def close(self) -> None:
        """End every copy."""
        for link in list(self._copies):
            self.forget(link)
        await asyncio.gather(*(relay.close() for relay in self._relays.values()))

    def _relay(self, track: MediaStreamTrack) -> Relay:
        if track not in self._relays:
            raise ConfigError("That track is not sent to everybody: add it first.")
        return self._relays[track]

    async def _send(self, link: Link, track: MediaStreamTrack) -> None:
        sent = self._copies.get(link)
        if sent is not None and track not in sent and track in self._relays:
            sent[track] = self._relays[track].copy()
            await link.add_track(sent[track], self._names[track])

    async def _unsend(self, link: Link, track: MediaStreamTrack) -> None:
        copy = self._copies.get(link, {}).pop(track, None)
        if copy is not None:
            try:
                await link.remove_track(copy)
            finally:
                copy.stop()

    async def _swap(self, link: Link, old: MediaStreamTrack, new: MediaStreamTrack) -> None:
        copy = self._copies.get(link, {}).pop(old, None)
        if copy is None:
            return
        self._copies[link][new] = self._relays[new].copy()
        try:
            await link.replace_track(copy, self._copies[link][new])
        finally:
            copy.stop()


async def _each(work: Iterable[Awaitable[None]]) -> None:
    """Do it on every link; one that is just ending doesn't spoil it for the others."""
    for result in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(result, BaseException) and not isinstance(result, FireRTCError):
            raise result
