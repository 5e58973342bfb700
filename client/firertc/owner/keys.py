"""Keys of a realm: what a program or a page may do with it (docs/protocol.md, 3.8).

A key is public; its secret, which signs server-made tokens, is given out once and never read back:
no query of this module asks for it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from google.api_core.exceptions import AlreadyExists, NotFound
from google.cloud import firestore

from ..errors import ConfigError, Unknown
from ..schema import REALM_ID_BYTES, encode_id
from .access import ONCE
from .documents import Snapshot
from .origins import origin_pattern

__all__ = [
    "Key",
    "NewKey",
    "alias_key",
    "create_key",
    "list_keys",
    "rotate_key",
    "set_disabled",
]

SECRET_BYTES: Final = 32
"""As many as the hash that it signs with (RFC 7518, section 3.2)."""
KEY_BYTES: Final = 15
LABEL_CHARS: Final = 200
ORIGINS_MAX: Final = 100

_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FIELDS: Final = ("realm", "origins", "programs", "label", "disabled", "limits", "createdAt")
"""All but the secret."""


@dataclass(frozen=True)
class Key:
    """A key, without its secret."""

    id: str
    """What clients are given."""
    realm: str
    """Id of its realm."""
    origins: tuple[str, ...]
    """Patterns of the pages that may use it."""
    programs: bool
    """Whether programs may, which send no ``Origin``."""
    label: str = ""
    """The owner's note."""
    disabled: bool = False
    limits: Mapping[str, Any] = field(default_factory=dict)
    """See :func:`firertc.owner.key_limits`."""
    created_at: datetime | None = None


@dataclass(frozen=True)
class NewKey:
    """A key just made, or with a new secret."""

    key: Key
    secret: str = field(repr=False)
    """For servers that make tokens; it can't be had again."""


def new_secret() -> str:
    """A random secret, URL-safe."""
    return secrets.token_urlsafe(SECRET_BYTES)


def create_key(
    database: firestore.Client,
    realm: str,
    *,
    origins: Iterable[str] = (),
    programs: bool | None = None,
    label: str = "",
    limits: Mapping[str, Any] | None = None,
    open_realm: bool | None = None,
    secret: str = "",
) -> NewKey:
    """Make a key, and its realm if there is none.

    :param realm: name of the realm.
    :param origins: patterns, see :func:`origin_pattern`.
    :param programs: whether programs may use it; None: if it has no origins.
    :param label: a note, at most 200 characters.
    :param limits: from :func:`firertc.owner.key_limits`.
    :param open_realm: whether any signed-in user gets into the realm without a key; None: as it
        is, and closed if it is made now.
    :param secret: its secret; empty: a random one.
    :raises ConfigError: an argument makes no sense.
    """
    realm_id = encode_id(realm, limit=REALM_ID_BYTES, what="realm")
    fields = _fields(realm_id, origins, programs, label, limits or {})
    made = _new_key(fields, secret)
    place = database.document(f"realms/{realm_id}")
    for again in (True, False):
        exists = place.get([], **ONCE).exists
        batch = database.batch()
        _add(batch, database, made, fields)
        if not exists:
            batch.create(place, {"open": open_realm or False, "limits": {}})
        elif open_realm is not None:
            batch.update(place, {"open": open_realm})
        try:
            batch.commit(**ONCE)
            break
        except AlreadyExists:
            # Somebody made the realm in the meantime.
            if not again:
                raise
    return made


def alias_key(
    database: firestore.Client,
    key: str,
    *,
    origins: Iterable[str] = (),
    programs: bool | None = None,
    label: str = "",
    limits: Mapping[str, Any] | None = None,
    secret: str = "",
) -> NewKey:
    """Make a second key to another key's realm, with origins and a secret of its own.

    Arguments as in :func:`create_key`; limits that are not given are the other key's, so that an
    alias is no way around them.

    :raises Unknown: there is no such key.
    :raises ConfigError: an argument makes no sense.
    """
    other = read_key(database, key)
    fields = _fields(other.realm, origins, programs, label, {**other.limits, **(limits or {})})
    made = _new_key(fields, secret)
    batch = database.batch()
    _add(batch, database, made, fields)
    batch.commit(**ONCE)
    return made


def list_keys(database: firestore.Client, realm: str | None = None) -> list[Key]:
    """The keys of a realm, or all; by realm, the oldest first.

    :param realm: name of the realm.
    """
    query = database.collection("keys").select(_FIELDS)
    if realm is not None:
        realm_id = encode_id(realm, limit=REALM_ID_BYTES, what="realm")
        query = query.where(filter=firestore.FieldFilter("realm", "==", realm_id))
    keys = [_read(found) for found in query.stream(**ONCE)]
    return sorted(
        keys, key=lambda key: (key.realm, key.created_at.timestamp() if key.created_at else 0)
    )


def read_key(database: firestore.Client, key: str) -> Key:
    """One key.

    :raises Unknown: there is none.
    """
    if _KEY.fullmatch(key) is None:
        raise _unknown(database)
    found = database.document(f"keys/{key}").get(_FIELDS, **ONCE)
    if not found.exists:
        raise _unknown(database)
    return _read(found)


def set_disabled(database: firestore.Client, key: str, disabled: bool) -> Key:
    """Switch a key off or on. Who has joined with it stays until the session is renewed.

    :raises Unknown: there is no such key.
    """
    read_key(database, key)
    _update(database, key, {"disabled": disabled})
    return read_key(database, key)


def rotate_key(database: firestore.Client, key: str, *, secret: str = "") -> NewKey:
    """Give a key a new secret; tokens made with the old one are refused from now on.

    :param secret: the new one; empty: a random one.
    :raises Unknown: there is no such key.
    """
    known = read_key(database, key)
    made = NewKey(known, secret or new_secret())
    _update(database, key, {"secret": made.secret})
    return made


def _update(database: firestore.Client, key: str, fields: dict[str, Any]) -> None:
    try:
        database.document(f"keys/{key}").update(fields, **ONCE)
    except NotFound:
        raise _unknown(database) from None


def _unknown(database: firestore.Client) -> Unknown:
    # What was given is not repeated: it may be a secret, put where the key belongs.
    return Unknown(
        f"There is no such key in project {database.project!r}. 'firertc keys list' shows them; a "
        "key and its secret are two things."
    )


def _fields(
    realm_id: str,
    origins: Iterable[str],
    programs: bool | None,
    label: str,
    limits: Mapping[str, Any],
) -> dict[str, Any]:
    patterns = list(dict.fromkeys(origin_pattern(text) for text in origins))
    if len(patterns) > ORIGINS_MAX:
        raise ConfigError(f"A key has at most {ORIGINS_MAX} origins; make an alias for the others.")
    if programs is None:
        programs = not patterns
    if not patterns and not programs:
        raise ConfigError("Nobody could use this key: give it an --origin, or allow --programs.")
    if not label.isprintable():
        raise ConfigError("The label must be one line of text, without control characters.")
    if len(label) > LABEL_CHARS:
        raise ConfigError(f"The label has {len(label)} characters, {LABEL_CHARS} at most.")
    return {
        "realm": realm_id,
        "origins": patterns,
        "programs": programs,
        "label": label,
        "disabled": False,
        "limits": dict(limits),
    }


def _new_key(fields: Mapping[str, Any], secret: str) -> NewKey:
    # Begins with a letter: neither an option of a command line nor an id that Firestore reserves.
    key = _key("k" + secrets.token_urlsafe(KEY_BYTES), fields)
    return NewKey(key, secret or new_secret())


def _add(
    batch: firestore.WriteBatch,
    database: firestore.Client,
    made: NewKey,
    fields: Mapping[str, Any],
) -> None:
    document = {**fields, "secret": made.secret, "createdAt": firestore.SERVER_TIMESTAMP}
    batch.create(database.document(f"keys/{made.key.id}"), document)


def _read(found: Snapshot) -> Key:
    return _key(found.id, found.to_dict() or {})


def _key(key_id: str, fields: Mapping[str, Any]) -> Key:
    origins, limits = fields.get("origins"), fields.get("limits")
    created_at = fields.get("createdAt")
    return Key(
        id=key_id,
        realm=str(fields.get("realm", "")),
        origins=tuple(map(str, origins)) if isinstance(origins, list) else (),
        programs=fields.get("programs") is True,
        label=str(fields.get("label", "")),
        disabled=fields.get("disabled", False) is not False,
        limits=limits if isinstance(limits, Mapping) else {},
        created_at=created_at if isinstance(created_at, datetime) else None,
    )
