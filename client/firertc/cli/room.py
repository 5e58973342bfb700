"""``firertc room join``: be one of many in a room that connects all."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..config import Config
from ..errors import FireRTCError
from .options import project_options
from .passphrase import passphrase_options

if TYPE_CHECKING:
    from aiortc import MediaStreamTrack

    from ..call import Media
    from ..link import Link, LinkEnd
    from ..media import Source
    from ..recording import Recorder
    from ..room import Room
    from ..schema import Peer

FINISH_SECONDS = 10.0
"""How long finishing the recordings may take."""


@click.group()
def room() -> None:
    """Be in a room."""


@room.command()
@click.argument("name", default="main")
@click.option("--as", "peer", metavar="NAME", help="The name to be known by; else a random one.")
@click.option("--play", metavar="FILE|test|camera|screen", help="What to send to everybody.")
@click.option(
    "--record",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Record each peer to a file of its own in this folder.",
)
@click.option("--chat", is_flag=True, help="Send lines of standard input, print theirs.")
@click.option("--loop", is_flag=True, help="Play a file again and again.")
@click.option("--lock", is_flag=True, help="Let nobody in after us; for moderators.")
@passphrase_options
@click.option("--json", "as_json", is_flag=True, help="One JSON event per line.")
@project_options
def join(
    name: str,
    peer: str | None,
    play: str | None,
    record: Path | None,
    chat: bool,
    loop: bool,
    lock: bool,
    passphrase: str | None,
    as_json: bool,
    config: Config,
) -> None:
    """Go into the room NAME and be linked to everybody in it, until Ctrl-C.

    NAME is 'main' if there is none. With --chat, it ends when standard input ends; a line may be a
    command: /to PEER TEXT, /who, /lock, /unlock.
    """
    from .running import Interrupted, run

    stay = Stay(
        config,
        name,
        play=play,
        record=record,
        chat=chat,
        loop=loop,
        lock=lock,
        passphrase=passphrase,
        as_json=as_json,
    )
    try:
        run(lambda: stay.run(peer))
    except Interrupted:
        # Leaving is how a stay in a room ends.
        return


class Stay:
    """One stay in a room: links come and go, each with its recording."""

    def __init__(
        self,
        config: Config,
        name: str,
        *,
        play: str | None,
        record: Path | None,
        chat: bool,
        loop: bool,
        lock: bool,
        passphrase: str | None,
        as_json: bool,
    ) -> None:
        self.config = config
        self.name = name
        self.play = play
        self.record = record
        self.chat = chat
        self.loop = loop
        self.lock = lock
        self.as_json = as_json
        self._passphrase = passphrase
        self._source: Source | None = None
        self._room: Room | None = None
        self._recorders: dict[str, Recorder] = {}
        """By the id of a peer that is linked."""
        self._links: dict[str, int] = {}
        """How often each peer was linked: each time is a file of its own."""
        self._broken: dict[str, float] = {}
        """When the link to a peer broke: the loop's time."""
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, peer: str | None) -> None:
        """Enter, and stay until standard input ends or a signal comes."""
        from ..client import Client
        from ..media import open_source

        if self.record is not None:
            self.record.mkdir(parents=True, exist_ok=True)
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            if self.play is not None:
                self._source = await open_source(self.play, loop=self.loop)
            async with Client(self.config) as client:
                client.on_outage = self._outage
                self._room = await client.enter(
                    self.name,
                    peer=peer,
                    connect="all",
                    media=self._media,
                    passphrase=self._passphrase,
                    on_event=lambda room: self._register(room, lost),
                )
                self._show("entered", f"in {self.name!r} as {_name(self._room.session.peer)!r}")
                if self.lock:
                    await self._room.lock()
                await self._until_over(lost)
        finally:
            await self._finish()

    async def _until_over(self, lost: asyncio.Future[None]) -> None:
        from .conversation import lines

        if not self.chat:
            await lost
            return
        talking = asyncio.ensure_future(self._talk(lines(sys.stdin)))
        try:
            await asyncio.wait({talking, lost}, return_when=asyncio.FIRST_COMPLETED)
            (talking if talking.done() else lost).result()
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)

    async def _talk(self, spoken: Any) -> None:
        async for line in spoken:
            if self._room is None:
                continue
            try:
                if line.startswith("/"):
                    await self._obey(self._room, *line[1:].split(maxsplit=1))
                else:
                    self._room.send(line)
            except FireRTCError as error:
                self._show("refused", str(error), message=str(error))

    async def _obey(self, room: Room, word: str = "", rest: str = "") -> None:
        """A line that is a command."""
        from ..schema import PEER_ID_BYTES, encode_id

        match word:
            case "to" if len(parts := rest.split(maxsplit=1)) == 2:
                peer = encode_id(parts[0], limit=PEER_ID_BYTES, what="peer")
                if not room.send(parts[1], to=peer):
                    self._show("refused", f"not linked to {parts[0]}", peer=parts[0])
            case "who":
                for there in sorted(room.peers.values(), key=lambda there: there.joined_at):
                    linked = there.id in room.links
                    how = "you" if there.is_self else "linked" if linked else "not linked"
                    name = _name(there.id)
                    self._show("present", f"{name} ({how})", peer=name, linked=linked)
            case "lock" | "unlock":
                await room.lock(word == "lock")
            case _:
                self._show("refused", "commands: /to PEER TEXT, /who, /lock, /unlock")

    def _outage(self, down: bool) -> None:
        if down:
            self._show("outage", "the database does not answer: waiting; who is linked stays so")
        else:
            self._show("outage-over", "the database answers again")

    def _media(self) -> Media:
        """What one link carries: each its own copy of the source."""
        from ..call import Media

        sending: dict[str, MediaStreamTrack] = {}
        if self._source is not None:
            for kind, track in zip(("audio", "video"), self._source.share(), strict=True):
                if track is not None:
                    sending[kind] = track
        return Media(sending)

    def _register(self, room: Room, lost: asyncio.Future[None]) -> None:
        room.on("joined", lambda peer: self._peer("joined", peer))
        room.on("left", lambda peer: self._peer("left", peer))
        room.on("link", self._linked)
        room.on("unlinked", self._unlinked)
        room.on("unreachable", lambda peer, error: self._peer("unreachable", peer))
        room.on("message", self._heard)
        room.on("reconnecting", self._reconnecting)
        room.on("reconnected", self._reconnected)
        room.on("locked", lambda: self._show("locked", "the room is locked"))
        room.on("unlocked", lambda: self._show("unlocked", "the room is open again"))
        room.on("removed", lambda reason: self._lost(room, None, lost))
        room.on("lost", lambda error: self._lost(room, error, lost))

    def _lost(self, room: Room, error: FireRTCError | None, lost: asyncio.Future[None]) -> None:
        if room.over is None:
            # Locked, in an open realm: what is linked stays linked.
            self._show("lost", f"no longer sees who comes and goes: {error}")
        elif not lost.done():
            lost.set_exception(room.over)

    def _reconnecting(self, peer: str) -> None:
        self._broken[peer] = asyncio.get_running_loop().time()
        name = _name(peer)
        self._show("reconnecting", f"connection to {name} lost, getting it back…", peer=name)

    def _reconnected(self, peer: str) -> None:
        now = asyncio.get_running_loop().time()
        seconds = now - self._broken.pop(peer, now)
        name = _name(peer)
        self._show(
            "reconnected", f"{name} back after {seconds:.0f} s", peer=name, after=round(seconds, 3)
        )

    def _peer(self, event: str, peer: Peer) -> None:
        self._show(event, f"{_name(peer.id)} {event}", peer=_name(peer.id))

    def _linked(self, link: Link) -> None:
        path = link.path()
        kind = path.kind if path is not None else "unknown"
        name = _name(link.remote)
        self._show("linked", f"linked to {name}: {kind} path", peer=name, path=kind)
        for track in link.tracks:
            self._take(link.remote, track)
        link.on("track", lambda track: self._take(link.remote, track))

    def _take(self, peer: str, track: MediaStreamTrack) -> None:
        from ..recording import Recorder, drain

        if self.record is None:
            self._spawn(drain(track))
            return
        if peer not in self._recorders:
            number = self._links[peer] = self._links.get(peer, 0) + 1
            # The id is safe in a file name: letters, digits, '-', '_', '%'.
            part = f"-{number}" if number > 1 else ""
            self._recorders[peer] = Recorder(self.record / f"{peer}{part}.mp4")
            self._spawn(self._recorders[peer].start())
        self._recorders[peer].add_track(track)

    def _unlinked(self, link: Link, end: LinkEnd) -> None:
        name = _name(link.remote)
        self._show("unlinked", f"no longer linked to {name}: {end.reason}", peer=name)
        recorder = self._recorders.pop(link.remote, None)
        if recorder is not None:
            self._spawn(self._report(link.remote, recorder))

    async def _report(self, peer: str, recorder: Recorder) -> None:
        recorded = await recorder.stop()
        if recorded.empty:
            return
        self._show(
            "recorded",
            f"recorded {_name(peer)}: {recorded.path}, {recorded.video_frames} frames, "
            f"{recorded.audio_seconds:.1f} s of sound",
            peer=_name(peer),
            path=str(recorded.path),
            video_frames=recorded.video_frames,
            audio_seconds=round(recorded.audio_seconds, 3),
        )

    def _heard(self, peer: str, body: Any) -> None:
        from .tables import printable

        if self.as_json:
            self._show("message", "", peer=_name(peer), body=body)
        elif self.chat:
            text = body if isinstance(body, str) else json.dumps(body)
            click.echo(printable(f"{_name(peer)}: {text}"))

    def _show(self, event: str, text: str, **details: Any) -> None:
        from .running import say
        from .tables import printable

        if self.as_json:
            line = json.dumps({"event": event, **details}, ensure_ascii=False)
            click.echo(line.encode("utf-8", "backslashreplace").decode())
        else:
            say(printable(text))

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finish(self) -> None:
        for peer, recorder in self._recorders.items():
            await self._report(peer, recorder)
        # Reports under way; what drains a track ends with the track.
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=FINISH_SECONDS)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._source is not None:
            await self._source.close()


def _name(peer: str) -> str:
    from ..schema import decode_id

    return decode_id(peer)
