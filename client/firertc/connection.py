"""One ``RTCPeerConnection`` of aiortc, as signaling needs it: descriptions at once, candidates as
they come.

aiortc gathers candidates for up to 5 s (a dead TURN server) before it shows its description, and
has no candidate event. But what ``createOffer()`` returns already carries credentials and
fingerprint: so gathering runs beside, what it finds within some milliseconds travels in the
description, and the rest is handed out when it is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceCandidate,
    RTCIceServer,
    RTCIceTransport,
    RTCPeerConnection,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.sdp import candidate_from_sdp, candidate_to_sdp

from . import control
from .errors import ConfigError, DocumentMalformed
from .negotiation import GATHER_GRACE_SECONDS
from .schema import parse_json

CLOSE_SECONDS = 5.0
MDNS_SUFFIX = ".local"
"""Browsers hide their host addresses behind such names (draft-ietf-mmusic-mdns-ice-candidates)."""
KINDS: tuple[Literal["audio"], Literal["video"]] = ("audio", "video")

END_OF_CANDIDATES = json.dumps({"candidate": ""})
"""An empty candidate ends the list (W3C WebRTC, section 4.8.1.2)."""


@dataclass(frozen=True)
class LocalDescription:
    """An offer or an answer of ours."""

    sdp: str
    complete: bool
    """Whether every candidate is in it; else :meth:`Connection.late_candidates` has them."""


@dataclass(frozen=True)
class Path:
    """The network path that a connection found."""

    local: str
    """``host``, ``srflx``, ``prflx`` or ``relay`` (RFC 8445, section 5.1.1)."""
    remote: str
    address: str
    """``ip:port`` of the other side."""

    @property
    def kind(self) -> str:
        """The one word for it: a path that a relay or a NAT is on is named after that."""
        for word in ("relay", "srflx", "prflx"):
            if word in (self.local, self.remote):
                return word
        return "host"


class Connection:
    """A peer connection with the control channel on it.

    :param ice_servers: ``RTCIceServer`` dictionaries.
    :param sending: tracks to send, by kind.
    :param receiving: the kinds wanted from the other side.
    """

    def __init__(
        self,
        ice_servers: Iterable[Mapping[str, Any]],
        *,
        sending: Mapping[str, MediaStreamTrack] | None = None,
        receiving: frozenset[str] = frozenset(),
    ) -> None:
        self.sending = dict(sending or {})
        self.receiving = receiving
        self.pc = RTCPeerConnection(
            RTCConfiguration(
                iceServers=[_ice_server(server) for server in ice_servers],
                bundlePolicy=RTCBundlePolicy.MAX_BUNDLE,
            )
        )
        self.channel: RTCDataChannel | None = None
        """The control channel, from the first description on."""
        self.on_channel: Callable[[RTCDataChannel], None] = lambda channel: None
        """Told of the control channel when it is made."""
        self._gathering: asyncio.Future[None] | None = None
        self._applied: set[str] = set()
        self._only_mdns = False
        """Whether every candidate of the other side is a name that may not resolve."""

    async def offer(self) -> LocalDescription:
        """Make an offer with one section for each kind that is to be sent or received."""
        for kind in KINDS:
            track = self.sending.get(kind)
            if track is not None:
                self.pc.addTransceiver(track, self._direction(kind))
            elif kind in self.receiving:
                self.pc.addTransceiver(kind, "recvonly")
        self._make_channel()
        return await self._describe(await self.pc.createOffer())

    async def answer(self, sdp: str) -> LocalDescription:
        """Take an offer and make the answer.

        :raises DocumentMalformed: if the offer doesn't parse or has nothing in common with us.
        """
        await self._take("offer", sdp)
        self._make_channel()
        self.attach()
        try:
            answer = await self.pc.createAnswer()
        except Exception as error:
            raise _unusable("offer", error) from None
        return await self._describe(answer)

    async def accept(self, sdp: str) -> None:
        """Take the answer to our offer.

        aiortc knows its own offer only once gathering has ended; an answer that is faster waits.

        :raises DocumentMalformed: if it doesn't parse or doesn't match the offer.
        """
        if self._gathering is not None:
            await asyncio.shield(self._gathering)
        await self._take("answer", sdp)

    def _make_channel(self) -> None:
        # After the media sections: aiortc 1.16 with max-bundle stops the one transport that all
        # share if the data section was there first.
        if self.channel is None:
            self.channel = self.pc.createDataChannel(
                control.LABEL, negotiated=True, id=control.CHANNEL_ID
            )
            self.on_channel(self.channel)

    def attach(self) -> None:
        """Put the tracks that wait to be sent on the sections that were offered, as far as they
        go."""
        for transceiver in self.pc.getTransceivers():
            track = self.sending.get(transceiver.kind)
            if track is not None and transceiver.sender.track is None and not self._sent(track):
                transceiver.sender.replaceTrack(track)
            transceiver.direction = self._answer_direction(transceiver)

    def _sent(self, track: MediaStreamTrack) -> bool:
        return any(sender.track is track for sender in self.pc.getSenders())

    def _direction(self, kind: str) -> str:
        return "sendrecv" if kind in self.receiving else "sendonly"

    def _answer_direction(self, transceiver: RTCRtpTransceiver) -> str:
        sends = transceiver.sender.track is not None
        receives = transceiver.kind in self.receiving
        if sends:
            return "sendrecv" if receives else "sendonly"
        return "recvonly" if receives else "inactive"

    async def renegotiation(self) -> str:
        """A fresh offer on the connection that exists, candidates included."""
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return self.pc.localDescription.sdp

    async def _describe(self, description: RTCSessionDescription) -> LocalDescription:
        gathering = asyncio.ensure_future(self.pc.setLocalDescription(description))
        self._gathering = gathering
        done, _ = await asyncio.wait({gathering}, timeout=GATHER_GRACE_SECONDS)
        if done:
            await gathering
            return LocalDescription(self.pc.localDescription.sdp, complete=True)
        return LocalDescription(description.sdp, complete=False)

    async def late_candidates(self) -> list[str]:
        """Wait for gathering to end.

        :returns: every candidate as JSON text of an ``RTCIceCandidateInit``, the end mark included.
        """
        if self._gathering is not None:
            await asyncio.shield(self._gathering)
        transport = self._ice_transport()
        texts = []
        for candidate in transport.iceGatherer.getLocalCandidates():
            line = f"candidate:{candidate_to_sdp(candidate)}"
            texts.append(json.dumps({"candidate": line, "sdpMid": "0", "sdpMLineIndex": 0}))
        return [*texts, END_OF_CANDIDATES]

    async def add_candidates(self, texts: Iterable[str]) -> None:
        """Take candidates of the other side, those that are new; needs its description first.

        :param texts: JSON texts of ``RTCIceCandidateInit``.
        :raises DocumentMalformed: if one is no candidate.
        """
        for text in texts:
            if text in self._applied:
                continue
            self._applied.add(text)
            candidate = _candidate(text)
            if candidate is None and self._only_mdns:
                # See usable_by_aiortc: no end where no name may resolve.
                continue
            if candidate is not None:
                self._only_mdns = self._only_mdns and candidate.ip.endswith(MDNS_SUFFIX)
            await self.pc.addIceCandidate(candidate)

    async def _take(self, kind: Literal["offer", "answer"], sdp: str) -> None:
        usable = usable_by_aiortc(sdp)
        self._only_mdns = bool(lines := _candidate_lines(usable)) and all(map(_is_mdns, lines))
        try:
            await self.pc.setRemoteDescription(RTCSessionDescription(sdp=usable, type=kind))
        except Exception as error:
            # aiortc's parser raises whatever its line of code happens to: what came is somebody
            # else's text, and any of it means that it can't be used.
            raise _unusable(kind, error) from None
        if self.pc.sctp is None or not any(
            line.startswith("m=application") for line in sdp.splitlines()
        ):
            raise DocumentMalformed(f"The {kind} has no data section: no control channel fits in.")

    def _ice_transport(self) -> RTCIceTransport:
        # max-bundle: every section runs on the data section's transport.
        if self.pc.sctp is None:
            raise DocumentMalformed("The connection has no data section.")
        return self.pc.sctp.transport.transport

    def path(self) -> Path | None:
        """The path in use; None before there is one."""
        # Neither aiortc's statistics nor aioice's public interface tell the nominated pair.
        nominated = getattr(self._ice_transport()._connection, "_nominated", {})
        for pair in nominated.values():
            remote = pair.remote_candidate
            return Path(pair.local_candidate.type, remote.type, f"{remote.host}:{remote.port}")
        return None

    async def close(self) -> None:
        """End the connection; at most 5 s, then it is left to itself."""
        if self._gathering is not None and not self._gathering.done():
            self._gathering.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._gathering
        closing = asyncio.ensure_future(self.pc.close())
        await asyncio.wait({closing}, timeout=CLOSE_SECONDS)


def is_complete(sdp: str, candidates: Iterable[str] = ()) -> bool:
    """Whether a side has said that no more candidates of its own will come.

    :param sdp: its description (RFC 8840, section 4.2).
    :param candidates: what it has written beside it, as JSON texts.
    """
    return any(_is_end(text) for text in candidates) or any(
        line.strip() == "a=end-of-candidates" for line in sdp.splitlines()
    )


def usable_by_aiortc(sdp: str) -> str:
    """A description with its candidates where aiortc 1.16 finds them.

    With max-bundle it takes those of the last section alone; browsers put theirs in the first. And
    where all are mDNS names the end mark is left out: if they don't resolve, aioice gives up on the
    spot, though the other side's checks may well come through.
    """
    head, *sections = re.split(r"(?m)^(?=m=)", sdp)
    if not sections:
        return sdp
    lines = _candidate_lines(sdp)
    end = is_complete(sdp) and not (lines and all(map(_is_mdns, lines)))
    kept = [
        "".join(
            line
            for line in section.splitlines(keepends=True)
            if not line.startswith(("a=candidate:", "a=end-of-candidates"))
        )
        for section in sections
    ]
    if kept[-1] and not kept[-1].endswith("\n"):
        kept[-1] += "\r\n"
    kept[-1] += "".join(f"{line}\r\n" for line in lines)
    kept[-1] += "a=end-of-candidates\r\n" if end else ""
    return "".join((head, *kept))


def _candidate_lines(sdp: str) -> list[str]:
    """Every candidate line once, in order."""
    lines = (line.strip() for line in sdp.splitlines())
    return list(dict.fromkeys(line for line in lines if line.startswith("a=candidate:")))


def _is_mdns(line: str) -> bool:
    parts = line.split()
    return len(parts) > 4 and parts[4].endswith(MDNS_SUFFIX)


def _is_end(text: str) -> bool:
    try:
        content = parse_json(text)
    except ValueError:
        return False
    return isinstance(content, dict) and content.get("candidate") == ""


def _ice_server(server: Mapping[str, Any]) -> RTCIceServer:
    urls = server.get("urls")
    if not isinstance(urls, str | list) or not urls:
        raise ConfigError("An ICE server needs 'urls': text or a list of texts.")
    return RTCIceServer(
        urls=urls, username=server.get("username"), credential=server.get("credential")
    )


def _candidate(text: str) -> RTCIceCandidate | None:
    try:
        content = parse_json(text)
        line = content["candidate"]
        if not line:
            return None
        candidate = candidate_from_sdp(line.split(":", 1)[1])
        candidate.sdpMid = content.get("sdpMid")
        candidate.sdpMLineIndex = content.get("sdpMLineIndex")
        if candidate.sdpMid is None and candidate.sdpMLineIndex is None:
            candidate.sdpMLineIndex = 0
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError):
        raise DocumentMalformed("The other side wrote a candidate that is none.") from None
    return candidate


def _unusable(kind: str, error: Exception) -> DocumentMalformed:
    reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
    return DocumentMalformed(f"The {kind} of the other side can't be used: {reason}.")
