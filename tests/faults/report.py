"""Figures of the long runs: kept from one run to the next, and shown as a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

BEGIN: Final = "<!-- figures of make soak -->"
END: Final = "<!-- end of figures -->"

Figures = Mapping[str, Any]
"""Of one part, as :func:`.soak.run` and :func:`.many.measure` give them, and ``at``, ``seed``,
``cores``."""


def keep(path: Path, parts: Mapping[str, Figures]) -> dict[str, Figures]:
    """Put parts into a file, beside those that it has of earlier runs.

    :returns: all that is in it now.
    """
    known: dict[str, Figures] = {}
    if path.exists():
        known = json.loads(path.read_text(encoding="utf-8"))["parts"]
    known |= parts
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"parts": known}, indent=2) + "\n", encoding="utf-8")
    return known


def table(parts: Mapping[str, Figures]) -> str:
    """A table in Markdown with a row for each part."""
    rows = ["| run | how it went | figures |", "| --- | --- | --- |"]
    for name, figures in parts.items():
        run = _cut_run(figures) if "plan" in figures else _calls_run(name, figures)
        problems = len(figures["problems"])
        how = "intact, nothing left" if not problems else f"**{problems} problems**"
        rows.append(f"| {run[0]} ({figures['at'][:10]}) | {how} | {'; '.join(run[1])} |")
    return "\n".join(rows)


def put(path: Path, text: str) -> None:
    """Put the table into a page, between its marks.

    :raises ValueError: if it has none.
    """
    page = path.read_text(encoding="utf-8")
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no {BEGIN} … {END} to write between.")
    path.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def _cut_run(figures: Figures) -> tuple[str, list[str]]:
    plan, repairs = figures["plan"], figures["repairs"]
    who = "a call" if plan["shape"] == "call" else "a room of three"
    cut = f"{figures['cut_seconds']:.0f} s cut in all, the longest {figures['longest_cut_seconds']}"
    shown = [
        f"{cut} s",
        f"{figures['messages']:,} messages, {_mb(figures['channel_bytes'])} over a channel and "
        f"{_mb(figures['file_bytes'])} of files",
    ]
    if repairs["count"]:
        shown.append(
            f"{repairs['count']} times a side was away, {repairs['median_seconds']:.1f} s in the "
            f"median, {repairs['worst_seconds']:.1f} s at the worst"
        )
    grown = ", ".join(_mb(more, "+") for more in figures["rss_growth_bytes"])
    held = ", ".join(_mb(size) for size in figures["rss_end_bytes"])
    shown.append(f"memory {held} at the end, by its slope {grown}")
    minutes = f"{plan['seconds'] / 60:g} minutes"
    return f"{who}, {plan['cuts']} cuts in {minutes}, seed {plan['seed']}", shown


def _calls_run(name: str, figures: Figures) -> tuple[str, list[str]]:
    grown = figures["after"]["rss_bytes"] - figures["before"]["rss_bytes"]
    how = "in sequence" if name == "sequence" else "at once, both sides in one process"
    return f"{figures['calls']:,} calls {how}", [
        f"{figures['took_seconds']:.0f} s",
        f"connected after {figures['connect_median_seconds']:.2f} s in the median, "
        f"{figures['connect_worst_seconds']:.1f} s at the worst",
        f"memory {_mb(grown, '+')}",
    ]


def _mb(size: int, sign: str = "") -> str:
    return f"{size / 1e6:{sign}.{0 if abs(size) > 2e7 else 1}f} MB"
