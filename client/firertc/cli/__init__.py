"""The command ``firertc``: one module per group of commands, each imported when it is used."""

from __future__ import annotations

import importlib
import sys
from typing import Any, Final

import click

from .. import __version__
from ..errors import EXIT_FAILED, FireRTCError

COMMANDS: Final = {
    "call": ("call", "Call somebody: at a code, or a peer of a room."),
    "answer": ("call", "Answer a call: at a code, or as a peer of a room."),
    "send": ("send", "Send files and folders: at a code, or to a room."),
    "receive": ("receive", "Receive files, by the sender's code or in a room."),
    "pipe": ("pipe", "Connect two terminals' standard input and output."),
    "room": ("room", "Be in a room with everybody linked to everybody: room join NAME."),
    "up": ("suite", "Start the local suite: Firestore, Auth, functions, hosting."),
    "down": ("suite", "Stop the local suite."),
    "config": ("config", "Show which settings count and where they come from."),
    "keys": ("keys", "Make, list, disable and rotate keys (owner)."),
    "watch": ("watch", "Show what happens in a room, live (owner)."),
    "rooms": ("rooms", "List, show and close rooms (owner)."),
    "admin": ("admin", "Say who may use the console page (owner)."),
    "sweep": ("sweep", "Delete what is past its lease (owner)."),
}
"""Module and short help of each command: the help must not import them."""


class Commands(click.Group):
    """A group whose commands are imported when they are run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command's module."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f".{COMMANDS[cmd_name][0]}", __name__)
        command = getattr(module, cmd_name)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_text) for name, (_, help_text) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="firertc")
def cli() -> None:
    """Call a Python process from a terminal or a browser, with Cloud Firestore as the only server.

    Exit codes: 0 done, 1 failed, 2 usage, 3 no answer, 4 rejected, 5 denied, 6 unreachable, 130
    stopped by a signal.
    """


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; errors become one line and an exit code."""
    try:
        return cli.main(args=arguments, prog_name="firertc")
    except FireRTCError as error:
        click.echo(f"firertc: {error}", err=True)
        sys.exit(error.exit_code or EXIT_FAILED)
