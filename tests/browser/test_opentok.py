"""OpenTok's words over FireRTC: what its tutorials do, with tokens that its Python words make."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from firertc.compat.opentok import OpenTok, Roles
from firertc.suite import LocalSuite, Seeds

from .examples import Opener, examples

SEEN = """(count) => [...document.querySelectorAll("#subscriber video")].filter((video) => {
  video.id = "remote";
  const number = reading.frameNumber();
  video.removeAttribute("id");
  return number !== null;
}).length === count"""

# What a completion handler is told: null, or name and code.
TOLD = """
window.told = (work) => new Promise((resolve) => {
  work((error) => resolve(error ? [error.name, error.code] : null));
});
window.enter = (key, session, token) => {
  window.other = OT.initSession(key, session);
  return told((done) => other.connect(token, done));
};
"""


@dataclass(frozen=True)
class Place:
    """A session, and pages of people in it."""

    opener: Opener
    key: str
    server: OpenTok
    session_id: str

    def token(self, name: str, role: Roles = Roles.publisher) -> str:
        """A token for somebody."""
        return self.server.generate_token(self.session_id, role=role, data=name)

    def open(self, token: str, session_id: str = "") -> Page:
        """A page of the example."""
        place = {"apiKey": self.key, "sessionId": session_id or self.session_id, "token": token}
        page = self.opener("opentok", f"#{urlencode(place)}")
        page.evaluate(TOLD)
        return page

    def join(self, name: str, role: Roles = Roles.publisher) -> Page:
        """A page whose person is in the session."""
        page = self.open(self.token(name, role))
        expect(page.locator("#log")).to_contain_text("connected")
        return page


@pytest.fixture
def place(browser: Browser, suite: LocalSuite, script: Path, realm: Seeds) -> Iterator[Place]:
    """A new session."""
    with examples(browser, suite, script, realm.key) as opener:
        server = OpenTok(realm.key, realm.secret)
        yield Place(opener, realm.key, server, server.create_session().session_id)


def connection_of(page: Page) -> str:
    """The id of a page's own connection."""
    found: str = page.evaluate("session.connection.connectionId")
    return found


def test_the_tutorial(place: Place) -> None:
    ann, bob = place.join("Ann"), place.join("Bob")
    for page, other in ((ann, "Bob"), (bob, "Ann")):
        expect(page.locator("#log")).to_contain_text(f"{other} is here")
        expect(page.locator("#log")).to_contain_text(f"{other} publishes a camera")
        page.wait_for_function(SEEN, arg=1)
    cleo = place.join("Cleo")
    for page in (ann, bob, cleo):
        page.wait_for_function(SEEN, arg=2)
    # To all, oneself included; then to one.
    ann.locator("#msgTxt").fill("hello")
    ann.locator("#msgTxt").press("Enter")
    for page, kind in ((ann, "mine"), (bob, "theirs"), (cleo, "theirs")):
        expect(page.locator(f"#history .{kind}")).to_have_text("hello")
    sent = ann.evaluate(
        """(id) => told((done) => session.signal(
          { type: "msg", data: "psst", to: { connectionId: id } }, done))""",
        connection_of(bob),
    )
    assert sent is None
    expect(bob.locator("#history")).to_contain_text("psst")
    place.server.signal(place.session_id, {"type": "msg", "data": "by the server"})
    for page in (ann, bob, cleo):
        expect(page.locator("#history")).to_contain_text("by the server")
    for page in (ann, cleo):
        expect(page.locator("#history")).not_to_contain_text("psst")
    cleo.evaluate("session.disconnect()")
    expect(cleo.locator("#log")).to_contain_text("disconnected: clientDisconnected")
    expect(cleo.locator("video")).to_have_count(0)
    for page in (ann, bob):
        expect(page.locator("#log")).to_contain_text("Cleo has stopped: clientDisconnected")
        expect(page.locator("#log")).to_contain_text("Cleo left: clientDisconnected")
        expect(page.locator("#subscriber video")).to_have_count(1)
        page.wait_for_function(SEEN, arg=1)
    assert place.opener.complaints == []


REMEMBER = """
window.seen = new Set();
session.on("streamCreated streamDestroyed", ({ type, stream }) => {
  if (type === "streamCreated") seen.add(stream);
  else seen.delete(stream);
});
"""


def test_moderators(place: Place) -> None:
    mia = place.join("Mia", Roles.moderator)
    mia.evaluate(REMEMBER)
    bob = place.join("Bob")
    log = mia.locator("#log")
    expect(log).to_contain_text("Bob publishes a camera")
    mia.evaluate("window.stream = [...seen].find(({ connection }) => connection.data === 'Bob')")
    mia.wait_for_function(SEEN, arg=1)
    # Bob himself, then Mia for him.
    bob.evaluate("publisher.publishVideo(false)")
    expect(log).to_contain_text("a camera hasVideo: false")
    mia.evaluate("session.forceMuteStream(stream)")
    expect(bob.locator("#log")).to_contain_text("mute forced: true")
    expect(log).to_contain_text("a camera hasAudio: false")
    assert mia.evaluate("[stream.hasAudio, stream.hasVideo]") == [False, False]
    # Bob may not.
    refused = """(id) => Promise.all([
      told((done) => session.forceDisconnect(id, done)),
      told((done) => session.forceUnpublish(
        { streamId: "x", connection: { connectionId: id } }, done)),
      session.forceMuteAll().catch((error) => [error.name, error.code]),
    ])"""
    assert bob.evaluate(refused, connection_of(mia)) == [
        ["OT_UNABLE_TO_FORCE_DISCONNECT", 1520],
        ["OT_UNABLE_TO_FORCE_UNPUBLISH", 1530],
        ["OT_UNABLE_TO_FORCE_MUTE", 1540],
    ]
    assert mia.evaluate("told((done) => session.forceUnpublish(stream, done))") is None
    expect(log).to_contain_text("Bob has stopped: forceUnpublished")
    expect(bob.locator("#publisher video")).to_have_count(0)
    expect(mia.locator("#subscriber video")).to_have_count(0)
    # Who publishes while all are to be silent is silent.
    mia.evaluate("session.forceMuteAll([publisher.stream])")
    bob.evaluate("session.publish('publisher', { name: 'another' }, handleError)")
    expect(log).to_contain_text("Bob publishes another")
    assert mia.evaluate("[...seen].map(({ hasAudio }) => hasAudio)") == [False]
    assert mia.evaluate("publisher.stream.hasAudio")
    mia.evaluate("(id) => session.forceDisconnect(id, handleError)", connection_of(bob))
    expect(log).to_contain_text("Bob left: forceDisconnected")
    expect(bob.locator("#log")).to_contain_text("disconnected: forceDisconnected")
    # The server may, too.
    place.server.force_disconnect(place.session_id, connection_of(mia))
    expect(log).to_contain_text("disconnected: forceDisconnected")
    assert place.opener.complaints == []


COLOUR = """([index, kind]) => {
  const video = document.querySelectorAll("#subscriber video")[index];
  if (!video?.videoWidth) return false;
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  context.drawImage(video, 0, 0, 1, 1);
  const [r, g, b] = context.getImageData(0, 0, 1, 1).data;
  return kind === "red" ? r > 150 && g < 90 && b < 90 : b > 150 && r < 90 && g < 90;
}"""

PAINT = """
window.painted = (colour) => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 160, height: 120 });
  const context = canvas.getContext("2d");
  setInterval(() => {
    context.fillStyle = colour;
    context.fillRect(0, 0, 160, 120);
  }, 50);
  return canvas.captureStream(20).getVideoTracks()[0];
};
"""


def test_subscribers_and_several_streams(place: Place) -> None:
    ann = place.join("Ann")
    sue = place.join("Sue", Roles.subscriber)
    # The example publishes, which this role may not.
    expect(sue.locator("#log")).to_contain_text("OT_UNABLE_TO_PUBLISH (1500)")
    assert sue.evaluate("session.capabilities.publish") == 0
    said = "told((done) => session.signal({ type: 'msg', data: 'I see' }, done))"
    assert sue.evaluate(said) is None
    expect(ann.locator("#history")).to_contain_text("I see")
    sue.wait_for_function(SEEN, arg=1)
    expect(ann.locator("#log")).not_to_contain_text("Sue publishes")
    # A second stream beside the camera's, then another picture in its place.
    sue.evaluate(REMEMBER)
    ann.evaluate(PAINT)
    ann.evaluate(
        """() => {
          const properties = { name: "paint", videoSource: painted("red"), audioSource: null };
          window.second = session.publish(null, properties, handleError);
        }"""
    )
    expect(sue.locator("#log")).to_contain_text("Ann publishes paint")
    sue.wait_for_function(COLOUR, arg=[1, "red"])
    sue.wait_for_function(SEEN, arg=1)
    ann.evaluate("second.setVideoSource(painted('blue'))")
    sue.wait_for_function(COLOUR, arg=[1, "blue"])
    # What nobody wants to see isn't sent.
    received = """() => subscriber.element.querySelector("video").srcObject.getTracks().length"""
    sue.evaluate("[window.subscriber] = session.getSubscribersForStream([...seen][0])")
    sue.evaluate("void subscriber.subscribeToVideo(false)")
    sue.wait_for_function(f"({received})() === 0")
    sue.evaluate("void subscriber.subscribeToVideo(true)")
    sue.wait_for_function(f"({received})() === 1")
    sue.wait_for_function(COLOUR, arg=[1, "blue"])
    ann.evaluate("session.unpublish(second)")
    expect(sue.locator("#log")).to_contain_text("Ann has stopped: clientDisconnected")
    expect(sue.locator("#subscriber video")).to_have_count(1)
    sue.wait_for_function(SEEN, arg=1)
    # The screen, until the person ends it in the browser's own bar.
    ann.evaluate(
        """() => {
          const properties = { name: "screen", videoSource: "screen", audioSource: null };
          window.screened = OT.initPublisher(null, properties, handleError);
          session.publish(screened, handleError);
        }"""
    )
    expect(sue.locator("#log")).to_contain_text("Ann publishes screen")
    sue.wait_for_function(WIDE)
    assert sue.evaluate("[...seen].map(({ videoType }) => videoType)") == ["screen"]
    ann.evaluate("screened.getVideoSource().track.dispatchEvent(new Event('ended'))")
    expect(sue.locator("#log")).to_contain_text("Ann has stopped: mediaStopped")
    assert place.opener.complaints == []


WIDE = """() => document.querySelectorAll("#subscriber video")[1]?.videoWidth > 640"""


def test_what_goes_wrong_has_a_code(place: Place) -> None:
    page = place.open("no.such.token")
    log = page.locator("#log")
    expect(log).to_contain_text("OT_AUTHENTICATION_ERROR (1004)")
    page.evaluate("window.heard = []; OT.on('exception', ({ code }) => heard.push(code))")
    said = "(signal) => told((done) => session.signal(signal, done))"
    assert page.evaluate(said, {"data": "x"}) == ["OT_NOT_CONNECTED", 1010]
    assert page.evaluate("told((done) => session.publish(publisher, done))") == [
        "OT_NOT_CONNECTED",
        1010,
    ]
    enter = "([key, session, token]) => enter(key, session, token)"
    other = place.server.create_session().session_id
    token = place.token("Ann")
    for place_of_it, code in (
        ([place.key, other, token], 1004),
        (["no-such-key", place.session_id, token], 1004),
        ([place.key, "", token], 1005),
    ):
        assert page.evaluate(enter, place_of_it)[1] == code
    page.evaluate("(token) => told((done) => session.connect(token, done))", token)
    assert page.evaluate("(token) => told((done) => session.connect(token, done))", token) == [
        "OT_CONNECT_FAILED",
        1006,
    ]
    for signal, code in (
        ({"type": "a b"}, 400),
        ({"data": {"no": "text"}}, 400),
        ({"type": "x" * 129}, 413),
        ({"data": "ä" * 4097}, 413),
        ({"data": "x", "to": {"connectionId": "nobody"}}, 404),
    ):
        assert page.evaluate(said, signal)[1] == code
    assert page.evaluate("heard") == [1010, 1010, 1004, 1004, 1005, 1006, 400, 400, 413, 413, 404]
    gone = "() => { try { OT.initPublisher('nowhere'); } catch (error) { return error.code; } }"
    assert page.evaluate(gone) == 1011
    capable = "new Promise((resolve) => OT.checkScreenSharingCapability(resolve))"
    assert page.evaluate(f"{capable}.then(({{ supported }}) => supported)") is True
    assert page.evaluate("OT.checkSystemRequirements()") == 1
    kinds = page.evaluate(
        """new Promise((resolve) => OT.getDevices((error, devices) =>
          resolve(devices.map(({ kind }) => kind))))"""
    )
    assert {"audioInput", "videoInput"} <= set(kinds)


def test_handlers_in_all_forms(place: Place) -> None:
    page = place.open(place.token("Ann"))
    heard = page.evaluate(
        """async () => {
          const heard = [];
          const one = OT.initSession("k", "s");
          const note = function (name) { heard.push([name, this.name ?? null]); };
          const context = { name: "context" };
          const first = function () { note.call(this, "first"); };
          one.on("a b", first, context);
          one.on({ a: () => note.call({}, "map"), c() { note.call(this, "c"); } }, context);
          one.once("b", () => note.call({}, "once"));
          for (const name of ["a", "b", "b", "c"]) one.dispatch(name);
          one.off("b", first).off("a");
          for (const name of ["a", "b", "c"]) one.dispatch(name);
          one.off();
          one.dispatch("c");
          return heard;
        }"""
    )
    assert heard == [
        ["first", "context"],
        ["map", None],
        ["first", "context"],
        ["once", None],
        ["first", "context"],
        ["c", "context"],
        ["c", "context"],
    ]
