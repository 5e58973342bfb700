"""Secrets of a command line."""

from __future__ import annotations


def hide_arguments(command: str) -> None:
    """Take the code out of what ``ps`` shows of this process."""
    import setproctitle

    setproctitle.setproctitle(f"firertc {command}")
