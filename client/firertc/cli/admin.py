"""``firertc admin``: who may use the console, for the project's owner."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import click

from ..config import Config
from ..errors import ConfigError
from .owning import json_option, owner_options
from .running import Interrupted, say
from .tables import printable, show_json, show_rows

__all__ = ["admin"]


@click.group()
def admin() -> None:
    """Say who may use the console page: make and change keys, see and close rooms.

    In the cloud: with Google's application default credentials (gcloud auth application-default
    login, or GOOGLE_APPLICATION_CREDENTIALS). The local suite needs none.
    """


@admin.command()
@click.argument("who", metavar="EMAIL|UID")
@click.option(
    "--create",
    is_flag=True,
    help="Make the account if there is none; its password is asked for, or read from a pipe.",
)
@owner_options
def grant(config: Config, who: str, create: bool) -> None:
    """Let the account of EMAIL or UID use the console.

    Whoever is signed in there has to sign in once more.
    """
    from ..owner.admins import grant_admin

    password = _password() if create else None
    with _stoppable():
        granted = grant_admin(config, who, password=password)
    name = printable(granted.email or granted.uid)
    say(f"{name} may use the console." if granted.changed else f"{name} may do so already.")


@admin.command()
@click.argument("who", metavar="EMAIL|UID")
@owner_options
def revoke(config: Config, who: str) -> None:
    """Take the right away from the account of EMAIL or UID.

    It changes nothing more from now on; what it may look at ends with its token, an hour at most.
    """
    from ..owner.admins import revoke_admin

    with _stoppable():
        revoked = revoke_admin(config, who)
    name = printable(revoked.email or revoked.uid)
    say(f"{name} may no longer use the console." if revoked.changed else f"{name} never might.")


@admin.command(name="list")
@json_option
@owner_options
def list_(config: Config, as_json: bool) -> None:
    """Show who may use the console: looks through every account of the project."""
    from ..owner.admins import list_admins

    with _stoppable():
        found = list_admins(config)
    if as_json:
        show_json([{"uid": one.uid, "email": one.email, "disabled": one.disabled} for one in found])
        return
    if not found:
        say("Nobody may use the console. 'firertc admin grant EMAIL' lets somebody.")
        return
    show_rows(
        ("E-MAIL", "UID", "STATE"),
        ((one.email or "-", one.uid, "disabled" if one.disabled else "on") for one in found),
    )


def _password() -> str:
    """From the terminal, unseen and twice, or the first line of a pipe; never an argument."""
    if sys.stdin.isatty():
        asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return asked
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise ConfigError("Nothing came for a password: write it into the command's input.")
    return password


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Ctrl-C ends what is under way."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted("Stopped.") from None
