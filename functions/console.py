"""``console``: what the owner's page asks for; docs/console.md.

One function for all of it: the requests are rare, and each function of its own would be one more
that starts cold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import consolekeys
import consolerooms
import settings
from body import well_formed_body
from consoleform import Refusal, bad
from database import admin_app, client
from firebase_admin import auth  # type: ignore[import-untyped]  # it ships no types
from firebase_admin.exceptions import (  # type: ignore[import-untyped]  # it ships no types
    FirebaseError,
)
from firebase_functions import https_fn, logger
from google.api_core.exceptions import GoogleAPIError
from google.cloud import firestore

Act: TypeAlias = Callable[[firestore.Client, Mapping[str, Any], datetime], dict[str, Any]]


def _at_any_time(
    act: Callable[[firestore.Client, Mapping[str, Any]], dict[str, Any]],
) -> Act:
    return lambda database, data, _: act(database, data)


ACTIONS: Final[Mapping[str, Act]] = {
    "list-keys": _at_any_time(consolekeys.list_keys),
    "make-key": _at_any_time(consolekeys.make_key),
    "make-alias": _at_any_time(consolekeys.make_alias),
    "change-key": _at_any_time(consolekeys.change_key),
    "delete-key": _at_any_time(consolekeys.delete_key),
    "show-secret": _at_any_time(consolekeys.show_secret),
    "replace-secret": _at_any_time(consolekeys.replace_secret),
    "make-realm": _at_any_time(consolekeys.make_realm),
    "change-realm": _at_any_time(consolekeys.change_realm),
    "lock-room": _at_any_time(consolerooms.lock_room),
    "close-room": _at_any_time(consolerooms.close_room),
    "remove-peer": consolerooms.remove_peer,
}

_NAMED: Final = ("realm", "room", "peer", "key")
"""What the log says of a request: ids, never a secret or what people wrote."""

# Callables verify App Check tokens and the caller's own ID token with it, before this code runs.
admin_app()


@well_formed_body
@https_fn.on_call(
    region=settings.region(),
    max_instances=2,
    memory=512,
    timeout_sec=60,
)
def console(request: https_fn.CallableRequest[Any]) -> dict[str, Any]:
    """Do what the owner asks, if it is the owner who asks."""
    uid = ""
    try:
        if _app_check_required() and request.app is None:
            raise Refusal(
                "app-check-required", "This project wants an App Check token with every request."
            )
        uid = owner(request)
        now = datetime.now(UTC)
        # The page judges leases by it: its own clock may be hours off.
        return {**answer(client(), uid, request.data, now), "now": int(now.timestamp() * 1000)}
    except Refusal as refusal:
        logger.info("console refused", code=refusal.code, uid=uid)
        raise refusal.to_https() from None
    except GoogleAPIError as error:
        logger.error("console: the database did not answer", error=type(error).__name__)
        raise Refusal(
            "database-unavailable", "The database does not answer. Try again in a few seconds."
        ).to_https() from None


def owner(request: https_fn.CallableRequest[Any]) -> str:
    """The uid of the caller, who has the claim ``admin``: in its token, and still.

    A token is good for an hour after the claim was taken away, so the account itself is asked.

    Raises:
        Refusal: ``sign-in-required`` or ``admin-only``.
    """
    if request.auth is None or not request.auth.uid:
        raise Refusal("sign-in-required", "Sign in first.")
    uid: str = request.auth.uid
    refusal = Refusal(
        "admin-only",
        "This account is not an owner's. Whoever has the project's credentials can make it one: "
        f"firertc admin grant {uid}",
    )
    if request.auth.token.get("admin") is not True:
        raise refusal
    try:
        user = auth.get_user(uid, app=admin_app())
    except auth.UserNotFoundError:
        raise refusal from None
    except FirebaseError as error:
        logger.error("console: Firebase Auth did not answer", error=type(error).__name__)
        raise Refusal(
            "misconfigured",
            "The functions can't ask Firebase Auth about this account: their service account "
            "needs the role roles/firebaseauth.viewer.",
        ) from None
    if user.disabled or (user.custom_claims or {}).get("admin") is not True:
        raise refusal
    return uid


def answer(database: firestore.Client, uid: str, data: Any, now: datetime) -> dict[str, Any]:
    """Do one of :data:`ACTIONS`, and write down who did it.

    Args:
        database: the database.
        uid: the owner's account.
        data: ``{"action": …}`` and what that action wants.
        now: the time, with time zone.

    Raises:
        Refusal: see docs/console.md.
        GoogleAPIError: the database did not answer.
    """
    name = data.get("action") if isinstance(data, Mapping) else None
    act = ACTIONS.get(name) if isinstance(name, str) else None
    if act is None:
        raise bad(f"'action' must be one of: {', '.join(ACTIONS)}.")
    result = act(database, data, now)
    if name != "list-keys":
        named = {field: data[field] for field in _NAMED if field in data}
        if isinstance(result.get("key"), Mapping):
            named["key"] = result["key"]["key"]
        logger.info("console", action=name, uid=uid, **named)
    return result


def _app_check_required() -> bool:
    try:
        return settings.app_check_required()
    except ValueError as error:
        logger.error(str(error))
        raise Refusal(
            "misconfigured", "The project's functions have a wrong setting; see their log."
        ) from None
