"""``firertc receive``."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from ..config import Config
from ..errors import ConfigError, FireRTCError
from .consent import Consent
from .hiding import hide_arguments
from .options import project_options

if TYPE_CHECKING:
    from ..call import Call
    from ..channel import Channel
    from ..link import Link
    from ..room import Room
    from ..sinks import Existing, Plan, Sink
    from .progress import Screen

WAIT_SECONDS = 120
ROOM_WAIT_SECONDS = 600
CHANNEL_SECONDS = 30.0
"""How long the other side may take to offer its files."""
AGAIN_SECONDS = (1.0, 2.0, 4.0)
"""Between attempts at a code; the last again and again."""
STANDING_SECONDS = 30.0
"""With a part of an earlier attempt there, the sender may still be about to wait again."""


@click.command()
@click.argument("code", required=False, envvar="FIRERTC_CODE", metavar="[CODE]")
@click.option("--room", metavar="NAME", help="From whoever sends in this room.")
@click.option("--as", "peer", metavar="NAME", help="The name to be known by in the room.")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    default=Path(),
    help="The folder to keep files in; default: this one.",
)
@click.option("-y", "--yes", is_flag=True, help="Accept without asking.")
@click.option("--stdout", is_flag=True, help="Write the one file to standard output.")
@click.option("-o", "output", metavar="-", help="'-' is --stdout.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@click.option("--rename", is_flag=True, help="Give files whose name is taken another.")
@click.option(
    "--wait",
    type=click.FloatRange(1, 1800),
    metavar="SECONDS",
    help=f"How long to look for a sender that was lost ({WAIT_SECONDS}), or in a room for one that "
    f"comes ({ROOM_WAIT_SECONDS}).",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON event per line.")
@click.option("-v", "--verbose", is_flag=True, help="Show what the database was asked.")
@project_options
@click.pass_context
def receive(
    context: click.Context,
    code: str | None,
    room: str | None,
    peer: str | None,
    into: Path,
    yes: bool,
    stdout: bool,
    output: str | None,
    overwrite: bool,
    rename: bool,
    wait: float | None,
    as_json: bool,
    verbose: bool,
    config: Config,
) -> None:
    """Receive files.

    Shows what the sender at CODE offers, asks, and keeps it in a folder. CODE '-' is read from
    standard input, which keeps it out of the shell's history. What is interrupted is kept as
    NAME.part: run the same again to go on.
    """
    if room is not None:
        if context.get_parameter_source("code") is ParameterSource.COMMANDLINE:
            raise click.UsageError("Either CODE or --room, not both.")
    elif peer is not None:
        raise click.UsageError("--as is a name in a room: it needs --room.")
    if overwrite and rename:
        raise click.UsageError("Either --overwrite or --rename, not both.")
    if output not in (None, "-"):
        raise click.UsageError("-o takes '-' only (standard output); for a folder: --into DIR.")
    hide_arguments("receive")
    stdout = stdout or output == "-"
    if room is None:
        code = _whole_code(code)
    existing: Existing | None = "overwrite" if overwrite else "rename" if rename else None
    from .progress import Screen
    from .running import Interrupted, run

    screen = Screen(config, as_json, verbose, events_to_error=stdout)
    receiving = Receiving(screen, into, stdout, yes, existing)
    try:
        if room is not None:
            run(lambda: receiving.in_room(room, peer, wait or ROOM_WAIT_SECONDS))
        else:
            run(lambda: receiving.at_code(code or "", wait or WAIT_SECONDS))
    except FireRTCError as error:
        screen.clear()
        screen.event("error", None, code=error.code, message=str(error))
        if receiving.has_begun and isinstance(error, Interrupted):
            screen.event("kept", receiving.kept)
        raise
    except BrokenPipeError:
        raise ConfigError("Standard output was closed before the file had ended.") from None
    finally:
        screen.clear()


def _whole_code(code: str | None) -> str:
    from ..sealing import normalize_code

    if code is None and sys.stdin.isatty():
        code = click.prompt("code", err=True)
    elif code == "-":
        code = sys.stdin.readline().strip()
    if not code:
        raise click.UsageError("Say which CODE, as 'firertc send' printed it, or --room NAME.")
    return normalize_code(code)


class Receiving:
    """One run of the command."""

    def __init__(
        self, screen: Screen, into: Path, stdout: bool, yes: bool, existing: Existing | None
    ) -> None:
        from ..sinks import FolderSink, StreamSink
        from .streams import StandardOutput

        self.screen = screen
        self._into = into
        self._stdout = stdout
        self._consent = Consent(screen, yes, existing)
        self._at_code = False
        self.has_begun = False
        """Whether something may have been kept that is not whole."""
        self.sink: Sink = StreamSink(StandardOutput().write) if stdout else FolderSink(into)

    @property
    def kept(self) -> str | None:
        """What is to be said of what is not whole."""
        if self._stdout:
            return None
        return "what has come is kept (NAME.part): receive again with the same code to go on"

    # At a code.

    async def at_code(self, code: str, wait: float) -> None:
        """Come to a code, again if the sender is lost."""
        from ..call import Media
        from ..client import Client
        from ..errors import (
            AnsweredElsewhere,
            ChannelClosed,
            CodeUnknown,
            NoAnswer,
            PathUnreachable,
            PeerGone,
        )
        from ..one_off import come_with_code

        client = Client(self.screen.config, server_token=os.environ.get("FIRERTC_SERVER_TOKEN"))
        client.on_outage = self.screen.outage
        self._at_code = True
        clock = asyncio.get_running_loop().time
        give_up = clock() + STANDING_SECONDS if self._has_parts() else None
        attempts = 0
        try:
            session = await client.join()
            while True:
                call: Call | None = None
                try:

                    async def same() -> object:
                        return session

                    call = await come_with_code(
                        same,  # type: ignore[arg-type]
                        self.screen.config.project,
                        code,
                        Media(receiving=frozenset()),
                    )
                    attempts = 0
                    self.screen.connected(call.link, call.remote)
                    await self._receive(await self._channel(call), call.link, call.remote)
                    return
                except (PeerGone, ChannelClosed) as error:
                    if call is None and give_up is None:
                        raise
                    if call is not None:
                        self._lost(error, code, wait)
                        give_up = clock() + wait
                except (AnsweredElsewhere, CodeUnknown, NoAnswer, PathUnreachable) as error:
                    if give_up is None:
                        raise
                    if clock() >= give_up:
                        if self.has_begun:
                            raise PeerGone(
                                "The sender was lost and did not come back. To go on: it sends "
                                f"again with --code, and you: firertc receive {code}"
                            ) from None
                        raise error from None
                finally:
                    if call is not None:
                        await call.close()
                await asyncio.sleep(AGAIN_SECONDS[min(attempts, len(AGAIN_SECONDS) - 1)])
                attempts += 1
        finally:
            await client.close()
            self.screen.operations(client.operations)

    def _has_parts(self) -> bool:
        from ..paths import PARTIAL_ENDING

        if self._stdout or not self._into.is_dir():
            return False
        return any(next(self._into.glob(f"{below}*{PARTIAL_ENDING}"), None) for below in ("", "*/"))

    def _lost(self, error: Exception, code: str, wait: float) -> None:
        self.screen.clear()
        self.screen.event(
            "lost", f"the sender was lost; looking for it for {wait:.0f} s…", code=code
        )

    async def _channel(self, call: Call) -> Channel:
        from ..errors import NoAnswer, PeerGone
        from ..sending import Stopped
        from ..transfer_frames import LABEL

        channels: asyncio.Queue[Channel] = asyncio.Queue()
        call.link.on("channel", channels.put_nowait)
        closed = asyncio.ensure_future(call.link.closed())
        getting: asyncio.Task[Channel] | None = None
        try:
            async with asyncio.timeout(CHANNEL_SECONDS):
                while True:
                    getting = asyncio.ensure_future(channels.get())
                    await asyncio.wait({getting, closed}, return_when=asyncio.FIRST_COMPLETED)
                    if not getting.done():
                        end = closed.result()
                        if end.reason in ("gone", "failed"):
                            raise PeerGone("The sender was lost.")
                        raise Stopped("The sender hung up.")
                    if getting.result().label == LABEL:
                        return getting.result()
        except TimeoutError:
            raise NoAnswer(
                "The other side offers no files: it may be making a call (firertc answer)."
            ) from None
        finally:
            for task in (getting, closed):
                if task is not None:
                    task.cancel()

    # In a room.

    async def in_room(self, name: str, peer: str | None, wait: float) -> None:
        """Receive from whoever sends in a room."""
        from ..call import Media
        from ..client import Client
        from ..errors import ChannelClosed, NoAnswer, PeerGone
        from ..transfer_frames import LABEL

        channels: asyncio.Queue[tuple[str, Channel] | Exception] = asyncio.Queue()

        def register(room: Room) -> None:
            room.on("channel", lambda peer, channel: channels.put_nowait((peer, channel)))
            room.on("lost", channels.put_nowait)

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
            self.screen.event("waiting", f"waiting for a sender in room {name!r}…", room=name)
            while True:
                try:
                    async with asyncio.timeout(wait):
                        came = await channels.get()
                except TimeoutError:
                    raise NoAnswer(f"Nobody sent anything within {wait:.0f} s.") from None
                if isinstance(came, Exception):
                    raise came
                sender, channel = came
                if channel.label != LABEL:
                    continue
                try:
                    await self._receive(channel, channel.link, sender)
                    return
                except (PeerGone, ChannelClosed):
                    self.screen.clear()
                    self.screen.event(
                        "lost", f"the sender was lost; waiting {wait:.0f} s…", room=name
                    )
        finally:
            await client.close()
            self.screen.operations(client.operations)

    # What is received.

    async def _receive(self, channel: Channel, link: Link, peer: str) -> None:
        from ..errors import ChannelClosed
        from ..receiving import receive_files
        from ..sending import lost

        try:
            offer = await receive_files(
                channel,
                self.sink,
                decide=lambda plan: self._decide(plan, link, peer),
                on_progress=self.screen.progress,
                on_file=lambda path: self.screen.event("file", None, path=path),
            )
        except ChannelClosed:
            raise await lost(link) from None
        self.screen.clear()
        if self._stdout:
            self.screen.event("received", None, files=1)
            return
        count = len(offer.files)
        files = f"{count} files" if count > 1 else offer.files[0].path
        self.screen.event(
            "received",
            f"received: {files} in {self._into.resolve()}{self._renamed()}",
            files=count,
            into=str(self._into.resolve()),
        )

    def _renamed(self) -> str:
        from ..sinks import FolderSink

        if not isinstance(self.sink, FolderSink):
            return ""
        others = [
            f"{path} is {there.name}"
            for path, there in self.sink.written.items()
            if there.name != path.rpartition("/")[2]
        ]
        return f" ({', '.join(others[:5])})" if others else ""

    async def _decide(self, plan: Plan, link: Link, peer: str) -> Existing | None:
        if plan.size is not None and self._at_code:
            # Coming to the code again does more than a repair: the sender may be a new one.
            link.mend = None
        answer = await self._consent.decide(plan, peer)
        self.has_begun = self.has_begun or answer is not None
        return answer
