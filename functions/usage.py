"""Counters per realm and day. They are estimates.

A write at every join would double its price, so an instance adds up in memory and writes at most
once a minute, at a later join, and once more when it ends in an orderly way. What an instance had
not written when it was killed is lost.
"""

from __future__ import annotations

import atexit
import secrets
import threading
import time
from collections import Counter
from typing import Final

import schema
from database import client
from firebase_functions import logger
from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import GoogleAuthError
from google.cloud import firestore

FLUSH_SECONDS: Final = 60.0
WRITE_SECONDS: Final = 2.0
"""The longest that the one join a minute which writes the counters is kept waiting."""

_counts: Counter[tuple[str, str]] = Counter()
_lock: Final = threading.Lock()
_flushed_at = time.monotonic()


def count(realm: str, what: str) -> None:
    """Add one to a realm's counter, in memory; write all counters if a minute has passed."""
    with _lock:
        _counts[realm, what] += 1
        due = time.monotonic() - _flushed_at >= FLUSH_SECONDS
    if due:
        flush()


def flush() -> None:
    """Write what has been counted; what can't be written is kept for the next time."""
    global _flushed_at
    with _lock:
        pending = Counter(_counts)
        _counts.clear()
        _flushed_at = time.monotonic()
    if not pending:
        return
    try:
        _write(client(), pending)
    except (GoogleAPIError, GoogleAuthError) as error:
        logger.warn("Usage counters were not written", error=type(error).__name__)
        with _lock:
            _counts.update(pending)


def _write(database: firestore.Client, pending: Counter[tuple[str, str]]) -> None:
    batch = database.batch()
    day = time.strftime("%Y-%m-%d", time.gmtime())
    for realm in {realm for realm, _ in pending}:
        counters = {
            what: firestore.Increment(number)
            for (counted, what), number in pending.items()
            if counted == realm
        }
        path = schema.usage_path(realm, day, secrets.randbelow(schema.SHARDS))
        batch.set(database.document(path), counters, merge=True)
    # Not again after a lost answer: counting twice is worse than not at all.
    batch.commit(retry=None, timeout=WRITE_SECONDS)


atexit.register(flush)
