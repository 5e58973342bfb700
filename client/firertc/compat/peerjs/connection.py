"""Connections to other peers: of values, and of sound and picture."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Final

from aiortc import MediaStreamTrack, RTCPeerConnection

from ... import Call, Media, Ring
from ...errors import FireRTCError
from .errors import BaseConnectionErrorType, DataConnectionErrorType, Emitter, PeerError
from .serialization import SERIALIZERS

JSON_CHARS: Final = 16_300
"""``util.chunkedMTU``: PeerJS sends no longer JSON in one message, and JSON in no more than one."""

Stream = Media | Iterable[MediaStreamTrack] | Any | None
"""What is sent: a :class:`firertc.Media`, tracks, or what :func:`firertc.open_source` opened."""


class MediaStream:
    """The tracks that arrive over one connection."""

    def __init__(self) -> None:
        self.tracks: list[MediaStreamTrack] = []
        """In the order in which they came; more may come."""

    @property
    def audio(self) -> MediaStreamTrack | None:
        """The first of sound."""
        return next((track for track in self.tracks if track.kind == "audio"), None)

    @property
    def video(self) -> MediaStreamTrack | None:
        """The first of pictures."""
        return next((track for track in self.tracks if track.kind == "video"), None)


class Connection(Emitter):
    """What both kinds have in common. Events: ``close``, ``error`` (:class:`PeerError`),
    ``iceStateChanged`` (state)."""

    type = ""

    def __init__(
        self, peer: str, introduction: Mapping[str, Any], forget: Callable[[Connection], None]
    ) -> None:
        super().__init__()
        self.peer = peer
        """The other side's id."""
        self.connection_id = str(introduction["connectionId"])
        self.metadata: Any = introduction.get("metadata")
        """Whatever the caller said with it."""
        self.label = str(introduction.get("label") or self.connection_id)
        self.open = False
        self._forget = forget
        self._call: Call | None = None
        self._ended = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self._ended

    @property
    def peer_connection(self) -> RTCPeerConnection | None:
        """aiortc's connection; None before there is one."""
        return None if self._call is None else self._call.link.connection.pc

    def prepare(self, call: Call) -> None:
        """The call is made, and perhaps not connected yet."""
        if self._call is not None:
            return
        self._call = call
        if self._ended:
            # It was closed before the call was made.
            self._start(call.close("cancelled"))
            return
        pc = call.link.connection.pc
        pc.on(
            "iceconnectionstatechange",
            lambda: self.emit("iceStateChanged", pc.iceConnectionState),
        )
        self._hear(call)

    def _hear(self, call: Call) -> None:
        """Listen to what the call's link tells of."""

    def connected(self, call: Call) -> None:
        """The call stands."""
        self.prepare(call)
        if not self._ended:
            self._start(self._watch(call))

    async def _watch(self, call: Call) -> None:
        end = await call.closed()
        if self._ended:
            return
        if end.reason in ("gone", "failed"):
            self.tell(
                BaseConnectionErrorType.CONNECTION_CLOSED,
                f"Connection to {self.peer} closed: {end.reason}.",
            )
        self._finish()
        await call.close()

    def fail(self, error: BaseException) -> None:
        """It did not come about."""
        if not self._ended:
            self.tell(BaseConnectionErrorType.NEGOTIATION_FAILED, error)
            self._finish()

    async def close(self) -> None:
        """End the connection; the other side is told."""
        call = self._call
        self._finish()
        if call is not None:
            await call.close()

    def _finish(self) -> None:
        if not self._ended:
            self._ended = True
            self.open = False
            self._forget(self)
            self.emit("close")

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="firertc-peerjs")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class DataConnection(Connection):
    """A connection that carries values. Events besides: ``open``, ``data`` (value).

    What arrives can also be read by ``async for value in connection``.
    """

    type = "data"

    def __init__(
        self, peer: str, introduction: Mapping[str, Any], forget: Callable[[Connection], None]
    ) -> None:
        super().__init__(peer, introduction, forget)
        self.serialization = str(introduction.get("serialization") or "binary")
        self.reliable = introduction.get("reliable") is True
        """What was asked for; every connection here is."""
        if self.serialization not in SERIALIZERS:
            raise ValueError(
                f"There is no serialization {self.serialization[:40]!r}: there are "
                f"{', '.join(SERIALIZERS)}."
            )
        self._serializer = SERIALIZERS[self.serialization]
        self._channel: Any = None

    @property
    def data_channel(self) -> Any:
        """The :class:`firertc.channel.Channel` that it runs on; None before it is open."""
        return self._channel

    @property
    def buffer_size(self) -> int:
        """Bytes that the other side has not taken."""
        return 0 if self._channel is None else int(self._channel.buffered_amount)

    def _hear(self, call: Call) -> None:
        call.link.on("channel", self._offered)

    async def open_channel(self, call: Call) -> None:
        """Open the channel, on the side that called."""
        self._take(await call.link.open_channel(self.label, protocol=self.serialization))

    def _offered(self, channel: Any) -> None:
        if self._channel is None and channel.label == self.label:
            self._take(channel)

    def _take(self, channel: Any) -> None:
        if self._ended:
            return
        self._channel = channel
        self.open = True
        channel.on("closed", lambda *_: self._start(self.close()))
        self.emit("open")
        # After whoever hears of `open` has had a moment to listen.
        channel.on("message", self._receive)

    def _receive(self, message: str | bytes) -> None:
        try:
            value = self._serializer.decode(message)
        except (ValueError, RecursionError) as error:
            self.tell(BaseConnectionErrorType.NEGOTIATION_FAILED, f"Not readable: {error}")
            return
        self.emit("data", value)

    async def send(self, data: Any) -> None:
        """Send a value; waits while too much is on its way.

        :raises PeerError: ``not-open-yet``; ``message-too-big`` for long JSON;
            ``connection-closed`` if it closes meanwhile.
        :raises TypeError: if it can't be written as :attr:`serialization` says.
        :raises ValueError: likewise.
        """
        if not self.open or self._channel is None:
            raise PeerError(
                DataConnectionErrorType.NOT_OPEN_YET,
                "Connection is not open. Wait for the event 'open' before sending.",
            )
        message = self._serializer.encode(data)
        if self.serialization == "json" and len(message) >= JSON_CHARS:
            raise PeerError(
                DataConnectionErrorType.MESSAGE_TOO_BIG, "Message too big for JSON channel"
            )
        try:
            await self._channel.send(message)
        except FireRTCError as error:
            raise PeerError(BaseConnectionErrorType.CONNECTION_CLOSED, str(error)) from error

    async def close(self, *, flush: bool = False) -> None:
        """End the connection.

        :param flush: first let the other side take what was sent, ten seconds at most.
        """
        if flush and self.open and self._channel is not None:
            with contextlib.suppress(FireRTCError):
                await self._channel.flush()
        await super().close()


class MediaConnection(Connection):
    """A connection that carries sound and picture. Event besides: ``stream``
    (:class:`MediaStream`)."""

    type = "media"

    def __init__(
        self,
        peer: str,
        introduction: Mapping[str, Any],
        forget: Callable[[Connection], None],
        ring: Ring | None = None,
    ) -> None:
        super().__init__(peer, introduction, forget)
        self.remote_stream: MediaStream | None = None
        """What arrives, from the event ``stream`` on."""
        self._ring = ring
        self._answered = False
        if ring is not None:
            self._start(self._until_stopped(ring))

    async def _until_stopped(self, ring: Ring) -> None:
        if await ring.stopped() != "accepted":
            self._finish()

    async def answer(self, stream: Stream = None) -> None:
        """Take the call; once, by the side that was called.

        :param stream: what to send; None: nothing.
        :raises PeerError: ``negotiation-failed`` if it was answered already, or is ours.
        """
        if self._ring is None or self._answered:
            raise PeerError(
                BaseConnectionErrorType.NEGOTIATION_FAILED, "There is no call to answer here."
            )
        self._answered = True
        try:
            call = await self._ring.accept(media_of(stream))
        except FireRTCError as error:
            self.fail(error)
            return
        self.connected(call)
        self.open = True

    def _hear(self, call: Call) -> None:
        call.link.on("track", self._receive)
        call.link.on("track_removed", self._lose)
        for track in call.link.tracks:
            self._receive(track)

    def _receive(self, track: MediaStreamTrack) -> None:
        if self.remote_stream is None:
            stream = self.remote_stream = MediaStream()
            # Tracks that come together are told of together.
            asyncio.get_running_loop().call_soon(self.emit, "stream", stream)
        if track not in self.remote_stream.tracks:
            self.remote_stream.tracks.append(track)

    def _lose(self, track: MediaStreamTrack) -> None:
        if self.remote_stream is not None and track in self.remote_stream.tracks:
            self.remote_stream.tracks.remove(track)

    async def close(self) -> None:
        """End the call; one that still rings is turned away."""
        if self._ring is not None and self._call is None:
            await self._ring.reject()
        await super().close()


def media_of(stream: Stream) -> Media:
    """What to send, and that sound and picture are welcome.

    :raises TypeError: if it is none of the kinds of :data:`Stream`.
    """
    if stream is None:
        return Media()
    if isinstance(stream, Media):
        return stream
    if hasattr(stream, "audio") and hasattr(stream, "video"):
        tracks = [stream.audio, stream.video]
    else:
        tracks = list(stream)
    sending = {track.kind: track for track in tracks if track is not None}
    if not all(isinstance(track, MediaStreamTrack) for track in sending.values()):
        raise TypeError("A stream is a firertc.Media, an opened source, or tracks of aiortc.")
    return Media(sending)
