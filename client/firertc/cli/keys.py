"""``firertc keys``: the keys of a project, for its owner."""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..config import Config
from ..errors import ConfigError
from .owning import json_option, owner_options, owning
from .running import say
from .tables import moment, printable, show_json, show_rows

if TYPE_CHECKING:
    from ..owner import Key, NewKey

__all__ = ["keys"]


@click.group()
def keys() -> None:
    """Make, list, disable and rotate keys (for the project's owner).

    A key is public and says which realm it opens, and for which pages and programs. Its secret
    signs server-made tokens and belongs on your server only: it is shown once. An origin keeps
    other websites from using a key, nothing more: a program can send any header.

    In the cloud: with Google's application default credentials (gcloud auth application-default
    login, or GOOGLE_APPLICATION_CREDENTIALS). The local suite needs none.
    """


def _grants(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say what a new key allows."""
    options = (
        click.option(
            "--origin",
            "origins",
            metavar="PATTERN",
            multiple=True,
            help="Pages that may use it: https://host[:port], https://*.example.com, "
            "http://localhost:* or *. May be repeated.",
        ),
        click.option(
            "--programs/--no-programs",
            default=None,
            help="Whether programs may use it; if not said: when it has no --origin.",
        ),
        click.option("--label", metavar="TEXT", default="", help="A note for yourself."),
        click.option(
            "--limit",
            "limits",
            metavar="NAME=VALUE",
            multiple=True,
            help="role, tokenRequired, sessionSeconds, connect or capacity. May be repeated.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _secret_options(replace: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Where the secret goes, and JSON; the command gets ``keep`` and ``show``."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_secret(secret_file: Path | None, as_json: bool, **arguments: Any) -> None:
            secret = secrets.token_urlsafe(32)
            with _kept(secret_file, secret, replace=replace):
                made = command(secret=secret, **arguments)
            _show_new(made, secret_file, as_json)

        where = click.option(
            "--secret-file",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="Write the secret to this file, readable by you alone, instead of printing it.",
        )
        return json_option(where(with_secret))

    return decorate


@keys.command()
@click.argument("realm")
@_grants
@click.option(
    "--open/--closed",
    "open_realm",
    default=None,
    help="Whether any signed-in user gets into the realm without a key.",
)
@_secret_options(replace=False)
@owner_options
def create(
    config: Config,
    realm: str,
    origins: tuple[str, ...],
    programs: bool | None,
    label: str,
    limits: tuple[str, ...],
    open_realm: bool | None,
    secret: str,
) -> NewKey:
    """Make a key to REALM, and the realm if there is none.

    Prints the key, and its secret: the only time that it is shown.
    """
    with owning(config) as database:
        from ..owner import create_key, key_limits

        return create_key(
            database,
            realm,
            origins=origins,
            programs=programs,
            label=label,
            limits=key_limits(limits),
            open_realm=open_realm,
            secret=secret,
        )


@keys.command()
@click.argument("key")
@_grants
@_secret_options(replace=False)
@owner_options
def alias(
    config: Config,
    key: str,
    origins: tuple[str, ...],
    programs: bool | None,
    label: str,
    limits: tuple[str, ...],
    secret: str,
) -> NewKey:
    """Make a second key to the realm of KEY, with origins and a secret of its own.

    Limits that are not given are those of KEY.
    """
    with owning(config) as database:
        from ..owner import alias_key, key_limits

        return alias_key(
            database,
            key,
            origins=origins,
            programs=programs,
            label=label,
            limits=key_limits(limits),
            secret=secret,
        )


@keys.command(name="list")
@click.argument("realm", required=False)
@json_option
@owner_options
def list_(config: Config, realm: str | None, as_json: bool) -> None:
    """Show the keys of REALM, or all; never their secrets."""
    with owning(config) as database:
        from ..owner import list_keys
        from ..schema import decode_id

        found = list_keys(database, realm)
    if as_json:
        show_json([_as_json(key) for key in found])
        return
    if not found:
        say("There are no keys. 'firertc keys create REALM' makes one.")
        return
    show_rows(
        ("KEY", "REALM", "FOR", "STATE", "LIMITS", "LABEL", "CREATED"),
        (
            (
                key.id,
                decode_id(key.realm),
                ", ".join((*key.origins, *(["programs"] if key.programs else []))),
                "disabled" if key.disabled else "on",
                ", ".join(f"{name}={value}" for name, value in sorted(key.limits.items())),
                key.label,
                (moment(key.created_at) or "-")[:10],
            )
            for key in found
        ),
    )


@keys.command()
@click.argument("key")
@owner_options
def disable(config: Config, key: str) -> None:
    """Switch KEY off. Who has joined with it stays until the session ends, an hour at most."""
    _switch(config, key, disabled=True)


@keys.command()
@click.argument("key")
@owner_options
def enable(config: Config, key: str) -> None:
    """Switch KEY on again."""
    _switch(config, key, disabled=False)


@keys.command()
@click.argument("key")
@_secret_options(replace=True)
@owner_options
def rotate(config: Config, key: str, secret: str) -> NewKey:
    """Give KEY a new secret; tokens made with the old one are refused from now on."""
    with owning(config) as database:
        from ..owner import rotate_key

        return rotate_key(database, key, secret=secret)


def _switch(config: Config, key: str, *, disabled: bool) -> None:
    with owning(config) as database:
        from ..owner import set_disabled

        changed = set_disabled(database, key, disabled)
    say(f"Key {changed.id} is {'disabled' if disabled else 'on'}.")


def _as_json(key: Key) -> dict[str, Any]:
    return {
        "key": key.id,
        "realm": key.realm,
        "origins": list(key.origins),
        "programs": key.programs,
        "label": key.label,
        "disabled": key.disabled,
        "limits": dict(key.limits),
        "createdAt": moment(key.created_at),
    }


def _show_new(made: NewKey, secret_file: Path | None, as_json: bool) -> None:
    kept = {"secret": made.secret} if secret_file is None else {"secretFile": str(secret_file)}
    if as_json:
        described = _as_json(made.key)
        if made.key.created_at is None:
            del described["createdAt"]
        show_json({**described, **kept})
        return
    click.echo(f"key\t{printable(made.key.id)}")
    for name, value in kept.items():
        click.echo(f"{name}\t{value}")
    say("The key is for clients (FIRERTC_KEY). The secret is for your server, and not shown again.")


@contextlib.contextmanager
def _kept(path: Path | None, secret: str, *, replace: bool) -> Iterator[None]:
    """Keep a secret in a file, if the block ends well: it is on disk before anybody relies on it.

    :raises ConfigError: if the file can't be written, or is there already and not to be replaced.
    """
    if path is None:
        yield
        return
    # A secret is no reason to destroy another file, or to be written into a device.
    if path.exists() and not (replace and path.is_file()):
        raise ConfigError(f"{path} is there already. Name a new file for the secret.")
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror}.") from None
    try:
        try:
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(f"{secret}\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ConfigError(f"{path} can't be written: {error.strerror}.") from None
        yield
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
