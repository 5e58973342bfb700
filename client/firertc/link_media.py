"""What a link sends and receives of sound and pictures."""

from __future__ import annotations

import asyncio

from aiortc import MediaStreamTrack
from pyee.asyncio import AsyncIOEventEmitter

from .carrier import Carrier
from .connection import Connection
from .errors import PeerGone
from .link_state import LinkState
from .received import Received
from .renegotiation import Renegotiation
from .tracks import ReceivedTrack


class LinkMedia(AsyncIOEventEmitter):
    """The tracks of a link: :class:`firertc.Link` is one."""

    carrier: Carrier
    state: LinkState
    _renegotiation: Renegotiation

    def __init__(self) -> None:
        super().__init__()
        self._received = Received(self.emit)
        self._settled = asyncio.Event()

    @property
    def connection(self) -> Connection:
        """The connection in use."""
        return self.carrier.connection

    @property
    def tracks(self) -> list[MediaStreamTrack]:
        """What the other side sends."""
        return list(self._received.tracks)

    async def settled(self) -> None:
        """Wait until the link is open, if it is being repaired.

        :raises PeerGone: if it has ended, or has not opened yet.
        """
        while self.state is LinkState.RECONNECTING:
            self._settled.clear()
            await self._settled.wait()
        if self.state is not LinkState.OPEN:
            raise PeerGone("The link is not open.")

    async def add_track(self, track: MediaStreamTrack, name: str = "") -> None:
        """Send one more track, on the connection that exists.

        :param name: what the other side sees it called (:meth:`name_of`): ``camera``, ``screen``,
            at most 64 characters.
        :raises PeerGone: if the other side doesn't answer.
        :raises ConfigError: if it is sent already, or the link has 16 media sections.
        """
        await self._renegotiation.add(track, name)

    def name_of(self, track: MediaStreamTrack) -> str:
        """What the other side calls a track that it sends; empty: nothing."""
        return track.name if isinstance(track, ReceivedTrack) else ""

    async def renegotiate(self) -> None:
        """Negotiate anew, whichever side this is: the answerer asks the other one to offer.

        Adding and removing tracks does so by itself.

        :raises PeerGone: if the other side doesn't answer.
        """
        await self._renegotiation.ask()

    async def remove_track(self, track: MediaStreamTrack) -> None:
        """Send a track no longer; it goes on, for whoever made it to stop.

        :raises PeerGone: if the other side doesn't answer.
        :raises ConfigError: if it is not sent.
        """
        await self._renegotiation.remove(track)

    async def replace_track(self, old: MediaStreamTrack, new: MediaStreamTrack) -> None:
        """Send another track of the same kind in a track's place and under its name, without
        negotiating again.

        :raises ConfigError: if the old one is not sent, or the kinds differ.
        """
        await self.settled()
        self.connection.replace(old, new)

    def limit_bitrate(self, kind: str, bits_per_second: int | None) -> None:
        """Bound what the pictures sent on this link may take; None: no bound.

        aiortc's encoders go no lower than 250 kbit/s (VP8) and 500 kbit/s (H.264), and its sound
        has one fixed rate: a limit on ``audio`` is refused.

        :raises ConfigError: if the kind is not ``video``, or the number not positive.
        """
        self.connection.limit(kind, bits_per_second)

    def reconcile(self) -> None:
        """What the other side sends has changed, or comes on another connection."""
        if self.state is not LinkState.CLOSED:
            self._received.become(self.connection.received(), self.connection.remote_names)
