"""Tracks that come and go on a link that stands, between two pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from .blank import Settings
from .sides import SIDES

COLOURS = """
// The colour in the middle of a track's picture: its strongest part.
window.colourOf = async (track) => {
  const video = Object.assign(document.createElement("video"), { muted: true });
  video.srcObject = new MediaStream([track]);
  await video.play();
  const canvas = Object.assign(document.createElement("canvas"), { width: 16, height: 12 });
  const drawing = canvas.getContext("2d");
  drawing.drawImage(video, 0, 0, 16, 12);
  const rgb = [...drawing.getImageData(8, 6, 1, 1).data].slice(0, 3);
  return ["red", "green", "blue"][rgb.indexOf(Math.max(...rgb))];
};
window.colours = async (who) => {
  const found = [];
  for (const track of sides[who].link.tracks) found.push(await colourOf(track));
  return found.sort().join();
};
null;
"""


@pytest.fixture
def page(page: Page, settings: Settings) -> Iterator[Page]:
    """A page with both sides of a link that sends nothing yet."""
    page.evaluate(SIDES)
    page.evaluate(COLOURS)
    page.evaluate("(config) => two(config, () => ({}))", settings)
    yield page
    page.evaluate("closeAll()")


@pytest.mark.parametrize(("sender", "receiver"), [("ann", "bob"), ("bob", "ann")])
def test_several_of_a_kind_come_and_go(page: Page, sender: str, receiver: str) -> None:
    seen = page.evaluate(
        """async ([sender, receiver]) => {
          const { link } = sides[sender];
          const other = sides[receiver].link;
          const { stream } = other;
          const seen = [];
          const see = async (count) => {
            await until(() => other.tracks.length === count);
            const same = stream.getTracks().length === count && other.stream === stream;
            seen.push([await colours(receiver), same]);
          };
          const [red, blue, green] = ["red", "blue", "lime"].map(picture);
          await Promise.all([link.addTrack(red), link.addTrack(blue)]);
          await see(2);
          seen.push(await codeOf(link.addTrack(red)));
          await link.removeTrack(red);
          await see(1);
          await link.addTrack(green);
          await see(2);
          const sections = () => link.connection.pc.getTransceivers().length;
          seen.push(sections());
          seen.push(await link.replaceTrack(picture("red"), green));
          await until(async () => (await colours(receiver)) === "blue,red");
          return seen;
        }""",
        [sender, receiver],
    )
    first, twice, one, again, sections, replaced = seen
    assert [first, one, again] == [["blue,red", True], ["blue", True], ["blue,green", True]]
    assert (twice, replaced) == ("bad-config", True)
    # A freed section is used again.
    assert sections <= 3


@pytest.mark.parametrize(("sender", "receiver"), [("ann", "bob"), ("bob", "ann")])
def test_names_through_renegotiation_and_repair(page: Page, sender: str, receiver: str) -> None:
    named = page.evaluate(
        """async ([sender, receiver]) => {
          const { link } = sides[sender];
          const other = sides[receiver].link;
          const told = [];
          other.on("track", (track) => told.push(other.nameOf(track)));
          other.on("trackRemoved", (track) => told.push(`no ${other.nameOf(track)}`));
          const seen = async () => {
            const found = [];
            for (const track of other.tracks) {
              found.push(`${other.nameOf(track)}: ${await colourOf(track)}`);
            }
            return found.sort().join();
          };
          const [red, blue, green] = ["red", "blue", "lime"].map(picture);
          await link.addTrack(red, "camera");
          await link.addTrack(blue, "screen");
          await until(async () => (await seen()) === "camera: red,screen: blue");
          await link.removeTrack(blue);
          await link.addTrack(green, "document");
          await until(async () => (await seen()) === "camera: red,document: green");
          const before = told.splice(0);
          link.connection.pc.close();
          await until(() => sides[sender].log.includes("reconnected"), 40);
          await until(() => sides[receiver].log.includes("reconnected"), 40);
          await until(async () => (await seen()) === "camera: red,document: green");
          // Asked for by either side; what is called as before stays.
          await link.renegotiate();
          await other.renegotiate();
          await until(async () => (await seen()) === "camera: red,document: green");
          return [before, told, await codeOf(link.addTrack(picture("red"), "x".repeat(65)))];
        }""",
        [sender, receiver],
    )
    before, after, refused = named
    assert before == ["camera", "screen", "no screen", "document"]
    assert sorted(after) == ["camera", "document", "no camera", "no document"]
    assert refused == "bad-config"


def test_ice_servers_of_a_call_last_over_its_repairs(page: Page, settings: Settings) -> None:
    used = page.evaluate(
        """async (config) => {
          const own = [{ urls: ["stun:127.0.0.1:9"] }];
          const { link } = sides.ann;
          const urls = () =>
            link.connection.pc.getConfiguration().iceServers.flatMap((one) => one.urls);
          const found = [urls()];
          await sides.ann.call.close();
          await come("dan", config, await wait("carl", config, () => ({ iceServers: own })));
          await sides.carl.answered;
          const other = sides.carl.link;
          const theirs = () =>
            other.connection.pc.getConfiguration().iceServers.flatMap((one) => one.urls);
          found.push(theirs());
          other.connection.pc.close();
          await until(() => sides.carl.log.includes("reconnected"), 40);
          return [...found, theirs()];
        }""",
        settings,
    )
    assert used[1:] == [["stun:127.0.0.1:9"]] * 2
    assert "stun:127.0.0.1:9" not in used[0]


def test_a_limit(page: Page) -> None:
    limits = page.evaluate(
        """async () => {
          const { link } = sides.ann;
          await link.addTrack(picture("red"));
          const bound = () => link.connection.pc.getSenders()
            .filter(({ track }) => track?.kind === "video")
            .map((sender) => sender.getParameters().encodings[0]?.maxBitrate ?? null);
          await link.limitBitrate("video", 300_000);
          const found = [bound()];
          // Also after a repair, and on what comes later.
          await link.addTrack(picture("blue"));
          link.connection.pc.close();
          await until(() => sides.ann.log.includes("reconnected"), 40);
          await until(() => bound().length === 2);
          found.push(bound());
          await until(() => sides.bob.link.tracks.length === 2);
          await until(async () => (await colours("bob")) === "blue,red");
          await link.limitBitrate("video", null);
          found.push(bound(), await codeOf(link.limitBitrate("video", -1)));
          return found;
        }"""
    )
    assert limits == [[300_000], [300_000, 300_000], [None, None], "bad-config"]
