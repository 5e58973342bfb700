"""Keys and realms as the console changes them.

A secret leaves the database three times at most: when its key is made, when it is replaced, and
when the owner asks for it in so many words. No other answer holds one.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import schema
from consoleform import (
    LABEL_CHARS,
    Refusal,
    bad,
    check_usable,
    read_flag,
    read_key,
    read_limits,
    read_new_realm,
    read_origins,
    read_realm,
    read_text,
)
from database import ATTEMPT_SECONDS, RETRY
from google.api_core.exceptions import AlreadyExists, NotFound
from google.cloud import firestore

SECRET_BYTES: Final = 32
"""As many as the hash that it signs with (RFC 7518, section 3.2)."""
KEY_BYTES: Final = 15

_ONCE: Final[dict[str, Any]] = {"retry": RETRY, "timeout": ATTEMPT_SECONDS}
_FIELDS: Final = ("realm", "origins", "programs", "label", "disabled", "limits", "createdAt")
"""All but the secret."""
_CHANGEABLE: Final = ("origins", "programs", "label", "disabled", "limits")

Answer = dict[str, Any]


def list_keys(database: firestore.Client, data: Mapping[str, Any]) -> Answer:
    """The keys of a realm, the oldest first, without their secrets."""
    realm = read_realm(data)
    query = (
        database.collection(schema.KEYS)
        .where(filter=firestore.FieldFilter("realm", "==", realm))
        .select(_FIELDS)
    )
    found = [_shown(key.id, key.to_dict() or {}) for key in query.get(**_ONCE)]
    return {"keys": sorted(found, key=lambda key: (key["createdAt"] or "", key["key"]))}


def make_key(database: firestore.Client, data: Mapping[str, Any]) -> Answer:
    """A new key to a realm; the answer holds its secret."""
    realm = read_realm(data)
    fields = _new_fields(data, {})
    if not database.document(f"{schema.REALMS}/{realm}").get([], **_ONCE).exists:
        raise _unknown_realm()
    return _create(database, realm, fields)


def make_alias(database: firestore.Client, data: Mapping[str, Any]) -> Answer:
    """A second key to the realm of another, with origins and a secret of its own.

    Limits that are not given are the other key's, so that an alias is no way around them.
    """
    key = read_key(data)
    other = _read(database, key)
    limits = other.get("limits")
    fields = _new_fields(data, limits if isinstance(limits, Mapping) else {})
    return _create(database, str(other.get("realm")), fields)


def change_key(database: firestore.Client, data: Mapping[str, Any]) -> Answer:
    """Change some of a key's fields; ``limits`` and ``origins`` are replaced whole."""
    key = read_key(data)
    changes: dict[str, Any] = {}
    for name in _CHANGEABLE:
        if name in data:
            changes[name] = _field(data, name)
    if not changes:
        raise bad(f"Nothing to change: say one of {', '.join(_CHANGEABLE)}.")
    known = _read(database, key)
    after = {**known, **changes}
    if not changes.keys().isdisjoint(("origins", "programs")):
        check_usable(after.get("origins"), after.get("programs"))
    _update(database, key, changes)
    return {"key": _shown(key, after)}


def delete_key(database: firestore.Client, data: Mapping[str, Any]) -> Answer:
    """Delete a key. Who has joined with it stays until the session is to be renewed."""
    key = read_key(data)
    _read(database, key)
    database.document(schema.key_path(key)).delete(**_ONCE)
    return {"key": key}


def show_secret(database: firestore.Client, data: Mapping[str, Any]) -> Answer:
    """A key's secret, because the owner asked for it."""
    key = read_key(data)
    found = database.document(schema.key_path(key)).get(["secret"], **_ONCE)
    secret = (found.to_dict() or {}).get("secret") if found.exists else None
    if not isinstance(secret, str):
        raise _unknown_key()
    return {"key": key, "secret": secret}


def replace_secret(database: firestore.Client, data: Mapping[str, Any]) -> Answer:
    """Give a key a new secret; tokens made with the old one are refused from now on."""
    key = read_key(data)
    secret = secrets.token_urlsafe(SECRET_BYTES)
    _update(database, key, {"secret": secret})
    return {"key": key, "secret": secret}


def make_realm(database: firestore.Client, data: Mapping[str, Any]) -> Answer:
    """A new realm, closed unless it is said to be open."""
    realm = read_new_realm(data)
    is_open = read_flag(data, "open") if "open" in data else False
    try:
        place = database.document(f"{schema.REALMS}/{realm}")
        place.create({"open": is_open, "limits": {}}, **_ONCE)
    except AlreadyExists:
        raise Refusal("realm-exists", "There is a realm of this name already.") from None
    return {"realm": realm, "open": is_open}


def change_realm(database: firestore.Client, data: Mapping[str, Any]) -> Answer:
    """Open a realm to any signed-in user, or close it."""
    realm, is_open = read_realm(data), read_flag(data, "open")
    try:
        database.document(f"{schema.REALMS}/{realm}").update({"open": is_open}, **_ONCE)
    except NotFound:
        raise _unknown_realm() from None
    return {"realm": realm, "open": is_open}


def _new_fields(data: Mapping[str, Any], inherited: Mapping[str, Any]) -> dict[str, Any]:
    origins = read_origins(data.get("origins", []))
    programs = read_flag(data, "programs") if "programs" in data else not origins
    check_usable(origins, programs)
    return {
        "origins": origins,
        "programs": programs,
        "label": read_text(data, "label", LABEL_CHARS, default=""),
        "disabled": False,
        "limits": {**inherited, **read_limits(data.get("limits", {}))},
    }


def _field(data: Mapping[str, Any], name: str) -> Any:
    if name == "origins":
        return read_origins(data[name])
    if name == "limits":
        return read_limits(data[name])
    if name == "label":
        return read_text(data, name, LABEL_CHARS, default="")
    return read_flag(data, name)


def _create(database: firestore.Client, realm: str, fields: Mapping[str, Any]) -> Answer:
    # Begins with a letter: neither an option of a command line nor an id that Firestore reserves.
    key = "k" + secrets.token_urlsafe(KEY_BYTES)
    secret = secrets.token_urlsafe(SECRET_BYTES)
    document = {"realm": realm, **fields, "secret": secret}
    database.document(schema.key_path(key)).create(
        {**document, "createdAt": firestore.SERVER_TIMESTAMP}, **_ONCE
    )
    return {"key": _shown(key, document), "secret": secret}


def _read(database: firestore.Client, key: str) -> dict[str, Any]:
    found = database.document(schema.key_path(key)).get(_FIELDS, **_ONCE)
    fields = found.to_dict() if found.exists else None
    if fields is None:
        raise _unknown_key()
    return fields


def _update(database: firestore.Client, key: str, changes: dict[str, Any]) -> None:
    try:
        database.document(schema.key_path(key)).update(changes, **_ONCE)
    except NotFound:
        raise _unknown_key() from None


def _shown(key: str, fields: Mapping[str, Any]) -> Answer:
    """A key as the console is told of it."""
    created = fields.get("createdAt")
    origins, limits = fields.get("origins"), fields.get("limits")
    return {
        "key": key,
        "realm": str(fields.get("realm", "")),
        "origins": list(map(str, origins)) if isinstance(origins, list) else [],
        "programs": fields.get("programs") is True,
        "label": str(fields.get("label", "")),
        "disabled": fields.get("disabled", False) is not False,
        "limits": dict(limits) if isinstance(limits, Mapping) else {},
        "createdAt": created.astimezone(UTC).isoformat(timespec="milliseconds")
        if isinstance(created, datetime)
        else None,
    }


def _unknown_key() -> Refusal:
    return Refusal("unknown-key", "There is no such key: it may have been deleted meanwhile.")


def _unknown_realm() -> Refusal:
    return Refusal("unknown-realm", "There is no such realm. Make it first.")
