"""A link between two connections of this process: messages, tracks, heartbeat, goodbye."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from aiortc import RTCDtlsTransport
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

from firertc import control, heartbeat, renegotiation
from firertc.connection import Connection, is_complete
from firertc.errors import ConfigError, PathUnreachable, PeerGone
from firertc.link import Link, LinkEnd, LinkState
from firertc.negotiation import pulse

from .pairs import BOTH, WAIT_SECONDS, Pair, heard, linked, soon, until


async def test_messages_before_anybody_listens_are_kept(pair: Pair) -> None:
    offerer, answerer = pair
    for number in range(5):
        offerer.send(number)
    await offerer.flush()
    queue = heard(answerer, "message")
    assert [await soon(queue) for _ in range(5)] == list(range(5))
    offerer.send({"and": ["then", None]})
    assert await soon(queue) == {"and": ["then", None]}
    await offerer.flush()
    assert not offerer._messages.outbox.waiting


async def test_the_path_and_its_round_trip(pair: Pair) -> None:
    offerer, answerer = pair
    await until(lambda: offerer.rtt_seconds is not None and answerer.rtt_seconds is not None)
    assert 0 < (offerer.rtt_seconds or 0) < WAIT_SECONDS
    path = offerer.path()
    assert path is not None and path.kind == "host" and ":" in path.address
    await offerer.close()
    assert offerer.path() == path, "it is still known afterwards"


async def test_hanging_up(pair: Pair) -> None:
    offerer, answerer = pair
    queue = heard(answerer, "message")
    offerer.send("last words")
    await offerer.hang_up("time for tea")
    assert await soon(queue) == "last words"
    assert await answerer.closed() == LinkEnd("time for tea", by_remote=True)
    assert await offerer.closed() == LinkEnd("time for tea", by_remote=False)
    assert offerer.state is answerer.state is LinkState.CLOSED
    for each in pair:
        with pytest.raises(PeerGone, match="the link is not open"):
            each.send("too late")
        await each.hang_up()  # again, harmless
        await each.close()


async def test_what_was_not_confirmed_in_time(pair: Pair) -> None:
    offerer, answerer = pair
    answerer.connection.channel.remove_all_listeners("message")  # type: ignore[union-attr]
    offerer.send("anybody?")
    with pytest.raises(PeerGone, match="doesn't confirm"):
        await offerer.flush(0.2)
    waiting = asyncio.create_task(offerer.flush())
    await asyncio.sleep(0)
    await answerer.close()
    await offerer.close()
    with pytest.raises(PeerGone, match="before everything had arrived"):
        await waiting


async def test_muting(pair: Pair) -> None:
    offerer, answerer = pair
    queue = heard(answerer, "mute")
    offerer.mute(audio=True, video=False)
    assert await soon(queue) == {"audio": True, "video": False} == answerer.muted


async def test_silence_is_noticed(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing comes any more; the connection itself has not failed."""
    offerer, answerer = pair
    pulses = heard(offerer, "pulse")
    monkeypatch.setattr(heartbeat, "pulse", lambda silent: _scaled(silent))
    monkeypatch.setattr(heartbeat, "PING_SECONDS", 0.05)
    answerer.carrier.send = lambda frame: None  # type: ignore[method-assign]
    assert await soon(pulses) == "suspect"
    assert await soon(pulses) == "dead"
    assert await offerer.closed() == LinkEnd("gone", by_remote=True)


def _scaled(silent: float) -> Any:
    return pulse(silent * 2)


async def test_a_silence_that_ends(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    offerer, answerer = pair
    pulses = heard(offerer, "pulse")
    monkeypatch.setattr(heartbeat, "PING_SECONDS", 0.05)
    send = answerer.carrier.send
    answerer.carrier.send = lambda frame: None  # type: ignore[method-assign]
    assert await soon(pulses) == "suspect"
    answerer.carrier.send = send  # type: ignore[method-assign]
    assert await soon(pulses) == "alive"
    assert offerer.state is LinkState.OPEN


async def test_a_process_that_stood_still_blames_nobody(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A laptop that slept: the silence was its own."""
    offerer, answerer = pair
    monkeypatch.setattr(heartbeat, "PING_SECONDS", 0.2)
    await asyncio.sleep(0.5)
    time.sleep(4.5)
    await asyncio.sleep(0.5)
    assert offerer.state is answerer.state is LinkState.OPEN
    queue = heard(answerer, "message")
    offerer.send("good morning")
    assert await soon(queue) == "good morning"


# ---- tracks ------------------------------------------------------------------------------------


async def test_tracks_from_the_start() -> None:
    links = await linked(
        {"audio": AudioStreamTrack(), "video": VideoStreamTrack()},
        {"audio": AudioStreamTrack()},
        BOTH,
    )
    offerer, answerer = links
    try:
        assert sorted(track.kind for track in answerer.tracks) == ["audio", "video"]
        # An answerer without a picture takes the one that comes and sends none.
        directions = {t.kind: t.currentDirection for t in answerer.connection.pc.getTransceivers()}
        assert directions == {"audio": "sendrecv", "video": "recvonly"}
        audio = next(track for track in offerer.tracks if track.kind == "audio")
        async with asyncio.timeout(WAIT_SECONDS):
            await audio.recv()
    finally:
        for each in links:
            await each.close()


async def test_a_track_added_by_the_offerer(pair: Pair) -> None:
    offerer, answerer = pair
    answerer.connection.receiving = BOTH
    tracks = heard(answerer, "track")
    await offerer.add_track(AudioStreamTrack())
    track = await soon(tracks)
    async with asyncio.timeout(WAIT_SECONDS):
        await track.recv()
    await offerer.add_track(VideoStreamTrack())
    assert (await soon(tracks)).kind == "video"
    queue = heard(answerer, "message")
    offerer.send("still here")
    assert await soon(queue) == "still here"


async def test_a_track_added_by_the_answerer(pair: Pair) -> None:
    """It asks, the offerer offers: no two offers can cross."""
    offerer, answerer = pair
    tracks = heard(offerer, "track")
    await answerer.add_track(AudioStreamTrack())
    track = await soon(tracks)
    async with asyncio.timeout(WAIT_SECONDS):
        await track.recv()


async def test_a_renegotiation_that_nobody_answers(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    offerer, answerer = pair
    monkeypatch.setattr(renegotiation, "RENEGOTIATION_SECONDS", 0.3)

    async def never(offer: control.Description) -> None:
        return

    answerer._renegotiation.take_offer = never  # type: ignore[method-assign]
    with pytest.raises(PeerGone, match="didn't answer the renegotiation"):
        await offerer.add_track(AudioStreamTrack())


# ---- opening -----------------------------------------------------------------------------------


async def test_a_link_that_never_opens() -> None:
    connection = Connection(())
    waiting = Link(connection, "offerer")
    await connection.offer()
    with pytest.raises(PathUnreachable, match=r"^No network path .*Tried for 0 s\.$"):
        await waiting.opened(0.05)
    opening = asyncio.create_task(waiting.opened(None))
    await asyncio.sleep(0)
    await waiting.close()
    with pytest.raises(PathUnreachable, match="firewall"):
        await opening
    assert await waiting.closed() == LinkEnd("closed", by_remote=False)


async def test_closing_what_was_never_begun() -> None:
    never = Link(Connection(()), "offerer")
    await never.hang_up("changed my mind")
    assert (await never.closed()).reason == "changed my mind"


async def test_a_timer_that_is_set_while_a_connection_closes(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a retransmission that is due at that moment: left alone, it fails a second later."""
    sctp = pair[0].connection.pc.sctp
    assert sctp is not None
    stop = RTCDtlsTransport.stop

    async def late(transport: RTCDtlsTransport) -> None:
        if transport is sctp.transport:
            sctp._t3_expired()
            sctp._t3_start()
        await stop(transport)

    monkeypatch.setattr(RTCDtlsTransport, "stop", late)
    await pair[0].connection.close()
    assert sctp._t3_handle is None


async def test_candidates_after_the_descriptions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firertc.connection.GATHER_GRACE_SECONDS", 0.0)
    one, other = Connection(()), Connection(())
    offerer, answerer = Link(one, "offerer"), Link(other, "answerer")
    offer = await one.offer()
    assert not offer.complete and not is_complete(offer.sdp)
    late = await one.late_candidates()
    assert is_complete(offer.sdp, late) and not is_complete(offer.sdp, late[:-1])
    answer = await other.answer(offer.sdp)
    await other.add_candidates(late)
    await other.add_candidates(late)  # as a listener shows them, again and again
    await one.accept(answer.sdp)
    await one.add_candidates(await other.late_candidates())
    async with asyncio.timeout(WAIT_SECONDS):
        await asyncio.gather(offerer.opened(), answerer.opened())
    for each in (offerer, answerer):
        await each.close()


async def test_ice_servers_of_a_call_last_over_its_repairs() -> None:
    def urls(connection: Connection) -> list[Any]:
        pc: Any = connection.pc
        return [server.urls for server in pc._RTCPeerConnection__configuration.iceServers]

    usual, own = [{"urls": "stun:usual.invalid"}], [{"urls": "stun:own.invalid"}]
    first = Connection(usual, own_ice_servers=own)
    repair = Connection(usual, like=first)
    assert urls(first) == urls(repair) == urls(Connection([], like=repair)) == ["stun:own.invalid"]
    plain = Connection(usual)
    assert urls(Connection([{"urls": "stun:renewed.invalid"}], like=plain)) == [
        "stun:renewed.invalid"
    ]
    assert urls(Connection(usual, own_ice_servers=[])) == []


@pytest.mark.parametrize("urls", [None, "", [], 5])
async def test_an_ice_server_without_urls(urls: Any) -> None:
    with pytest.raises(ConfigError, match="needs 'urls'"):
        Connection([{"urls": urls}])
