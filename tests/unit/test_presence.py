"""What there is to tell of peers, and whose card says what."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from firertc.errors import DocumentMalformed
from firertc.presence import eldest, read_card, read_cards, told, why_left
from firertc.schema import Peer
from firertc.sealing import Context, room_seal

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
ANN = Peer("ann", "s" * 22, "publisher", NOON, NOON + timedelta(minutes=15), data=1)
PATH = "realms/r/rooms/x/peers/ann"
CARD: dict[str, Any] = {
    "session": "s" * 22,
    "data": '{"name":"Ann"}',
    "media": {"audio": True},
    "role": "publisher",
    "can": ["trickle"],
    "joinedAt": NOON,
    "leaseUntil": NOON + timedelta(minutes=15),
    "shard": 1,
}


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        (None, None, "nothing"),
        (None, ANN, "joined"),
        (ANN, None, "left"),
        (ANN, ANN, "nothing"),
        (ANN, replace(ANN, lease_until=NOON), "nothing"),
        (ANN, replace(ANN, data=2), "updated"),
        (ANN, replace(ANN, media={"audio": True}), "updated"),
        (ANN, replace(ANN, role="moderator"), "updated"),
        (ANN, replace(ANN, session="t" * 22), "replaced"),
    ],
)
def test_what_there_is_to_tell(before: Peer | None, after: Peer | None, what: str) -> None:
    assert told(before, after) == what


@pytest.mark.parametrize(
    ("after", "minute", "removed", "ghost", "why"),
    [
        (None, 1, False, False, "left"),
        (None, 1, True, False, "removed"),
        (None, 16, False, False, "gone"),
        (None, 1, False, True, "gone"),
        (replace(ANN, session="t" * 22), 1, True, False, "replaced"),
    ],
)
def test_why_somebody_is_no_longer_in(
    after: Peer | None, minute: int, removed: bool, ghost: bool, why: str
) -> None:
    now = (NOON + timedelta(minutes=minute)).timestamp()
    assert why_left(ANN, after, now=now, removed=removed, ghost=ghost) == why


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abcd")), unique=True))
def test_the_eldest_is_the_same_to_all(came: list[tuple[int, str]]) -> None:
    peers = [replace(ANN, id=name, joined_at=NOON + timedelta(seconds=at)) for at, name in came]
    first = eldest(peers)
    assert eldest(reversed(peers)) == first
    assert (first is None) == (not peers)
    if first is not None:
        assert all(first.joined_at <= peer.joined_at for peer in peers)


def test_a_card() -> None:
    peer = read_card(PATH, CARD, "ann", None)
    assert (peer.id, peer.data, peer.media, peer.is_self) == (
        *("ann", {"name": "Ann"}, {"audio": True}),
        True,
    )
    assert not read_card(PATH, CARD, "bob", None).is_self
    with pytest.raises(DocumentMalformed):
        read_card(PATH, CARD | {"session": 1}, "ann", None)


def test_a_sealed_card() -> None:
    seal, other = (room_seal(word, "p", "r", "x") for word in ("one", "other"))

    def sealed(path: str = PATH, session: str = "s" * 22) -> str:
        return seal.close('{"name":"Ann"}', Context(path, "data", "ann", session, "", ""))

    assert read_card(PATH, CARD | {"data": sealed()}, "bob", seal).data == {"name": "Ann"}
    assert read_card(PATH, CARD | {"data": ""}, "bob", seal).data is None
    for card in (
        CARD,
        CARD | {"data": sealed(path="realms/r/rooms/x/peers/eve")},
        CARD | {"data": sealed(session="t" * 22)},
    ):
        assert read_card(PATH, card, "bob", seal).data is None
    assert read_card(PATH, CARD | {"data": sealed()}, "bob", other).data is None


def test_only_those_whose_lease_holds() -> None:
    now = NOON.timestamp()
    cards = {
        PATH: CARD,
        PATH.replace("ann", "old"): CARD | {"leaseUntil": NOON - timedelta(seconds=1)},
        PATH.replace("ann", "odd"): {"session": "s" * 22},
    }
    assert list(read_cards(cards, "me", None, now)) == ["ann"]
