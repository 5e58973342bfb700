"""One ``RTCPeerConnection`` with media alone: no data section, so no control channel and no link.

What the public tutorials' pages make. The other side's silence is all that tells of its end, and
it may never say that its candidates are complete: the time to connect is bounded here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal

from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCIceServer,
    RTCIceTransport,
    RTCSessionDescription,
)
from aiortc.sdp import candidate_from_sdp, candidate_to_sdp

from ..call import Media
from ..closing import PeerConnection, end_gathering
from ..connection import CLOSE_SECONDS, KINDS, LocalDescription, Path, usable_by_aiortc
from ..errors import DocumentMalformed, PathUnreachable
from ..link import LinkEnd
from ..negotiation import GATHER_GRACE_SECONDS, UNREACHABLE_SECONDS

CANDIDATES_MOST: Final = 100
"""Candidates of the other side that are taken; anybody who is signed in may write some."""
SECTIONS_MOST: Final = 16
"""Media sections that the other side may ask for, each of which costs threads and memory."""


class PlainConnection:
    """A peer connection that carries audio and video and nothing else.

    :param ice_servers: ``RTCIceServer`` dictionaries.
    :param media: what to send, and which kinds to receive.
    """

    def __init__(self, ice_servers: Iterable[Mapping[str, Any]], media: Media) -> None:
        self.media = media
        self.pc = PeerConnection(
            RTCConfiguration(
                iceServers=[
                    RTCIceServer(
                        urls=server["urls"],
                        username=server.get("username"),
                        credential=server.get("credential"),
                    )
                    for server in ice_servers
                ],
                bundlePolicy=RTCBundlePolicy.MAX_BUNDLE,
            )
        )
        self.tracks: list[MediaStreamTrack] = []
        """The other side's, in order."""
        self.on_track: Callable[[MediaStreamTrack], None] = lambda track: None
        """Told of each of them."""
        self.ended: asyncio.Future[LinkEnd] = asyncio.get_running_loop().create_future()
        """How the connection ended, once it has."""
        self._connected = False
        self._settled = asyncio.Event()
        """Set when the connection is open, or has ended before."""
        self._gathering: asyncio.Future[None] | None = None
        self._taken = 0
        self.pc.on("connectionstatechange", self._look)
        self.pc.on("track", self._receive)

    def _receive(self, track: MediaStreamTrack) -> None:
        self.tracks.append(track)
        self.on_track(track)

    def _look(self) -> None:
        match self.pc.connectionState:
            case "connected":
                self._connected = True
                self._settled.set()
            case "closed":
                # The other side's DTLS has said so; ours ends by `end` before it is closed.
                self.end(LinkEnd("hangup", by_remote=True))
            case "failed":
                self.end(LinkEnd("failed", by_remote=False))

    def end(self, how: LinkEnd) -> None:
        """Note how it ends; the first word counts."""
        if not self.ended.done():
            self.ended.set_result(how)

    async def offer(self) -> LocalDescription:
        """Make an offer with one section for each kind that is sent or received."""
        for kind in KINDS:
            track = self.media.sending.get(kind)
            receives = kind in self.media.receiving
            if track is not None:
                self.pc.addTransceiver(track, "sendrecv" if receives else "sendonly")
            elif receives:
                self.pc.addTransceiver(kind, "recvonly")
        return await self._describe(await self.pc.createOffer())

    async def answer(self, sdp: str) -> LocalDescription:
        """Take an offer and make the answer.

        :raises DocumentMalformed: if the offer can't be used.
        """
        await self._take("offer", sdp)
        waiting = dict(self.media.sending)
        for transceiver in self.pc.getTransceivers():
            track = waiting.pop(transceiver.kind, None)
            if track is not None:
                transceiver.sender.replaceTrack(track)
            receives = transceiver.kind in self.media.receiving
            transceiver.direction = (
                ("sendrecv" if receives else "sendonly")
                if track is not None
                else ("recvonly" if receives else "inactive")
            )
        try:
            answer = await self.pc.createAnswer()
        except Exception as error:
            raise _unusable("offer", error) from None
        return await self._describe(answer)

    async def accept(self, sdp: str) -> None:
        """Take the answer to our offer, once our candidates are gathered (aiortc needs that).

        :raises DocumentMalformed: if it doesn't match the offer.
        """
        await self.gathered()
        await self._take("answer", sdp)

    async def _describe(self, description: RTCSessionDescription) -> LocalDescription:
        gathering = asyncio.ensure_future(self.pc.setLocalDescription(description))
        self._gathering = gathering
        done, _ = await asyncio.wait({gathering}, timeout=GATHER_GRACE_SECONDS)
        if done:
            await gathering
            return LocalDescription(self.pc.localDescription.sdp, complete=True)
        return LocalDescription(description.sdp, complete=False)

    async def _take(self, kind: Literal["offer", "answer"], sdp: str) -> None:
        if sdp.count("\nm=") > SECTIONS_MOST:
            raise DocumentMalformed(f"The {kind} has over {SECTIONS_MOST} sections.")
        try:
            description = RTCSessionDescription(sdp=usable_by_aiortc(sdp), type=kind)
            await self.pc.setRemoteDescription(description)
        except Exception as error:
            # aiortc's parser raises whatever its line of code happens to: what came is somebody
            # else's text, and any of it means that it can't be used.
            raise _unusable(kind, error) from None
        if not self.pc.getTransceivers():
            raise DocumentMalformed(f"The {kind} of the other side has neither audio nor video.")

    async def gathered(self) -> None:
        """Wait until our candidates are gathered: 5 s at most behind a dead TURN server."""
        if self._gathering is not None:
            await asyncio.shield(self._gathering)

    async def candidates(self) -> list[dict[str, Any]]:
        """Our candidates, all of them, as ``RTCIceCandidate.toJSON()`` has them."""
        await self.gathered()
        return [
            {
                "candidate": f"candidate:{candidate_to_sdp(candidate)}",
                "sdpMid": "0",
                "sdpMLineIndex": 0,
                "usernameFragment": None,
            }
            for candidate in self._transport().iceGatherer.getLocalCandidates()
        ]

    async def add_candidate(self, fields: Mapping[str, Any]) -> None:
        """Take a candidate of the other side; what is none is left aside, and so is an end mark.

        :param fields: as ``RTCIceCandidate.toJSON()`` has them.
        """
        line, mid, index = (fields.get(n) for n in ("candidate", "sdpMid", "sdpMLineIndex"))
        if not isinstance(line, str) or ":" not in line or self._taken >= CANDIDATES_MOST:
            return
        try:
            candidate = candidate_from_sdp(line.split(":", 1)[1])
        except (ValueError, IndexError, AssertionError):
            return
        candidate.sdpMid = mid if isinstance(mid, str) else None
        candidate.sdpMLineIndex = index if isinstance(index, int) else None
        if candidate.sdpMid is None and candidate.sdpMLineIndex is None:
            candidate.sdpMLineIndex = 0
        self._taken += 1
        await self.pc.addIceCandidate(candidate)

    async def connected(self) -> None:
        """Wait until the path is open.

        :raises PathUnreachable: if none opens within 20 s.
        """
        self.ended.add_done_callback(lambda _: self._settled.set())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(UNREACHABLE_SECONDS):
                await self._settled.wait()
        if not self._connected:
            raise PathUnreachable(
                "No network path to the other side opened within "
                f"{UNREACHABLE_SECONDS:.0f} s. Behind a NAT both sides need a STUN server, "
                "and often a TURN server, that they reach."
            )

    def path(self) -> Path | None:
        """The path in use; None before there is one."""
        # Neither aiortc's statistics nor aioice's public interface tell the nominated pair.
        nominated = getattr(self._transport()._connection, "_nominated", {})
        for pair in nominated.values():
            remote = pair.remote_candidate
            return Path(pair.local_candidate.type, remote.type, f"{remote.host}:{remote.port}")
        return None

    def _transport(self) -> RTCIceTransport:
        # max-bundle: every section runs on one transport.
        for transceiver in self.pc.getTransceivers():
            return transceiver.receiver.transport.transport
        if self.pc.sctp is not None:
            return self.pc.sctp.transport.transport
        raise DocumentMalformed("The call has neither audio nor video.")

    async def close(self) -> None:
        """End the connection; at most 5 s, then it is left to itself."""
        self.end(LinkEnd("hangup", by_remote=False))
        await end_gathering(self._gathering)
        closing = asyncio.ensure_future(self.pc.close())
        await asyncio.wait({closing}, timeout=CLOSE_SECONDS)


def _unusable(kind: str, error: Exception) -> DocumentMalformed:
    reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
    return DocumentMalformed(f"The {kind} of the other side can't be used: {reason}.")
