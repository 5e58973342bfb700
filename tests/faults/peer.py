"""One side of a call or one peer of a room, in a process of its own: ``python peer.py``.

It is told what to do, and says what happens, a JSON object a line. What it says to the other side
is numbered and follows from the numbers, so each side knows what it should have heard; of bytes and
messages both sides keep a hash.

Commands (``do``): ``wait``; ``come`` (``code``); ``enter`` (``room``, ``peer``, ``resume``);
``talk`` (``every`` seconds), ``hush``; ``stream`` (``pieces``, ``every``): bytes on a channel of
its own; ``send`` (``path``): a file; ``take`` (``folder``, ``rate``): files that are sent, on a
disk that takes so many bytes a second; ``repair`` (``seconds``): how long one may last;
``figures``; ``hang-up``. It ends when its input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import hashlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

from firertc.call import Call, Media
from firertc.client import Client
from firertc.errors import FireRTCError
from firertc.link import Link, LinkState
from firertc.receiving import receive_files
from firertc.room import Room
from firertc.sending import send_files
from firertc.sinks import Existing, FolderSink, Plan
from firertc.transfer_frames import LABEL

QUIET: Final = Media(receiving=frozenset())
WAIT_SECONDS: Final = 60.0
PIECE_BYTES: Final = 16_384
CHANNEL: Final = "numbers"
PR_SET_PDEATHSIG: Final = 1  # <linux/prctl.h>


def body(number: int, by: str, to: str) -> dict[str, Any]:
    """The message of a number that one peer says to another."""
    return {"n": number, "by": by, "to": to, "text": "x" * (number * 7919 % 900)}


def piece(number: int) -> bytes:
    """The bytes of a number."""
    return hashlib.sha256(str(number).encode()).digest() * (PIECE_BYTES // 32)


class Tally:
    """What was said, or heard, in order."""

    def __init__(self) -> None:
        self.count = 0
        self.wrong: list[str] = []
        """What should not have come at that place."""
        self._hash = hashlib.sha256()

    def add(self, content: bytes) -> None:
        """The next one."""
        self.count += 1
        self._hash.update(content)

    def check(self, content: bytes, expected: bytes, shown: object) -> None:
        """The next one, and what it should be."""
        self.add(content)
        if content != expected and len(self.wrong) < 20:
            self.wrong.append(f"at {self.count}: {str(shown)[:60]}")

    def as_dict(self) -> dict[str, object]:
        """For the figures."""
        return {"count": self.count, "sha256": self._hash.hexdigest(), "wrong": self.wrong}


def encoded(message: object) -> bytes:
    """A message as it is hashed."""
    return json.dumps(message, sort_keys=True).encode()


class SlowFolder(FolderSink):
    """A folder on a slow disk, so that a file takes as long as it should.

    :param rate: bytes a second on average: after a cut it is faster for a while.
    """

    def __init__(self, folder: Path, rate: float) -> None:
        super().__init__(folder)
        self._rate = rate
        self._began = 0.0
        self._written = 0

    async def write(self, content: bytes) -> None:
        """See :class:`firertc.sinks.Sink`."""
        await super().write(content)
        self._began = self._began or time.monotonic()
        self._written += len(content)
        await asyncio.sleep(self._began + self._written / self._rate - time.monotonic())


class Talk:
    """What goes over one link, both ways."""

    def __init__(self, peer: Peer, link: Link, me: str) -> None:
        self.peer, self.link, self.me = peer, link, me
        self.said, self.heard = Tally(), Tally()
        self.sent, self.received = Tally(), Tally()
        link.on("message", self._hear)
        link.on("channel", self._on_channel)
        for event in ("pulse", "reconnecting", "reconnected"):
            link.on(event, self._telling(event))
        peer.spawn(self._follow())

    def _telling(self, event: str) -> Any:
        return lambda *details: self.peer.say(
            event, remote=self.link.remote, detail=str(details[0]) if details else ""
        )

    def _hear(self, message: object) -> None:
        expected = encoded(body(self.heard.count + 1, self.link.remote, self.me))
        self.heard.check(encoded(message), expected, message)

    async def _follow(self) -> None:
        end = await self.link.closed()
        self.peer.say("closed", remote=self.link.remote, reason=end.reason, by_remote=end.by_remote)

    async def say_on(self, every: float) -> None:
        """Say one message after the other."""
        while self.link.state is not LinkState.CLOSED:
            message = body(self.said.count + 1, self.me, self.link.remote)
            self.link.send(message)
            self.said.add(encoded(message))
            await asyncio.sleep(every)

    async def stream(self, pieces: int, every: float) -> None:
        """Send numbered bytes on a channel, and close it when all have arrived."""
        link: Any = self.link
        channel = await link.open_channel(CHANNEL)
        for _ in range(pieces):
            await channel.send(piece(self.sent.count + 1))
            self.sent.add(piece(self.sent.count + 1))
            await asyncio.sleep(every)
        await channel.flush(WAIT_SECONDS * 2)
        await channel.close()
        self.peer.say("streamed", **self.sent.as_dict())

    async def send_file(self, path: str) -> None:
        """Send a file, until the other side has confirmed it."""
        await send_files(self.link, [path])
        self.peer.say("file-sent", remote=self.link.remote)

    async def _take_file(self, channel: Any) -> None:
        async def decide(_: Plan) -> Existing:
            return "rename"

        sink = SlowFolder(*self.peer.disk)
        await receive_files(channel, sink, decide=decide)
        [path] = sink.written.values()
        with path.open("rb") as file:
            found = await asyncio.to_thread(hashlib.file_digest, file, "sha256")
        size = path.stat().st_size
        self.peer.say("file-taken", path=str(path), bytes=size, sha256=found.hexdigest())

    def _on_channel(self, channel: Any) -> None:
        if channel.label == LABEL:
            self.peer.spawn(self._take_file(channel))
            return

        async def take() -> None:
            async for data in channel:
                self.received.check(data, piece(self.received.count + 1), len(data))
            self.peer.say("stream-ended", **self.received.as_dict())

        self.peer.spawn(take())

    def as_dict(self) -> dict[str, object]:
        """For the figures."""
        return {
            "state": self.link.state.value,
            "said": self.said.as_dict(),
            "heard": self.heard.as_dict(),
            "sent": self.sent.as_dict(),
            "received": self.received.as_dict(),
        }


class Peer:
    """The process."""

    def __init__(self) -> None:
        self.client = Client()
        self.call: Call | None = None
        self.room: Room | None = None
        self.talks: dict[str, Talk] = {}
        self.disk = (Path(), float("inf"))
        """Where files go, and how many bytes a second it takes."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._talking: list[asyncio.Task[None]] = []
        self.client.on_outage = lambda down: self.say("outage", down=down)

    def say(self, event: str, **details: object) -> None:
        """Print what happened."""
        print(json.dumps({"event": event, "at": time.time(), **details}), flush=True)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do it beside; what goes wrong is said."""

        async def run() -> None:
            try:
                await work
            except FireRTCError as error:
                self.say("error", kind=type(error).__name__, text=str(error))

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _linked(self, link: Link, me: str) -> None:
        self.talks[link.remote] = Talk(self, link, me)
        self.say("connected", remote=link.remote)

    async def wait(self) -> None:
        """Wait at a new code."""
        self.call = await self.client.wait_at_code(QUIET)
        self.say("code", code=self.call.code)
        await self.call.answered(WAIT_SECONDS)
        self._linked(self.call.link, self.call.session.peer)

    async def come(self, code: str) -> None:
        """Come with a code."""
        self.call = await self.client.come_with_code(code, QUIET)
        self._linked(self.call.link, self.call.session.peer)

    async def enter(self, room: str, peer: str, resume: str | None = None) -> None:
        """Go into a room that connects all."""

        def register(entered: Room) -> None:
            entered.on("link", lambda link: self._linked(link, entered.session.peer))
            entered.on("joined", lambda peer: self.say("joined", peer=peer.id))
            entered.on("left", lambda peer: self.say("left", peer=peer.id))
            entered.on("lost", lambda error: self.say("lost", text=str(error)))

        self.room = await self.client.enter(
            room, peer=peer, connect="all", media=lambda: QUIET, on_event=register, resume=resume
        )
        self.say("entered", resume=self.room.session.resume)

    def talk(self, every: float) -> None:
        """Talk to everybody."""
        self._talking = [self.spawn(talk.say_on(every)) for talk in self.talks.values()]

    async def hush(self) -> None:
        """Say no more, and wait until everything said has been confirmed."""
        for task in self._talking:
            task.cancel()
        await asyncio.gather(*self._talking, return_exceptions=True)
        for talk in self.talks.values():
            if talk.link.state is not LinkState.CLOSED:
                await talk.link.flush(WAIT_SECONDS)
        self.say("hushed")

    def figures(self) -> None:
        """What was said and heard, and what this process holds."""
        status = Path("/proc/self/status").read_text(encoding="ascii")
        [rss] = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
        self.say(
            "figures",
            rss_bytes=int(rss) * 1024,
            tasks=len(tasks := asyncio.all_tasks()),
            doing=sorted(task.get_name() + " " + repr(task.get_coro()) for task in tasks),
            threads=threading.active_count(),
            descriptors=len(os.listdir("/proc/self/fd")),
            talks={remote: talk.as_dict() for remote, talk in self.talks.items()},
        )

    async def hang_up(self) -> None:
        """End the call or leave the room."""
        if self.call is not None:
            await self.call.close()
        if self.room is not None:
            await self.room.leave()
        self.say("hung-up")

    def obey(self, command: dict[str, Any]) -> None:
        """Begin what a command says."""
        word = command.pop("do")
        match word:
            case "talk":
                self.talk(**command)
            case "figures":
                self.figures()
            case "stream":
                for talk in self.talks.values():
                    self.spawn(talk.stream(**command))
            case "send":
                for talk in self.talks.values():
                    self.spawn(talk.send_file(**command))
            case "repair":
                for talk in self.talks.values():
                    talk.link.repair_seconds = float(command["seconds"])
            case "take":
                self.disk = (Path(command["folder"]), float(command["rate"]))
            case "wait" | "come" | "enter" | "hush" | "hang-up":
                self.spawn(getattr(self, word.replace("-", "_"))(**command))
            case _:
                raise SystemExit(f"no such command: {word}")

    async def run(self) -> None:
        """Obey until the input ends."""
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        async with self.client:
            self.say("ready")
            while line := await reader.readline():
                self.obey(json.loads(line))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


if __name__ == "__main__":
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(Peer().run())
