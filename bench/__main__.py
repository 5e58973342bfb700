"""``make bench``: every measurement in turn, or those named: ``make bench ARGS="files room"``.

Each is a module of this package with a function ``main(arguments)``.
"""

from __future__ import annotations

import importlib
import sys
from itertools import takewhile

MEASUREMENTS = ("handshake", "room", "browser", "mesh", "files")
"""In the order in which they run."""


def main() -> None:
    """Run the measurements named; options that follow the names go to each of them."""
    names = list(takewhile(lambda word: not word.startswith("-"), sys.argv[1:]))
    options = sys.argv[1 + len(names) :]
    if unknown := [name for name in names if name not in MEASUREMENTS]:
        sys.exit(f"No such measurement: {', '.join(unknown)}. There are: {', '.join(MEASUREMENTS)}")
    for name in names or MEASUREMENTS:
        importlib.import_module(f".{name}", __package__).main(options)


main()
