"""What the other side sends, section by section, whatever connection it comes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from aiortc import MediaStreamTrack

from .tracks import ReceivedTrack


class Received:
    """The tracks received on one link.

    :param tell: told ``track`` of each that comes, and ``track_removed`` of each that goes, which
        has ended then.
    """

    def __init__(self, tell: Callable[[str, ReceivedTrack], object]) -> None:
        self.tracks: list[MediaStreamTrack] = []
        """Those there are, in the order they came."""
        self._tell = tell
        self._given: dict[int, ReceivedTrack] = {}
        """By their sections."""

    def become(self, now: Mapping[int, MediaStreamTrack], names: Sequence[str]) -> None:
        """Take these, by their sections, for all that there is.

        :param names: what the other side calls its sections.
        """
        for section in [each for each in self._given if each not in now]:
            self._lose(section)
        for section, source in now.items():
            self.take(section, source, names)

    def take(self, section: int, source: MediaStreamTrack, names: Sequence[str]) -> None:
        """The other side sends something in a section; nothing happens if that was known, under
        this name."""
        known = self._given.get(section)
        name = names[section] if section < len(names) else ""
        if known is not None and (known.kind, known.name) == (source.kind, name):
            known.change(source)
            return
        if known is not None:
            self._lose(section)
        given = self._given[section] = ReceivedTrack(source.kind, name)
        given.change(source)
        self.tracks.append(given)
        self._tell("track", given)

    def _lose(self, section: int) -> None:
        track = self._given.pop(section)
        self.tracks.remove(track)
        track.stop()
        self._tell("track_removed", track)

    def close(self) -> None:
        """The link has ended: so have they all."""
        for track in self._given.values():
            track.stop()
