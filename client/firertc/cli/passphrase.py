"""How a command is told a room's passphrase: asked for, from the environment or standard input.

Never as an argument, which ``ps`` shows to everybody on the machine.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from ..errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])

VARIABLE: Final = "FIRERTC_PASSPHRASE"


def passphrase_options(command: F) -> F:
    """``--passphrase`` and ``--passphrase-stdin``; the command gets ``passphrase``, or None."""

    @functools.wraps(command)
    def with_passphrase(passphrase: bool, passphrase_stdin: bool, **arguments: Any) -> Any:
        return command(passphrase=_passphrase(passphrase, passphrase_stdin), **arguments)

    wrapped: Any = with_passphrase
    wrapped = click.option(
        "--passphrase-stdin",
        is_flag=True,
        help="Read the room's passphrase from the first line of standard input.",
    )(wrapped)
    wrapped = click.option(
        "--passphrase",
        is_flag=True,
        help=f"Ask for the room's passphrase, which seals it; or set {VARIABLE}.",
    )(wrapped)
    return wrapped  # type: ignore[no-any-return]


def _passphrase(ask: bool, from_stdin: bool) -> str | None:
    if ask and from_stdin:
        raise ConfigError("Say --passphrase or --passphrase-stdin, not both.")
    if from_stdin:
        line = sys.stdin.buffer.readline()
        try:
            text = line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise ConfigError("The passphrase on standard input is no UTF-8 text.") from None
        if not text:
            raise ConfigError("There is no passphrase in the first line of standard input.")
        return text
    if ask:
        if not sys.stdin.isatty():
            raise ConfigError(
                f"There is no terminal to ask for the passphrase: use --passphrase-stdin, or set "
                f"{VARIABLE}."
            )
        return str(click.prompt("Passphrase", hide_input=True, err=True))
    return os.environ.get(VARIABLE) or None
