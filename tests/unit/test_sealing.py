"""Codes and seals, by vectors that other libraries made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from firertc.errors import (
    CodeUnknown,
    ConfigError,
    PassphraseNeeded,
    ProtocolError,
    SealBroken,
    WrongPassphrase,
)
from firertc.sealing import (
    Context,
    Seal,
    check_room_seal,
    looks_like_code,
    new_code,
    normalize_code,
    room_seal,
    stretch,
    words,
)

VECTORS = json.loads(
    Path(__file__).parents[1].joinpath("vectors", "sealing.json").read_text(encoding="utf-8")
)


def context(case: dict[str, Any]) -> Context:
    fields = case["context"]
    return Context(
        *(fields[name] for name in ("path", "name", "from", "fromSession", "to", "toSession"))
    )


@pytest.mark.parametrize("case", VECTORS["codes"], ids=lambda case: repr(case["text"]))
def test_codes_as_people_type_them(case: dict[str, Any]) -> None:
    if case["code"] is None:
        with pytest.raises(CodeUnknown):
            normalize_code(case["text"])
    else:
        assert normalize_code(case["text"]) == case["code"]


@pytest.mark.parametrize("case", VECTORS["stretched"], ids=lambda case: case["code"])
def test_stretching(case: dict[str, str]) -> None:
    seal = stretch(case["code"], case["project"])
    assert (seal.call, seal.key.hex()) == (case["call"], case["key"])
    assert case["key"] not in repr(seal)


@pytest.mark.parametrize("case", VECTORS["sealed"], ids=lambda case: case["context"]["name"])
def test_known_sealed_texts(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    seal = Seal("0" * 32, bytes.fromhex(case["key"]))
    assert seal.open(case["sealed"], context(case)) == case["text"]
    monkeypatch.setattr("firertc.sealing.os.urandom", lambda _: bytes.fromhex(case["nonce"]))
    assert seal.close(case["text"], context(case)) == case["sealed"]


def made(case: dict[str, Any]) -> Any:
    return room_seal(*(case[name] for name in ("passphrase", "project", "realm", "room")))


@pytest.mark.parametrize("case", VECTORS["rooms"], ids=lambda case: case["room"])
def test_passphrases_of_rooms(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    seal = made(case)
    assert (seal.key.hex(), seal.check) == (case["key"], case["check"])
    assert case["key"] not in repr(seal)
    for text in case["sealed"]:
        assert seal.open(text["sealed"], context(text)) == text["text"]
        nonce = bytes.fromhex(text["nonce"])
        monkeypatch.setattr("firertc.sealing.os.urandom", lambda _, nonce=nonce: nonce)
        assert seal.close(text["text"], context(text)) == text["sealed"]
        with pytest.raises(SealBroken, match="with another passphrase"):
            seal.open(text["sealed"][:-4] + "AAAA", context(text))


def test_whether_a_passphrase_is_the_rooms() -> None:
    seal, other = (made(VECTORS["rooms"][n]) for n in (0, 3))
    sealed = {"sealed": seal.fields()}
    check_room_seal(seal, sealed)
    check_room_seal(None, {})
    with pytest.raises(PassphraseNeeded):
        check_room_seal(None, sealed)
    with pytest.raises(WrongPassphrase):
        check_room_seal(other, sealed)
    with pytest.raises(SealBroken, match="not sealed, though"):
        check_room_seal(seal, {})


@pytest.mark.parametrize("change", [{"n": 2}, {"kdf": "none"}, {"p": "1"}, {"r": None}])
def test_a_weaker_stretch_is_refused(change: dict[str, Any]) -> None:
    seal = made(VECTORS["rooms"][0])
    with pytest.raises(ProtocolError):
        check_room_seal(seal, {"sealed": seal.fields() | change})
    with pytest.raises(ProtocolError):
        check_room_seal(seal, {"sealed": "yes"})


@pytest.mark.parametrize("text", ["", "\ud800"])
def test_what_is_no_passphrase(text: str) -> None:
    with pytest.raises(ConfigError):
        room_seal(text, "p", "r", "x")


@pytest.mark.parametrize("case", VECTORS["broken"], ids=lambda case: case["why"])
def test_broken_seals(case: dict[str, Any]) -> None:
    seal = Seal("0" * 32, bytes.fromhex(case["key"]))
    with pytest.raises(SealBroken, match="does not open: somebody changed it, or it was sealed"):
        seal.open(case["sealed"], context(case))


@given(st.text(st.characters(exclude_categories=["Cs"])), st.binary(min_size=32, max_size=32))
def test_what_is_sealed_opens_and_differs_each_time(text: str, key: bytes) -> None:
    seal, where = Seal("", key), Context("p", "offer", "a", "s", "*", "")
    one, other = seal.close(text, where), seal.close(text, where)
    assert one != other
    assert seal.open(one, where) == seal.open(other, where) == text


@given(st.text(max_size=80))
def test_whatever_stands_there_is_opened_or_broken(text: str) -> None:
    with pytest.raises(SealBroken):
        Seal("", bytes(32)).open(text, Context("p", "offer", "a", "s", "*", ""))


def test_the_words() -> None:
    assert len(words()) == len(set(words())) == 2048
    assert len({word[:4] for word in words()}) == 2048
    assert all(word.isascii() and word.isalpha() and word.islower() for word in words())


def test_new_codes() -> None:
    codes = {new_code() for _ in range(100)}
    assert len(codes) == 100
    assert all(normalize_code(code) == code for code in codes)
    assert all(looks_like_code(code) for code in codes)


@pytest.mark.parametrize("name", ["bob", "ann smith", "one-two-three-four-five", "a b c d"])
def test_a_name_is_not_taken_for_a_code(name: str) -> None:
    assert not looks_like_code(name)
