"""Repair of links: pages with one another, and with Python processes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from e2e.remains import CLEAN_SECONDS, remains
from google.cloud.firestore import Client as Owner
from playwright.sync_api import Browser

from firertc.suite import LocalSuite, Seeds

from .blank import Settings, config
from .conftest import Run
from .linked import Linked, link, linked_page

NO_MEDIA = "{ receiving: [] }"
PICTURES = "{ sending: [picture()], receiving: ['video'] }"
BACK = [["reconnecting", "silent"], ["reconnected"]]
BACK_AFTER_FAILURE = [["reconnecting", "failed"], ["reconnected"]]
CLOSE = "link.connection.pc.close();"

Pair = tuple[Linked, Linked]


@pytest.fixture
def pages(browser: Browser, script: Path, suite: LocalSuite) -> Iterator[Pair]:
    """Two pages with no call yet."""
    with ExitStack() as stack:
        ann, bob = (stack.enter_context(linked_page(browser, script, suite)) for _ in range(2))
        yield ann, bob
        for one in (ann, bob):
            one.do("await window.client?.close();")


@contextmanager
def losing_everything(*pages: Linked) -> Iterator[None]:
    """Let no packet of WebRTC through."""
    for one in pages:
        one.lose(100)
    yield
    for one in pages:
        one.lose(0)


def wait_until_clean(owner: Owner, realm: Seeds) -> None:
    """Wait until nothing is left in the database."""
    give_up = time.monotonic() + CLEAN_SECONDS
    while left := remains(owner, realm.realm):
        assert time.monotonic() < give_up, f"left behind: {left}"
        time.sleep(0.1)


def wait_until_back(*pages: Linked) -> None:
    """Wait until links were broken and are open again."""
    for one in pages:
        one.until("log.some(([what]) => what === 'reconnected')")


@pytest.mark.parametrize("breaker", [0, 1], ids=["offerer", "answerer"])
def test_another_connection_takes_the_place(
    pages: Pair, settings: Settings, admin_sync: Owner, realm: Seeds, breaker: int
) -> None:
    ann, bob = pages
    link(ann, bob, settings, NO_MEDIA)
    for one, other in ((ann, bob), (bob, ann)):
        one.do("""
          window.before = { link, pc: link.connection.pc };
          window.mine = await link.openChannel("data", { metadata: 5 });
          link.onRequest = (body) => body * 2;
        """)
        other.until("channels.length === 1")
        other.do("channels[0].on('message', (data) => messages.push(['channel', data]));")
    for one in pages:
        one.do("""
          for (let n = 0; n < 50; n++) link.send(n);
          for (let n = 0; n < 50; n++) await mine.send(`${n}`);
          link.mute({ audio: true });
        """)
    pages[breaker].do(CLOSE)
    # What is said now, not knowing or knowing that the link is broken, arrives all the same.
    for one in pages:
        one.do("""
          for (let n = 50; n < 100; n++) link.send(n);
          window.asked = link.request(21, 40);
          window.late = (async () => {
            for (let n = 50; n < 100; n++) await mine.send(`${n}`);
            await mine.send(new Uint8Array(6_000_000).fill(7));
            window.opened = await link.openChannel("meanwhile");
            await opened.send("there");
          })();
        """)
    wait_until_back(ann, bob)
    for one in pages:
        assert (
            one.do("await late; await mine.flush(30); await link.flush(); return await asked;")
            == 42
        )
    for one in pages:
        one.until("messages.length === 201 && channels.length === 2")
        assert one.do("""
          const own = messages.filter((body) => typeof body === "number");
          const texts = messages.map((one) => one[1]).filter((text) => typeof text === "string");
          const big = new Uint8Array(messages.find((one) => one[1] instanceof ArrayBuffer)[1]);
          const inOrder = (list) => list.length === 100 && list.every((n, at) => Number(n) === at);
          const [, meanwhile] = channels;
          const { value } = await meanwhile[Symbol.asyncIterator]().next();
          return [
            inOrder(own), inOrder(texts), big.length, big.every((byte) => byte === 7), value,
            link === before.link, link.connection.pc === before.pc, link.muted, mine.state,
          ];
        """) == [True, True, 6_000_000, True, "there", True, False, {"audio": True}, "open"]
    # The breaker's own end is silent, or notices that it failed; so does the other's.
    for one in pages:
        assert [what for what, *_ in one.log] == ["reconnecting", "reconnected"]
    wait_until_clean(admin_sync, realm)
    ann.do("await call.close();")
    bob.until("link.state === 'closed'")
    assert bob.log[-1] == ["closed", "hangup"]


def test_pictures_go_on_in_the_same_stream(pages: Pair, settings: Settings) -> None:
    link(*pages, settings, PICTURES)
    for one in pages:
        one.until("link.tracks.length === 1")
        one.do("""
          window.stream = link.stream;
          window.first = link.tracks[0];
          window.video = Object.assign(document.createElement("video"), { muted: true });
          video.srcObject = stream;
          document.body.append(video);
          await video.play();
          await until(() => video.getVideoPlaybackQuality().totalVideoFrames > 5);
        """)
    pages[1].do(CLOSE)
    wait_until_back(*pages)
    for one in pages:
        one.do("""
          if (link.stream !== stream || stream.getTracks().length !== 1) throw new Error("stream");
          if (link.tracks[0] === first || stream.getTracks()[0] !== link.tracks[0]) {
            throw new Error("the old track is still there");
          }
          const seen = video.getVideoPlaybackQuality().totalVideoFrames;
          await until(() => video.getVideoPlaybackQuality().totalVideoFrames > seen + 5);
        """)
        assert one.do("return log.filter(([what]) => what.startsWith('track'));") == [
            ["track", "video"],
            ["trackRemoved", "video"],
            ["track", "video"],
        ]


def test_ice_is_restarted(pages: Pair, settings: Settings, admin_sync: Owner, realm: Seeds) -> None:
    ann, bob = pages
    link(ann, bob, settings, NO_MEDIA)
    ufrag = "link.connection.pc.localDescription.sdp.match(/a=ice-ufrag:(\\S+)/)[1]"
    for one in pages:
        one.do(f"window.before = {{ pc: link.connection.pc, ufrag: {ufrag} }};")
    with losing_everything(ann, bob):
        for one in pages:
            one.until("log.some(([what]) => what === 'reconnecting')")
            one.do("link.send('meanwhile');")
        for one in pages:
            one.until(f"{ufrag} !== before.ufrag")
    wait_until_back(ann, bob)
    for one in pages:
        one.until("messages.length === 1")
        assert one.log == BACK
        assert one.do("return link.connection.pc === before.pc && link.state === 'open';")
    wait_until_clean(admin_sync, realm)


def test_a_path_that_comes_back_by_itself(pages: Pair, settings: Settings) -> None:
    ann, bob = pages
    link(ann, bob, settings, NO_MEDIA)
    for one in pages:
        # Nobody repairs it.
        one.do("link.mend = (broken) => broken.settled();")
    with losing_everything(ann, bob):
        for one in pages:
            one.until("log.some(([what]) => what === 'reconnecting')")
            one.do("for (let n = 0; n < 10; n++) link.send(n);")
    wait_until_back(ann, bob)
    for one in pages:
        one.until("messages.length === 10")
        assert one.log == BACK
        assert one.do("return messages.every((body, at) => body === at);")


def test_a_link_that_is_not_repaired_ends(pages: Pair, settings: Settings) -> None:
    ann, bob = pages
    link(ann, bob, settings, NO_MEDIA)
    ann.do("link.repairSeconds = 2;")
    bob.do("link.mend = null;")
    with losing_everything(ann, bob):
        ann.until("link.state === 'closed'")
        bob.until("link.state === 'closed'")
    assert ann.log == [["reconnecting", "silent"], ["closed", "gone"]]
    assert bob.log == [["closed", "gone"]]
    assert ann.do("return await codeOf(Promise.resolve().then(() => link.send(1)));") == "peer-gone"


def test_hanging_up_a_broken_link_leaves_nothing(
    pages: Pair, settings: Settings, admin_sync: Owner, realm: Seeds
) -> None:
    ann, bob = pages
    link(ann, bob, settings, NO_MEDIA)
    with losing_everything(ann, bob):
        for one in pages:
            one.until("log.some(([what]) => what === 'reconnecting')")
        ann.page.wait_for_timeout(1_000)
        for one in pages:
            one.do("await call.close();")
            assert one.log == [["reconnecting", "silent"], ["closed", "hangup"]]
    wait_until_clean(admin_sync, realm)


@pytest.mark.parametrize("python_offers", [True, False])
def test_a_page_and_python(
    browser: Browser, script: Path, suite: LocalSuite, firertc: Run, python_offers: bool
) -> None:
    with linked_page(browser, script, suite) as page:
        if python_offers:
            python = firertc("answer", "--chat", "--stay")
            page.come(config(suite), python.wait_for("code")["code"])
        else:
            code = page.wait(config(suite), "{}")
            python = firertc("call", "--chat", "--stay", code=code)
            page.do("await answered;")
        python.wait_for("connected")
        python.say("one")
        page.do("link.send('eins'); await link.flush();")
        page.do(CLOSE)
        page.do("link.send('zwei');")
        python.say("two")
        wait_until_back(page)
        page.do("link.send('drei'); await link.flush();")
        python.say("three")
        page.until("messages.length === 3")
        assert page.do("return messages;") == ["one", "two", "three"]
        heard = [python.wait_for("message")["body"] for _ in range(3)]
        assert heard == ["eins", "zwei", "drei"]
        page.do("await client.close();")
        assert python.exit_code() == 0


def test_a_python_peer_that_is_killed(
    browser: Browser, script: Path, suite: LocalSuite, firertc: Run
) -> None:
    with linked_page(browser, script, suite) as page:
        python = firertc("answer", "--chat", "--stay")
        page.come(config(suite), python.wait_for("code")["code"])
        page.do("link.repairSeconds = 3;")
        python.process.kill()
        page.until("link.state === 'closed'")
        assert page.log == [["reconnecting", "silent"], ["closed", "gone"]]
        page.do("await client.close();")
