"""Showing rows: a table on a terminal, tab-separated lines in a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click

__all__ = ["moment", "printable", "remaining", "show_json", "show_rows"]


def printable(text: str) -> str:
    """Text of a stranger's choice for a terminal, which control characters could command."""
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}"


def moment(time: datetime | None) -> str | None:
    """A time as JSON has it: RFC 3339, in UTC."""
    return None if time is None else time.astimezone(UTC).isoformat(timespec="seconds")


def remaining(until: datetime | None, now: datetime) -> str:
    """How long a lease still holds, for people."""
    if until is None:
        return "?"
    minutes, seconds = divmod(int((until - now).total_seconds()), 60)
    if until < now:
        return "over"
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{seconds} s"


def show_json(value: Any) -> None:
    """One JSON document; characters that could command a terminal are escaped in it."""
    click.echo(json.dumps(value, indent=1))


def show_rows(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Rows of text; whatever they hold is made printable."""
    cells = [[printable(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for line in (columns, *cells):
            click.echo("\t".join(line))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")
    for line in cells:
        # As Text: square brackets in a name are no markup.
        table.add_row(*map(Text, line))
    Console(highlight=False).print(table)
