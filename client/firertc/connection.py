"""One ``RTCPeerConnection`` of aiortc, as signaling needs it: descriptions at once, candidates as
they come.

aiortc gathers candidates for up to 5 s (a dead TURN server) before it shows its description, and
has no candidate event. But what ``createOffer()`` returns already carries credentials and
fingerprint: so gathering runs beside, what it finds within some milliseconds travels in the
description, and the rest is handed out when it is there.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceTransport,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.sdp import candidate_to_sdp

from . import control
from .closing import PeerConnection, end_gathering
from .descriptions import (
    END_OF_CANDIDATES,
    MDNS_SUFFIX,
    candidate_lines,
    is_mdns,
    read_candidate,
)
from .descriptions import is_complete as is_complete
from .descriptions import usable_by_aiortc as usable_by_aiortc
from .errors import ConfigError, DocumentMalformed, ProtocolError
from .ice import Path as Path
from .ice import ice_server
from .names import check_name, read_names, write_names
from .negotiation import GATHER_GRACE_SECONDS
from .repeats import route_repeats
from .tracks import SentTrack

CLOSE_SECONDS = 5.0
SECTIONS_MOST = 16
"""Audio and video sections of one connection, as far as the other side may ask for them: each costs
a transceiver for good."""
KINDS: tuple[Literal["audio"], Literal["video"]] = ("audio", "video")


@dataclass(frozen=True)
class LocalDescription:
    """An offer or an answer of ours."""

    sdp: str
    complete: bool
    """Whether every candidate is in it; else :meth:`Connection.late_candidates` has them."""


@dataclass(frozen=True)
class Section:
    """An audio or video section."""

    kind: str
    track: MediaStreamTrack | None
    """What we send in it; None: nothing."""
    direction: str
    """``sendrecv``, ``sendonly``, ``recvonly`` or ``inactive``, as we would have it."""


class Connection:
    """A peer connection with the control channel on it.

    :param ice_servers: ``RTCIceServer`` dictionaries.
    :param sending: tracks to send, by kind.
    :param more: further tracks to send: several of one kind.
    :param receiving: the kinds wanted from the other side.
    :param names: what tracks that are sent are called, for the other side to see.
    :param own_ice_servers: used in place of ``ice_servers``, also by connections ``like`` this one.
    :param like: a connection that this one is to take the place of: the same sections in the same
        order, with the same tracks, which flow once :meth:`go_live` is called.
    """

    def __init__(
        self,
        ice_servers: Iterable[Mapping[str, Any]],
        *,
        sending: Mapping[str, MediaStreamTrack] | None = None,
        more: Iterable[MediaStreamTrack] = (),
        receiving: frozenset[str] = frozenset(),
        names: Mapping[MediaStreamTrack, str] | None = None,
        own_ice_servers: Iterable[Mapping[str, Any]] | None = None,
        like: Connection | None = None,
    ) -> None:
        sending = sending or {}
        self.waiting: list[MediaStreamTrack] = [
            *(sending[kind] for kind in KINDS if kind in sending),
            *more,
        ]
        """Tracks to send that have no section yet."""
        self.receiving: frozenset[str] = receiving if like is None else like.receiving
        own = like._own_ice if like is not None else own_ice_servers
        self._own_ice: list[Mapping[str, Any]] | None = None if own is None else list(own)
        self._names: dict[MediaStreamTrack, str] = {} if like is None else like._names
        for track, name in (names or {}).items():
            self.name(track, name)
        self.remote_names: list[str] = []
        """What the other side calls what it sends, by section."""
        self._model = None if like is None else like.sections()
        self._live = like is None
        self._sent: dict[RTCRtpTransceiver, SentTrack] = {}
        self._limits: dict[str, int] = {} if like is None else dict(like._limits)
        self.pc = PeerConnection(
            RTCConfiguration(
                iceServers=[
                    ice_server(server)
                    for server in (ice_servers if self._own_ice is None else self._own_ice)
                ],
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
        """Make an offer with one section for each track that is to be sent and each kind that is
        to be received, or with those of the connection that this one is like."""
        if self._model is not None:
            for section in self._model:
                self._add_section(section.kind, section.track, section.direction)
            self._model = None
        else:
            for kind in KINDS:
                tracks = [track for track in self.waiting if track.kind == kind]
                for track in tracks:
                    self._add_section(kind, track, self._direction(kind))
                if not tracks and kind in self.receiving:
                    self._add_section(kind, None, "recvonly")
            self.waiting.clear()
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
        if self.pc.sctp is not None:
            route_repeats(self.pc.sctp.transport)

    # Sections and tracks.

    def sections(self) -> list[Section]:
        """The audio and video sections, in order."""
        if self._model is not None:
            return self._model
        return [
            Section(each.kind, self._track(each), each.direction)
            for each in self.pc.getTransceivers()
        ]

    def section_of(self, received: MediaStreamTrack) -> int:
        """The number of the section that a received track is in."""
        receivers = [each.track for each in self.pc.getReceivers()]
        return receivers.index(received)

    def received(self) -> dict[int, MediaStreamTrack]:
        """What the other side sends, by the number of its section."""
        return {
            section: each.receiver.track
            for section, each in enumerate(self.pc.getTransceivers())
            if each.currentDirection in ("sendrecv", "recvonly")
        }

    @property
    def tracks(self) -> list[MediaStreamTrack]:
        """The tracks that are sent, or are to be."""
        sent = [section.track for section in self.sections() if section.track is not None]
        return sent + self.waiting

    def attach(self) -> None:
        """Put the tracks that wait to be sent on the sections that were offered, as far as they
        go."""
        model, self._model = self._model or [], None
        for number, transceiver in enumerate(self.pc.getTransceivers()):
            if number < len(model) and model[number].kind == transceiver.kind:
                if (track := model[number].track) is not None:
                    self._put(transceiver, track)
            elif number >= len(model) and self._track(transceiver) is None:
                track = next((t for t in self.waiting if t.kind == transceiver.kind), None)
                if track is not None:
                    self.waiting.remove(track)
                    self._put(transceiver, track)
            transceiver.direction = self._answer_direction(transceiver)

    def name(self, track: MediaStreamTrack, name: str) -> None:
        """Call a track something; told with the next description.

        :raises ConfigError: if that is no name.
        """
        self._names[track] = check_name(name)

    def _named(self, sdp: str) -> str:
        tracks = [self._track(each) for each in self.pc.getTransceivers()]
        return write_names(sdp, [self._names.get(each, "") if each else "" for each in tracks])

    def add(self, track: MediaStreamTrack) -> None:
        """Send a track in a section that is idle, or in a new one; to be offered afterwards.

        :raises ConfigError: if it is sent already, or there are 16 sections.
        """
        for transceiver in self.pc.getTransceivers():
            if transceiver.kind == track.kind and self._track(transceiver) is None:
                self._put(transceiver, track)
                transceiver.direction = self._answer_direction(transceiver)
                return
        if len(self.pc.getTransceivers()) >= SECTIONS_MOST:
            raise ConfigError(f"A link has {SECTIONS_MOST} media sections at most: remove a track.")
        self._add_section(track.kind, track, self._direction(track.kind))

    def make_room(self, kinds: Iterable[str]) -> None:
        """Make room for more tracks of the other side's, one for each; to be offered afterwards.

        :raises ProtocolError: if that makes more than 16 sections.
        """
        idle = [
            each
            for each in self.pc.getTransceivers()
            if each.direction in ("sendonly", "inactive")
            or each.currentDirection in ("sendonly", "inactive")
        ]
        for kind in kinds:
            known = next((each for each in idle if each.kind == kind), None)
            if known is not None:
                idle.remove(known)
                sends = self._track(known) is not None
                known.direction = "sendrecv" if sends else "recvonly"
            elif len(self.pc.getTransceivers()) >= SECTIONS_MOST:
                raise ProtocolError(
                    f"The other side wants more than {SECTIONS_MOST} media sections."
                )
            else:
                self._add_section(kind, None, "recvonly")

    def remove(self, track: MediaStreamTrack) -> None:
        """Send a track no longer; to be offered afterwards.

        :raises ConfigError: if it is not sent.
        """
        self._names.pop(track, None)
        if track in self.waiting:
            self.waiting.remove(track)
            return
        transceiver = self._section_with(track)
        self._sent[transceiver].change(None)
        receives = transceiver.direction in ("sendrecv", "recvonly")
        transceiver.direction = "recvonly" if receives else "inactive"

    def replace(self, old: MediaStreamTrack, new: MediaStreamTrack) -> None:
        """Send another track of the same kind in a track's place, under its name; nothing is
        negotiated.

        :raises ConfigError: if the old one is not sent, or the kinds differ.
        """
        if old.kind != new.kind:
            raise ConfigError(f"A track of {new.kind} can't take the place of one of {old.kind}.")
        if old in self.waiting:
            self.waiting[self.waiting.index(old)] = new
        else:
            self._sent[self._section_with(old)].change(new)
        if (name := self._names.pop(old, None)) is not None:
            self._names[new] = name

    def sends(self, track: MediaStreamTrack) -> bool:
        """Whether a track is sent, or is to be."""
        return track in self.tracks

    def go_live(self, live: bool = True) -> None:
        """Let the tracks flow, or stop their flow: another connection takes over."""
        self._live = live
        for sent in self._sent.values():
            sent.go_live(live)

    def take_over(self, old: Connection) -> None:
        """The tracks flow here now; what the old one was given since this was made waits."""
        old.go_live(False)
        self._limits = old._limits
        mine = self.tracks
        self.waiting += [track for track in old.tracks if track not in mine]
        self.go_live()

    def stop_tracks(self) -> None:
        """Stop what was sent: the link is over."""
        for sent in self._sent.values():
            if sent.was_read and sent.source is not None:
                sent.source.stop()

    def limit(self, kind: str, bits_per_second: int | None) -> None:
        """Bound what the encoders of a kind may take; None: as they please.

        :raises ConfigError: if the kind is not ``video``, or the number not positive.
        """
        if kind != "video":
            raise ConfigError("Only video's bitrate can be limited: aiortc's sound has one rate.")
        if bits_per_second is not None and bits_per_second <= 0:
            raise ConfigError("A bitrate is a positive number of bits per second, or None.")
        if bits_per_second is None:
            self._limits.pop(kind, None)
        else:
            self._limits[kind] = bits_per_second

    def _add_section(self, kind: str, track: MediaStreamTrack | None, direction: str) -> None:
        if track is None:
            self.pc.addTransceiver(kind, direction)
            return
        sent = SentTrack(kind, track, live=self._live)
        self._keep(self.pc.addTransceiver(sent, direction), sent)

    def _put(self, transceiver: RTCRtpTransceiver, track: MediaStreamTrack) -> None:
        known = self._sent.get(transceiver)
        if known is not None:
            known.change(track)
            return
        sent = SentTrack(track.kind, track, live=self._live)
        transceiver.sender.replaceTrack(sent)
        self._keep(transceiver, sent)

    def _keep(self, transceiver: RTCRtpTransceiver, sent: SentTrack) -> None:
        self._sent[transceiver] = sent

        def bound() -> None:
            limit = self._limits.get(sent.kind)
            # aiortc has no setParameters; the encoder is there from the first frame on.
            encoder = getattr(transceiver.sender, "_RTCRtpSender__encoder", None)
            if limit is not None and encoder is not None:
                encoder.target_bitrate = min(limit, getattr(encoder, "target_bitrate", limit))

        sent.on_frame = bound

    def _track(self, transceiver: RTCRtpTransceiver) -> MediaStreamTrack | None:
        sent = self._sent.get(transceiver)
        return None if sent is None else sent.source

    def _section_with(self, track: MediaStreamTrack) -> RTCRtpTransceiver:
        for transceiver, sent in self._sent.items():
            if sent.source is track:
                return transceiver
        raise ConfigError("That track is not sent on this link: add it first.")

    def _direction(self, kind: str) -> str:
        return "sendrecv" if kind in self.receiving else "sendonly"

    def _answer_direction(self, transceiver: RTCRtpTransceiver) -> str:
        sends = self._track(transceiver) is not None
        receives = transceiver.kind in self.receiving
        if sends:
            return "sendrecv" if receives else "sendonly"
        return "recvonly" if receives else "inactive"

    async def renegotiation(self) -> str:
        """A fresh offer on the connection that exists, candidates included."""
        await self.pc.setLocalDescription(await self.pc.createOffer())
        for each in self.pc.getTransceivers():
            # Whoever offers to receive must be ready for it (RFC 3264, section 5.1); aiortc throws
            # away what comes before it has the answer, with it the one picture that is whole.
            if each.direction in ("sendrecv", "recvonly"):
                each.receiver._enabled = True
        return self._named(self.pc.localDescription.sdp)

    async def _describe(self, description: RTCSessionDescription) -> LocalDescription:
        gathering = asyncio.ensure_future(self.pc.setLocalDescription(description))
        self._gathering = gathering
        done, _ = await asyncio.wait({gathering}, timeout=GATHER_GRACE_SECONDS)
        if done:
            await gathering
            return LocalDescription(self._named(self.pc.localDescription.sdp), complete=True)
        return LocalDescription(self._named(description.sdp), complete=False)

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
            candidate = read_candidate(text)
            if candidate is None and self._only_mdns:
                # See usable_by_aiortc: no end where no name may resolve.
                continue
            if candidate is not None:
                self._only_mdns = self._only_mdns and candidate.ip.endswith(MDNS_SUFFIX)
            await self.pc.addIceCandidate(candidate)

    async def _take(self, kind: Literal["offer", "answer"], sdp: str) -> None:
        usable = usable_by_aiortc(sdp)
        self.remote_names = read_names(sdp)
        self._only_mdns = bool(lines := candidate_lines(usable)) and all(map(is_mdns, lines))
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
        await end_gathering(self._gathering)
        closing = asyncio.ensure_future(self.pc.close())
        await asyncio.wait({closing}, timeout=CLOSE_SECONDS)


def _unusable(kind: str, error: Exception) -> DocumentMalformed:
    reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
    return DocumentMalformed(f"The {kind} of the other side can't be used: {reason}.")
