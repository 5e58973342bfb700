"""The live connection to one remote peer: control channel, heartbeat, messages, tracks added in
mid-call, goodbye.

Once the control channel is open everything travels on it and the database is left alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from aiortc import MediaStreamTrack, RTCDataChannel
from pyee.asyncio import AsyncIOEventEmitter

from . import control
from .connection import Connection, Path
from .control import Ack, Bye, Description, Frame, Message, Mute, Ping, Pong, Want
from .errors import (
    FireRTCError,
    PathUnreachable,
    PeerGone,
    ProtocolError,
)
from .negotiation import PING_SECONDS, UNREACHABLE_SECONDS, Pulse, pulse

GOODBYE_SECONDS = 1.0
RENEGOTIATION_SECONDS = 10.0
SECTIONS_MOST = 16
"""Audio and video sections of one connection, as far as the other side may ask for them: each costs
a transceiver for good."""

Side = Literal["offerer", "answerer"]


class LinkState(Enum):
    """Where a link stands."""

    CONNECTING = "connecting"
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True)
class LinkEnd:
    """How a link ended."""

    reason: str
    """``hangup`` or what the other side gave; ``gone`` if it fell silent; ``failed`` if the path
    broke."""
    by_remote: bool


class Link(AsyncIOEventEmitter):
    """The connection to one remote peer.

    Events:

    * ``message`` (body): user data; each once, in order, kept until somebody listens.
    * ``track`` (track): the other side sends a track.
    * ``mute`` (kinds): which of its kinds are muted, as a mapping.
    * ``pulse`` (``"alive"``, ``"suspect"``, ``"dead"``): how the other side's heart beats.
    * ``closed`` (end): a :class:`LinkEnd`.

    :param connection: negotiated by whoever makes the link.
    :param side: the link's original offerer alone creates offers; the answerer asks.
    :param remote: the other side's peer id, for errors and logs.
    """

    def __init__(self, connection: Connection, side: Side, remote: str = "") -> None:
        super().__init__()
        self.connection = connection
        self.side: Side = side
        self.remote = remote
        self.state = LinkState.CONNECTING
        self.rtt_seconds: float | None = None
        """Round trip of the latest ping."""
        self.tracks: list[MediaStreamTrack] = []
        """What the other side sends."""
        self.muted: Mapping[str, bool] = {}
        """Which kinds the other side has muted."""
        loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = loop.create_future()
        self._ended: asyncio.Future[LinkEnd] = loop.create_future()
        self._outbox = control.Outbox()
        self._inbox = control.Inbox()
        self._acknowledged = asyncio.Event()
        self._negotiating = asyncio.Lock()
        self._generation = 0
        self._answers: dict[int, asyncio.Future[str]] = {}
        self._pings: dict[int, float] = {}
        self._pulse: Pulse = "alive"
        self._heard = loop.time()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Task[None] | None = None
        self._leaving: LinkEnd | None = None
        self._last_path: Path | None = None
        self._unheard: list[Any] = []
        """Messages that came before anybody listened."""
        self.on("new_listener", self._on_listener)
        connection.on_channel = self._wire
        connection.pc.on("track", self._on_track)
        connection.pc.on("connectionstatechange", self._on_connection_state)

    def _wire(self, channel: RTCDataChannel) -> None:
        channel.on("open", self._on_open)
        channel.on("message", self._on_text)
        channel.on("close", self._on_channel_close)

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
            raise PathUnreachable(f"{_NO_PATH} Tried for {timeout:.0f} s.") from None

    async def closed(self) -> LinkEnd:
        """Wait until the link has ended, and say how."""
        return await asyncio.shield(self._ended)

    async def hang_up(self, reason: str = "hangup") -> None:
        """Say goodbye and close: what was sent before still arrives if the other side lives."""
        if self.state is LinkState.OPEN:
            with contextlib.suppress(FireRTCError):
                await self.flush(GOODBYE_SECONDS)
            self._leaving = LinkEnd(reason, by_remote=False)
            self._send(Bye(reason))
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
        error = PeerGone("The link ended.") if self._opened.done() else PathUnreachable(_NO_PATH)
        if not self._opened.done():
            self._opened.set_exception(error)
            self._opened.exception()
        for answer in self._answers.values():
            if not answer.done():
                answer.cancel()
        self._acknowledged.set()
        self._ended.set_result(end)
        self._closing = asyncio.create_task(self._close(), name="firertc-link-close")
        self.emit("closed", end)

    async def _close(self) -> None:
        current = asyncio.current_task()
        tasks = [task for task in self._tasks if task is not current]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.connection.close()

    # Messages.

    def send(self, body: Any) -> None:
        """Send user data: any JSON value of at most 60,000 bytes.

        :raises ConfigError: if it is no such value.
        :raises PeerGone: if the link has ended.
        """
        if self.state is not LinkState.OPEN:
            raise PeerGone("Nothing can be sent: the link is not open.")
        self._send(self._outbox.add(body))

    async def flush(self, timeout: float = 10.0) -> None:
        """Wait until the other side has confirmed everything sent so far.

        :raises PeerGone: if it doesn't within ``timeout`` seconds.
        """
        last = self._outbox.last
        try:
            async with asyncio.timeout(timeout):
                while self._outbox.waiting and self._outbox.waiting[0].number <= last:
                    if self.state is LinkState.CLOSED:
                        raise PeerGone("The link ended before everything had arrived.")
                    self._acknowledged.clear()
                    await self._acknowledged.wait()
        except TimeoutError:
            raise PeerGone("The other side doesn't confirm what was sent.") from None

    def mute(self, **kinds: bool) -> None:
        """Tell the other side which of our kinds are silent on purpose: ``mute(audio=True)``."""
        self._send(Mute(kinds))

    # Tracks.

    async def add_track(self, track: MediaStreamTrack) -> None:
        """Send one more track, on the connection that exists.

        :raises PeerGone: if the other side doesn't answer.
        """
        if self.side == "offerer":
            self.connection.pc.addTrack(track)
            await self.renegotiate()
        else:
            self.connection.sending[track.kind] = track
            self._send(Want((track.kind,)))

    async def renegotiate(self) -> None:
        """Offer what has changed (offerer only); one at a time.

        :raises PeerGone: if no answer comes within 10 s.
        """
        async with self._negotiating:
            self._generation += 1
            generation = self._generation
            sdp = await self.connection.renegotiation()
            answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            self._answers[generation] = answer
            self._send(Description("offer", generation, sdp))
            try:
                async with asyncio.timeout(RENEGOTIATION_SECONDS):
                    await self.connection.accept(await answer)
            except (TimeoutError, asyncio.CancelledError):
                raise PeerGone("The other side didn't answer the renegotiation.") from None
            finally:
                del self._answers[generation]

    async def _answer_renegotiation(self, offer: Description) -> None:
        async with self._negotiating:
            answer = await self.connection.answer(offer.sdp)
            self._send(Description("answer", offer.generation, answer.sdp))

    async def _offer_more(self, want: Want) -> None:
        sections = len(self.connection.pc.getTransceivers()) + len(want.kinds)
        if sections > SECTIONS_MOST:
            raise ProtocolError(f"The other side wants more than {SECTIONS_MOST} media sections.")
        for kind in want.kinds:
            self.connection.pc.addTransceiver(kind, "recvonly")
        await self.renegotiate()

    def _on_track(self, track: MediaStreamTrack) -> None:
        self.tracks.append(track)
        self.emit("track", track)

    # The control channel.

    def _on_open(self) -> None:
        if self.state is not LinkState.CONNECTING:
            return
        self.state = LinkState.OPEN
        self._heard = asyncio.get_running_loop().time()
        self._opened.set_result(None)
        self.path()
        self._spawn(self._beat())

    def _send(self, frame: Frame) -> None:
        channel = self.connection.channel
        if channel is not None and channel.readyState == "open":
            channel.send(control.encode(frame))

    def _on_text(self, text: str | bytes) -> None:
        self._heard = asyncio.get_running_loop().time()
        try:
            frame = control.decode(text)
        except ProtocolError:
            self._finish(LinkEnd("protocol-error", by_remote=True))
            return
        match frame:
            case Ping(number):
                self._send(Pong(number))
            case Pong(number):
                sent = self._pings.pop(number, None)
                if sent is not None:
                    self.rtt_seconds = self._heard - sent
            case Message() if self._inbox.take(frame):
                self._send(Ack(self._inbox.last))
                self._hand_on(frame.body)
            case Message():
                self._send(Ack(self._inbox.last))
            case Ack(number):
                self._outbox.acknowledge(number)
                self._acknowledged.set()
            case Mute(kinds):
                self.muted = kinds
                self.emit("mute", kinds)
            case Bye(reason):
                self._finish(LinkEnd(reason, by_remote=True))
            case Want() if self.side == "offerer":
                self._spawn(self._offer_more(frame))
            case Description("offer") if self.side == "answerer":
                self._spawn(self._answer_renegotiation(frame))
            case Description("answer", generation, sdp):
                waiting = self._answers.get(generation)
                if waiting is not None and not waiting.done():
                    waiting.set_result(sdp)
            case _:
                pass

    def _hand_on(self, body: Any) -> None:
        if self._unheard or not self.listeners("message"):
            self._unheard.append(body)
        else:
            self.emit("message", body)

    def _on_listener(self, event: str, _: object) -> None:
        if event == "message":
            asyncio.get_running_loop().call_soon(self._catch_up)

    def _catch_up(self) -> None:
        while self._unheard and self.listeners("message"):
            self.emit("message", self._unheard.pop(0))

    def _on_channel_close(self) -> None:
        self._finish(self._leaving or LinkEnd("failed", by_remote=True))

    def _on_connection_state(self) -> None:
        if self.connection.pc.connectionState == "failed":
            self._finish(self._leaving or LinkEnd("failed", by_remote=False))

    async def _beat(self) -> None:
        """Ping every second; notice when nothing comes back."""
        loop = asyncio.get_running_loop()
        number = 0
        while True:
            number += 1
            before = loop.time()
            self._pings = {n: at for n, at in self._pings.items() if before - at < 10}
            self._pings[number] = before
            self._send(Ping(number))
            await asyncio.sleep(PING_SECONDS)
            late = loop.time() - before - PING_SECONDS
            if late > PING_SECONDS:
                # This process itself stood still (a laptop slept): the silence was ours.
                self._heard += late
            self._judge(pulse(loop.time() - self._heard))

    def _judge(self, now: Pulse) -> None:
        if now != self._pulse:
            self._pulse = now
            self.emit("pulse", now)
        if now == "dead":
            self._finish(LinkEnd("gone", by_remote=True))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, ProtocolError):
            self._finish(LinkEnd("protocol-error", by_remote=True))
        elif error is not None:
            self._finish(LinkEnd("failed", by_remote=False))

    def path(self) -> Path | None:
        """The network path in use, or the last one that was."""
        if self.state is LinkState.OPEN:
            self._last_path = self.connection.path() or self._last_path
        return self._last_path


_NO_PATH = (
    "No network path between the two sides: both signalled, but no connection opened. The other "
    "side may have vanished, or a firewall stands between: set up a TURN server "
    "(docs/deploying.md)."
)
