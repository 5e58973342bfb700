"""A data channel of the application's own, that outlasts the connection it runs on."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from aiortc import RTCDataChannel
from pyee.asyncio import AsyncIOEventEmitter

from . import channel_frames
from .channel_frames import ACK_PIECES, ACK_SECONDS, FRAME_BYTES, Kind, Piece, PieceAck
from .errors import ChannelClosed, ConfigError, PeerGone, ProtocolError
from .schema import parse_json

if TYPE_CHECKING:
    from .link import Link

BUFFERED_MOST_BYTES = 256 * 1024
"""No more is given to the connection while it holds this much that it has not sent: the control
channel's pings wait behind it."""
CLOSE_SECONDS = 10.0
"""How long closing waits for the other side to take what was sent."""
UNREAD_MOST = 1_024
"""Messages of a channel that is not reliable, kept for who reads late; then the oldest goes."""

State = Literal["connecting", "open", "closed"]


@dataclass(frozen=True)
class Opening:
    """What a channel's opener says of it, as the data channel's subprotocol."""

    id: int
    """Counted from 1 by its opener."""
    protocol: str = ""
    metadata: Any = None


def read_opening(protocol: str) -> Opening | None:
    """Read a data channel's subprotocol.

    :returns: None if it is no channel of ours.
    """
    try:
        content = parse_json(protocol)
    except ValueError:
        return None
    if not isinstance(content, dict):
        return None
    number, words = content.get("id"), content.get("protocol", "")
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        return None
    return Opening(number, words, content.get("metadata")) if isinstance(words, str) else None


@dataclass(frozen=True)
class Delivery:
    """How a channel delivers (W3C WebRTC, section 6.2)."""

    ordered: bool = True
    max_retransmits: int | None = None
    max_packet_lifetime_ms: int | None = None

    @property
    def reliable(self) -> bool:
        """Whether everything arrives, once and in order."""
        return self.ordered and self.max_retransmits is None and self.max_packet_lifetime_ms is None


class Channel(AsyncIOEventEmitter):
    """A data channel to the other side of a link; made by :meth:`Link.open_channel`, or given by
    the link's event ``channel``.

    A reliable one (the default) carries messages of any size, each once and in order, over however
    many connections the link goes through, and holds the sender back if the reader is slow. Others
    are as W3C has them: what is lost is lost.

    Events:

    * ``message`` (str or bytes): read by a listener, or by ``async for data in channel``.
    * ``buffered_amount_low``: what waits has come down to ``buffered_amount_low_threshold``.
    * ``closed`` (error): by either side or with the link; None, or why.
    """

    def __init__(
        self, link: Link, label: str, opening: Opening, delivery: Delivery, *, mine: bool
    ) -> None:
        super().__init__()
        self.link = link
        self.label = label
        self.opening = opening
        self.delivery = delivery
        self.mine = mine
        """Whether it was opened from here."""
        self.state: State = "connecting"
        self.buffered_amount_low_threshold = 0
        """Bytes."""
        self._wire: RTCDataChannel | None = None
        self._outbox = channel_frames.PieceOutbox()
        self._inbox = channel_frames.PieceInbox()
        self._loose: deque[str | bytes] = deque(maxlen=UNREAD_MOST)
        self._unacknowledged = 0
        self._ack_timer: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()
        """Something a sender, a closer or a reader may wait for has happened."""
        self._sending = asyncio.Lock()
        self._closing = False
        self._low = True
        self._tasks: set[asyncio.Task[None]] = set()
        self.error: Exception | None = None
        """Why it was closed, if it was not by either side's will."""
        self.on("new_listener", self._on_listener)

    @property
    def protocol(self) -> str:
        """The application's subprotocol."""
        return self.opening.protocol

    @property
    def metadata(self) -> Any:
        """What its opener said with it: any JSON value."""
        return self.opening.metadata

    @property
    def reliable(self) -> bool:
        """Whether everything arrives, once and in order."""
        return self.delivery.reliable

    @property
    def buffered_amount(self) -> int:
        """Bytes that were sent and that the other side has not taken; of a channel that is not
        reliable, those that have not left."""
        if self.reliable:
            return self._outbox.size
        return self._wire.bufferedAmount if self._wire is not None else 0

    # Sending.

    async def send(self, data: str | bytes) -> None:
        """Send a message; waits while too much is on its way.

        :param data: of any size on a reliable channel; else of at most 65,536 bytes. One that is
            not reliable says nothing while there is no connection.
        :raises ConfigError: if it is neither text nor bytes, or too long.
        :raises ChannelClosed: if the channel is, or gets, closed.
        """
        if isinstance(data, bytearray | memoryview):
            data = bytes(data)
        if not isinstance(data, str | bytes):
            raise ConfigError("A channel sends text or bytes: turn the value into one.")
        self._require_open()
        if self.reliable:
            # To its end, even if the caller is cancelled: half a message would spoil the next.
            await asyncio.shield(self._run(self._send_pieces(data)))
        else:
            await self._send_loose(data)

    async def flush(self, timeout: float = 10.0) -> None:
        """Wait until the other side has taken everything sent so far.

        :raises PeerGone: if it doesn't within ``timeout`` seconds.
        :raises ChannelClosed: if the channel closes before.
        """
        try:
            async with asyncio.timeout(timeout):
                async with self._sending:
                    last = self._outbox.last
                while self._outbox.waiting and not channel_frames.is_after(
                    self._outbox.waiting[0].number, last
                ):
                    self._require_open()
                    await self._change()
        except TimeoutError:
            raise PeerGone("The other side doesn't take what was sent.") from None

    async def close(self) -> None:
        """Close, when the other side has taken what was sent, or after 10 s."""
        if self.state == "closed" or self._closing:
            return
        if self.state == "open" and self.reliable:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    async with self._sending:
                        self._closing = True
                        # The last that was read, too: once it has our end, the other side looks
                        # no further.
                        if self._unacknowledged:
                            self._acknowledge()
                        self._outbox.add(Kind.FIN)
                        self._pump()
                    # Whoever closes at the same time acknowledges by closing.
                    while self._outbox.waiting and not self._is_closed():
                        await self._change()
        self.finish()

    async def _send_pieces(self, data: str | bytes) -> None:
        async with self._sending:
            for kind, payload, more in channel_frames.cut(data):
                while not self._outbox.has_room:
                    await self._change()
                    self._require_open()
                self._require_open()
                self._outbox.add(kind, payload, more)
                self._low = False
                self._pump()

    async def _send_loose(self, data: str | bytes) -> None:
        size = len(data.encode()) if isinstance(data, str) else len(data)
        if size > FRAME_BYTES:
            raise ConfigError(
                f"The message has {size} bytes, {FRAME_BYTES} at most on a channel that is not "
                "reliable: cut it."
            )
        while self._wire is not None and self._wire.bufferedAmount > BUFFERED_MOST_BYTES:
            await self._change()
            self._require_open()
        if self._wire is not None and self._wire.readyState == "open":
            self._wire.send(data)
            self._low = False

    def _pump(self) -> None:
        """Give the connection as much as it takes."""
        while (
            self._wire is not None
            and self._wire.readyState == "open"
            and self._wire.bufferedAmount <= BUFFERED_MOST_BYTES
            and (piece := self._outbox.next()) is not None
        ):
            self._wire.send(channel_frames.encode(piece))

    def _require_open(self) -> None:
        if self.state == "closed" or self._closing:
            raise ChannelClosed(f"The channel {self.label!r} is closed.")

    def _is_closed(self) -> bool:
        return self.state == "closed"

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits is told; if nobody does, the channel is closed

    # Reading.

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str | bytes:
        while not self._inbox.messages and not self._loose:
            if self.state == "closed":
                raise StopAsyncIteration
            await self._change()
        message = self._take()
        if not self.reliable:
            return message
        self._consumed()
        return message

    def _take(self) -> str | bytes:
        return self._inbox.consume() if self._inbox.messages else self._loose.popleft()

    def _on_listener(self, event: str, _: object) -> None:
        if event == "message":
            asyncio.get_running_loop().call_soon(self._hand_on)

    def _hand_on(self) -> None:
        while (self._inbox.messages or self._loose) and self.listeners("message"):
            message = self._take()
            self.emit("message", message)
        self._changed.set()
        if self.reliable:
            self._consumed()

    def _consumed(self) -> None:
        """Some has been read: acknowledge it, a little later."""
        self._unacknowledged += 1
        if self._unacknowledged >= ACK_PIECES or self._inbox.finished:
            self._acknowledge()
        elif self._ack_timer is None:
            loop = asyncio.get_running_loop()
            self._ack_timer = loop.call_later(ACK_SECONDS, self._acknowledge)

    def _acknowledge(self) -> None:
        self._unacknowledged = 0
        if self._ack_timer is not None:
            self._ack_timer.cancel()
            self._ack_timer = None
        if self._wire is not None and self._wire.readyState == "open":
            self._wire.send(channel_frames.encode(PieceAck(self._inbox.acknowledged)))
        if self._inbox.finished and not self._inbox.messages and not self._closing:
            # The other side closes once it has this.
            self.finish(close_wire=False)

    # The data channel underneath, used by the link.

    def attach(self, wire: RTCDataChannel) -> None:
        """Run on this data channel from now on, and send again what was not acknowledged."""
        if wire is self._wire or self.state == "closed":
            return
        self._wire = wire
        wire.bufferedAmountLowThreshold = BUFFERED_MOST_BYTES // 2
        wire.on("open", lambda: self._on_open(wire))
        wire.on("message", lambda data: self._on_message(wire, data))
        wire.on("bufferedamountlow", lambda: self._on_low(wire))
        wire.on("close", lambda: self._on_close(wire))
        if wire.readyState == "open":
            self._on_open(wire)

    def back_to(self, wire: RTCDataChannel) -> None:
        """Run on a data channel of before again."""
        if self.state != "closed":
            self._wire = wire
            self._on_open(wire)

    def _on_open(self, wire: RTCDataChannel) -> None:
        if wire is not self._wire or self.state == "closed":
            return
        if self.state == "connecting":
            self.state = "open"
        self._outbox.rewind()
        self._pump()
        if self.reliable and self._inbox.last:
            self._acknowledge()
        self._changed.set()

    def _on_low(self, wire: RTCDataChannel) -> None:
        if wire is not self._wire:
            return
        self._pump()
        self._changed.set()
        if not self.reliable:
            self._tell_low()

    def _tell_low(self) -> None:
        if not self._low and self.buffered_amount <= self.buffered_amount_low_threshold:
            self._low = True
            self.emit("buffered_amount_low")

    def _on_message(self, wire: RTCDataChannel, data: str | bytes) -> None:
        if self.state == "closed":
            return
        if not self.reliable:
            self._loose.append(data)
            self._hand_on()
            return
        try:
            frame = channel_frames.decode(data)
            if isinstance(frame, PieceAck):
                self._outbox.acknowledge(frame.number)
                self._changed.set()
                self._tell_low()
                self._pump()
            elif isinstance(frame, Piece):
                self._inbox.take(frame)
                self._hand_on()
        except ProtocolError as error:
            self.finish(error)

    def _on_close(self, wire: RTCDataChannel) -> None:
        if wire is self._wire and self.state != "closed":
            self._wire = None
            self.link.channels.lost(self, wire)

    def finish(self, error: Exception | None = None, *, close_wire: bool = True) -> None:
        """It is over."""
        if self.state == "closed":
            return
        self.state = "closed"
        self.error = error
        if self._ack_timer is not None:
            self._ack_timer.cancel()
            self._ack_timer = None
        self._changed.set()
        if close_wire and self._wire is not None and self._wire.readyState == "open":
            self._wire.close()
        self.link.channels.forget(self)
        self.emit("closed", error)
