"""Names, ids, paths, and the reading of what somebody else wrote."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from google.cloud.firestore_v1.types import Value
from hypothesis import given

from firertc import schema
from firertc.errors import ConfigError, DocumentMalformed
from firertc.schema import decode_id, encode_id
from firertc.values import SERVER_TIME, Append, decode, encode, split_transforms

VECTORS = json.loads(
    Path(__file__).parents[1].joinpath("vectors", "ids.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("case", VECTORS["ids"], ids=lambda case: case["id"])
def test_ids(case: dict[str, str]) -> None:
    assert encode_id(case["name"], limit=128, what="room") == case["id"]
    assert decode_id(case["id"]) == case["name"]


@pytest.mark.parametrize("case", VECTORS["limits"], ids=lambda case: case["name"][:12])
def test_limits(case: dict[str, Any]) -> None:
    if case["fits"]:
        assert len(encode_id(case["name"], limit=case["limit"], what="room")) <= case["limit"]
    else:
        with pytest.raises(ConfigError, match=r"room (needs|name is too long)|^A room needs"):
            encode_id(case["name"], limit=case["limit"], what="room")


@pytest.mark.parametrize("case", VECTORS["callIds"], ids=lambda case: case["id"])
def test_ids_of_calls(case: dict[str, Any]) -> None:
    if case["kind"] == "standing":
        assert schema.standing_id(case["from"], case["attempt"]) == case["id"]
    else:
        assert schema.direct_id(case["from"], case["to"], case["attempt"]) == case["id"]


@given(st.text(min_size=1, max_size=40))
def test_every_name_has_an_id_and_every_id_its_name(name: str) -> None:
    encoded = encode_id(name, limit=1000, what="peer")
    assert decode_id(encoded) == name
    assert not (encoded.startswith("__") and encoded.endswith("__") and len(encoded) >= 4)
    assert encoded not in (".", "..") and "/" not in encoded
    assert schema._ID.fullmatch(encoded)


@given(st.text(min_size=1, max_size=8), st.text(min_size=1, max_size=8))
def test_two_names_have_two_ids(one: str, other: str) -> None:
    same = encode_id(one, limit=1000, what="peer") == encode_id(other, limit=1000, what="peer")
    assert same == (one == other)


def test_a_name_that_is_no_text() -> None:
    with pytest.raises(ConfigError, match="holds bytes that are no UTF-8 text"):
        encode_id("caf\udce9", limit=100, what="room")


def test_sessions_and_shards_are_as_the_rules_want_them() -> None:
    for _ in range(50):
        assert schema._SESSION.fullmatch(schema.new_session())
        assert schema.new_shard() in range(8)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({1, 2}, "must be a JSON value"),
        (float("nan"), "must be a JSON value"),
        ("\ud800", "must be a JSON value"),
        ("x" * 99, "101 characters of JSON, 100 at most"),
    ],
)
def test_data_that_can_not_be_written(value: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        schema.json_text(value, limit=100, what="metadata")


def test_nesting_has_an_end() -> None:
    deep: Any = "x"
    for _ in range(64):
        deep = {"d": [deep]} if _ % 2 else [deep]
    with pytest.raises(ConfigError, match="nested more than 64 deep"):
        schema.json_text(deep, limit=10_000, what="metadata")
    with pytest.raises(ValueError, match="nested more than 64 deep"):
        schema.parse_json("[" * 65 + "]" * 65)
    with pytest.raises(ValueError, match="nested more than 64 deep"):
        schema.parse_json("[" * 100_000)
    assert schema.parse_json("[" * 64 + "]" * 64)
    for text in ("NaN", "[Infinity]", "-Infinity", "{", ""):
        with pytest.raises(ValueError):
            schema.parse_json(text)


PEER = {
    "session": "s" * 22,
    "role": "publisher",
    "joinedAt": datetime.now(UTC),
    "leaseUntil": datetime.now(UTC),
    "data": '{"name": "Ann"}',
    "media": {"audio": True, "video": 1},
    "can": ["trickle", 5],
}


def test_a_peer_is_read() -> None:
    peer = schema.read_peer("realms/r/rooms/h/peers/ann", PEER)
    assert (peer.id, peer.data) == ("ann", {"name": "Ann"})
    assert peer.media == {"audio": True, "video": False} and peer.can == ("trickle", "5")
    assert schema.read_peer("peers/x", {**PEER, "data": ""}).data is None


@pytest.mark.parametrize(
    "change",
    [
        {"session": "x"},
        {"role": 5},
        {"joinedAt": 0},
        {"leaseUntil": None},
        {"data": "{"},
        {"data": "[" * 8192},
        {"data": 5},
        {"media": "loud"},
        {"can": {}},
    ],
    ids=str,
)
def test_a_malformed_peer(change: dict[str, Any]) -> None:
    with pytest.raises(DocumentMalformed, match=r"^peers/x: "):
        schema.read_peer("peers/x", {**PEER, **change})


# ---- values ------------------------------------------------------------------------------------

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.datetimes(
        datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999), timezones=st.just(UTC)
    )
)


@given(
    st.recursive(
        SCALARS,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_what_is_written_is_read(value: Any) -> None:
    assert decode(encode(value)) == value


def test_the_last_moment_there_is() -> None:
    raw = Value.pb(Value(timestamp_value=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)))
    raw.timestamp_value.nanos = 999_999_999
    assert decode(raw) == datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)


def test_kinds_that_no_document_has() -> None:
    with pytest.raises(TypeError, match="no document holds a set"):
        encode({"a": {1}})
    # But whoever else writes may have written them.
    assert decode(Value.pb(Value(bytes_value=b"x"))) == b"x"
    assert decode(Value.pb(Value(reference_value="a/b"))) == "a/b"


def test_what_the_server_computes_is_parted() -> None:
    plain, transforms = split_transforms({"a": 1, "at": SERVER_TIME, "list": Append(["x"])})
    assert list(plain) == ["a"]
    assert [transform.field_path for transform in transforms] == ["at", "list"]
    assert repr(SERVER_TIME) == "SERVER_TIME"
