"""An ``RTCPeerConnection`` of aiortc that can be closed at any moment, also while it connects.

aiortc 1.16 connects in tasks that it doesn't keep. Closed meanwhile, they go on: a path that was
found asks for consent for another half a minute (RFC 7675), and what fails on the closed transport
is reported as an exception that nobody fetched. Here such tasks are kept, and end first.
"""

from __future__ import annotations

import asyncio

from aiortc import RTCConfiguration, RTCPeerConnection

CANCEL_AGAIN_SECONDS = 0.02
GATHERING_SECONDS = 1.0
"""How long gathering may go on when it is no longer needed: sockets on our own addresses are made
within milliseconds, and one that is being made when gathering is cancelled would stay open. Servers
that don't answer are not waited for."""


class PeerConnection(RTCPeerConnection):
    """aiortc's, of which nothing is left once :meth:`close` returns."""

    def __init__(self, configuration: RTCConfiguration | None = None) -> None:
        self._connecting: set[asyncio.Task[None]] = set()
        super().__init__(configuration)

    async def close(self) -> None:
        """End what is connecting, then the streams and the transports."""
        # More than once: Python 3.11's `wait_for`, in which the handshake waits, loses a
        # cancellation that comes together with a packet.
        while self._connecting:
            for task in self._connecting:
                task.cancel()
            await asyncio.wait(self._connecting, timeout=CANCEL_AGAIN_SECONDS)
        sctp = self.sctp
        if sctp is not None:
            # What was due at this moment may still send, and set a timer again: closing stops that.
            await sctp.stop()
            await asyncio.sleep(0)
        await super().close()
        if sctp is not None:
            # What was read while the transport below was being stopped may have set a timer, which
            # would send on what is closed, and fail.
            await sctp.stop()

    # The name that aiortc's own calls of `self.__connect()` have: there is no public one, and a
    # test fails should it change.
    async def _RTCPeerConnection__connect(self) -> None:
        task = asyncio.ensure_future(super()._RTCPeerConnection__connect())  # type: ignore[misc]
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        await asyncio.wait({task})
        if not task.cancelled():
            task.result()


async def end_gathering(gathering: asyncio.Future[None] | None) -> None:
    """Let gathering end, or cancel it once its own sockets are surely made."""
    if gathering is None or gathering.done():
        return
    await asyncio.wait({gathering}, timeout=GATHERING_SECONDS)
    gathering.cancel()
    await asyncio.gather(gathering, return_exceptions=True)
