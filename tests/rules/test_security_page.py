"""``docs/security.md`` names rows of the matrix, and they exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from .test_budget import COSTS
from .test_matrix import MATRIX

PAGE: Final = Path(__file__).parents[2] / "docs" / "security.md"


def _named_rows(page: str) -> list[str]:
    """The rows that the last column of the table of attacks names, abbreviations written out."""
    table = page.split("## Attacks", 1)[1].split("\n## ", 1)[0]
    names: list[str] = []
    for line in table.splitlines():
        if not line.startswith("| ") or line.startswith(("| attack", "| ---")):
            continue
        last = re.split(r"(?<!\\)\|", line)[-2]
        for quoted in re.findall(r"`([^`]+)`", last):
            name = quoted.replace("\\|", "|")
            if name.startswith("…") and names:
                name = names[-1].split(" | ")[0] + name[1:]
            names.append(name)
    return names


def test_every_attack_has_its_row() -> None:
    """A name that ends with ``…`` stands for all rows that begin so."""
    rows = [case.id for case in MATRIX if not case.allowed]
    names = _named_rows(PAGE.read_text(encoding="utf-8"))
    assert len(names) > 40
    for name in names:
        start = name.removesuffix("…")
        known = name in rows if start == name else any(row.startswith(start) for row in rows)
        assert known, name


def test_the_costs_are_those_measured() -> None:
    """The numbers that test_budget.py asserts stand on the page."""
    page = PAGE.read_text(encoding="utf-8")
    named = ("come in", "come in, openly", "leave a standing offer", "leave all that fits",
             "call a peer", "answer a standing offer", "answer with candidates")  # fmt: skip
    for name in named:
        assert re.search(rf"\b{COSTS[name][2]}\b", page), name
