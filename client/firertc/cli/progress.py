"""What is shown of a transfer: lines, events, a bar with rate and remaining time."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import click

from ..config import Config
from ..database import Operations
from .running import say
from .tables import printable

if TYPE_CHECKING:
    from ..link import Link
    from ..sending import Progress

LINE_SECONDS = 5.0
"""Between two lines, where there is no terminal."""
EVENT_SECONDS = 0.5
RATE_SECONDS = 5.0
"""The rate is that of the last so many seconds."""


class Rate:
    """Bytes per second, of late."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def note(self, now: float, moved: int) -> None:
        """So many bytes have travelled by now."""
        if self._seen and moved < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((now, moved))
        while len(self._seen) > 2 and now - self._seen[0][0] > RATE_SECONDS:
            self._seen.popleft()

    @property
    def bytes_per_second(self) -> float:
        """0: not known."""
        if len(self._seen) < 2 or self._seen[-1][0] <= self._seen[0][0]:
            return 0.0
        (began, first), (now, last) = self._seen[0], self._seen[-1]
        return (last - first) / (now - began)


def amount(size: float) -> str:
    """Bytes for people, in powers of 1,000."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.2f} TB"


def duration(seconds: float) -> str:
    """Seconds for people."""
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {left} s" if minutes else f"{left} s"


class Screen:
    """Shows what a transfer does: to standard error, or as JSON events on standard output.

    :param events_to_error: JSON events on standard error: standard output carries a file.
    """

    def __init__(
        self, config: Config, as_json: bool, verbose: bool = False, *, events_to_error: bool = False
    ) -> None:
        self.config = config
        self.as_json = as_json
        self.verbose = verbose
        self._to_error = events_to_error
        self._rates: dict[str, Rate] = {}
        self._shown: dict[str, float] = {}
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}
        self._coded = False

    def event(self, name: str, text: str | None, **details: Any) -> None:
        """Show something that happened."""
        if self.as_json:
            line = json.dumps({"event": name, **details}, ensure_ascii=False)
            click.echo(line.encode("utf-8", "backslashreplace").decode(), err=self._to_error)
        elif text is not None:
            say(printable(text))

    def code(self, code: str, command: str) -> None:
        """Show the code to come with, the first time."""
        if self._coded:
            self.event("waiting", None, code=code)
            return
        self._coded = True
        page = self.config.page_url.rstrip("/")
        if command == "receive":
            # Beside the call page, which is what is set.
            page = page.removesuffix("/call") + "/files" if page.endswith("/call") else ""
        url = f"{page}#{code}" if page else ""
        self.event("code", None, code=code, url=url)
        if self.as_json:
            return
        say(f"code: {code}")
        say(f"  the other side runs: firertc {command} {code}")
        if url and command == "receive":
            say(f"  or opens: {url}")
            if sys.stderr.isatty():
                import segno

                segno.make(url, error="l").terminal(out=sys.stderr, compact=True)

    def outage(self, down: bool) -> None:
        """The database went or came back."""
        text = "the database does not answer, trying again…" if down else "the database is back"
        self.event("database", text, reachable=not down)

    def connected(self, link: Link, remote: str) -> None:
        """A link is open."""
        path = link.path()
        text = f"connected: {path.kind if path else '?'} path to {path.address if path else '?'}"
        self.event("connected", text, path=path.kind if path else None, remote=remote)
        began = time.monotonic()

        def breaks(_: str) -> None:
            nonlocal began
            began = time.monotonic()
            self.event("reconnecting", "connection lost, getting it back…")

        def back() -> None:
            seconds = time.monotonic() - began
            self.event("reconnected", f"back after {seconds:.0f} s", seconds=round(seconds, 1))

        link.on("reconnecting", breaks)
        link.on("reconnected", back)

    def progress(self, progress: Progress, peer: str = "") -> None:
        """Show how far it is.

        :param peer: to whom, where there are several.
        """
        now = time.monotonic()
        rate = self._rates.setdefault(peer, Rate())
        rate.note(now, progress.moved)
        last = self._shown.get(peer)
        is_whole = progress.bytes == progress.total
        if not self.as_json and sys.stderr.isatty():
            self._show_bar(progress, peer)
            return
        if last is None:
            self._shown[peer] = now if not self.as_json else 0.0
        elif not is_whole and now - last < (EVENT_SECONDS if self.as_json else LINE_SECONDS):
            return
        if last is None and not self.as_json:
            return
        self._shown[peer] = now
        speed = rate.bytes_per_second
        remaining = None
        if progress.total is not None and speed:
            remaining = (progress.total - progress.bytes) / speed
        whole = amount(progress.total) if progress.total is not None else "?"
        text = f"{amount(progress.bytes)} of {whole}, {amount(speed)}/s"
        if remaining:
            text += f", {duration(remaining)} left"
        self.event(
            "progress",
            f"{text} ({peer})" if peer else text,
            path=progress.path,
            index=progress.index,
            bytes=progress.bytes,
            total=progress.total,
            rate=round(speed),
            remaining=None if remaining is None else round(remaining, 1),
            **({"peer": peer} if peer else {}),
        )

    def _show_bar(self, progress: Progress, peer: str) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                DownloadColumn,
                TextColumn,
                TimeRemainingColumn,
                TransferSpeedColumn,
            )
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                DownloadColumn(),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
        if peer not in self._tasks:
            self._tasks[peer] = self._bar.add_task("", total=progress.total)
        name = printable(f"{progress.path} {peer}".strip())
        self._bar.update(
            self._tasks[peer],
            completed=progress.bytes,
            total=progress.total,
            description=name if len(name) <= 40 else f"…{name[-39:]}",
        )

    def clear(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        self._tasks.clear()
        self._shown.clear()
        self._rates.clear()

    def operations(self, operations: Operations) -> None:
        """What it cost."""
        if self.verbose or self.as_json:
            counted = operations.as_dict()
            shown = ", ".join(f"{name} {count}" for name, count in counted.items())
            self.event("operations", f"database: {shown}", **counted)
