"""A connection as a link uses it: the frames of its control channel, its tracks and channels.

A link has one carrier, and during a repair a second one that comes.
"""

from __future__ import annotations

import asyncio
from typing import Literal, Protocol

from aiortc import MediaStreamTrack, RTCDataChannel

from . import control
from .connection import Connection
from .control import Frame
from .errors import PathUnreachable, ProtocolError

Fall = Literal["closed", "failed"]
"""How a carrier went down: its control channel was closed, or its connection failed."""


class CarrierUser(Protocol):
    """Who is told of what happens on a carrier."""

    def carrier_opened(self, carrier: Carrier) -> None:
        """Its control channel is open."""

    def carrier_heard(self, carrier: Carrier, frame: Frame | None) -> None:
        """A frame came; None: one of a type this version doesn't know."""

    def carrier_broke_protocol(self, carrier: Carrier) -> None:
        """What came is no frame."""

    def carrier_fell(self, carrier: Carrier, how: Fall) -> None:
        """It carries no more."""

    def carrier_track(self, carrier: Carrier, section: int, track: MediaStreamTrack) -> None:
        """The other side sends a track in its section of that number."""

    def carrier_channel(self, carrier: Carrier, channel: RTCDataChannel) -> None:
        """The other side opened a data channel."""


class Carrier:
    """One connection, from before it is open.

    :param connection: nobody else listens to it.
    :param user: told of what happens; no more once it is dropped.
    """

    def __init__(self, connection: Connection, user: CarrierUser) -> None:
        self.connection = connection
        self.dropped = False
        """Whether nobody wants to hear of it any more."""
        self._user = user
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._fallen = False
        self._closing: asyncio.Task[None] | None = None
        connection.on_channel = self._wire
        connection.pc.on("track", self._on_track)
        connection.pc.on("datachannel", self._on_datachannel)
        connection.pc.on("connectionstatechange", self._on_connection_state)

    @property
    def is_open(self) -> bool:
        """Whether its control channel is open."""
        channel = self.connection.channel
        return channel is not None and channel.readyState == "open"

    @property
    def is_alive(self) -> bool:
        """Whether it may still carry something."""
        return self.is_open and not self._fallen and not self.dropped

    async def opened(self, timeout: float | None) -> None:
        """Wait until its control channel is open.

        :param timeout: seconds; None: as long as it takes.
        :raises PathUnreachable: if it doesn't open in time, or can't.
        """
        try:
            async with asyncio.timeout(timeout):
                await asyncio.shield(self._opened)
        except TimeoutError:
            raise PathUnreachable(f"No new path opened within {timeout:.0f} s.") from None

    def send(self, frame: Frame) -> None:
        """Send a frame; nothing happens if the control channel is not open."""
        channel = self.connection.channel
        if channel is not None and channel.readyState == "open":
            channel.send(control.encode(frame))

    def hear(self) -> None:
        """Something came on another channel of the connection."""
        if not self.dropped:
            self._user.carrier_heard(self, None)

    def drop(self) -> None:
        """Close the connection, beside; nothing is told of it any more."""
        self.dropped = True
        if not self._opened.done():
            self._opened.set_exception(PathUnreachable("The connection was given up."))
            self._opened.exception()
        if self._closing is None:
            self._closing = asyncio.create_task(
                self.connection.close(), name="firertc-carrier-close"
            )

    async def close(self) -> None:
        """Close the connection, and wait until it is closed."""
        self.drop()
        if self._closing is not None:
            await asyncio.shield(self._closing)

    def _wire(self, channel: RTCDataChannel) -> None:
        channel.on("open", self._on_open)
        channel.on("message", self._on_message)
        channel.on("close", lambda: self._fall("closed"))

    def _on_open(self) -> None:
        if self.dropped:
            return
        if not self._opened.done():
            self._opened.set_result(None)
        self._user.carrier_opened(self)

    def _on_message(self, text: str | bytes) -> None:
        if self.dropped:
            return
        try:
            frame = control.decode(text)
        except ProtocolError:
            self._user.carrier_broke_protocol(self)
            return
        self._user.carrier_heard(self, frame)

    def _on_track(self, track: MediaStreamTrack) -> None:
        if not self.dropped:
            self._user.carrier_track(self, self.connection.section_of(track), track)

    def _on_datachannel(self, channel: RTCDataChannel) -> None:
        if not self.dropped:
            self._user.carrier_channel(self, channel)

    def _on_connection_state(self) -> None:
        if self.connection.pc.connectionState == "failed":
            self._fall("failed")

    def _fall(self, how: Fall) -> None:
        if self._fallen or self.dropped:
            return
        self._fallen = True
        if not self._opened.done():
            self._opened.set_exception(PathUnreachable("The connection failed."))
            self._opened.exception()
        self._user.carrier_fell(self, how)
