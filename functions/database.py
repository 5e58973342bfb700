"""The connections of this instance, made when they are first needed."""

from __future__ import annotations

from functools import cache
from typing import Final

import firebase_admin  # type: ignore[import-untyped]  # it ships no types
import settings
from google.cloud import firestore

READ_SECONDS: Final = 10.0
"""The longest that one database operation may take; a function has 60 s in all."""


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
