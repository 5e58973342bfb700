"""Packets that are sent again find their receiver, also where several pictures share a link.

aiortc tells its router the SSRC of each received stream, but not the SSRC that the stream's lost
packets are sent again under (RFC 4588, section 8). The router finds the receiver of those by their
payload type, which is one only as long as there is one picture. With two, each lost packet would
let a picture stand still until aiortc's jitter buffer is full: 17 s at 30 frames a second.
"""

from __future__ import annotations

from typing import Any

from aiortc import RTCDtlsTransport
from aiortc.rtcdtlstransport import RtpRouter
from aiortc.rtp import RtpPacket


class Router(RtpRouter):
    """aiortc's router, that also knows what is sent again.

    :param plain: the one whose place it takes; the two have the same tables.
    """

    def __init__(self, plain: RtpRouter) -> None:
        vars(self).update(vars(plain))

    def route_rtp(self, packet: RtpPacket) -> Any:
        """The receiver of a packet; None: nobody's."""
        if packet.ssrc not in self.ssrc_table:
            for receiver in self.receivers:
                if packet.ssrc in getattr(receiver, "_RTCRtpReceiver__rtx_ssrc", {}):
                    self.ssrc_table[packet.ssrc] = receiver
        return super().route_rtp(packet)


def route_repeats(transport: RTCDtlsTransport) -> None:
    """Let what is sent again on this transport find its receiver."""
    if not isinstance(transport._rtp_router, Router):
        transport._rtp_router = Router(transport._rtp_router)
