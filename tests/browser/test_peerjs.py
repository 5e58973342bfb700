"""PeerJS's words over FireRTC: what its tutorials and its own tests do."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from firertc.suite import LocalSuite, Seeds

from .examples import Opener, examples
from .screen import STEP_MILLISECONDS

FRAMES = "() => reading.frameNumber() !== null"

OPEN = """(id) => new Promise((resolve, reject) => {
  window.peer = id ? new Peer(id) : new Peer();
  peer.on("open", resolve);
  peer.on("error", (error) => reject(error.type));
})"""

LISTEN = """() => {
  window.received = [];
  peer.on("connection", (connection) => {
    window.incoming = connection;
    connection.on("data", (data) => window.received.push(data));
  });
}"""

CONNECT = """([id, options]) => new Promise((resolve, reject) => {
  window.outgoing = peer.connect(id, options);
  outgoing.on("open", () => resolve(true));
  outgoing.on("error", (error) => reject(error.type));
  peer.on("error", (error) => reject(error.type));
})"""

# What a value is once it has arrived, in words that two pages can compare.
DESCRIBE = """
window.describe = (value) => {
  if (value instanceof ArrayBuffer) return ["buffer", ...new Uint8Array(value)];
  if (ArrayBuffer.isView(value)) return [value.constructor.name, ...value];
  if (value instanceof Date) return ["date", value.toJSON()];
  if (Array.isArray(value)) return ["array", ...value.map(describe)];
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, describe(v)]));
  }
  return typeof value === "string" && value.length > 200 ? ["long", value.length] : value;
};
"""

DATE = '["date", "2020-01-02T03:04:05.000Z"]'
TEXT_DATE = "2020-01-02T03:04:05.000Z"
VALUES: dict[str, str] = {
    "numbers": "[0, 1, -1, 2147483647, 4294967296, 0.5]",
    "string": "'Grüße, 世界 😀'",
    "long string": "'x'.repeat(100_000)",
    "object": "({ one: 1, two: { three: [null, true] } })",
    "array": "['a', 'b', ['c']]",
    "date": "new Date(Date.UTC(2020, 0, 2, 3, 4, 5))",
    "view": "new Uint8Array([1, 2, 3]).subarray(1)",
    "int32": "new Int32Array([1, 256])",
    "buffer": "new Uint8Array([9, 8, 7]).buffer",
    "blob": "new Blob(['abc'])",
    "file": "new File(['de'], 'name.txt')",
}
LONG = ["long", 100_000]
OBJECT = {"one": 1, "two": {"three": ["array", None, True]}}
PLAIN: dict[str, Any] = {
    "numbers": ["array", 0, 1, -1, 2147483647, 4294967296, 0.5],
    "string": "Grüße, 世界 😀",
    "object": OBJECT,
    "array": ["array", "a", "b", ["array", "c"]],
}
INT32 = [1, 0, 0, 0, 0, 1, 0, 0]
ARRIVES: dict[str, dict[str, Any]] = {
    "binary": PLAIN
    | {
        "long string": LONG,
        "view": ["buffer", 2, 3],
        "int32": ["buffer", *INT32],
        "buffer": ["buffer", 9, 8, 7],
        "blob": ["buffer", 97, 98, 99],
        "file": ["buffer", 100, 101],
    },
    "json": PLAIN | {"date": TEXT_DATE},
    "raw": {
        "string": "Grüße, 世界 😀",
        "long string": LONG,
        "view": ["buffer", 2, 3],
        "buffer": ["buffer", 9, 8, 7],
        "blob": ["buffer", 97, 98, 99],
    },
    "MsgPack": PLAIN
    | {
        "long string": LONG,
        "date": ["date", TEXT_DATE],
        "view": ["Uint8Array", 2, 3],
        "int32": ["Uint8Array", *INT32],
    },
}


@pytest.fixture
def open_example(
    browser: Browser, suite: LocalSuite, script: Path, realm: Seeds
) -> Iterator[Opener]:
    """Opens the example."""
    with examples(browser, suite, script, realm.key) as opener:
        yield opener


@pytest.fixture
def pair(open_example: Opener) -> tuple[Page, Page, str]:
    """Two pages with the script, and the id of the first, which listens."""
    name = f"listener-{secrets.token_hex(4)}"
    pages = [open_example("blank-peerjs"), open_example("blank-peerjs")]
    for page, own in zip(pages, (name, None), strict=True):
        page.evaluate(DESCRIBE)
        page.evaluate(OPEN, own)
    pages[0].evaluate(LISTEN)
    return pages[0], pages[1], name


def test_the_tutorial(open_example: Opener) -> None:
    alice, bob = open_example("peerjs", "#alice"), open_example("peerjs", "#bob")
    for page, name in ((alice, "alice"), (bob, "bob")):
        expect(page.locator("#id")).to_have_text(name)
    bob.locator("#other").fill("alice")
    bob.locator("#connect").click()
    for page, other in ((alice, "bob"), (bob, "alice")):
        expect(page.locator("#log")).to_contain_text(f"connected to {other}")
        page.locator("#text").fill(f"hello {other}")
        page.locator("#send").click()
    expect(alice.locator("#log")).to_contain_text("bob: hello alice")
    expect(bob.locator("#log")).to_contain_text("alice: hello bob")
    bob.locator("#call").click()
    for page in (alice, bob):
        page.wait_for_function(FRAMES)
    bob.evaluate("call.close()")
    expect(alice.locator("#log")).to_contain_text("the call is over")
    bob.evaluate("conn.close()")
    expect(alice.locator("#log")).to_contain_text("bob closed the connection")
    bob.locator("#other").fill("nobody")
    bob.locator("#connect").click()
    expect(bob.locator("#log")).to_contain_text(
        "error: peer-unavailable", timeout=STEP_MILLISECONDS
    )
    bob.evaluate("peer.destroy()")
    expect(bob.locator("#log")).to_contain_text("closed")
    assert open_example.complaints == []


@pytest.mark.parametrize("serialization", ARRIVES)
def test_values_arrive(pair: tuple[Page, Page, str], serialization: str) -> None:
    listener, caller, name = pair
    metadata = {"why": "to test"}
    options = {"serialization": serialization, "label": "values", "metadata": metadata}
    caller.evaluate(CONNECT, [name, options])
    wanted = ARRIVES[serialization]
    for value in wanted:
        caller.evaluate(f"outgoing.send({VALUES[value]})")
    listener.wait_for_function("(n) => received.length >= n", arg=len(wanted))
    arrived = listener.evaluate("received.map(describe)")
    assert dict(zip(wanted, arrived, strict=True)) == wanted
    assert listener.evaluate("[incoming.label, incoming.metadata, incoming.serialization]") == [
        *("values", metadata, serialization)
    ]


def test_json_has_a_limit(pair: tuple[Page, Page, str]) -> None:
    _, caller, name = pair
    caller.evaluate(CONNECT, [name, {"serialization": "json"}])
    told = caller.evaluate(
        """() => new Promise((resolve) => {
          outgoing.on("error", (error) => resolve(error.type));
          outgoing.send("x".repeat(20_000));
        })"""
    )
    assert told == "message-too-big"


def test_an_id_belongs_to_one(pair: tuple[Page, Page, str], open_example: Opener) -> None:
    _, _, name = pair
    third = open_example("blank-peerjs")
    told = "(id) => new Promise((resolve) => new Peer(id).on('error', (e) => resolve(e.type)))"
    assert third.evaluate(told, name) == "unavailable-id"
    assert third.evaluate(told, "not/valid") == "invalid-id"


def test_disconnected_and_back(pair: tuple[Page, Page, str]) -> None:
    listener, caller, name = pair
    caller.evaluate(CONNECT, [name, {}])
    events = """() => new Promise((resolve) => {
      peer.on("disconnected", (id) => setTimeout(() => peer.reconnect(), 0));
      peer.on("open", resolve);
      peer.disconnect();
    })"""
    assert listener.evaluate(events) == name
    caller.wait_for_function("() => !outgoing.open")
    caller.evaluate(CONNECT, [name, {"label": "again"}])
    listener.wait_for_function("() => incoming.label === 'again'")
    refused = """() => new Promise((resolve) => {
      peer.on("error", (error) => resolve(error.type));
      peer.disconnect();
      peer.connect("anybody");
    })"""
    assert caller.evaluate(refused) == "disconnected"


def test_everybody_is_listed(pair: tuple[Page, Page, str]) -> None:
    _, caller, name = pair
    everybody = caller.evaluate("() => new Promise((resolve) => peer.listAllPeers(resolve))")
    assert sorted(everybody) == sorted([name, caller.evaluate("() => peer.id")])
