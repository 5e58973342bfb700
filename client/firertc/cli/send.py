"""``firertc send``."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ..config import Config
from ..errors import FireRTCError
from .hiding import hide_arguments
from .options import project_options

if TYPE_CHECKING:
    from ..link import Link
    from ..manifest import Manifest
    from ..room import Room
    from .progress import Screen
    from .streams import StandardInput

WAIT_SECONDS = 600


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@click.option(
    "--code", envvar="FIRERTC_CODE", metavar="CODE", help="Wait at this code again; else a new one."
)
@click.option("--room", metavar="NAME", help="Send to everybody in this room who wants it.")
@click.option("--as", "peer", metavar="NAME", help="The name to be known by in the room.")
@click.option("--to", type=click.IntRange(1), metavar="N", help="End when so many have it.")
@click.option(
    "--name", default="stdin", show_default=True, help="What standard input (-) is called."
)
@click.option(
    "--wait",
    type=click.FloatRange(1, 1800),
    default=WAIT_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for a receiver.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON event per line.")
@click.option("-v", "--verbose", is_flag=True, help="Show what the database was asked.")
@project_options
@click.pass_context
def send(
    context: click.Context,
    paths: tuple[str, ...],
    code: str | None,
    room: str | None,
    peer: str | None,
    to: int | None,
    name: str,
    wait: float,
    as_json: bool,
    verbose: bool,
    config: Config,
) -> None:
    """Send files and folders.

    A code is printed; whoever runs 'firertc receive CODE' gets them. '-' is standard input: tar c
    FOLDER | firertc send - --name FOLDER.tar. With --room everybody in that room who receives gets
    them, until Ctrl-C or --to.

    What a receiver has already is not sent again: if either side is interrupted, run both again,
    this one with --code CODE.
    """
    if room is not None:
        if context.get_parameter_source("code") is ParameterSource.COMMANDLINE:
            raise click.UsageError("Either --code or --room, not both.")
        code = None
    elif to is not None or peer is not None:
        raise click.UsageError("--to and --as are for a room: they need --room.")
    if paths.count("-") > 1:
        raise click.UsageError("Standard input ('-') can be sent once.")
    if "-" in paths and to != 1 and room is not None:
        raise click.UsageError(
            "Standard input can be sent to one receiver only: use --to 1, or a file."
        )
    hide_arguments("send")
    from .progress import Screen
    from .running import Interrupted, run

    screen = Screen(config, as_json, verbose)
    sending = Sending(screen, list(paths), name, wait)
    try:
        sending.prepare()
        if room is None:
            run(lambda: sending.at_code(code))
        else:
            run(lambda: sending.in_room(room, peer, to))
    except FireRTCError as error:
        screen.clear()
        if isinstance(error, Interrupted) and room is not None and sending.is_satisfied(to):
            return
        screen.event("error", None, code=error.code, message=str(error))
        raise
    finally:
        screen.clear()


class Sending:
    """One run of the command."""

    def __init__(self, screen: Screen, paths: list[str], name: str, wait: float) -> None:
        self.screen = screen
        self._paths = paths
        self._name = name
        self._wait = wait
        self._input: StandardInput | None = None
        self._manifest: Manifest | None = None
        self._running: set[str] = set()
        """Peers that are being sent to, or asked."""
        self._moving: set[str] = set()
        self._newest: dict[str, Link] = {}
        """The link to each peer of the room: another may take its place."""
        self._have: set[str] = set()
        """Peers that have it all."""

    @property
    def manifest(self) -> Manifest:
        """What is sent."""
        if self._manifest is None:
            self.prepare()
        if self._manifest is None:
            raise RuntimeError("nothing was prepared")
        return self._manifest

    def prepare(self) -> None:
        """Find what is to be sent, before anybody is asked for anything."""
        from ..manifest import collect
        from .streams import StandardInput

        is_stream = "-" in self._paths
        files = [path for path in self._paths if path != "-"]
        self._manifest = collect(files, stream=self._name if is_stream else None)
        self._input = StandardInput() if is_stream else None
        for path, why in self._manifest.skipped:
            self.screen.event("skipped", f"skipped: {path} ({why})", path=path, reason=why)

    def is_satisfied(self, to: int | None) -> bool:
        """Whether stopping it is no failure: some have it, and nobody is in the middle."""
        return to is None and bool(self._have) and not self._moving

    # At a code.

    async def at_code(self, code: str | None) -> None:
        """Wait at a code, again and again, until somebody has it all."""
        from ..call import Media
        from ..client import Client
        from ..errors import PathUnreachable, PeerGone

        while True:
            client = Client(self.screen.config, server_token=os.environ.get("FIRERTC_SERVER_TOKEN"))
            client.on_outage = self.screen.outage
            try:
                call = await client.wait_at_code(
                    Media(receiving=frozenset()),
                    code=code,
                    wait_seconds=self._wait,
                    on_code=lambda code: self.screen.code(code, "receive"),
                )
                first, code = code is None, call.code
                await call.answered(self._wait)
                try:
                    if self._input is None:
                        # Meeting at the code again does more than a repair: it finds a receiver
                        # that was started anew, too.
                        call.link.mend = None
                    self.screen.connected(call.link, call.remote)
                    await self._send(call.link, call.remote)
                    return
                finally:
                    await call.close()
            except PathUnreachable as error:
                if first:
                    raise
                self.screen.event("lost", f"no connection: {error}", code=code)
            except PeerGone:
                if self._input is not None:
                    raise PeerGone(
                        "The receiver was lost, and standard input can't be sent a second time. "
                        "Run it again."
                    ) from None
                self.screen.clear()
                self.screen.event(
                    "lost",
                    f"the receiver was lost; waiting {self._wait:.0f} s for it at the same code: "
                    f"firertc receive {code}",
                    code=code,
                )
            finally:
                await client.close()
                self.screen.operations(client.operations)

    async def _send(self, link: Link, peer: str, shown: str = "") -> None:
        from ..sending import send_manifest

        def accepted() -> None:
            self._moving.add(peer)
            self.screen.event("accepted", f"accepted{f' by {shown}' if shown else ''}", peer=peer)

        manifest = self.manifest
        self.screen.event(
            "offered",
            None,
            files=len(manifest.sources),
            bytes=manifest.size,
            peer=peer,
        )
        try:
            await send_manifest(
                link,
                manifest,
                stream=self._input.fill if self._input is not None else None,
                on_accept=accepted,
                on_progress=lambda progress: self.screen.progress(progress, shown),
                on_file=lambda path: self.screen.event("file", None, path=path, peer=peer),
            )
        finally:
            self._moving.discard(peer)
        self._have.add(peer)
        self.screen.clear()
        count = len(manifest.sources)
        files = f"{count} files" if count > 1 else manifest.sources[0].entry.path
        self.screen.event(
            "received", f"sent: {files}, received{f' by {shown}' if shown else ''}", peer=peer
        )

    # In a room.

    async def in_room(self, name: str, peer: str | None, to: int | None) -> None:
        """Send to everybody in a room who wants it."""
        from ..call import Media
        from ..client import Client
        from ..errors import ConfigError

        enough = asyncio.Event()
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        tasks: set[asyncio.Task[None]] = set()

        def linked(link: Link) -> None:
            task = asyncio.create_task(self._serve(link, to, enough))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        def is_lost(error: Exception) -> None:
            if not lost.done():
                lost.set_exception(error)

        def register(room: Room) -> None:
            room.on("link", linked)
            room.on("lost", is_lost)

        client = Client(self.screen.config, server_token=os.environ.get("FIRERTC_SERVER_TOKEN"))
        client.on_outage = self.screen.outage
        try:
            room = await client.enter(
                name,
                peer=peer,
                connect="all",
                media=lambda: Media(receiving=frozenset()),
                on_event=register,
            )
            if room.connect != "all":
                raise ConfigError(f"The room {name!r} doesn't link its peers: use another.")
            self.screen.event("waiting", f"waiting for receivers in room {name!r}…", room=name)
            done = asyncio.create_task(enough.wait())
            try:
                waiting: set[asyncio.Future[Any]] = {done, lost}
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if not done.done():
                    lost.result()
            finally:
                done.cancel()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if lost.done():
                lost.exception()
            await client.close()
            self.screen.operations(client.operations)

    async def _serve(self, link: Link, to: int | None, enough: asyncio.Event) -> None:
        from ..errors import Rejected
        from ..schema import decode_id

        peer = link.remote
        self._newest[peer] = link
        if peer in self._have or peer in self._running:
            return
        self._running.add(peer)
        shown = decode_id(peer)
        served: Link | None = None
        try:
            # A link whose place another took meanwhile ends; then that one is served.
            while peer not in self._have and self._newest[peer] is not served:
                served = self._newest[peer]
                try:
                    await self._send(served, peer, shown)
                except Rejected:
                    self.screen.event("declined", f"declined by {shown}", peer=peer)
                    break
                except FireRTCError as error:
                    said = str(error)
                    self.screen.event(
                        "lost", f"{shown}: {said}", peer=peer, code=error.code, message=said
                    )
        finally:
            self._running.discard(peer)
        if to is not None and len(self._have) >= to:
            enough.set()
