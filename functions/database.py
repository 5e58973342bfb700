"""The connections of this instance, made when they are first needed."""

from __future__ import annotations

from functools import cache
from typing import Final

import firebase_admin  # type: ignore[import-untyped]  # it ships no types
import settings
from google.api_core.exceptions import InternalServerError, ServiceUnavailable
from google.api_core.retry import Retry, if_exception_type
from google.cloud import firestore

ATTEMPT_SECONDS: Final = 5.0
"""The longest that one attempt at a database operation may take."""

RETRY: Final = Retry(
    predicate=if_exception_type(ServiceUnavailable, InternalServerError),
    initial=0.1,
    maximum=1.0,
    timeout=8.0,
)
"""The library's own tries for five minutes; a function has one, and somebody is waiting."""


@cache
def client() -> firestore.Client:
    """Firestore with the function's own rights.

    Not ``firebase_admin.firestore.client()``: it wants credentials in the emulator too.
    """
    return firestore.Client(database=settings.database_id())


def admin_app() -> firebase_admin.App:
    """The Firebase app that signs and checks tokens; made once."""
    try:
        return firebase_admin.get_app()
    except ValueError:
        return firebase_admin.initialize_app()
