"""Options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from ..config import Config, load_config

F = TypeVar("F", bound=Callable[..., Any])

_NAMES = ("project", "database", "realm", "key", "api_key", "region", "functions_url")


def project_options(command: F) -> F:
    """Options that say which project, realm and key; the command gets them as ``config``."""

    @functools.wraps(command)
    def with_config(**arguments: Any) -> Any:
        given = {name: arguments.pop(name) for name in _NAMES}
        return command(config=load_config(given), **arguments)

    options = (
        click.option("--project", metavar="ID", help="Firebase project.", hidden=False),
        click.option(
            "--database", metavar="ID", help="Firestore database, if not the default one."
        ),
        click.option("--realm", metavar="NAME", help="Realm; a key names its own."),
        click.option("--key", metavar="KEY", help="Key of the realm."),
        click.option("--api-key", metavar="KEY", help="Web API key of the Firebase project."),
        click.option("--region", metavar="NAME", help="Where the functions run."),
        click.option("--functions-url", metavar="URL", help="Base address of the functions."),
    )
    wrapped: Any = with_config
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[no-any-return]


__all__ = ["Config", "project_options"]
