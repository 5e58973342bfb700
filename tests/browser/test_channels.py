"""Channels and requests between pages, and between a page and a Python peer."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from firertc.call import Call, Media
from firertc.channel import Channel
from firertc.client import Client
from firertc.config import Config
from firertc.errors import ChannelClosed, RequestRefused
from firertc.link import Link

from .aside import Aside
from .blank import Settings
from .sides import SIDES

QUIET = Media(receiving=frozenset())
MUCH_BYTES = 5_000_000


@pytest.fixture
def page(page: Page) -> Page:
    """A page for both sides of links."""
    page.evaluate(SIDES)
    return page


class Peer:
    """A Python peer that a page is linked to."""

    def __init__(self, aside: Aside, config: Config, page: Page, settings: Settings) -> None:
        self.aside = aside

        async def wait() -> tuple[Client, Call]:
            client = Client(config)
            return client, await client.wait_at_code(QUIET)

        self.client, self.call = aside.run(wait())
        self.link: Link = self.call.link
        self.channels: asyncio.Queue[Channel] = asyncio.Queue()
        self.link.on("channel", self.channels.put_nowait)

        async def answered() -> None:
            await self.call.answered(30)

        page.evaluate(
            "([c, code]) => { window.coming = come('page', c, code); }",
            [
                settings,
                self.call.code,
            ],
        )
        aside.run(answered())
        page.evaluate("() => coming")

    async def channel(self) -> Channel:
        """The next channel that the page opens."""
        return await self.channels.get()

    def close(self) -> None:
        """Leave."""
        self.aside.run(self.client.close())


@pytest.fixture
def peer(aside: Aside, python: Config, page: Page, settings: Settings) -> Iterator[Peer]:
    """A page that is linked to a Python peer."""
    made = Peer(aside, python, page, settings)
    yield made
    page.evaluate("closeAll()")
    made.close()


def sha256(data: str | bytes) -> str:
    """The digest of a message."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


@pytest.mark.parametrize("kind", ["text", "bytes", "blob"])
def test_much_to_python(page: Page, peer: Peer, kind: str) -> None:
    send = """async ([kind, size]) => {
      const channel = await sides.page.link.openChannel("much");
      const raw = bytes(size);
      const text = "ä€😀".repeat(size / 9);
      const data = kind === "text" ? text : kind === "blob" ? new Blob([raw]) : raw;
      window.sending = channel.send(data).then(() => channel.close());
      return await hash(kind === "text" ? data : raw);
    }"""
    sent = page.evaluate(send, [kind, MUCH_BYTES])

    async def receive() -> list[str | bytes]:
        channel = await peer.channel()
        assert channel.label == "much" and channel.reliable
        return [message async for message in channel]

    (got,) = peer.aside.run(receive())
    assert isinstance(got, str if kind == "text" else bytes)
    assert sha256(got) == sent
    page.evaluate("() => sending")


def test_much_from_python(page: Page, peer: Peer) -> None:
    listening = """() => {
      window.got = [];
      sides.page.link.on("channel", async (channel) => {
        for await (const data of channel) got.push([data.constructor.name, await hash(data)]);
        got.push(channel.label);
      });
    }"""
    page.evaluate(listening)
    messages: list[str | bytes] = [
        "",
        b"",
        "ä€😀" * (MUCH_BYTES // 9),
        secrets.token_bytes(MUCH_BYTES),
    ]

    async def send() -> None:
        channel = await peer.link.open_channel("from python")
        for message in messages:
            await channel.send(message)
        await channel.close()

    peer.aside.run(send())
    page.evaluate("until(() => got.at(-1) === 'from python')")
    names = ["String", "ArrayBuffer", "String", "ArrayBuffer"]
    expected = [[name, sha256(one)] for name, one in zip(names, messages, strict=True)]
    assert page.evaluate("got") == [*expected, "from python"]


def test_channels_that_may_lose(page: Page, peer: Peer) -> None:
    use = """async () => {
      const { link } = sides.page;
      const refused = [
        await codeOf(link.openChannel("x", { maxRetransmits: 1, maxPacketLifeTime: 1 })),
        await codeOf(link.openChannel("x", { maxRetransmits: -1 })),
        await codeOf(link.openChannel("x", { metadata: 1n })),
        await codeOf(link.openChannel("x".repeat(1025))),
      ];
      const metadata = { of: [1] };
      const options = { ordered: false, maxRetransmits: 0, protocol: "game", metadata };
      window.loose = await link.openChannel("moves", options);
      refused.push(await codeOf(loose.send("x".repeat(65_537))), await codeOf(loose.send({})));
      window.back = next(loose);
      await loose.send("left");
      await loose.send(new Uint8Array([1, 2, 3]).subarray(1));
      return [refused, loose.reliable];
    }"""
    refused, reliable = page.evaluate(use)
    assert refused == ["bad-config"] * 6
    assert reliable is False

    async def receive() -> tuple[Channel, set[str | bytes]]:
        channel = await peer.channel()
        got = {await anext(channel), await anext(channel)}
        await channel.send("right")
        return channel, got

    channel, got = peer.aside.run(receive())
    assert got == {"left", b"\x02\x03"}
    assert (channel.label, channel.protocol, channel.metadata) == ("moves", "game", {"of": [1]})
    assert channel.delivery.ordered is False and channel.delivery.max_retransmits == 0
    assert page.evaluate("() => back") == "right"

    async def open_loose() -> None:
        made = await peer.link.open_channel("late", max_packet_lifetime_ms=500, metadata="m")
        await made.send("soon")

    page.evaluate(
        """() => {
          window.heard = new Promise((resolve) => {
            sides.page.link.on("channel", async (c) => {
              resolve([c.label, c.reliable, c.metadata, c.mine, await next(c)]);
            });
          });
        }"""
    )
    peer.aside.run(open_loose())
    assert page.evaluate("() => heard") == ["late", False, "m", False, "soon"]


def test_closing(page: Page, peer: Peer) -> None:
    page.evaluate(
        """async () => {
          const { link } = sides.page;
          window.made = [await link.openChannel("one"), await link.openChannel("two")];
          window.told = [];
          for (const channel of [...made]) {
            channel.on("closed", (error) => told.push([channel.label, error?.code ?? null]));
          }
          await made[0].send("last words");
          await made[0].close();
          told.push(await codeOf(made[0].send("more")));
        }"""
    )

    async def close() -> list[str | bytes]:
        one, two = await peer.channel(), await peer.channel()
        heard = [message async for message in one]
        with pytest.raises(ChannelClosed):
            await one.send("too late")
        await two.send("unread")
        await two.close()
        return heard

    page.evaluate("() => { made[1].on('message', (data) => told.push(data)); }")
    assert peer.aside.run(close()) == ["last words"]
    page.evaluate("until(() => told.length === 4)")
    assert page.evaluate("told") == [["one", None], "channel-closed", "unread", ["two", None]]
    page.evaluate(
        """async () => {
          const left = await sides.page.link.openChannel("three");
          left.on("closed", (error) => told.push([left.label, error?.code ?? null]));
        }"""
    )
    peer.aside.run(peer.call.close())
    page.evaluate("until(() => told.length === 5)")
    assert page.evaluate("told[4]") == ["three", "peer-gone"]


def test_a_slow_reader_holds_the_sender_back(page: Page, settings: Settings) -> None:
    page.evaluate("(config) => two(config)", settings)
    held = page.evaluate(
        """async () => {
          const channel = await sides.ann.link.openChannel("slow");
          window.sent = 0;
          window.low = 0;
          channel.on("bufferedAmountLow", () => low++);
          window.sending = (async () => {
            for (; sent < 400; sent++) await channel.send(new Uint8Array(50_000).fill(sent));
          })();
          await until(() => channel.bufferedAmount >= 4 * 1024 * 1024);
          await new Promise((resolve) => setTimeout(resolve, 500));
          window.slow = channel;
          return [sent, channel.bufferedAmount];
        }"""
    )
    # As much as is on its way; what comes before anybody listens is kept.
    assert 80 <= held[0] <= 90
    assert held[1] <= 4 * 1024 * 1024 + 65_536
    got = page.evaluate(
        """async () => {
          const channel = await new Promise((resolve) => sides.bob.link.on("channel", resolve));
          const got = [];
          for await (const data of channel) {
            got.push(new Uint8Array(data)[49_999]);
            if (got.length === 400) break;
          }
          await sending;
          await slow.flush();
          return [got, slow.bufferedAmount, low > 0];
        }"""
    )
    assert got == [[number % 256 for number in range(400)], 0, True]
    page.evaluate("closeAll()")


def test_requests_and_bytes(page: Page, peer: Peer) -> None:
    page.evaluate(
        """() => {
          sides.page.link.onRequest = async (body) => {
            if (body === "fail") throw new Error("a secret of the page");
            if (body === "refuse") throw new firertc.RequestRefused("not-today", "Come back.");
            return body instanceof Uint8Array ? body.slice().reverse() : { asked: body };
          };
        }"""
    )

    async def ask() -> list[Any]:
        got = [await peer.link.request({"a": 1}), await peer.link.request(b"\x01\x02\xff")]
        for word in ("fail", "refuse"):
            with pytest.raises(RequestRefused) as refused:
                await peer.link.request(word)
            got += [refused.value.reason, refused.value.text]
        peer.link.send(b"\x00\xfe")
        return got

    # The page tells its own console why a handler failed.
    page.evaluate("() => { window.reported = []; window.reportError = (e) => reported.push(e); }")
    assert peer.aside.run(ask()) == [
        *({"asked": {"a": 1}}, b"\xff\x02\x01", "failed", "", "not-today", "Come back."),
    ]
    assert page.evaluate("reported.map(String)") == ["Error: a secret of the page"]
    page.evaluate("until(() => sides.page.heard.length === 1)")
    assert page.evaluate("[...sides.page.heard[0]]") == [0, 254]

    async def serve() -> None:
        heard: asyncio.Queue[Any] = asyncio.Queue()
        peer.link.on("message", heard.put_nowait)
        assert await heard.get() == bytes(range(256))
        peer.link.on_request = lambda body: body if body != "never" else asyncio.sleep(30)

    asked = page.evaluate(
        """async () => {
          const { link } = sides.page;
          const refused = await link.request(1).catch((error) => [error.code, error.reason]);
          link.send(Uint8Array.from({ length: 256 }, (_, index) => index));
          return [refused, await codeOf(link.request(1n)), link.can.has("requests")];
        }"""
    )
    assert asked == [["request-refused", "no-handler"], "bad-config", True]
    peer.aside.run(serve())
    replied = page.evaluate(
        """async () => {
          const { link } = sides.page;
          const all = await Promise.all([1, [2], null, "drei"].map((body) => link.request(body)));
          return [...all, await codeOf(link.request("never", 0.3))];
        }"""
    )
    assert replied == [1, [2], None, "drei", "no-reply"]
