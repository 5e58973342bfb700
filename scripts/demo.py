"""The main job, from nothing: two processes call each other through a local Firestore.

Starts the local suite, an answerer and a caller by the command line, plays a clip with picture and
sound from one to the other, which records it, sends a line of chat each way, and checks all of it.
MEDIA=FILE plays that file instead. Exits with 1 if any check fails; leaves nothing running.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from firertc.errors import FireRTCError
from firertc.recording import Recorded, probe
from firertc.sample import make_clip
from firertc.suite import LocalSuite, RequestLog, recording, seed

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".firertc" / "demo"
CLIP_SECONDS = 5
STEP_SECONDS = 60.0
"""How long anything may take that should take a moment."""
END_SECONDS = 600.0
"""How long the call may last: a file of one's own may be long."""

FROM_ANSWERER = "hello, this is the answerer"
FROM_CALLER = "hello, this is the caller"

console = Console(record=True, highlight=False, soft_wrap=False, width=100)


class Failed(Exception):
    """A check did not hold."""


@dataclass
class Side:
    """One process of the call and the events it printed."""

    name: str
    process: subprocess.Popen[str]
    events: list[dict[str, Any]] = field(default_factory=list)
    _fresh: queue.Queue[dict[str, Any] | None] = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        if self.process.stdout is not None:
            for line in self.process.stdout:
                event = json.loads(line)
                self.events.append(event)
                self._fresh.put(event)
        self._fresh.put(None)

    def wait_for(self, name: str, seconds: float = STEP_SECONDS) -> dict[str, Any]:
        """The next event of this name."""
        give_up = time.monotonic() + seconds
        with contextlib.suppress(queue.Empty):
            while (event := self._fresh.get(timeout=give_up - time.monotonic())) is not None:
                if event["event"] == name:
                    return event
                if event["event"] == "error":
                    raise Failed(f"the {self.name} failed: {event['message']}")
        raise Failed(f"the {self.name} never came to {name!r}")

    def last(self, name: str) -> dict[str, Any]:
        """The last event of this name so far."""
        return next((e for e in reversed(self.events) if e["event"] == name), {})

    def say(self, line: str) -> None:
        """Write a line to its standard input."""
        if self.process.stdin is not None:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()

    def finish(self, seconds: float) -> None:
        """Wait for its end."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"the {self.name} did not end") from None
        if code != 0:
            raise Failed(f"the {self.name} ended with exit code {code}")


def start(name: str, environment: dict[str, str], *arguments: str) -> Side:
    """Run ``firertc`` as a user would."""
    command = [str(Path(sys.executable).with_name("firertc")), *arguments]
    shown = " ".join(a if a.startswith("-") else Path(a).name for a in arguments)
    console.print(f"  [bold]{name}[/]: firertc {shown}")
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    return Side(name, process)


def prepare_media() -> tuple[Path, Recorded]:
    """The file to play: MEDIA, or a small clip made here."""
    given = os.environ.get("MEDIA")
    if given:
        return Path(given), probe(given)
    FOLDER.mkdir(parents=True, exist_ok=True)
    clip = FOLDER / "clip.mp4"
    if not clip.exists():
        console.print(f"making a clip of {CLIP_SECONDS} s with picture and sound")
        make_clip(clip, CLIP_SECONDS)
    return clip, probe(clip)


def call(suite: LocalSuite, media: Path, record: Path) -> tuple[Side, Side]:
    """The call itself: the answerer waits, the caller comes and plays."""
    environment = {**os.environ, **suite.environment()}
    environment.pop("FIRERTC_CODE", None)
    sides: list[Side] = []
    dumps = {name: FOLDER / f"{name}.json" for name in ("answerer", "caller")}
    try:
        answerer = start(
            "answerer",
            environment,
            *("answer", "--chat", "--stay", "--json", "--record", str(record)),
            *("--dump-timing", str(dumps["answerer"])),
        )
        sides.append(answerer)
        code = answerer.wait_for("code")["code"]
        console.print(f"  code: [bold]{code}[/]")
        caller = start(
            "caller",
            {**environment, "FIRERTC_CODE": code},
            *("call", "--chat", "--json", "--play", str(media)),
            *("--dump-timing", str(dumps["caller"])),
        )
        sides.append(caller)
        caller.wait_for("connected")
        answerer.say(FROM_ANSWERER)
        caller.say(FROM_CALLER)
        for side in (caller, answerer):
            side.wait_for("message")
        if caller.process.stdin is not None:
            caller.process.stdin.close()
        caller.finish(END_SECONDS)
        answerer.finish(STEP_SECONDS)
        return answerer, caller
    finally:
        for side in sides:
            if side.process.poll() is None:
                side.process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    side.process.wait(10)
                side.process.kill()


def check(answerer: Side, caller: Side, played: Recorded, record: Path) -> Recorded:
    """What arrived is what was sent."""
    if answerer.last("message").get("body") != FROM_CALLER:
        raise Failed("the caller's line did not arrive")
    if caller.last("message").get("body") != FROM_ANSWERER:
        raise Failed("the answerer's line did not arrive")
    if not record.is_file():
        raise Failed("there is no recording")
    recorded = probe(record)
    if played.video_frames and recorded.video_frames < played.video_frames * 0.5:
        raise Failed(f"only {recorded.video_frames} of {played.video_frames} frames were recorded")
    if played.audio_seconds and recorded.audio_seconds < played.audio_seconds * 0.5:
        raise Failed(f"only {recorded.audio_seconds:.1f} s of sound were recorded")
    if not played.silent and recorded.silent:
        raise Failed("the recording is silent")
    return recorded


def show_steps() -> None:
    """When each step was done on each side, from the caller's start on."""
    table = Table("ms", "side", "step", title="The call, step by step", title_justify="left")
    table.columns[0].justify = "right"
    dumps = {n: json.loads((FOLDER / f"{n}.json").read_text()) for n in ("answerer", "caller")}
    began = dumps["caller"]["began"]
    rows = [
        ((dump["began"] - began) * 1000 + step["milliseconds"], name, step["step"])
        for name, dump in dumps.items()
        for step in dump["steps"]
    ]
    for milliseconds, name, step in sorted(rows):
        table.add_row(f"{milliseconds:.1f}", name, step)
    console.print(table)


def show_operations(answerer: Side, caller: Side, log: RequestLog, joins: int) -> None:
    """What the call cost, by the clients' count and by the emulator's log."""
    table = Table("", "reads", "rules' reads", "writes", "deletes", "billed", title="Database")
    table.title_justify = "left"
    total = [0] * 5
    for side in (answerer, caller):
        counted = side.last("operations")
        row = [counted.get(n, 0) for n in ("reads", "rule_reads", "writes", "deletes", "billed")]
        total = [a + b for a, b in zip(total, row, strict=True)]
        table.add_row(side.name, *map(str, row))
    table.add_row("function join", str(joins), "0", "0", "0", str(joins))
    total[0] += joins
    total[4] += joins
    table.add_row("all", *map(str, total), style="bold")
    console.print(table)
    seen = log.operations("realms/")
    console.print(
        f"the emulator's log: {seen.reads} reads and listeners begun, {seen.writes} writes, "
        f"{seen.deletes} deletes by the two processes"
    )
    if (seen.writes, seen.deletes) != (total[2], total[3]):
        raise Failed("the clients' count and the emulator's log differ")


def main() -> int:
    """Run the demo; the exit code."""
    parser = argparse.ArgumentParser(description="The main job, from nothing.")
    parser.add_argument("--svg", type=Path, help="write a picture of the terminal to this file")
    svg = parser.parse_args().svg
    code = demonstrate()
    if svg is not None:
        # Without the web fonts that rich links to: any fixed-width font will do.
        picture = re.sub(
            r"@font-face \{.*?\}", "", console.export_svg(title="make demo"), flags=re.S
        )
        svg.write_text(picture.replace("Fira Code", "ui-monospace"), "utf-8")
    return code


def demonstrate() -> int:
    """Everything, step by step; the exit code."""
    began = time.monotonic()
    FOLDER.mkdir(parents=True, exist_ok=True)
    record = FOLDER / "recording.mp4"
    record.unlink(missing_ok=True)
    try:
        media, played = prepare_media()
        console.print("starting the local suite: Auth, Firestore, functions")
        parts = ("auth", "firestore", "functions")
        with LocalSuite(ROOT, only=parts, warm=("join",)) as suite:
            seed(suite.addresses)
            console.print(f"  ready, with {suite.engine.name} ({suite.engine.why})")
            with recording(suite.addresses) as log:
                answerer, caller = call(suite, media, record)
            recorded = check(answerer, caller, played, record)
            show_steps()
            connected = caller.last("connected")
            console.print(
                f"path: [bold]{connected['path']}[/] to {connected['address']}, "
                f"round trip {connected['rtt_ms']} ms"
            )
            show_operations(answerer, caller, log, joins=2)
    except (Failed, FireRTCError) as error:
        console.print(f"[bold red]failed[/]: {error}")
        return 1
    console.print(
        f"recording: {recorded.video_frames} frames of {recorded.width}x{recorded.height}, "
        f"{recorded.audio_seconds:.1f} s of sound at level {recorded.audio_level:.2f}\n"
        f"  {record.relative_to(ROOT)}"
    )
    console.print(f"[bold green]done[/] in {time.monotonic() - began:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
