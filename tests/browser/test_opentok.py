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
