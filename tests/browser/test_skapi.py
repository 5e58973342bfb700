"""Skapi's words over FireRTC: what its tutorials do, with two and three users."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.cloud.firestore import Client
from playwright.sync_api import Browser, Page, expect

from firertc.suite import LocalSuite, Seeds

from .examples import Opener, examples
from .screen import STEP_MILLISECONDS

# Of a promise: the code of its error.
SETTLED = """((work) => work().then(() => "done", ({ code }) => code))"""
RING = """((cid, more = {}) =>
  skapi.connectRTC({ cid, ...more }, () => 0).then(({ connection }) => connection))"""
# A form's data; names may come twice.
FORM = """window.form = (...fields) => {
  const data = new FormData();
  for (const field of fields) for (const [name, value] of Object.entries(field)) {
    data.append(name, value);
  }
  return data;
};
null;"""
USERS = "skapi.getRealtimeUsers({ group: 'RTCCall' })"
FRAMES = "() => reading.frameNumber() !== null"


@pytest.fixture
def open_example(
    browser: Browser, suite: LocalSuite, script: Path, realm: Seeds
) -> Iterator[Opener]:
    """Opens the example."""
    with examples(browser, suite, script, realm.key) as opener:
        yield opener


def connect(opener: Opener, user: str) -> Page:
    """A page whose user has joined the example's group."""
    page = opener("skapi", query=f"&user={user}")
    told(page, f"USER_JOINED: {user}")
    return page


def told(page: Page, line: str) -> None:
    """Wait until the page's log says so."""
    # The first of all waits until the functions have started.
    expect(page.locator("#log")).to_contain_text(line, timeout=STEP_MILLISECONDS)


def lists(page: Page, call: str) -> Any:
    """What a list of the directory has in it."""
    return page.evaluate(f"async () => (await {call}).list")


def test_the_tutorial(open_example: Opener) -> None:
    ann = connect(open_example, "ann")
    bob = connect(open_example, "bob")
    # Whoever is there calls who comes.
    told(ann, "USER_JOINED: bob")
    expect(bob.locator("#call_dialog")).to_contain_text("Incoming call")
    expect(ann.locator("#call_dialog")).to_contain_text("Outgoing call")
    bob.get_by_role("button", name="Accept").click()
    for page in (ann, bob):
        told(page, "channel default open")
        page.wait_for_function(FRAMES)
        expect(page.locator("#remote")).to_be_visible()
    ann.evaluate("rtcConnection.channels.default.send('by the channel')")
    told(bob, "channel: by the channel")
    bob.evaluate("rtcConnection.channels.default.send('and back')")
    told(ann, "channel: and back")
    # Hung up here: both ends know, and the camera that was opened for it is off.
    ann.evaluate("rtcConnection.hangup()")
    told(bob, "call with ann closed")
    for page in (ann, bob):
        told(page, "connection closed")
        expect(page.locator("#remote")).to_be_hidden()
        assert page.evaluate(
            "rtcConnection.media.getTracks().every((track) => track.readyState === 'ended')"
        )
    assert "call with" not in ann.locator("#log").inner_text()
    assert open_example.complaints == []


def test_groups_and_messages(open_example: Opener) -> None:
    # Not the tutorial's callback: nobody calls anybody here.
    pages = []
    for user in ("ann", "bob", "cleo"):
        pages.append(connect(open_example, user))
        pages[-1].evaluate("call = 'nobody'")
    ann, bob, cleo = pages
    told(ann, "USER_JOINED: bob")
    told(bob, "USER_JOINED: cleo")
    # To the group: to oneself, too. From a form, as in the tutorial.
    ann.get_by_label("Message").fill("hello, all")
    ann.get_by_role("button", name="Send").click()
    for page in (ann, bob, cleo):
        told(page, "ann: hello, all")
    bob.evaluate(FORM)
    bob.evaluate("skapi.postRealtime(form({ msg: 'one' }, { msg: 'two' }), 'RTCCall')")
    told(ann, "bob: one,two")
    # To one, by user id and by connection.
    sent = bob.evaluate("skapi.postRealtime({ msg: 'psst' }, 'ann')")
    assert sent == {"type": "success", "message": "Message sent."}
    told(ann, "bob (private): psst")
    (found,) = lists(bob, "skapi.getRealtimeUsers({ group: 'RTCCall', user_id: 'cleo' })")
    assert found["user_id"] == "cleo"
    bob.evaluate("(cid) => skapi.postRealtime({ msg: 'hey' }, cid)", found["cid"])
    told(cleo, "bob (private): hey")
    assert "private" not in bob.locator("#log").inner_text()
    users = lists(cleo, "skapi.getRealtimeUsers()")
    assert sorted(user["user_id"] for user in users) == ["ann", "bob", "cleo"]
    # Another group: the others see it go, and hear no more of what is said there.
    joined = cleo.evaluate("skapi.joinRealtime({ group: 'Other' })")
    assert joined == {"type": "success", "message": 'Joined realtime message group: "Other".'}
    for page in (ann, bob):
        told(page, "USER_LEFT: cleo")
    cleo.evaluate("skapi.postRealtime({ msg: 'anybody?' }, 'Other')")
    told(cleo, "cleo: anybody?")
    ann.evaluate("skapi.postRealtime({ msg: 'gone?' }, 'RTCCall')")
    told(bob, "ann: gone?")
    assert "anybody?" not in bob.locator("#log").inner_text()
    assert "gone?" not in cleo.locator("#log").inner_text()
    both = [
        {"group": "Other", "number_of_users": 1},
        {"group": "RTCCall", "number_of_users": 2},
    ]
    assert lists(cleo, "skapi.getRealtimeGroups()") == both
    searches = {
        "{ searchFor: 'group', value: 'Other' }": both[:1],
        "{ searchFor: 'group', value: 'P', condition: '>' }": both[1:],
        "{ searchFor: 'group', value: 'A', range: 'Q' }": both[:1],
        "{ searchFor: 'number_of_users', value: 1, condition: 'gt' }": both[1:],
        "{ searchFor: 'number_of_users', value: 1, range: 2 }": both,
    }
    for search, groups in searches.items():
        assert lists(cleo, f"skapi.getRealtimeGroups({search})") == groups, search
    # Out of every group, and gone.
    left = bob.evaluate("skapi.joinRealtime({ group: null })")
    assert left == {"type": "success", "message": "Left realtime message group."}
    told(ann, "USER_LEFT: bob")
    cleo.evaluate("skapi.joinRealtime({ group: 'RTCCall' })")
    told(ann, "USER_JOINED: cleo")
    cleo.evaluate("skapi.closeRealtime()")
    told(cleo, "realtime closed")
    expect(ann.locator("#log")).to_have_text(re.compile("USER_LEFT: cleo.*USER_LEFT: cleo"))
    assert lists(ann, "skapi.getRealtimeGroups()") == [{"group": "RTCCall", "number_of_users": 1}]
    # Without being connected oneself, and connected again as the same user.
    assert [one["user_id"] for one in lists(cleo, USERS)] == ["ann"]
    cleo.evaluate("skapi.connectRealtime(RealtimeCallback).then(() => undefined)")
    assert cleo.evaluate("skapi.getProfile()") == {"user_id": "cleo"}
    ann.evaluate("skapi.postRealtime({ msg: 'again' }, 'cleo')")
    told(cleo, "ann (private): again")
    assert open_example.complaints == []


def test_calls_that_do_not_come_about(open_example: Opener) -> None:
    ann = connect(open_example, "ann")
    bob = connect(open_example, "bob")
    expect(bob.locator("#call_dialog")).to_contain_text("Incoming call")
    bob.get_by_role("button", name="Reject").click()
    told(ann, "no call: REJECTED")
    told(ann, "call with bob closed")
    told(ann, "connection closed")
    expect(ann.locator("#call_dialog")).to_be_hidden()
    assert "call with" not in bob.locator("#log").inner_text()
    # Given up before it was answered.
    bob.evaluate(
        "cid => skapi.connectRTC({ cid }, RTCCallback).then((made) => (call = made, 0))", "cid:ann"
    )
    expect(ann.locator("#call_dialog")).to_contain_text("Incoming call")
    assert bob.evaluate(f"{SETTLED}(() => {{ call.hangup(); return call.connection; }})") == (
        "CANCELLED"
    )
    told(ann, "call with bob closed")
    assert ann.evaluate("skapi.closeRTC({ close_all: true })") is None
    # It rings for so long.
    assert bob.evaluate(f"{SETTLED}(() => {RING}('cid:ann', {{ timeoutSeconds: 1 }}))") == (
        "NO_ANSWER"
    )
    assert bob.evaluate(f"{SETTLED}(() => {RING}('cid:nobody'))") == "NO_ANSWER"
    told(bob, "call with nobody closed")
    assert open_example.complaints == []


# Calls everybody who is asked for, takes every call, and keeps what is told.
PARTY = """() => {
  call = "not by the tutorial";
  window.events = [];
  window.heard = {};
  window.note = (e) => {
    events.push(e.state ? `${e.type} ${e.state}` : e.type);
    if (e.type === "message") heard[e.target.label] = e.data.length ?? e.data.byteLength;
    if (e.type === "track") document.getElementById("remote").srcObject = e.streams[0];
  };
  window.red = () => {
    const element = document.createElement("canvas");
    const context = element.getContext("2d");
    window.painting = setInterval(() => {
      context.fillStyle = "red";
      context.fillRect(0, 0, element.width, element.height);
    }, 50);
    return element.captureStream();
  };
  window.ringUp = async (user, params) => {
    const { list } = await skapi.getRealtimeUsers({ group: "RTCCall", user_id: user });
    const { connection } = await skapi.connectRTC({ cid: list[0].cid, ...params }, note);
    window.rtc = await connection;
    return Object.keys(rtc.channels).sort();
  };
  skapi.connectRealtime(async (rt) => {
    events.push(rt.code ? `${rt.code} ${rt.sender}` : rt.type);
    if (rt.type === "rtc:closed") window.goodbye = [rt.sender, rt.message.reason];
    if (rt.type === "rtc:incoming") {
      window.incoming = rt;
      window.rtc = await rt.connectRTC({}, note);
    }
  });
}"""
REDDISH = """() => {
  const [r, g, b] = reading.bars()?.[0] ?? [0, 0, 0];
  return r > 150 && g < 100 && b < 100;
}"""


def test_calls_with_channels_and_tracks(open_example: Opener) -> None:
    ann = connect(open_example, "ann")
    ann.evaluate(PARTY)
    bob = connect(open_example, "bob")
    bob.evaluate(PARTY)
    # No camera, three channels; a long message goes whole through the preset for files.
    channels = ["text-chat", "file-transfer", {"protocol": "lossy", "maxRetransmits": 0}]
    params = {"channels": channels, "ice": "stun:127.0.0.1:9"}
    names = ["file-transfer", "lossy", "text-chat"]
    assert ann.evaluate("(params) => ringUp('bob', params)", params) == names
    assert ann.evaluate("rtc.media === undefined && rtc.target.connectionState") == "connected"
    assert ann.evaluate("rtc.target.getConfiguration().iceServers[0].urls[0]") == params["ice"]
    bob.wait_for_function("() => Object.keys(window.rtc?.channels ?? {}).length === 3")
    ann.evaluate("rtc.channels['file-transfer'].bufferedAmountLowThreshold = 1000")
    ann.evaluate("rtc.channels['file-transfer'].send(new Uint8Array(300_000))")
    ann.evaluate("rtc.channels.lossy.send('now or never')")
    bob.evaluate("rtc.channels['text-chat'].send('hello')")
    bob.wait_for_function("() => heard['file-transfer'] === 300_000 && heard.lossy === 12")
    ann.wait_for_function("() => heard['text-chat'] === 5 && events.includes('bufferedamountlow')")
    assert bob.evaluate("[rtc.channels.lossy.maxRetransmits, rtc.channels.lossy.ordered]") == [
        0,
        True,
    ]
    # As with RTCDataChannel.
    assert (
        ann.evaluate(
            """() => new Promise((resolve) => {
          rtc.channels.lossy.onclose = ({ type }) => resolve(type);
          rtc.channels.lossy.close();
        })"""
        )
        == "close"
    )
    bob.wait_for_function("() => rtc.channels.lossy.readyState === 'closed'")
    assert (
        ann.evaluate(
            "(() => { try { rtc.channels.lossy.send('x'); } catch (error) "
            "{ return error.name; } })()"
        )
        == "InvalidStateError"
    )
    # A track more, by either side, negotiates by itself.
    for here, there in ((ann, bob), (bob, ann)):
        here.evaluate("void rtc.target.addTrack(red().getTracks()[0])")
        there.wait_for_function(REDDISH)
        assert here.evaluate("events.includes('negotiationneeded')")
    types = {
        "track",
        "icecandidate",
        "icecandidateend",
        "icegatheringstatechange complete",
        "iceconnectionstatechange connected",
        "signalingstatechange stable",
        "connectionstatechange connecting",
        "connectionstatechange connected",
        "open",
        "close",
        "message",
    }
    assert types - set(ann.evaluate("events")) == set()
    # The path breaks: the call goes on over another.
    ann.evaluate("events.length = 0; (window.before = rtc.target).close()")
    ann.wait_for_function("() => events.includes('connectionstatechange connected')")
    bob.evaluate("rtc.channels['text-chat'].send('the same channel')")
    ann.wait_for_function("() => heard['text-chat'] === 16")
    assert ann.evaluate("rtc.target !== before && rtc.target.connectionState") == "connected"
    broken = {f"connectionstatechange {state}" for state in ("disconnected", "failed", "closed")}
    for page in (ann, bob):
        assert not broken & set(page.evaluate("events"))
    # A third user; whoever was called hangs up with one only.
    cleo = connect(open_example, "cleo")
    cleo.evaluate(PARTY)
    cleo.evaluate("void ringUp('bob', { media: red() }).then(() => (window.through = true))")
    cleo.wait_for_function("() => window.through")
    bob.wait_for_function("() => incoming.sender === 'cleo' && events.includes('open')")
    bob.evaluate("skapi.closeRTC({ cid: 'cid:ann' })")
    ann.wait_for_function("() => window.goodbye")
    assert ann.evaluate("goodbye") == ["bob", "hangup"]
    for page in (ann, bob):
        last = page.evaluate("events.filter((e) => e.startsWith('connectionstate')).at(-1)")
        assert last == "connectionstatechange closed"
    assert cleo.evaluate("rtc.target.connectionState") == "connected"
    bob.evaluate("void rtc.channels.default.send('still here')")
    cleo.wait_for_function("() => heard.default === 10")
    # A page that is closed hangs up, and is no longer in the group.
    bob.close(run_before_unload=True)
    cleo.wait_for_function("() => window.goodbye")
    assert cleo.evaluate("[goodbye[0], rtc.media.getTracks()[0].readyState]") == ["bob", "live"]
    ann.wait_for_function("() => events.includes('USER_LEFT bob')")
    assert open_example.complaints == []


def test_those_who_vanish(open_example: Opener, admin_sync: Client, realm: Seeds) -> None:
    directory = admin_sync.document(f"realms/{realm.realm}/rooms/skapi")
    peers = directory.collection("peers")
    ann = connect(open_example, "ann")
    ann.evaluate("call = 'nobody'")
    # Somebody crashes: nothing deletes its document before its lease is over.
    lease = datetime.now(UTC) + timedelta(seconds=3)
    card = peers.document("ann").get().to_dict() or {}
    peers.document("ghost").set(card | {"session": "ghost-session-0001", "leaseUntil": lease})
    told(ann, "USER_JOINED: ghost")
    ann.wait_for_function("(at) => Date.now() > at", arg=lease.timestamp() * 1000)
    peers.document("ghost").delete()
    told(ann, "USER_DISCONNECTED: ghost")
    # The owner closes the room: whoever wants may begin anew.
    directory.delete()
    peers.document("ann").delete()
    told(ann, "error: The room was closed")
    assert ann.evaluate(f"{SETTLED}(() => skapi.postRealtime('x', 'RTCCall'))") == "INVALID_REQUEST"
    ann.evaluate("skapi.connectRealtime(RealtimeCallback).then(() => undefined)")
    assert all("status of 40" in line for line in open_example.complaints)


def test_one_who_is_put_out(open_example: Opener, admin_sync: Client, realm: Seeds) -> None:
    directory = admin_sync.document(f"realms/{realm.realm}/rooms/skapi")
    # A room that nobody is in any more is cleared away, with who was put out of it.
    connect(open_example, "bob")
    ann = connect(open_example, "ann")
    now = datetime.now(UTC)
    until = now + timedelta(hours=1)
    removal = {"by": "owner", "reason": "noise", "at": now, "leaseUntil": until, "shard": 0}
    directory.collection("removed").document("ann").set(removal)
    directory.collection("peers").document("ann").delete()
    told(ann, "removed from the realm by a moderator. noise")
    again = "skapi.connectRealtime(RealtimeCallback)"
    assert ann.evaluate(f"{SETTLED}(() => {again})") == "REMOVED"
    assert all("status of 40" in line for line in open_example.complaints)


REFUSED = {
    "skapi.connectRealtime()": "INVALID_REQUEST",
    "new Skapi().postRealtime('x', 'bob')": "INVALID_REQUEST",
    "new Skapi().joinRealtime({ group: 'x' })": "INVALID_REQUEST",
    "new Skapi().getRealtimeUsers()": "INVALID_REQUEST",
    "new Skapi().connectRTC({ cid: 'cid:bob' }, () => 0)": "INVALID_REQUEST",
    "new Skapi('no-such-key').connectRealtime(() => 0)": "KEY_REFUSED",
    "skapi.joinRealtime({ group: 7 })": "INVALID_PARAMETER",
    "skapi.postRealtime('x', '')": "INVALID_REQUEST",
    "skapi.postRealtime('x', 'neither user nor group')": "INVALID_REQUEST",
    "skapi.postRealtime('x'.repeat(20000), 'RTCCall')": "INVALID_PARAMETER",
    "skapi.postRealtime(NaN, 'RTCCall')": "INVALID_PARAMETER",
    "skapi.postRealtime(form({ msg: new File(['x'], 'x') }), 'RTCCall')": "INVALID_PARAMETER",
    "skapi.getRealtimeUsers({ user_id: 7 })": "INVALID_PARAMETER",
    "skapi.getRealtimeGroups({ searchFor: 'colour' })": "INVALID_PARAMETER",
    "skapi.getRealtimeGroups({ searchFor: 'group', value: 7 })": "INVALID_PARAMETER",
    "skapi.getRealtimeGroups({ value: 'x', condition: '~' })": "INVALID_PARAMETER",
    "skapi.connectRTC({ cid: 'cid:bob' })": "INVALID_PARAMETER",
    "skapi.connectRTC({ cid: 'bob' }, () => 0)": "INVALID_PARAMETER",
    "skapi.connectRTC({}, () => 0)": "INVALID_PARAMETER",
    "skapi.connectRTC({ cid: 'cid:a', channels: ['x'] }, () => 0)": "INVALID_PARAMETER",
    "skapi.connectRTC({ cid: 'cid:a', channels: ['gaming', 'gaming'] }, () => 0)": (
        "INVALID_REQUEST"
    ),
    "skapi.connectRTC({ cid: 'cid:a', media: { video: { deviceId: { exact: 'x' } } } }, () => 0)": (
        "MEDIA_NOT_FOUND"
    ),
    "skapi.closeRTC({})": "INVALID_PARAMETER",
    "skapi.closeRTC({ cid: 'bob' })": "INVALID_PARAMETER",
}


def test_what_is_refused_says_so(open_example: Opener) -> None:
    page = connect(open_example, "ann")
    page.evaluate(FORM)
    found = {call: page.evaluate(f"{SETTLED}(() => {call})") for call in REFUSED}
    assert found == REFUSED
    # One id has one user at a time.
    taken = "new Skapi(params.get('key'), null, { user_id: 'ann' }).connectRealtime(() => 0)"
    assert page.evaluate(f"{SETTLED}(() => {taken})") == "UNAVAILABLE_ID"
    assert [line for line in open_example.complaints if "status of 4" not in line] == []
