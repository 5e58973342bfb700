"""The tutorials' paths in a project that hasn't opened them, and options that don't fit."""

from __future__ import annotations

import pytest

from firertc.errors import EXIT_DENIED, EXIT_USAGE

from .conftest import Run


@pytest.mark.parametrize("command", [("call",), ("answer", "A" * 20), ("call", "A" * 20)])
def test_closed_paths_say_how_to_open_them(command: tuple[str, ...], run: Run) -> None:
    terminal = run(*command, "--schema", "calls")
    assert terminal.end() == EXIT_DENIED
    assert "presets()" in terminal.error and "firertc up --presets" in terminal.error


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--chat",), "data channel"),
        (("--room", "lobby"), "--schema"),
        (("--as", "me"), "--schema"),
    ],
)
def test_options_that_do_not_fit(options: tuple[str, ...], told: str, run: Run) -> None:
    terminal = run("call", "--schema", "rooms", *options)
    assert terminal.end() == EXIT_USAGE
    assert told in terminal.error
