"""The data channels of the application on one link, over all its connections."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from aiortc import RTCDataChannel

from .carrier import Carrier
from .channel import Channel, Delivery, Opening, read_opening
from .errors import ChannelClosed, ConfigError, PeerGone
from .schema import compact_json

if TYPE_CHECKING:
    from .link import Link

LABEL_BYTES = 1_024
OPENING_BYTES = 16_384
"""Of the subprotocol and metadata of a channel, as JSON: they travel in one packet's message."""
CHANNELS_MOST = 256
"""Open at one time, of each side."""
OPEN_SECONDS = 20.0
LOST_SECONDS = 0.5
"""A data channel that closes goes before or after its connection: so long until it is known."""

Key = tuple[bool, int]
"""Whether we opened it, and its opener's number for it."""


class Channels:
    """Opens channels, takes those that the other side opens, and carries them over repairs."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._known: dict[Key, Channel] = {}
        self._last = 0
        """Number of the newest channel of ours."""
        self._theirs: set[int] = set()
        """The numbers of all that the other side ever opened."""
        self._wires: dict[Carrier, dict[Key, RTCDataChannel]] = {}
        self._timers: set[asyncio.TimerHandle] = set()

    async def open(
        self, label: str, delivery: Delivery, protocol: str = "", metadata: Any = None
    ) -> Channel:
        """Open a channel and wait until it is open: see :meth:`Link.open_channel`."""
        if len(label.encode()) > LABEL_BYTES:
            raise ConfigError(f"A channel's label has at most {LABEL_BYTES} bytes: shorten it.")
        if delivery.max_retransmits is not None and delivery.max_packet_lifetime_ms is not None:
            raise ConfigError("Give max_retransmits or max_packet_lifetime_ms, not both.")
        for bound in (delivery.max_retransmits, delivery.max_packet_lifetime_ms):
            if bound is not None and not 0 <= bound <= 65_535:
                raise ConfigError("A channel's bounds are numbers from 0 to 65,535.")
        size = len(compact_json([protocol, metadata], what="channel's metadata").encode())
        if size > OPENING_BYTES:
            raise ConfigError(
                f"The channel's protocol and metadata have {size} bytes of JSON, {OPENING_BYTES} "
                "at most: send the rest on it."
            )
        if sum(mine for mine, _ in self._known) >= CHANNELS_MOST:
            raise ConfigError(f"{CHANNELS_MOST} channels are open: close one.")
        self._last += 1
        opening = Opening(self._last, protocol, metadata)
        channel = Channel(self._link, label, opening, delivery, mine=True)
        self._known[True, opening.id] = channel
        self._open_on(self._link.carrier, channel)
        try:
            async with asyncio.timeout(OPEN_SECONDS + self._link.repair_seconds):
                while channel.state == "connecting":
                    await channel._change()
        except TimeoutError:
            channel.finish()
            raise PeerGone("The other side doesn't take the channel.") from None
        except BaseException:
            channel.finish()
            raise
        if channel.state == "closed":
            raise ChannelClosed("The channel was closed before it opened.")
        return channel

    def move(self, carrier: Carrier) -> None:
        """This is the carrier now: open on it what we have open."""
        wires = self._wires.get(carrier, {})
        for key, channel in list(self._known.items()):
            wire = wires.get(key)
            if wire is not None and wire.readyState == "open":
                channel.back_to(wire)
            elif channel.mine:
                self._open_on(carrier, channel)

    def drop(self, carrier: Carrier) -> None:
        """That carrier is no more."""
        self._wires.pop(carrier, None)

    def take(self, carrier: Carrier, wire: RTCDataChannel) -> None:
        """The other side opened a data channel."""
        opening = read_opening(wire.protocol)
        if opening is None:
            wire.close()
            return
        channel = self._known.get((False, opening.id))
        if channel is None:
            delivery = Delivery(wire.ordered, wire.maxRetransmits, wire.maxPacketLifeTime)
            theirs = sum(not mine for mine, _ in self._known)
            if opening.id in self._theirs or theirs >= CHANNELS_MOST:
                wire.close()
                return
            self._theirs.add(opening.id)
            channel = Channel(self._link, wire.label, opening, delivery, mine=False)
            self._known[False, opening.id] = channel
            self._link.unheard.hand_on("channel", channel)
        self._put(carrier, channel, wire)

    def lost(self, channel: Channel, wire: RTCDataChannel) -> None:
        """The data channel under a channel was closed: by the other side, or with the connection.

        Closed without a word while the link lives on that connection: the other side closed it. If
        the link has moved, its opener opens it again on the new one.
        """
        carrier = next((one for one, on in self._wires.items() if wire in on.values()), None)
        self._judge(channel, carrier, 0.0)

    def _judge(self, channel: Channel, carrier: Carrier | None, waited: float) -> None:
        """Look again a little later.

        :param waited: seconds that the link has stood without the channel.
        """

        def look() -> None:
            self._timers.discard(timer)
            if channel._wire is not None or channel.state == "closed":
                return
            is_open = self._link.state.value == "open"
            here = carrier is self._link.carrier and carrier.is_alive
            if is_open and (here or waited >= OPEN_SECONDS):
                channel.finish()
            else:
                self._judge(channel, carrier, waited + LOST_SECONDS if is_open else 0.0)

        timer = asyncio.get_running_loop().call_later(LOST_SECONDS, look)
        self._timers.add(timer)

    def forget(self, channel: Channel) -> None:
        """A channel is closed."""
        key = (channel.mine, channel.opening.id)
        if self._known.get(key) is channel:
            del self._known[key]

    def close(self) -> None:
        """The link has ended."""
        for timer in self._timers:
            timer.cancel()
        for channel in list(self._known.values()):
            channel.finish(PeerGone("The link ended."), close_wire=False)
        self._wires.clear()

    def _open_on(self, carrier: Carrier, channel: Channel) -> None:
        if not carrier.is_alive:
            return
        opening, delivery = channel.opening, channel.delivery
        content = {"id": opening.id, "protocol": opening.protocol, "metadata": opening.metadata}
        wire = carrier.connection.pc.createDataChannel(
            _Label(channel.label),
            ordered=delivery.ordered,
            maxRetransmits=delivery.max_retransmits,
            maxPacketLifeTime=delivery.max_packet_lifetime_ms,
            protocol=json.dumps(content, separators=(",", ":")),
        )
        self._put(carrier, channel, wire)

    def _put(self, carrier: Carrier, channel: Channel, wire: RTCDataChannel) -> None:
        self._wires.setdefault(carrier, {})[channel.mine, channel.opening.id] = wire
        # What comes here is a sign of life, too: pings queue up behind what is sent.
        wire.on("message", lambda data: carrier.hear())
        channel.attach(wire)


class _Label(str):
    """A label of any characters: aiortc 1.16 writes its length in characters where RFC 8832,
    section 5.1 wants bytes."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(self.encode())
