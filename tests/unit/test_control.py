"""Frames of the control channel, by vectors; numbering and acknowledgement."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from firertc import control
from firertc.control import Ack, Inbox, Message, Outbox, decode, encode
from firertc.errors import ConfigError, ProtocolError, TooMuch

VECTORS = json.loads(
    Path(__file__).parents[1].joinpath("vectors", "control.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("case", VECTORS["frames"], ids=lambda case: case["text"][:40])
def test_frames(case: dict[str, Any]) -> None:
    if "error" in case:
        with pytest.raises(ProtocolError, match=r"^The other side sent"):
            decode(case["text"])
        return
    frame = decode(case["text"])
    if case["frame"] is None:
        assert frame is None
    else:
        assert frame is not None
        assert json.loads(encode(frame)) == case["frame"]
        assert decode(encode(frame)) == frame


@pytest.mark.parametrize("raw", [b"", b'{"t":"ping","n":1}', "x" * (control.FRAME_BYTES + 1)])
def test_what_is_no_text(raw: str | bytes) -> None:
    with pytest.raises(ProtocolError, match="is no text"):
        decode(raw)


@given(st.text() | st.recursive(st.none() | st.text(), st.lists).map(json.dumps))
def test_whatever_comes_is_a_frame_nothing_or_an_error(text: str) -> None:
    try:
        decode(text)
    except ProtocolError as error:
        assert str(error).isprintable()


KINDS = ["hello", "ping", "pong", "message", "ack", "offer", "answer", "want", "mute", "bye"]
FIELDS: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(
        ["n", "body", "bytes", "ask", "reply", "error", "v", "can", "g", "sdp", "kinds", "reason"]
    ),
    st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text()) | st.just({}),
)


@given(st.sampled_from(KINDS), FIELDS)
def test_a_frame_with_any_fields(kind: str, fields: dict[str, Any]) -> None:
    try:
        frame = decode(json.dumps({**fields, "t": kind}))
    except ProtocolError:
        return
    assert frame is not None
    assert decode(encode(frame)) == frame


@pytest.mark.parametrize("case", VECTORS["inbox"], ids=lambda case: case["about"])
def test_messages_are_handed_on_once_and_in_order(case: dict[str, Any]) -> None:
    inbox = Inbox()
    assert [inbox.take(Message(n, None)) for n in case["numbers"]] == case["taken"]
    assert inbox.last == case["acknowledged"]


@pytest.mark.parametrize("case", VECTORS["outbox"], ids=str)
def test_messages_wait_until_they_are_acknowledged(case: dict[str, Any]) -> None:
    outbox = Outbox()
    for _ in range(case["sent"]):
        outbox.add("x")
    for number in case["acknowledged"]:
        outbox.acknowledge(number)
    assert [message.number for message in outbox.waiting] == case["waiting"]
    assert outbox.add("next").number == case["sent"] + 1


@pytest.mark.parametrize("case", VECTORS["sizes"], ids=str)
def test_sizes(case: dict[str, Any]) -> None:
    body = case["body"] * case["repeat"]
    outbox = Outbox()
    if case["fits"]:
        assert len(encode(outbox.add(body)).encode()) < 64 * 1024
    else:
        with pytest.raises(ConfigError, match="60000 at most: cut it"):
            outbox.add(body)
        assert (outbox.last, len(outbox.waiting)) == (0, 0)


@pytest.mark.parametrize("case", VECTORS["bytes"], ids=str)
def test_sizes_of_bytes(case: dict[str, Any]) -> None:
    outbox = Outbox()
    if case["fits"]:
        assert len(encode(outbox.add(bytes(case["length"]))).encode()) < 64 * 1024
    else:
        with pytest.raises(ConfigError, match="45000 at most: cut it"):
            outbox.add(bytes(case["length"]))
    with pytest.raises(ProtocolError, match="malformed 'message'"):
        decode(json.dumps({"t": "message", "n": 1, "bytes": "AAAA" * 15_001}))


def test_what_waits_is_bounded() -> None:
    outbox = Outbox()
    with pytest.raises(TooMuch, match="16777216 at most: wait until some"):
        while True:
            outbox.add(bytes(control.RAW_BYTES))
    kept = outbox.last
    outbox.acknowledge(1)
    outbox.add(bytes(control.RAW_BYTES))
    assert outbox.last == kept + 1
    outbox.acknowledge(outbox.last)
    assert (outbox.size, len(outbox.waiting)) == (0, 0)


@given(st.lists(st.sampled_from(["deliver", "lose", "repeat", "switch"]), max_size=60))
def test_over_lines_that_lose_repeat_and_change(fates: list[str]) -> None:
    """On a new line what waits is sent again, in order: each message arrives once, in order."""
    outbox, inbox = Outbox(), Inbox()
    line: list[Message] = []
    heard = []
    for fate in [*fates, "switch", "deliver"]:
        line.append(outbox.add(outbox.last + 1))
        match fate:
            case "lose":
                # A line that loses loses the rest, too, until there is another.
                line = []
                continue
            case "switch":
                line = list(outbox.waiting)
            case "repeat":
                line = list(outbox.waiting) + line
            case _:
                for message in line:
                    if inbox.take(message):
                        heard.append(message.body)
                line = []
        ack = decode(encode(Ack(inbox.last)))
        assert isinstance(ack, Ack)
        outbox.acknowledge(ack.number)
    for message in list(outbox.waiting):
        if inbox.take(message):
            heard.append(message.body)
    assert heard == list(range(1, len(fates) + 3))


@given(st.lists(st.sampled_from(["deliver", "lose", "repeat"]), max_size=60))
def test_over_a_line_that_loses_and_repeats(line: list[str]) -> None:
    """What waits is sent again in order: each message arrives once, in order."""
    outbox, inbox = Outbox(), Inbox()
    heard = []
    for fate in [*line, "deliver"]:
        outbox.add(outbox.last + 1)
        if fate == "lose":
            continue
        for message in list(outbox.waiting) * (2 if fate == "repeat" else 1):
            if inbox.take(message):
                heard.append(message.body)
        ack = decode(encode(Ack(inbox.last)))
        assert isinstance(ack, Ack)
        outbox.acknowledge(ack.number)
    assert heard == list(range(1, len(line) + 2))
    assert not outbox.waiting
