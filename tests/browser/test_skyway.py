"""Skyway's words over FireRTC: what its tutorials do, with two and three peers."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from google.cloud.firestore import Client
from playwright.sync_api import Browser, Page, expect

from firertc.suite import LocalSuite, Seeds

from .examples import Opener, examples

FRAMES = "() => reading.frameNumber() !== null"

FAILS = """(options) => new Promise((resolve) => {
  const other = new Skyway();
  const told = [];
  other.on("readyStateChange", (state, error) => told.push(error?.errorCode ?? state));
  other.on("systemAction", (action, message, reason) => told.push(action, reason));
  other.init(options);
  other.joinRoom({}, () => resolve(told));
})"""


@pytest.fixture
def open_example(
    browser: Browser, suite: LocalSuite, script: Path, realm: Seeds
) -> Iterator[Opener]:
    """Opens the example."""
    with examples(browser, suite, script, realm.key) as opener:
        yield opener


def join(opener: Opener, name: str) -> Page:
    """A page that has joined under a name."""
    page = opener("skyway")
    page.locator("#name").fill(name)
    page.locator("#join").click()
    expect(page.locator("#log")).to_contain_text("You have joined")
    return page


def test_the_tutorial(open_example: Opener) -> None:
    ann = join(open_example, "Ann")
    bob = join(open_example, "Bob")
    for page, other in ((ann, "Bob"), (bob, "Ann")):
        expect(page.locator("#log")).to_contain_text(f"{other} has joined")
        page.wait_for_function(FRAMES)
    cleo = join(open_example, "Cleo")
    for page, other in ((ann, "Cleo"), (bob, "Cleo"), (cleo, "Ann"), (cleo, "Bob")):
        expect(page.locator("#log")).to_contain_text(f"{other} has joined")
    cleo.wait_for_function(FRAMES)
    # To all, to one, and through the database.
    ann.locator("#text").fill("hello")
    ann.locator("#send").click()
    expect(ann.locator("#log")).to_contain_text("You: hello")
    for page in (bob, cleo):
        expect(page.locator("#log")).to_contain_text("Ann: hello")
    ann.evaluate("(id) => skyway.sendP2PMessage('psst', id)", bob.evaluate("skyway.peerId"))
    expect(bob.locator("#log")).to_contain_text("Ann (private): psst")
    cleo.evaluate("skyway.sendMessage('by the server')")
    for page in (ann, bob):
        expect(page.locator("#log")).to_contain_text("Cleo: by the server")
    expect(cleo.locator("#log")).not_to_contain_text("psst")
    # What is said of oneself, and what is muted.
    bob.evaluate("skyway.setUserData({ name: 'Robert' })")
    expect(ann.locator("#log")).to_contain_text("Robert has other data")
    bob.evaluate("skyway.disableVideo()")
    expect(ann.locator("#log")).to_contain_text("Robert is dark")
    # A blob.
    bob.evaluate(
        """() => {
          skyway.on("incomingDataRequest", (id, peer) => skyway.acceptDataTransfer(peer, id, true));
          skyway.on("incomingData", async (blob) => {
            window.arrived = [blob.size, blob.type];
          });
        }"""
    )
    ann.evaluate(
        """(id) => void skyway.sendBlobData(
          new Blob(["x".repeat(200000)], { type: "text/x" }), 60, id)""",
        bob.evaluate("skyway.peerId"),
    )
    bob.wait_for_function("() => window.arrived !== undefined")
    assert bob.evaluate("arrived") == [200_000, "text/x"]
    cleo.evaluate("skyway.leaveRoom()")
    expect(cleo.locator("#log")).to_contain_text("You have left")
    for page in (ann, bob):
        expect(page.locator("#log")).to_contain_text("Cleo has left")
    assert open_example.complaints == []


def test_an_unknown_key_has_a_number(open_example: Opener) -> None:
    page = open_example("skyway")
    assert page.evaluate(FAILS, {"appKey": "no-such-key", "defaultRoom": "lobby"})[-1] == 4001


def test_credentials_are_checked(open_example: Opener, realm: Seeds) -> None:
    page = open_example("skyway")
    start = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    digest = hmac.digest(realm.secret.encode(), f"lobby_2_{start}".encode(), hashlib.sha1)
    signed = {
        "startDateTime": start,
        "duration": 2,
        "credentials": base64.b64encode(digest).decode(),
    }
    options = {"appKey": realm.key, "defaultRoom": "lobby", "credentials": signed}
    assert page.evaluate(FAILS, options)[-1] == 2
    assert page.evaluate(FAILS, options | {"credentials": signed | {"duration": 3}})[-1] == 4004
    assert page.evaluate(FAILS, options | {"defaultRoom": "hall"})[-1] == 4004


MODERATED = """([options, name]) => new Promise((resolve) => {
  window.told = [];
  window.moderator = new Skyway();
  moderator.on("roomLock", (locked, peer, info, isSelf) => told.push(["lock", locked, isSelf]));
  moderator.on("systemAction", (action, message, reason) => told.push([action, reason]));
  moderator.on("peerRestart", (peer, info, isSelf) => told.push(["restart", isSelf]));
  moderator.on("incomingStream", (peer, stream, isSelf, info, screen) => {
    if (!isSelf) told.push(["stream", screen]);
  });
  moderator.on("streamEnded", (peer, info, isSelf, screen) => told.push(["ended", screen]));
  moderator.init(options);
  moderator.joinRoom(name, { audio: false, video: true }, (error) => resolve(error ?? told));
})"""


def test_a_moderator_locks_and_a_screen_is_shared(
    open_example: Opener, realm: Seeds, admin_sync: Client
) -> None:
    admin_sync.document(f"keys/{realm.key}").update({"limits": {"role": "moderator"}})
    pages = [open_example("skyway") for _ in range(3)]
    options = {"appKey": realm.key}
    for page in pages[:2]:
        assert page.evaluate(MODERATED, [options, "hall"]) == []
    ann, bob, eve = pages
    for page in (ann, bob):
        page.wait_for_function("() => told.some(([what]) => what === 'stream')")
    # The screen takes the camera's place, and gives it back.
    ann.evaluate("async () => { await moderator.shareScreen(); }")
    bob.wait_for_function("() => told.some(([what, screen]) => what === 'stream' && screen)")
    ann.evaluate("moderator.stopScreen()")
    bob.wait_for_function("() => told.at(-1)[0] === 'stream' && !told.at(-1)[1]")
    assert bob.evaluate("told") == [
        *(["stream", False], ["ended", False], ["stream", True]),
        *(["ended", True], ["stream", False]),
    ]
    for page in (ann, bob):
        page.evaluate("told.length = 0")
    ann.evaluate("async () => { await moderator.refreshConnection(); }")
    bob.wait_for_function("() => told.length === 1")
    assert ann.evaluate("told") == [["restart", True]]
    assert bob.evaluate("told") == [["restart", False]]
    ann.evaluate("async () => { await moderator.lockRoom(); }")
    bob.wait_for_function("() => told.some(([what]) => what === 'lock')")
    assert ann.evaluate("told.at(-1)") == ["lock", True, True]
    assert bob.evaluate("told.at(-1)") == ["lock", True, False]
    eve.evaluate(MODERATED, [options, "hall"])
    assert eve.evaluate("told") == [["reject", "locked"]]
    ann.evaluate("async () => { await moderator.unlockRoom(); }")
    assert eve.evaluate(MODERATED, [options, "hall"]) == []
