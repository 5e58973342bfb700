"""What is said in a file transfer, in which order, and by which names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from firertc.errors import FireRTCError, ProtocolError
from firertc.paths import clash, path_problem
from firertc.transfer import Incoming, Outgoing
from firertc.transfer_frames import Data, Entry, Have, Offer, encode, parse

VECTORS = json.loads(
    Path(__file__).parents[1].joinpath("vectors", "transfer.json").read_text("utf-8")
)


@pytest.mark.parametrize("vector", VECTORS["paths"], ids=lambda v: ascii(v["path"])[:40])
def test_paths(vector: dict[str, Any]) -> None:
    assert path_problem(vector["path"], "posix") == vector["posix"]
    assert path_problem(vector["path"], "windows") == vector["windows"]


@pytest.mark.parametrize("vector", VECTORS["clashes"], ids=lambda v: ascii(v["paths"]))
def test_clashes(vector: dict[str, Any]) -> None:
    found = clash(vector["paths"])
    assert (None if found is None else list(found)) == vector["clash"]


@pytest.mark.parametrize("vector", VECTORS["messages"], ids=lambda v: v["text"][:60])
def test_messages(vector: dict[str, Any]) -> None:
    if vector["said"] == "error":
        with pytest.raises(ProtocolError):
            parse(vector["text"])
        return
    said = parse(vector["text"])
    if vector["said"] is None:
        assert said is None
        return
    assert said is not None
    written = encode(said)
    assert json.loads(written) == vector["said"]
    if vector.get("encodes", True):
        assert written == vector["text"]


def test_pieces() -> None:
    assert parse(b"x") == Data(b"x")
    assert encode(Data(b"x")) == b"x"
    for length in (0, 256_001):
        with pytest.raises(ProtocolError):
            parse(bytes(length))


def receiver_step(side: Incoming, step: Any) -> None:
    if isinstance(step, str):
        side.take(step)
    elif "bytes" in step:
        side.take(bytes(step["bytes"]))
    elif "accept" in step:
        have = [Have(held["index"], held["size"], "0" * 64) for held in step["accept"]["have"]]
        side.accept(step["accept"]["skip"], have)
    else:
        side.finished(step["finished"], step["problem"])


def sender_step(side: Outgoing, step: Any) -> None:
    if isinstance(step, str):
        side.take(step)
    elif "bytes" in step:
        side.take(bytes(step["bytes"]))
    elif "next" in step:
        assert side.next() == step["next"]
    else:
        assert side.is_through == step["complete"]
        if side.is_through:
            side.complete()


@pytest.mark.parametrize("vector", VECTORS["sequences"], ids=lambda v: f"{v['side']} {v['what']}")
def test_sequences(vector: dict[str, Any]) -> None:
    *before, last = vector["steps"]
    outgoing = Outgoing(Offer("x", (Entry("a", 3), Entry("b", 2))))
    incoming = Incoming()

    def do(step: Any) -> None:
        if vector["side"] == "sender":
            sender_step(outgoing, step)
        else:
            receiver_step(incoming, step)

    for step in before:
        do(step)
    if vector["refused"]:
        with pytest.raises(FireRTCError):
            do(last)
    else:
        do(last)


def test_an_offer_of_all_that_is_allowed() -> None:
    offer = Offer("x", tuple(Entry(f"{number:05}", 1) for number in range(10_000)))
    assert parse(encode(offer)) == offer
    longer = Offer("x", (*offer.files, Entry("one more", 1)))
    with pytest.raises(ProtocolError):
        parse(encode(longer))
