"""What two pages can do with a link: requests, channels, tracks; and a pipe with Python."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from firertc.suite import LocalSuite

from .blank import config
from .linked import Linked, link, linked_page

PIPE_SECONDS = 60.0
NO_MEDIA = "{ receiving: [] }"

Pair = tuple[Linked, Linked]


@pytest.fixture
def blanks(browser: Browser, script: Path, suite: LocalSuite) -> Iterator[Pair]:
    """Two pages with no call yet."""
    with ExitStack() as stack:
        ann, bob = (stack.enter_context(linked_page(browser, script, suite)) for _ in range(2))
        yield ann, bob
        for one in (ann, bob):
            one.do("await window.client?.close();")


@pytest.fixture
def pair(blanks: Pair, suite: LocalSuite) -> Pair:
    """Ann, who offered, and Bob; nothing but data goes between them."""
    link(*blanks, config(suite), NO_MEDIA)
    return blanks


def test_what_each_side_says_it_can(pair: Pair) -> None:
    for one in pair:
        one.until("link.can.size > 0")
        said = one.do("return [...link.can].sort();")
        assert said == ["channels", "files", "requests", "restart"]


def test_requests_that_are_refused(pair: Pair) -> None:
    ann, bob = pair
    ask = "return await link.request(given, 5).catch((e) => [e.code, e.reason, e.message]);"
    assert ann.do(ask, 1)[:2] == ["request-refused", "no-handler"]
    bob.do("""
      window.reportError = (error) => log.push(["reported", error.message]);
      link.onRequest = async (body) => {
        if (body === "break") throw new RangeError("a secret");
        if (body === "refuse") throw new firertc.RequestRefused("not-now", "Later.");
        if (body === "sleep") await new Promise(() => undefined);
        if (body === "circle") return window;
        return { twice: [body, body] };
      };
    """)
    assert ann.do(ask, "a") == {"twice": ["a", "a"]}
    assert ann.do(ask, "refuse") == ["request-refused", "not-now", "Later."]
    for broken in ("break", "circle"):
        code, reason, text = ann.do(ask, broken)
        assert (code, reason) == ("request-refused", "failed")
        assert "secret" not in text
    assert bob.do("return log.filter(([what]) => what === 'reported').length;") == 2
    assert ann.do("return await codeOf(link.request('sleep', 0.2));") == "no-reply"
    gone = "const asked = codeOf(link.request('sleep')); call.close(); return await asked;"
    assert ann.do(gone) == "peer-gone"


def test_a_channel_carries_anything(pair: Pair) -> None:
    ann, bob = pair
    ann.do("""
      const options = { protocol: "notes", metadata: { page: [1] } };
      window.mine = await link.openChannel("größe", options);
      await mine.send("");
      await mine.send(new Uint8Array([9, 1, 2, 3]).subarray(1));
      await mine.send(new ArrayBuffer(0));
      const big = new Blob([new Uint8Array(3_000_001).map((_, at) => at * 7), "tail"]);
      await mine.send(big);
      window.sent = await hash(await big.arrayBuffer());
      await mine.send("x".repeat(200_000) + "ü");
    """)
    bob.until("channels.length === 1")
    received = bob.do("""
      const [channel] = channels;
      const { label, protocol, metadata, reliable, mine, state } = channel;
      const got = [];
      for await (const data of channel) {
        got.push(typeof data === "string" ? data.slice(-6) : [data.byteLength, await hash(data)]);
        if (got.length === 5) break;
      }
      return { said: [label, protocol, metadata, reliable, mine, state], got };
    """)
    assert received["said"] == ["größe", "notes", {"page": [1]}, True, False, "open"]
    text, three, none, blob, long = received["got"]
    assert (text, three[0], none[0], long) == ("", 3, 0, "xxxxxü")
    assert blob == [3_000_005, ann.do("return sent;")]
    ann.do("await mine.flush();")
    assert ann.do("return mine.bufferedAmount;") == 0


def test_either_side_closes_a_channel(pair: Pair) -> None:
    for closer, other in (pair, pair[::-1]):
        closer.do("""
          window.mine = await link.openChannel("short");
          mine.on("closed", (error) => log.push(["channel closed", error]));
        """)
        other.until("channels.length === 1")
        other.do("""
          window.theirs = channels.pop();
          window.got = [];
          theirs.on("message", (data) => got.push(data));
          theirs.on("closed", (error) => log.push(["channel closed", error]));
        """)
        closer.do("for (let n = 0; n < 50; n++) await mine.send(`${n}`); await mine.close();")
        other.until("theirs.state === 'closed'")
        assert other.do("return got;") == [str(n) for n in range(50)], "all came before the end"
        for one, name in ((closer, "mine"), (other, "theirs")):
            one.until(f"{name}.state === 'closed'")
            assert one.do(f"return await codeOf({name}.send('x'));") == "channel-closed"
            assert one.do("return log.splice(0);") == [["channel closed", None]]


def test_channels_end_with_the_link(pair: Pair) -> None:
    ann, bob = pair
    ann.do("window.mine = await link.openChannel('x');")
    bob.until("channels.length === 1")
    bob.do("await call.close();")
    ann.until("link.state === 'closed'")
    assert ann.do("return [mine.state, mine.error.code];") == ["closed", "peer-gone"]
    assert ann.do("return await codeOf(link.openChannel('x'));") == "peer-gone"


@pytest.mark.parametrize("sender", [0, 1], ids=["offerer", "answerer"])
def test_tracks_come_and_go(blanks: Pair, suite: LocalSuite, sender: int) -> None:
    link(*blanks, config(suite), "{ sending: [], receiving: ['video'] }")
    one, other = blanks[sender], blanks[1 - sender]
    other.do("window.pc = link.connection.pc; log.length = 0;")
    one.do("""
      window.tracks = [picture(), picture()];
      for (const track of tracks) await link.addTrack(track);
    """)
    assert one.do("return await codeOf(link.addTrack(tracks[0]));") == "bad-config"
    flows = """
      const seen = async () => [...(await pc.getStats()).values()]
        .filter((entry) => entry.type === "inbound-rtp" && entry.framesDecoded > given).length;
    """
    other.do(flows + "await until(async () => (await seen()) === 2);", 3)
    assert other.do("return link.stream.getTracks().length;") == 2
    # Nothing is negotiated for another in its place.
    one.do("""
      const [first] = tracks;
      window.third = picture();
      if (!(await link.replaceTrack(third, first))) throw new Error("not replaced");
      if (await link.replaceTrack(picture(), first)) throw new Error("it is no longer sent");
      await link.removeTrack(tracks[1]);
      await link.removeTrack(tracks[1]);
    """)
    other.until("link.stream.getTracks().length === 1")
    one.do("await link.addTrack(tracks[1]);")
    other.until("link.stream.getTracks().length === 2")
    # The offerer received into the first section from the beginning: that is no news.
    told = other.do("return log.map(([what]) => what);")
    assert told[-2:] == ["trackRemoved", "track"]
    assert other.do("return pc === link.connection.pc && pc.getTransceivers().length <= 3;")


def test_a_link_has_sixteen_sections_at_most(pair: Pair) -> None:
    ann, _ = pair
    assert (
        ann.do("""
          for (let n = 0; n < 16; n++) await link.addTrack(picture());
          return await codeOf(link.addTrack(picture()));
        """)
        == "bad-config"
    )


def test_statistics_and_a_limit(blanks: Pair, suite: LocalSuite) -> None:
    ann, bob = blanks
    link(ann, bob, config(suite), "{ sending: [picture()], receiving: ['video'] }")
    for one in blanks:
        now = one.do("""
          let now;
          await until(async () => {
            now = await link.statistics();
            await new Promise((resolve) => setTimeout(resolve, 300));
            return now.framesPerSecondReceived > 3 && now.framesPerSecondSent > 3;
          });
          return now;
        """)
        assert now["path"]["kind"] in ("host", "prflx")
        assert 0 < now["roundTripSeconds"] < 5
        assert now["bitsPerSecondSent"] > 1_000 and now["bitsPerSecondReceived"] > 1_000
        assert now["bytesSent"] > 0 and now["framesReceived"] > 0
    limits = """
      const senders = link.connection.pc.getSenders().filter((one) => one.track);
      return senders.map((one) => one.getParameters().encodings[0].maxBitrate ?? null);
    """
    ann.do("await link.limitBitrate('video', 100_000);")
    assert ann.do(limits) == [100_000]
    ann.do("await link.addTrack(picture());")
    assert ann.do(limits) == [100_000, 100_000]
    assert ann.do("return await codeOf(link.limitBitrate('video', 0));") == "bad-config"
    ann.do("await link.limitBitrate('video', null);")
    assert ann.do(limits) == [None, None]


def test_a_page_and_a_pipe(browser: Browser, script: Path, suite: LocalSuite) -> None:
    lines = b"".join(b"line %d\n" % n for n in range(100_000))
    program = str(Path(sys.executable).with_name("firertc"))
    environment = {**os.environ, **suite.environment()}
    with linked_page(browser, script, suite) as page, ThreadPoolExecutor(1) as pool:
        environment["FIRERTC_CODE"] = page.wait(config(suite), NO_MEDIA)
        piped = pool.submit(
            subprocess.run,
            [program, "pipe"],
            env=environment,
            input=lines,
            capture_output=True,
            timeout=PIPE_SECONDS,
        )
        came = page.do("""
          await answered;
          const channel = await link.openChannel("firertc.pipe");
          await channel.send(new TextEncoder().encode("from the page\\n".repeat(50_000)));
          await channel.send("eof");
          const parts = [];
          for await (const data of channel) {
            if (data === "eof") break;
            parts.push(data);
          }
          await channel.flush();
          return await hash(await new Blob(parts).arrayBuffer());
        """)
        ended = piped.result()
        page.do("await client.close();")
    assert came == hashlib.sha256(lines).hexdigest()
    assert ended.stdout == b"from the page\n" * 50_000, ended.stderr.decode()
    assert ended.returncode == 0
