"""``python -m tests.faults``: the long runs against a local suite of their own; ``make soak``."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import sys
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from google.cloud.firestore import Client as Owner

from firertc.config import load_config
from firertc.suite import LocalSuite, add_key

from . import many, report, soak
from .conftest import remains
from .namespaces import why_not
from .soak import Plan

ROOT = Path(__file__).parents[2]
PARTS = ("call", "room", "sequence", "crowd")


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="make soak ARGS=…", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    parser.add_argument("--minutes", type=float, default=30.0, help="of the cut call (%(default)s)")
    parser.add_argument("--cuts", type=int, default=200, help="in these minutes (%(default)s)")
    parser.add_argument("--seed", type=int, help="of all chances (default: a new one, printed)")
    parser.add_argument("--calls", type=int, default=1000, help="in sequence (%(default)s)")
    parser.add_argument("--crowd", type=int, default=100, help="calls at once (%(default)s)")
    parser.add_argument("--json", type=Path, default=ROOT / ".firertc" / "soak.json")
    parser.add_argument(
        "--markdown", type=Path, help="a page to put the figures into, with those of earlier runs"
    )
    return parser.parse_args()


async def make_all(asked: argparse.Namespace, suite: LocalSuite) -> dict[str, Any]:
    """Make every part that was asked for, each in a realm of its own."""
    os.environ.update(suite.environment())
    owner = Owner(project=suite.project)
    plans = {
        # A room for a third of the time: its cuts are as dense.
        "call": Plan("call", asked.cuts, asked.minutes * 60, asked.seed),
        "room": Plan("room", max(1, asked.cuts // 3), asked.minutes * 20, asked.seed + 1),
    }
    figures: dict[str, Any] = {}
    for part in asked.parts or PARTS:
        seeds = add_key(suite.addresses, f"soak-{part}", f"key-of-{part}-soak")
        environment = suite.environment() | {"FIRERTC_REALM": seeds.realm, "FIRERTC_KEY": seeds.key}
        config = load_config(environ=environment)

        def left(realm: str = seeds.realm) -> list[str]:
            return remains(owner, realm)

        left()  # opens the owner's channel, which is no leak of a call's
        began = time.monotonic()
        if part in plans:
            figures[part] = await soak.run(environment, plans[part], left)
        else:
            if part == "sequence":
                await many.in_sequence(config, 3)
            else:
                # A first crowd's peak stays with the allocator: the second must do with it.
                await many.at_once(config, asked.crowd)
            work = (
                partial(many.in_sequence, config, asked.calls)
                if part == "sequence"
                else partial(many.at_once, config, asked.crowd)
            )
            figures[part] = await many.measure(work, left)
        problems = figures[part]["problems"]
        print(f"{part}: {'well' if not problems else 'NOT well'}, {time.monotonic() - began:.0f} s")
        print(json.dumps(figures[part], indent=2), flush=True)
    owner.close()  # type: ignore[no-untyped-call]
    return figures


def main() -> int:
    """Make the long runs.

    :returns: 0 if all is well.
    """
    asked = arguments()
    if asked.seed is None:
        asked.seed = random.randrange(2**31)
    if (reason := why_not()) is not None and {"call", "room"} & set(asked.parts or PARTS):
        print(f"make soak: {reason}", file=sys.stderr)
        return 1
    print(f"seed {asked.seed}", flush=True)
    with LocalSuite(ROOT) as suite:
        figures = asyncio.run(make_all(asked, suite))
    about = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": asked.seed,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }
    kept = report.keep(asked.json, {name: about | part for name, part in figures.items()})
    table = report.table(kept)
    print(table)
    if asked.markdown is not None:
        report.put(asked.markdown, table)
    print(f"figures: {asked.json}")
    return 1 if any(part["problems"] for part in figures.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
