"""Keys: what a realm's owner lets a program or a web page do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import schema
from database import ATTEMPT_SECONDS, RETRY
from errors import Refused
from google.cloud import firestore
from origins import origin_allowed


@dataclass(frozen=True)
class Key:
    """A key document, read. A key that lacks a field gets the stricter meaning."""

    id: str
    """The key itself; public."""

    realm: str
    """Id of the realm that the key opens. Alias keys name the same one."""

    secret: str = field(repr=False)
    """Signs server-made tokens and resume tokens; only servers hold it."""

    origins: tuple[str, ...] = ()
    """Patterns of the web origins that may use the key."""

    programs: bool = False
    """Whether a request without an ``Origin``, so no web page's, may use the key."""

    disabled: bool = False
    """Whether the owner has switched the key off."""

    role: str = "publisher"
    """Role of a peer without a server-made token."""

    token_required: bool = False
    """Whether only peers with a server-made token get in."""

    session_seconds: int = schema.SESSION_SECONDS
    """How long a session lasts before it must be renewed; at most an hour."""

    connect: str | None = None
    """``all`` or ``none``: what a new room should say; ``None`` leaves it to the client."""

    capacity: int | None = None
    """Most peers that a new room should take; ``None`` leaves it to the client."""


def parse_key(key_id: str, fields: Mapping[str, Any]) -> Key:
    """Read a key document's fields.

    Raises:
        Refused: ``misconfigured`` if the document is not what ``firertc keys`` writes.
    """
    realm, secret = fields.get("realm"), fields.get("secret")
    if not isinstance(realm, str) or not realm or not isinstance(secret, str) or not secret:
        raise Refused(
            "misconfigured",
            "This key's document lacks its realm or its secret: the project's owner should make "
            "a new key with 'firertc keys create'.",
        )
    limits = fields.get("limits")
    limits = limits if isinstance(limits, Mapping) else {}
    origins = fields.get("origins")
    role = limits.get("role", "publisher")
    seconds = limits.get("sessionSeconds")
    connect, capacity = limits.get("connect"), limits.get("capacity")
    return Key(
        id=key_id,
        realm=realm,
        secret=secret,
        origins=tuple(item for item in origins if isinstance(item, str))
        if isinstance(origins, list)
        else (),
        programs=fields.get("programs") is True,
        disabled=fields.get("disabled", False) is not False,
        role=role if role in schema.ROLES else "subscriber",
        token_required=limits.get("tokenRequired", False) is not False,
        session_seconds=min(max(seconds, 60), schema.SESSION_SECONDS)
        if isinstance(seconds, int) and not isinstance(seconds, bool)
        else schema.SESSION_SECONDS,
        connect=connect if connect in ("all", "none") else None,
        capacity=capacity if isinstance(capacity, int) and 2 <= capacity <= 1000 else None,
    )


def check_key(key: Key, origin: str | None) -> None:
    """Check that a key is on and may be used from where the request came.

    Args:
        key: the key.
        origin: the request's ``Origin`` header; ``None`` without one.

    Raises:
        Refused: ``disabled-key``, ``origin-not-allowed`` or ``programs-not-allowed``.
    """
    if key.disabled:
        raise Refused(
            "disabled-key",
            "This key has been disabled by its owner. Ask for another one, or enable it again.",
        )
    if origin is None:
        if not key.programs:
            raise Refused(
                "programs-not-allowed",
                "This key is for web pages only, and the request has no Origin. Use a key that "
                "allows programs (its field 'programs' is true).",
            )
    elif not origin_allowed(origin, key.origins):
        raise Refused(
            "origin-not-allowed",
            f"This key is not for pages from {origin[:200]!r}. Add the origin to the key, or "
            "serve the page from one that the key lists.",
        )


def load_key(database: firestore.Client, key_id: str) -> Key:
    """Read a key: one billed read, each time.

    There is no cache on purpose: this is the only read of most joins, its price is about that
    of the invocation itself, and without a cache a disabled key is refused at once.

    Raises:
        Refused: ``unknown-key``, or ``misconfigured`` for a document that makes no sense.
    """
    unknown = Refused(
        "unknown-key",
        "There is no such key in this project. Compare it with 'firertc keys list'; a key and "
        "its secret are two things.",
    )
    if schema.KEY_PATTERN.fullmatch(key_id) is None:
        raise unknown
    snapshot = database.document(schema.key_path(key_id)).get(retry=RETRY, timeout=ATTEMPT_SECONDS)
    fields = snapshot.to_dict() if snapshot.exists else None
    if fields is None:
        raise unknown
    return parse_key(key_id, fields)
