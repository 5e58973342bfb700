"""The live connection to one remote peer: messages, requests, tracks, channels, goodbye; and its
repair, when the path under it breaks.

Once the control channel is open everything travels on it and the database is left alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Literal

from aiortc import MediaStreamTrack, RTCDataChannel

from .carrier import Carrier, Fall
from .channel import Channel, Delivery
from .channels import Channels
from .connection import Connection, Path
from .control import Ack, Bye, Description, Frame, Hello, Message, Mute, Ping, Pong, Want
from .errors import FireRTCError, PathUnreachable, PeerGone, ProtocolError
from .heartbeat import Heartbeat
from .link_media import LinkMedia
from .link_state import LAST_WORD_SECONDS, NO_PATH, PROTOCOL_ERROR
from .link_state import LinkEnd as LinkEnd
from .link_state import LinkState as LinkState
from .messages import Messages
from .negotiation import UNREACHABLE_SECONDS, Pulse, ends_break
from .renegotiation import Renegotiation
from .repair import REPAIR_SECONDS
from .requests import Handler
from .unheard import Unheard

GOODBYE_SECONDS = 1.0
CAN = ("channels", "requests", "files")
"""What this side says it understands; aiortc can't restart ICE."""

Side = Literal["offerer", "answerer"]
Mend = Callable[["Link"], Awaitable[None]]
"""Brings a broken link another connection (:meth:`Link.carry`), and returns when it is open again
or all is in vain."""


class Link(LinkMedia):
    """The connection to one remote peer.

    Events:

    * ``message`` (body): user data; each once, in order, kept until somebody listens.
    * ``track`` (track): the other side sends a track; it outlasts repairs.
    * ``track_removed`` (track): it sends it no longer, and the track has ended. Sent again, it
      comes as another one.
    * ``channel`` (channel): the other side opened a :class:`Channel`; kept until somebody listens.
    * ``mute`` (kinds): which of its kinds are muted, as a mapping.
    * ``pulse`` (``"alive"``, ``"suspect"``, ``"dead"``): how the other side's heart beats.
    * ``reconnecting`` (``"silent"``, ``"failed"``): the path broke, another is looked for.
    * ``reconnected``: it is open again; what was said meanwhile arrives.
    * ``closed`` (end): a :class:`LinkEnd`.

    :param connection: negotiated by whoever makes the link.
    :param side: the link's original offerer alone creates offers; the answerer asks.
    :param remote: the other side's peer id, for errors and logs.
    """

    def __init__(self, connection: Connection, side: Side, remote: str = "") -> None:
        super().__init__()
        self.side: Side = side
        self.remote = remote
        self.state = LinkState.CONNECTING
        self.muted: Mapping[str, bool] = {}
        """Which kinds the other side has muted."""
        self.can: frozenset[str] = frozenset()
        """What the other side understands: ``restart``, ``channels``, ``requests``, ``files``."""
        self.mend: Mend | None = None
        """Repairs the link when its path breaks; None: then it ends."""
        self.repair_seconds = REPAIR_SECONDS
        """How long a repair may take before the link ends."""
        self.keeps_tracks = False
        """Whether the tracks that were sent go on when it has ended."""
        self.carrier = Carrier(connection, self)
        """The connection in use."""
        self._previous: Carrier | None = None
        """The one before, until something came on the one in use."""
        self._coming: set[Carrier] = set()
        self.unheard = Unheard(self, "message", "channel")
        self.channels = Channels(self)
        loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = loop.create_future()
        self._ended: asyncio.Future[LinkEnd] = loop.create_future()
        self._messages = Messages(self.say, lambda body: self.unheard.hand_on("message", body))
        self._renegotiation = Renegotiation(self)
        self._heart = Heartbeat(self.say, self._judge)
        self._pulse: Pulse = "alive"
        self._mute: dict[str, bool] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._mending: asyncio.Task[None] | None = None
        self._moved = False
        """Whether the link has got another connection since it broke."""
        self._pinged_before = 0
        """Number of the last ping before it broke."""
        self._closing: asyncio.Task[None] | None = None
        self._leaving: LinkEnd | None = None
        self._last_path: Path | None = None

    @property
    def rtt_seconds(self) -> float | None:
        """Round trip of the latest ping."""
        return self._heart.rtt_seconds

    # Opening and ending.

    async def opened(self, timeout: float | None = UNREACHABLE_SECONDS) -> None:
        """Wait until the control channel is open.

        :param timeout: seconds; None: as long as it takes, or until the link is closed.
        :raises PathUnreachable: if it doesn't open in time, or can't.
        """
        try:
            async with asyncio.timeout(timeout):
                await asyncio.shield(self._opened)
        except TimeoutError:
            raise PathUnreachable(f"{NO_PATH} Tried for {timeout:.0f} s.") from None

    async def closed(self) -> LinkEnd:
        """Wait until the link has ended, and say how."""
        return await asyncio.shield(self._ended)

    async def hang_up(self, reason: str = "hangup") -> None:
        """Say goodbye and close: what was sent before still arrives if the other side lives."""
        if self.state is LinkState.OPEN:
            with contextlib.suppress(FireRTCError):
                await self.flush(GOODBYE_SECONDS)
            self._leaving = LinkEnd(reason, by_remote=False)
            self.say(Bye(reason))
            # The other side closes on a goodbye, which closes the channel here.
            await asyncio.wait({self._ended}, timeout=GOODBYE_SECONDS)
        await self.close(LinkEnd(reason, by_remote=False))

    async def close(self, end: LinkEnd | None = None) -> None:
        """Close without a word."""
        self._finish(end or LinkEnd("closed", by_remote=False))
        if self._closing is not None:
            await asyncio.shield(self._closing)

    def _finish(self, end: LinkEnd) -> None:
        if self.state is LinkState.CLOSED:
            return
        self.state = LinkState.CLOSED
        if not self._opened.done():
            self._opened.set_exception(PathUnreachable(NO_PATH))
            self._opened.exception()
        self._renegotiation.close()
        self._messages.end()
        self._settled.set()
        self.channels.close()
        self._received.close()
        self._ended.set_result(end)
        self._closing = asyncio.create_task(self._close(), name="firertc-link-close")
        self.emit("closed", end)

    def _refuse(self) -> None:
        """The other side makes no sense: tell it, or it would wait for a repair."""
        self.say(Bye(PROTOCOL_ERROR))
        self._finish(LinkEnd(PROTOCOL_ERROR, by_remote=True))

    async def _close(self) -> None:
        current = asyncio.current_task()
        tasks = [task for task in (*self._tasks, self._mending) if task and task is not current]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._messages.requests.close()
        if not self.keeps_tracks:
            self.connection.stop_tracks()
        if self._ended.result().reason == PROTOCOL_ERROR:
            await asyncio.sleep(LAST_WORD_SECONDS)
        carriers = {self.carrier, *self._coming, self._previous or self.carrier}
        await asyncio.gather(*(carrier.close() for carrier in carriers))

    # Messages and requests.

    def send(self, body: Any) -> None:
        """Send user data; while the link is being repaired it waits, and arrives afterwards.

        :param body: any JSON value of at most 60,000 bytes, or at most 45,000 bytes.
        :raises ConfigError: if it is no such value.
        :raises TooMuch: if 16 MiB wait to be confirmed.
        :raises PeerGone: if the link has ended.
        """
        self._messages.say(body)

    async def flush(self, timeout: float = 10.0) -> None:
        """Wait until the other side has confirmed everything sent so far.

        :raises PeerGone: if it doesn't within ``timeout`` seconds.
        """
        await self._messages.flush(timeout)

    async def request(self, body: Any, timeout: float = 10.0) -> Any:
        """Ask the other side something, answered by its :attr:`on_request`.

        :param body: as for :meth:`send`.
        :param timeout: seconds.
        :returns: the reply's body.
        :raises NoReply: if none comes in time.
        :raises RequestRefused: if the other side has no handler, or its handler failed or refused.
        :raises PeerGone: if the link ends, or has ended.
        """
        return await self._messages.requests.ask(body, timeout)

    @property
    def on_request(self) -> Handler | None:
        """Answers the other side's requests: given the body, returns the reply's, or something to
        await for it. It may raise :class:`RequestRefused` with a code of its own."""
        return self._messages.requests.handler

    @on_request.setter
    def on_request(self, handler: Handler | None) -> None:
        self._messages.requests.handler = handler

    def say(self, frame: Frame) -> None:
        """Send a frame on the connection in use."""
        self.carrier.send(frame)

    def mute(self, **kinds: bool) -> None:
        """Tell the other side which of our kinds are silent on purpose: ``mute(audio=True)``."""
        self._mute |= kinds
        self.say(Mute(dict(self._mute)))

    # Channels.

    async def open_channel(
        self,
        label: str,
        *,
        ordered: bool = True,
        max_retransmits: int | None = None,
        max_packet_lifetime_ms: int | None = None,
        protocol: str = "",
        metadata: Any = None,
    ) -> Channel:
        """Open a data channel of one's own; the other side gets the event ``channel``.

        :param label: any text of at most 1,024 bytes; need not be unique.
        :param ordered: with this and without bounds it is reliable, also over a repair.
        :param max_retransmits: how often a lost packet is sent again.
        :param max_packet_lifetime_ms: how long it is tried, in milliseconds.
        :param protocol: the application's subprotocol.
        :param metadata: any JSON value, for the other side to read.
        :raises ConfigError: if that is no channel.
        :raises PeerGone: if the link ends, or has ended.
        """
        if self.state not in (LinkState.OPEN, LinkState.RECONNECTING):
            raise PeerGone("No channel can be opened: the link is not open.")
        delivery = Delivery(ordered, max_retransmits, max_packet_lifetime_ms)
        return await self.channels.open(label, delivery, protocol, metadata)

    # What happens on the connections.

    def carry(self, connection: Connection) -> Carrier:
        """Let another connection come: the link moves to it when it opens.

        :param connection: one that is ``like`` the one in use; whoever made it negotiates it.
        """
        carrier = Carrier(connection, self)
        self._coming.add(carrier)
        return carrier

    def abandon(self, carrier: Carrier) -> None:
        """Give up a connection that was coming; nothing happens if the link runs on it."""
        if carrier not in (self.carrier, self._previous):
            self._coming.discard(carrier)
            self._drop(carrier)

    def adopt(self, carrier: Carrier) -> None:
        """Run on a connection that came, from now on."""
        self._coming.discard(carrier)
        if self._previous is not None:
            self._drop(self._previous)
        self._previous, self.carrier = self.carrier, carrier
        self._moved = True
        self._move(self._previous, carrier)

    def carrier_opened(self, carrier: Carrier) -> None:
        """See :class:`CarrierUser`."""
        if self.state is LinkState.CLOSED:
            return
        if carrier is not self.carrier:
            self.adopt(carrier)
        elif self.state is LinkState.CONNECTING:
            self.state = LinkState.OPEN
            self._messages.is_open = self._messages.is_flowing = True
            self._heart.hear()
            self._opened.set_result(None)
            self.path()
            self.say(Hello(CAN))
            self.spawn(self._heart.run())

    def carrier_fell(self, carrier: Carrier, how: Fall) -> None:
        """See :class:`CarrierUser`."""
        if carrier is self._previous:
            self._previous = None
            self._drop(carrier)
        elif carrier in self._coming:
            self.abandon(carrier)
        elif carrier is self.carrier:
            previous, self._previous = self._previous, None
            if previous is None or not previous.is_alive:
                self._break("failed", LinkEnd("failed", by_remote=how == "closed"))
                return
            self.carrier = previous
            self._move(carrier, previous)
            self._drop(carrier)

    def carrier_broke_protocol(self, carrier: Carrier) -> None:
        """See :class:`CarrierUser`."""
        self._refuse()

    def carrier_track(self, carrier: Carrier, section: int, track: MediaStreamTrack) -> None:
        """See :class:`CarrierUser`."""
        # Those of one that is coming are taken when it has come.
        if carrier is self.carrier:
            self._received.take(section, track, carrier.connection.remote_names)

    def carrier_channel(self, carrier: Carrier, channel: RTCDataChannel) -> None:
        """See :class:`CarrierUser`."""
        self.channels.take(carrier, channel)

    def carrier_heard(self, carrier: Carrier, frame: Frame | None) -> None:
        """See :class:`CarrierUser`."""
        if self.state is LinkState.CLOSED:
            return
        self._heart.hear()
        if carrier is self.carrier:
            if self._previous is not None:
                previous, self._previous = self._previous, None
                self._drop(previous)
            pong = frame.number if isinstance(frame, Pong) else None
            if self.state is LinkState.RECONNECTING and ends_break(
                self._moved, pong, self._pinged_before
            ):
                self._restored()
        self._take(frame)

    def _take(self, frame: Frame | None) -> None:
        match frame:
            case Hello(can):
                self.can = frozenset(can)
            case Ping(number):
                self.say(Pong(number))
            case Pong(number):
                self._heart.pong(number)
            case Message():
                self._messages.take(frame)
            case Ack(number):
                self._messages.take_ack(number)
            case Mute(kinds):
                self.muted = kinds
                self.emit("mute", kinds)
            case Bye(reason):
                self._finish(LinkEnd(reason, by_remote=True))
            case Want() if self.side == "offerer":
                self.spawn(self._renegotiation.take_want(frame))
            case Description("offer") if self.side == "answerer":
                self.spawn(self._renegotiation.take_offer(frame))
            case Description("answer"):
                self._renegotiation.take_answer(frame)
            case _:
                pass

    # Repair.

    def _move(self, old: Carrier, new: Carrier) -> None:
        """Go on with another connection: say again what the other side may not have heard."""
        self._heart.hear()
        new.connection.take_over(old.connection)
        self.reconcile()
        new.send(Hello(CAN))
        if self._mute:
            self.say(Mute(dict(self._mute)))
        self._messages.repeat()
        self._renegotiation.moved(new)
        self.channels.move(new)

    def _judge(self, now: Pulse) -> None:
        if now != self._pulse:
            self._pulse = now
            self.emit("pulse", now)
        if now == "dead":
            self._break("silent", LinkEnd("gone", by_remote=True))

    def _break(self, reason: Literal["silent", "failed"], end: LinkEnd) -> None:
        if self._leaving is not None or self.mend is None or not self._opened.done():
            self._finish(self._leaving or end)
        elif self.state is LinkState.OPEN:
            self.state = LinkState.RECONNECTING
            self._messages.is_flowing = False
            self._moved = False
            self._pinged_before = self._heart.pinged
            self._heart.ping()
            self._mending = asyncio.create_task(self._repair(self.mend, end), name="firertc-repair")
            self.emit("reconnecting", reason)

    async def _repair(self, mend: Mend, end: LinkEnd) -> None:
        try:
            with contextlib.suppress(FireRTCError, TimeoutError):
                async with asyncio.timeout(self.repair_seconds):
                    await mend(self)
        finally:
            # Unless it came back, and broke again.
            if self.state is LinkState.RECONNECTING and self._mending is asyncio.current_task():
                self._finish(end)

    def _restored(self) -> None:
        self.state = LinkState.OPEN
        self._settled.set()
        self.path()
        if not self._moved:
            # The old path came back by itself: no other is looked for.
            if self._mending is not None:
                self._mending.cancel()
            self._messages.repeat()
        self.emit("reconnected")

    def _drop(self, carrier: Carrier) -> None:
        self.channels.drop(carrier)
        carrier.drop()
        self.spawn(carrier.close())

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside; if it fails, the link ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, ProtocolError):
            self._refuse()
        elif error is not None:
            self._break("failed", LinkEnd("failed", by_remote=False))

    def path(self) -> Path | None:
        """The network path in use, or the last one that was."""
        if self.state is LinkState.OPEN:
            self._last_path = self.connection.path() or self._last_path
        return self._last_path
