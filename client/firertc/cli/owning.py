"""What the owner's commands share: which project they are about, and a connection to it."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..config import Config, load_config
from .running import Interrupted

if TYPE_CHECKING:
    from google.cloud import firestore

__all__ = ["json_option", "owner_options", "owning"]

F = TypeVar("F", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="As JSON.")


def owner_options(command: F) -> F:
    """Options that say which project; the command gets them as ``config``."""

    @functools.wraps(command)
    def with_config(project: str | None, database: str | None, **arguments: Any) -> Any:
        config = load_config({"project": project, "database": database})
        return command(config=config, **arguments)

    wrapped: Any = with_config
    wrapped = click.option(
        "--database", metavar="ID", help="Firestore database, if not the default one."
    )(wrapped)
    wrapped = click.option("--project", metavar="ID", help="Firebase project.")(wrapped)
    return wrapped  # type: ignore[no-any-return]


@contextlib.contextmanager
def owning(config: Config) -> Iterator[firestore.Client]:
    """The project's database with the owner's rights; Ctrl-C ends what is under way.

    :raises FireRTCError: see :func:`firertc.owner.connect`.
    """
    try:
        from ..owner import connect

        with connect(config) as database:
            yield database
    except KeyboardInterrupt:
        raise Interrupted("Stopped.") from None
