"""``firertc watch``: what happens in a room's documents, for the project's owner."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from ..config import Config
from ..errors import ConfigError
from .owning import owner_options, owning
from .tables import printable

if TYPE_CHECKING:
    from ..watching import Event

__all__ = ["watch"]


@click.command()
@click.argument("room")
@click.option("--realm", metavar="NAME", help="The room's realm.")
@click.option("--addresses", is_flag=True, help="Show network addresses, too.")
@click.option("--wait", is_flag=True, help="Wait for a room that isn't there yet.")
@click.option("--json", "as_json", is_flag=True, help="One JSON event per line.")
@owner_options
def watch(
    config: Config, room: str, realm: str | None, addresses: bool, wait: bool, as_json: bool
) -> None:
    """Show what happens in ROOM's documents, live, until Ctrl-C (for the project's owner).

    Descriptions are reduced to sections, codecs and numbers of candidates; of what people say there
    is its length. Reads each document of the room once, and once for each change of it.
    """
    from .running import Interrupted, run

    where = realm or config.realm
    if not where:
        raise ConfigError("Which realm is the room in? Say --realm, or set FIRERTC_REALM.")
    if not wait:
        with owning(config) as database:
            from ..owner import show_room

            show_room(database, where, room)
    # Ctrl-C is how watching ends.
    with contextlib.suppress(Interrupted):
        run(lambda: _watch(config, where, room, addresses, as_json))


async def _watch(config: Config, realm: str, room: str, addresses: bool, as_json: bool) -> None:
    from ..watching import watch as events

    async with contextlib.aclosing(events(config, realm, room, addresses=addresses)) as happening:
        async for event in happening:
            now = datetime.now(UTC)
            click.echo(_json(event, now) if as_json else printable(_line(event, now)))


def _json(event: Event, now: datetime) -> str:
    return json.dumps(
        {
            "event": event.kind,
            "what": event.what,
            "id": event.id,
            "time": now.isoformat(timespec="milliseconds"),
            "details": event.details,
        }
    )


def _line(event: Event, now: datetime) -> str:
    told = " ".join(f"{name}={_short(value)}" for name, value in event.details.items())
    time = now.astimezone().strftime("%H:%M:%S.%f")[:-3]
    return f"{time} {event.kind} {event.id} {event.what} {told}".rstrip()


def _short(value: Any) -> str:
    if isinstance(value, str):
        return value if value and " " not in value else repr(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_short, value))}]"
    if isinstance(value, dict):
        return f"({' '.join(f'{name}={_short(inner)}' for name, inner in value.items())})"
    return "-" if value is None else json.dumps(value)
