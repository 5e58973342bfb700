"""The database as its owner, and what its refusals mean."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import google.auth
from google.api_core import exceptions as api
from google.api_core.retry import Retry, if_exception_type
from google.auth import exceptions as credentials
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore

from ..config import Config
from ..errors import ConfigError, DatabaseUnreachable, Denied, FireRTCError

__all__ = ["ONCE", "connect", "server_time"]

ATTEMPT_SECONDS: Final = 10.0
"""The longest that one try of a request may take."""

RETRY: Final = Retry(
    predicate=if_exception_type(api.ServiceUnavailable, api.InternalServerError),
    initial=0.1,
    maximum=1.0,
    timeout=4.0,
)
"""The library's own tries for five minutes; somebody sits and waits here."""

ONCE: Final[dict[str, Any]] = {"retry": RETRY, "timeout": ATTEMPT_SECONDS}
"""What every request is made with."""

EMULATOR_VARIABLE: Final = "FIRESTORE_EMULATOR_HOST"
SCOPE: Final = "https://www.googleapis.com/auth/datastore"
ROLE: Final = "roles/datastore.user"
"""Role of Google Cloud's IAM that reads and writes every document."""
LOG_IN: Final = (
    "Run 'gcloud auth application-default login', or set GOOGLE_APPLICATION_CREDENTIALS to the "
    "file of a service account's key"
)


@contextlib.contextmanager
def connect(config: Config) -> Iterator[firestore.Client]:
    """The project's database with the owner's rights, for a ``with`` block.

    What Google's library raises in the block leaves it as an error of :mod:`firertc.errors`.

    :param config: says project, database and emulator.
    :raises ConfigError: there are no credentials, or no such project or database.
    :raises Denied: the credentials are refused, or may not use this database.
    :raises DatabaseUnreachable: it does not answer.
    """
    for name in (config.project, config.database):
        if not name.isprintable():
            raise ConfigError(f"There is no project or database {name!r}.")
    try:
        database = _client(config)
    except credentials.GoogleAuthError as error:
        raise _explain_credentials(error) from None
    try:
        yield database
    except api.RetryError as error:
        raise _explain(error.cause or error, config) from None
    except api.GoogleAPICallError as error:
        raise _explain(error, config) from None
    except credentials.GoogleAuthError as error:
        raise _explain_credentials(error) from None
    finally:
        database.close()  # type: ignore[no-untyped-call]  # it has no types


def server_time(database: firestore.Client) -> datetime:
    """The time of the database's own clock: this machine's may be hours off, and a sweep that
    believed it would delete what is alive. One billed read."""
    # A document that need not exist: the answer says when it was looked for.
    found = database.document("realms/-").get([], **ONCE)
    now: datetime = found.read_time
    return now


def _client(config: Config) -> firestore.Client:
    if config.local:
        # The library takes the emulator's address from the environment alone, when it is made.
        with _environment(EMULATOR_VARIABLE, config.firestore_emulator):
            return firestore.Client(
                project=config.project,
                database=config.database,
                credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
            )
    if config.project.startswith("demo-"):
        raise DatabaseUnreachable(
            f"Project {config.project!r} lives in the local suite alone, and none runs here. "
            "Start it with 'firertc up', or name your own project with --project."
        )
    found, _ = google.auth.default(scopes=[SCOPE])
    with _environment(EMULATOR_VARIABLE, None):
        return firestore.Client(project=config.project, database=config.database, credentials=found)


@contextlib.contextmanager
def _environment(name: str, value: str | None) -> Iterator[None]:
    before = os.environ.get(name)
    try:
        _set(name, value)
        yield
    finally:
        _set(name, before)


def _set(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def _explain(error: BaseException, config: Config) -> FireRTCError:
    """The error of ours for one of Google's: what is wrong, and what to do."""
    project, database = config.project, config.database
    text = _first_line(error)
    if "metadata from plugin failed" in text:
        # The channel asks for a token by itself, and calls a refused one an outage.
        return Denied(f"Google does not accept these credentials. {LOG_IN}.")
    match error:
        case api.Unauthenticated():
            return Denied(f"Firestore does not accept these credentials. {LOG_IN}.")
        case api.PermissionDenied():
            return Denied(
                f"These credentials may not use Firestore of project {project!r} ({text}). Is "
                f"that its id? Its owner can give them the role {ROLE}."
            )
        case api.NotFound():
            return ConfigError(
                f"There is no Firestore database {database!r} in a project {project!r}. Correct "
                "--project or --database, or create it in the Firebase console."
            )
        case api.FailedPrecondition() if "index" in text:
            return FireRTCError(
                f"Firestore of project {project!r} lacks an index. Deploy them: 'firebase deploy "
                "--only firestore:indexes', and wait until they are built."
            )
        case api.TooManyRequests():
            return FireRTCError(f"The quota of project {project!r} is used up: {text}")
        case api.Aborted():
            return FireRTCError("Somebody changed the same documents at once. Try again.")
        case api.ServiceUnavailable() | api.DeadlineExceeded() | api.InternalServerError():
            if config.local:
                return DatabaseUnreachable(
                    f"No Firestore emulator answers at {config.firestore_emulator}. Is the local "
                    "suite running? Start it with 'firertc up'."
                )
            return DatabaseUnreachable(f"Firestore does not answer ({text}). Check the network.")
    return FireRTCError(f"Firestore refused: {text}")


def _explain_credentials(error: credentials.GoogleAuthError) -> FireRTCError:
    match error:
        case credentials.DefaultCredentialsError():
            variable = "GOOGLE_APPLICATION_CREDENTIALS"
            if os.environ.get(variable):
                return ConfigError(
                    f"The file in {variable} holds no credentials of Google that can be read. "
                    "Correct the variable, or unset it and run 'gcloud auth application-default "
                    "login'."
                )
            return ConfigError(
                f"There are no credentials for the project's owner. {LOG_IN}. For the local "
                "suite, which needs none: 'firertc up'."
            )
        case credentials.TransportError():
            return DatabaseUnreachable(
                f"Google's token service does not answer ({_first_line(error)}). Check the network."
            )
    return Denied(f"Google does not accept these credentials. {LOG_IN}.")


def _first_line(error: BaseException) -> str:
    text = error.message if isinstance(error, api.GoogleAPICallError) else str(error)
    line = str(text).partition("\n")[0].strip()[:300].rstrip(".")
    return "".join(filter(str.isprintable, line)) or type(error).__name__
