"""What is told of a document to who watches: whatever is in it, nothing secret."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from firertc.targets import Snapshot
from firertc.watching import Known, describe, describe_sdp

SDP = """v=0
o=- 1 2 IN IP4 192.0.2.7
c=IN IP4 192.0.2.8
a=fingerprint:sha-256 AA:BB
m=audio 9 UDP/TLS/RTP/SAVPF 96 0
c=IN IP4 192.0.2.9
a=sendrecv
a=rtpmap:96 opus/48000/2
a=rtpmap:0 PCMU/8000
a=rtpmap:97 opus/48000/2
a=ice-ufrag:u5ER
a=ice-pwd:pa55
a=candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host
a=candidate:2 1 udp 1694498815 203.0.113.1 50001 typ srflx raddr 192.0.2.1 rport 50000
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
a=candidate:broken
m=text-of-a-stranger 9 x 1
""".replace("\n", "\r\n")


def test_an_sdp() -> None:
    assert describe_sdp(SDP) == [
        {"kind": "audio", "candidates": 2, "direction": "sendrecv", "codecs": ["opus", "PCMU"]},
        {"kind": "application", "candidates": 1},
        {"kind": "other", "candidates": 0},
    ]
    with_addresses = describe_sdp(SDP, addresses=True)
    assert with_addresses[0]["addresses"] == ["192.0.2.1:50000 host", "203.0.113.1:50001 srflx"]
    assert with_addresses[1]["addresses"] == ["?"]
    for secret in ("u5ER", "pa55", "AA:BB", "192.0.2.7", "192.0.2.8", "192.0.2.9"):
        assert secret not in json.dumps(with_addresses)


def test_a_call() -> None:
    entry = '{"candidate":"candidate:1 1 udp 1 192.0.2.1 9 typ host","sdpMid":"0"}'
    call = {
        "v": 1,
        "kind": "direct",
        "from": "ann",
        "fromSession": "abcdefghijklmnopqrstuv",
        "offer": {"type": "offer", "sealed": "x" * 40},
        "answer": {"type": "answer", "sdp": SDP},
        "offerCandidates": [entry, '{"candidate":""}', "c2VhbGVk"],
        "metadata": '{"repair":"fresh"}',
        "ended": {"by": "bob", "reason": "busy", "secret": "s3cret"},
        "createdAt": datetime(2026, 1, 2, tzinfo=UTC),
        "secret": "s3cret",
    }
    told = describe("call", call)
    assert told["offer"] == {"sealed": 40}
    assert told["fromSession"] == "abcdef"
    assert told["offerCandidates"] == 3
    assert told["metadata"] == {"repair": "fresh"}
    assert told["ended"] == {"by": "bob", "reason": "busy"}
    assert "s3cret" not in json.dumps(told)
    told = describe("call", call, addresses=True)
    assert told["offerCandidates"] == ["192.0.2.1:9 host", "end", "sealed"]


@pytest.mark.parametrize("kind", ["room", "peer", "call", "message", "removed"])
@given(
    st.dictionaries(
        st.sampled_from(
            (
                *(
                    "offer",
                    "answer",
                    "offerCandidates",
                    "metadata",
                    "ended",
                    "media",
                    "can",
                    "data",
                ),
                *("session", "sealed", "kind", "role", "n", "by", "leaseUntil", "capacity"),
            )
        ),
        st.recursive(
            st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=30),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(("sdp", "sealed", "type", "by")), inner)
            ),
            max_leaves=6,
        ),
    )
)
def test_whatever_is_in_a_document(kind: str, fields: dict[str, Any]) -> None:
    for addresses in (False, True):
        json.dumps(describe(kind, fields, addresses=addresses))


def test_what_changes() -> None:
    known = Known("peer", addresses=False)
    path = "realms/r/rooms/x/peers/ann"

    def seen(role: str | None) -> list[tuple[str, dict[str, Any]]]:
        documents = {} if role is None else {path: {"role": role, "data": "1"}}
        snapshot = Snapshot(
            1,
            documents,
            changed=tuple(documents),
            removed=() if documents else (path,),
        )
        return [(event.what, dict(event.details)) for event in known.take(snapshot)]

    assert seen("publisher") == [("present", {"role": "publisher", "dataCharacters": 1})]
    assert seen("publisher") == []
    assert seen("moderator") == [("changed", {"role": "moderator"})]
    assert seen(None) == [("deleted", {})]
    assert seen("publisher")[0][0] == "created"
