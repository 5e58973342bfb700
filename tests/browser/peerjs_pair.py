"""A page's PeerJS peer and Python's, one connection of each, and what both told of."""

from __future__ import annotations

import asyncio
from typing import Any

from playwright.sync_api import Page

from firertc.compat.peerjs import DataConnection, MediaConnection, Peer

from .aside import Aside

# One peer and one connection of it; `told` is what both told of, each with what came with it.
# `show` puts a value into words that say of what kind it is.
SCENE = """
window.told = [];
window.show = (value) => {
  const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (value instanceof ArrayBuffer) return ["ArrayBuffer", hex(new Uint8Array(value))];
  if (ArrayBuffer.isView(value)) return [value.constructor.name, hex(value)];
  if (value instanceof Date) return ["Date", value.toISOString()];
  if (Array.isArray(value)) return ["Array", ...value.map(show)];
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, show(one)]));
  }
  return value;
};
window.keep = (made) => {
  window.connection = made;
  made.on("open", () => told.push(["open", null]));
  made.on("data", (data) => told.push(["data", show(data)]));
  made.on("close", () => told.push(["close", null]));
  made.on("error", (error) => told.push(["error", error.type]));
  made.on("stream", (stream) => {
    const video = document.createElement("video");
    Object.assign(video, { id: "remote", autoplay: true, srcObject: stream });
    document.body.replaceChildren(video);
    told.push(["stream", null]);
  });
};
window.camera = () => navigator.mediaDevices.getUserMedia({ video: true, audio: true });
window.peer = new Peer("page");
peer.on("open", () => told.push(["ready", peer.id]));
peer.on("error", (error) => told.push(["error", error.type]));
peer.on("connection", keep);
peer.on("call", async (call) => { keep(call); call.answer(await camera()); });
null;
"""


class Python:
    """The Python peer, one connection of it, and what both told of."""

    def __init__(self, aside: Aside, peer: Peer) -> None:
        self.aside = aside
        self.peer = peer
        self.connection: Any = None
        self._told: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        peer.on("error", lambda error: self._told.put_nowait(("error", error.type)))
        peer.on("connection", self._keep)
        peer.on("call", self._ring)

    def _keep(self, made: DataConnection | MediaConnection) -> None:
        self.connection = made
        for event in ("open", "data", "close", "stream"):
            made.on(event, lambda *told, event=event: self._put(event, *told))
        made.on("error", lambda error: self._put("error", error.type))

    def _ring(self, made: MediaConnection) -> None:
        self._keep(made)
        self._put("call", made)

    def _put(self, event: str, value: Any = None) -> None:
        self._told.put_nowait((event, value))

    def next(self, event: str) -> Any:
        """What came with the next event, which must be this one."""
        told, value = self.aside.run(self._told.get())
        assert told == event, (told, value)
        return value

    def connect(self, peer: str, **options: Any) -> None:
        """Connect to a peer."""

        async def connect() -> None:
            self._keep(self.peer.connect(peer, **options))

        self.aside.run(connect())

    def call(self, peer: str, source: Any) -> None:
        """Call a peer."""

        async def call() -> None:
            self._keep(self.peer.call(peer, source))

        self.aside.run(call())

    def send(self, value: Any) -> None:
        """Send a value."""
        self.aside.run(self.connection.send(value))

    def close(self) -> None:
        """Close the connection."""
        self.aside.run(self.connection.close())


def heard(page: Page, event: str) -> Any:
    """What came with the page's next event, which must be this one."""
    page.wait_for_function("() => told.length > 0")
    told, value = page.evaluate("told.shift()")
    assert told == event, (told, value)
    return value


def connect(caller: str, page: Page, python: Python, **options: Any) -> None:
    """Connect, and wait until both sides are open."""
    if caller == "page":
        page.evaluate("(options) => keep(peer.connect('python', options))", options)
    else:
        python.connect("page", **options)
    heard(page, "open")
    python.next("open")
