"""``python -m firertc``."""

from .cli import main

main()
