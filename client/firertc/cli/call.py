"""``firertc call`` and ``firertc answer``."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..config import Config
from ..errors import ConfigError
from .hiding import hide_arguments
from .options import project_options

if TYPE_CHECKING:
    from ..call import Call, Media
    from ..client import Client
    from ..ringing import Ring
    from ..room import Room
    from .conversation import Connect, Conversation

CODE_WAIT_SECONDS = 600
RING_SECONDS = 30


def _call_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that a caller and an answerer share; the command gets them as a plan."""

    @functools.wraps(command)
    def with_plan(**given: Any) -> Any:
        from .conversation import Plan

        plan = Plan(
            play=given.pop("play"),
            record=given.pop("record"),
            chat=given.pop("chat"),
            audio=not given.pop("no_audio"),
            video=not given.pop("no_video"),
            loop=given.pop("loop"),
            stay=given.pop("stay"),
            as_json=given.pop("as_json"),
            verbose=given.pop("verbose"),
            dump_timing=given.pop("dump_timing"),
            # Not an option: a command line can be read by everybody on the machine.
            server_token=os.environ.get("FIRERTC_SERVER_TOKEN"),
        )
        if not plan.audio and not plan.video and (plan.play or plan.record):
            raise click.UsageError("--no-audio and --no-video leave nothing to play or record.")
        return command(plan=plan, **given)

    options = (
        click.option("--play", metavar="FILE|test|camera|screen", help="What to send."),
        click.option("--record", metavar="FILE", help="Record the other side to this file."),
        click.option("--chat", is_flag=True, help="Send lines of standard input, print theirs."),
        click.option("--no-audio", is_flag=True, help="Neither send nor take sound."),
        click.option("--no-video", is_flag=True, help="Neither send nor take pictures."),
        click.option("--loop", is_flag=True, help="Play a file again and again."),
        click.option(
            "--stay", is_flag=True, help="Stay when all is sent, until the other side hangs up."
        ),
        click.option(
            "--timeout",
            type=click.FloatRange(1, 1800),
            metavar="SECONDS",
            help=f"How long to wait for the other side (code {CODE_WAIT_SECONDS}, ring "
            f"{RING_SECONDS}).",
        ),
        click.option("--room", metavar="NAME", help="Meet in this room instead of at a code."),
        click.option("--as", "name", metavar="NAME", help="The name to be known by in the room."),
        click.option(
            "--schema",
            type=click.Choice(["calls", "rooms"]),
            help="Speak with a page of a public tutorial, by the id of its call: 'calls' (with "
            "offerCandidates) or 'rooms' (with callerCandidates).",
        ),
        click.option("--json", "as_json", is_flag=True, help="One JSON event per line."),
        click.option(
            "--dump-timing",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="Write when each step was done, as JSON.",
        ),
        click.option("-v", "--verbose", is_flag=True, help="Show what the database was asked."),
    )
    wrapped: Any = with_plan
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[no-any-return]


@click.command()
@click.argument("target", metavar="[CODE|PEER]", required=False, envvar="FIRERTC_CODE")
@_call_options
@project_options
def call(
    target: str | None,
    plan: Any,
    timeout: float | None,
    room: str | None,
    name: str | None,
    schema: str | None,
    config: Config,
) -> None:
    """Call somebody.

    Without CODE a new one is printed, and whoever runs 'firertc answer CODE' (or call) is
    connected. With the CODE that the other side printed, that side is called. With --room, PEER is
    the name of somebody in that room, who is rung.

    A call with something that ends to send (a file, piped lines) hangs up when it is sent. If the
    other side's page is loaded again in a call by code, it is waited for, and the call goes on.
    """
    if schema is not None:
        _meet_tutorial(config, plan, schema, target, timeout, room or name)
        return
    if room is None:
        _meet_at_code(config, plan, target, timeout, name)
        return
    if target is None:
        raise click.UsageError("With --room say whom to call: firertc call PEER --room NAME.")
    hide_arguments("call")

    async def connect(conversation: Conversation, client: Client, media: Media) -> Call:
        from .. import ringing, schema

        entered = await client.enter(room, peer=name)
        peer = schema.encode_id(target, limit=schema.PEER_ID_BYTES, what="peer")
        conversation.event("ringing", f"ringing {target}…", peer=target)
        return await ringing.ring(
            entered,
            peer,
            media,
            timeout=timeout or RING_SECONDS,
            timing=conversation.timing,
            on_call=conversation.watch,
        )

    _converse(config, plan, connect)


@click.command()
@click.argument("code", required=False, envvar="FIRERTC_CODE")
@_call_options
@click.option("-y", "--yes", is_flag=True, help="Accept every ring without asking.")
@project_options
def answer(
    code: str | None,
    plan: Any,
    timeout: float | None,
    room: str | None,
    name: str | None,
    schema: str | None,
    yes: bool,
    config: Config,
) -> None:
    """Answer a call.

    With the CODE that the other side printed, connect to it. Without one a new code is printed,
    and whoever comes with it is connected. With --room wait there, as --as NAME, until somebody
    rings. '-' reads the code from standard input, which keeps it out of the shell's history.
    """
    if schema is not None:
        _meet_tutorial(config, plan, schema, code, timeout, room or name)
        return
    if room is None:
        _meet_at_code(config, plan, code, timeout, name)
        return
    if code is not None:
        raise click.UsageError("Either CODE or --room, not both.")

    async def connect(conversation: Conversation, client: Client, media: Media) -> Call:
        entered = await client.enter(room, peer=name)
        conversation.event(
            "waiting", f"waiting in room {room!r} as {name or entered.session.peer!r}…", room=room
        )
        return await _take_ring(conversation, entered, media, yes, timeout or CODE_WAIT_SECONDS)

    _converse(config, plan, connect)


async def _take_ring(
    conversation: Conversation, room: Room, media: Media, yes: bool, timeout: float
) -> Call:
    """Wait for somebody to ring, and accept."""
    import asyncio

    from .. import schema
    from ..errors import CallError, NoAnswer

    rings: asyncio.Queue[Ring | Exception] = asyncio.Queue()
    room.on("ring", rings.put_nowait)
    room.on("lost", rings.put_nowait)
    while True:
        try:
            async with asyncio.timeout(timeout):
                ring = await rings.get()
        except TimeoutError:
            raise NoAnswer(f"Nobody called within {timeout:.0f} s.") from None
        if isinstance(ring, Exception):
            raise ring
        caller = schema.decode_id(ring.caller)
        conversation.event("ring", f"{caller} is calling", peer=caller)
        if not yes and sys.stdin.isatty() and not await _asked(f"Accept {caller}?"):
            await ring.reject()
            continue
        try:
            connected = await ring.accept(media)
        except CallError as error:
            conversation.event("missed", f"missed: {error}", peer=caller)
            continue
        room.busy = True
        return connected


async def _asked(question: str) -> bool:
    import asyncio

    return await asyncio.to_thread(click.confirm, question, default=True, err=True)


def _meet_at_code(
    config: Config, plan: Any, code: str | None, timeout: float | None, name: str | None
) -> None:
    if name is not None:
        raise click.UsageError("--as is a name in a room: it needs --room.")
    if code == "-":
        code = sys.stdin.readline().strip()
        if not code:
            raise click.UsageError("No code came on standard input.")
    hide_arguments("call")
    if code is not None:
        from ..sealing import looks_like_code, normalize_code

        if " " not in code and "-" not in code and not looks_like_code(code):
            raise ConfigError(
                f"{code!r} is no code (four words joined with '-'). To call a peer by its name, "
                "say in which room: --room NAME."
            )
        code = normalize_code(code)

    async def connect(conversation: Conversation, client: Client, media: Media) -> Call:
        if code is not None:
            return await client.come_with_code(
                code,
                media,
                on_state=conversation.state,
                timing=conversation.timing,
                on_call=conversation.watch,
            )
        wait = timeout or CODE_WAIT_SECONDS
        waiting = await client.wait_at_code(
            media,
            wait_seconds=wait,
            on_code=conversation.code,
            on_state=conversation.state,
            timing=conversation.timing,
        )
        conversation.watch(waiting)
        await waiting.answered(wait)
        return waiting

    _converse(config, plan, connect)


def _meet_tutorial(
    config: Config,
    plan: Any,
    schema: str,
    call_id: str | None,
    timeout: float | None,
    place: str | None,
) -> None:
    if place is not None:
        raise click.UsageError("--schema is for a call by id: leave --room and --as away.")
    from .tutorial import meet

    hide_arguments("call")
    meet(config, plan, schema, call_id, timeout, CODE_WAIT_SECONDS)


def _converse(config: Config, plan: Any, connect: Connect) -> None:
    from ..errors import FireRTCError
    from . import conversation as talking
    from .running import run

    conversation = talking.Conversation(config, plan)
    try:
        run(lambda: conversation.run(connect))
    except FireRTCError as error:
        if plan.as_json:
            conversation.event("error", None, code=error.code, message=str(error))
        raise
