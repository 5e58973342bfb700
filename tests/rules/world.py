"""What stands in the database before each row: a realm of its own for every one of them."""

from __future__ import annotations

from typing import Any, Final

from .operations import NOW, Ahead, Write, put
from .people import ALICE, ANN, BEN, BOB, MOD, SUE, Person

OPEN_CALL: Final = "a" * 32
"""A one-off call that waits for its answerer."""
TAKEN_CALL: Final = "b" * 32
"""A one-off call that has been answered."""
NEW_CALL: Final = "c" * 32
"""The id of a one-off call that isn't there yet."""

_SESSION: Final = "v=0\r\no=- 4 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1 2\r\n"
_AUDIO: Final = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n"
_VIDEO: Final = (
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=setup:actpass\r\na=mid:1\r\n"
)
_DATA: Final = (
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=sctp-port:5000\r\n"
)


def sdp(audio: str = "a=sendrecv\r\n", video: str = "a=sendrecv\r\n", data: str = "") -> str:
    """An SDP with these direction lines."""
    rest = "a=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n"
    return f"{_SESSION}{_AUDIO}{audio}{rest}{_VIDEO}{video}{rest}{_DATA}{data}"


LOUD_SDP: Final = sdp()
SILENT_SDP: Final = sdp("a=recvonly\r\n", "a=inactive\r\n", "a=sendrecv\r\n")

CANDIDATE: Final = '{"candidate": "candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host"}'
SEALED: Final = "bm9uY2Ugbm9uY2UgY2lwaGVydGV4dCBhbmQgdGFn"


def offer(text: str = LOUD_SDP) -> dict[str, str]:
    """An offer."""
    return {"type": "offer", "sdp": text}


def answer(text: str = LOUD_SDP) -> dict[str, str]:
    """An answer."""
    return {"type": "answer", "sdp": text}


def room(creator: Person, **changes: Any) -> dict[str, Any]:
    """A room document."""
    return {
        "v": 1,
        "connect": "all",
        "capacity": 20,
        "locked": False,
        "listed": True,
        "createdBy": creator.peer,
        "createdAt": NOW,
        "leaseUntil": Ahead(60),
        "shard": 3,
        **changes,
    }


def card(person: Person, role: str | None = None, **changes: Any) -> dict[str, Any]:
    """A peer document."""
    return {
        "session": person.session,
        "data": '{"name": "somebody"}',
        "media": {"audio": True, "video": False, "screen": False},
        "role": role or person.role or "publisher",
        "can": ["trickle", "files"],
        "joinedAt": NOW,
        "leaseUntil": Ahead(15),
        "shard": 0,
        **changes,
    }


def call(kind: str, person: Person, to: Person | None = None, **changes: Any) -> dict[str, Any]:
    """A call document as its offerer creates it; ``to`` ``None``: open to any."""
    return {
        "v": 1,
        "kind": kind,
        "from": person.peer,
        "fromSession": person.session,
        "to": to.peer if to else "*",
        "toSession": to.session if to else "",
        "attempt": 0,
        "offer": offer(),
        "createdAt": NOW,
        "leaseUntil": Ahead(30),
        "shard": 7,
        **changes,
    }


def message(person: Person, to: str = "*", n: int = 5, **changes: Any) -> dict[str, Any]:
    """A message document."""
    return {
        "from": person.peer,
        "fromSession": person.session,
        "to": to,
        "n": n,
        "body": "hello",
        "createdAt": NOW,
        "leaseUntil": Ahead(5),
        "shard": 1,
        **changes,
    }


def caller(call_id: str, **changes: Any) -> dict[str, Any]:
    """A caller's document."""
    return {"call": call_id, "leaseUntil": Ahead(30), "shard": 2, **changes}


def removal(by: Person, **changes: Any) -> dict[str, Any]:
    """The document that keeps a peer out."""
    return {"by": by.peer, "reason": "noise", "at": NOW, "leaseUntil": Ahead(600), "shard": 4} | (
        changes
    )


def _realm(is_open: bool, first: Person, second: Person, members: list[Person]) -> list[Write]:
    one, two = first.peer, second.peer
    answered = {"to": two, "toSession": second.session, "answer": answer()}
    moderator = MOD if not is_open else first
    writes = [
        put(".", {"open": is_open, "limits": {}}),
        put(f"ids/{one}", {"session": first.session, "until": 1, "resumeHash": "x", "key": "k"}),
        put("usage/2026-01-01_0", {"joins": 1}),
        put("rooms/lobby", room(moderator)),
        put("rooms/vault", room(moderator, locked=True, listed=False)),
        put("rooms/hall", room(moderator, connect="none")),
        put("rooms/lobby/removed/dave", removal(moderator)),
        put("rooms/lobby/removed/dan-tab1", removal(moderator)),
        put(f"calls/{OPEN_CALL}", call("open", first)),
        put(
            f"calls/{TAKEN_CALL}",
            call("open", second) | {"to": one, "toSession": first.session, "answer": answer()},
        ),
        put(f"callers/{one}", caller(OPEN_CALL)),
    ]
    for place in ("lobby", "vault", "hall"):
        here = f"rooms/{place}"
        writes += [
            put(
                f"{here}/peers/{person.peer}",
                card(person, "moderator" if person == moderator else None),
            )
            for person in members
        ]
        writes += [
            put(f"{here}/calls/{one}~{two}~0", call("direct", first, second)),
            put(f"{here}/calls/{one}~{two}~1", call("ring", first, second, attempt=1) | answered),
            put(f"{here}/messages/{one}~m0", message(first)),
            put(f"{here}/messages/{one}~m1", message(first, two)),
        ]
        if place != "hall":
            writes += [
                put(f"{here}/calls/{one}~s0", call("standing", first, offerCandidates=[CANDIDATE])),
                put(
                    f"{here}/calls/{one}~s1",
                    call("standing", first, attempt=1)
                    | answered
                    | {"answerCandidates": [CANDIDATE]},
                ),
            ]
    return writes


def keyed_realm() -> list[Write]:
    """Alice, Bob, Sue and a moderator are in every room; a standing offer of Alice's is open."""
    return _realm(False, ALICE, BOB, [ALICE, BOB, SUE, MOD])


def open_realm() -> list[Write]:
    """Ann, who created every room, and Ben are in them; a standing offer of Ann's is open."""
    return _realm(True, ANN, BEN, [ANN, BEN])
