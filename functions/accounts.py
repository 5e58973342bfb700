"""Accounts of peers: Firebase Auth makes one at the first sign-in of every uid."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from database import admin_app
from firebase_admin import auth  # type: ignore[import-untyped]  # it ships no types
from firebase_functions import logger

IDLE_DAYS: Final = 30
DELETED_AT_ONCE: Final = 1000
"""Most that one call of Firebase Auth deletes."""

_PEER_UID: Final = re.compile(r"[A-Za-z0-9_%-]{1,32}:[A-Za-z0-9_%-]{1,80}")
"""``{realm}:{peer}``. Firebase's own uids have no colon."""


def sweep_accounts(now: datetime, is_ours: Callable[[str], bool] | None = None) -> int:
    """Delete accounts of peers that were neither signed in nor renewed for a month.

    An account goes only if ``join`` made it: its uid says ``{realm}:{peer}`` and it has no
    provider, e-mail or telephone number. Accounts of an app in the same project, anonymous ones
    too, stay.

    Args:
        now: the time to judge by, with time zone.
        is_ours: a further condition on the uid.

    Returns:
        How many were deleted.
    """
    oldest = now - timedelta(days=IDLE_DAYS)
    deleted = 0
    idle = [
        user.uid
        for user in auth.list_users(app=admin_app()).iterate_all()
        if _made_by_join(user)
        and (is_ours is None or is_ours(user.uid))
        and _last_seen(user) < oldest
    ]
    for start in range(0, len(idle), DELETED_AT_ONCE):
        result = auth.delete_users(idle[start : start + DELETED_AT_ONCE], app=admin_app())
        deleted += result.success_count
        if result.failure_count:
            logger.warn("Some idle accounts were not deleted", accounts=result.failure_count)
    return deleted


def _made_by_join(user: auth.ExportedUserRecord) -> bool:
    return (
        _PEER_UID.fullmatch(user.uid) is not None
        and not user.provider_data
        and not user.email
        and not user.phone_number
    )


def _last_seen(user: auth.ExportedUserRecord) -> datetime:
    """Last sign-in or renewal of the ID token."""
    times = user.user_metadata
    stamps = (
        times.last_refresh_timestamp,
        times.last_sign_in_timestamp,
        times.creation_timestamp,
    )
    milliseconds = max((stamp for stamp in stamps if stamp is not None), default=0)
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
