"""What the console may be asked, checked before anything is done. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import schema
from firebase_functions.https_fn import FunctionsErrorCode, HttpsError

LABEL_CHARS: Final = 200
ORIGINS_MAX: Final = 100
REASON_CHARS: Final = 256
"""As the rules have it of a removal."""

_STATUS: Final = {
    "bad-request": FunctionsErrorCode.INVALID_ARGUMENT,
    "sign-in-required": FunctionsErrorCode.UNAUTHENTICATED,
    "admin-only": FunctionsErrorCode.PERMISSION_DENIED,
    "app-check-required": FunctionsErrorCode.UNAUTHENTICATED,
    "unknown-key": FunctionsErrorCode.NOT_FOUND,
    "unknown-realm": FunctionsErrorCode.NOT_FOUND,
    "unknown-room": FunctionsErrorCode.NOT_FOUND,
    "unknown-peer": FunctionsErrorCode.NOT_FOUND,
    "realm-exists": FunctionsErrorCode.ALREADY_EXISTS,
    "room-in-use": FunctionsErrorCode.ABORTED,
    "misconfigured": FunctionsErrorCode.INTERNAL,
    "database-unavailable": FunctionsErrorCode.UNAVAILABLE,
}

_ID: Final = re.compile(r"[A-Za-z0-9_%-]+")
_PATTERN: Final = re.compile(
    r"https?://(?P<host>(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}|\*))?"
)
_LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")
_NUMBERS: Final = {"sessionSeconds": (60, schema.SESSION_SECONDS), "capacity": (2, 1000)}
_WORDS: Final = {"role": schema.ROLES, "connect": ("all", "none")}


class Refusal(Exception):
    """The console says no. The text says why and what to do; it never holds a secret."""

    def __init__(self, code: str, message: str) -> None:
        """Take a code of the table above and a sentence for the owner who reads it."""
        super().__init__(message)
        self.code: Final = code
        self.message: Final = message

    def to_https(self) -> HttpsError:
        """The error that the callable protocol carries, with ``details: {"code": …}``."""
        return HttpsError(_STATUS[self.code], self.message, {"code": self.code})


def bad(message: str) -> Refusal:
    """A request that makes no sense."""
    return Refusal("bad-request", message)


def read_text(data: Mapping[str, Any], name: str, most: int, *, default: str | None = None) -> str:
    """A line of text.

    Args:
        data: the request.
        name: of the field.
        most: characters.
        default: what an absent field means; ``None``: it must be there, and not empty.

    Raises:
        Refusal: ``bad-request``.
    """
    text = data.get(name, default)
    if not isinstance(text, str) or (default is None and not text):
        raise bad(f"'{name}' must be text.")
    if len(text) > most:
        raise bad(f"'{name}' has {len(text)} characters, {most} at most.")
    if not text.isprintable():
        raise bad(f"'{name}' must be one line of text, without control characters.")
    return text


def read_flag(data: Mapping[str, Any], name: str) -> bool:
    """``true`` or ``false``.

    Raises:
        Refusal: ``bad-request``.
    """
    flag = data.get(name)
    if not isinstance(flag, bool):
        raise bad(f"'{name}' must be true or false.")
    return flag


def read_id(data: Mapping[str, Any], name: str, most: int) -> str:
    """A document id of a realm, a room or a peer, as :func:`schema.encode_id` writes it.

    Raises:
        Refusal: ``bad-request``.
    """
    text = read_text(data, name, most)
    if _ID.fullmatch(text) is None or re.fullmatch("__.*__", text):
        raise bad(f"'{name}' must be an id, as the documents have it.")
    return text


def read_realm(data: Mapping[str, Any]) -> str:
    """The id of a realm that is there already."""
    return read_id(data, "realm", schema.REALM_ID_BYTES)


def read_new_realm(data: Mapping[str, Any]) -> str:
    """The id that a new realm's name becomes.

    Raises:
        Refusal: ``bad-request``.
    """
    name = read_text(data, "name", schema.REALM_ID_BYTES)
    try:
        realm = schema.encode_id(name)
    except UnicodeEncodeError:
        raise bad("The realm's name holds half of a character.") from None
    if len(realm) > schema.REALM_ID_BYTES:
        raise bad(
            f"The realm's name is too long: as an id it has {len(realm)} characters, "
            f"{schema.REALM_ID_BYTES} at most. Every letter beyond a-z counts for three or more."
        )
    return realm


def read_key(data: Mapping[str, Any]) -> str:
    """A key. What was given is not repeated: it may be a secret, put where the key belongs.

    Raises:
        Refusal: ``unknown-key`` for what can't be one.
    """
    key = data.get("key")
    if not isinstance(key, str) or schema.KEY_PATTERN.fullmatch(key) is None:
        raise Refusal("unknown-key", "There is no such key. A key and its secret are two things.")
    return key


def read_origins(value: Any) -> list[str]:
    """Origin patterns, each of a form that ``join`` can match, written the way it compares them.

    Raises:
        Refusal: ``bad-request``; says what is wrong with which.
    """
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise bad("'origins' must be a list of texts.")
    patterns = list(dict.fromkeys(_origin(item.strip()) for item in value))
    if len(patterns) > ORIGINS_MAX:
        raise bad(f"A key has at most {ORIGINS_MAX} origins; make an alias for the others.")
    return patterns


def _origin(text: str) -> str:
    if text == "*":
        return text
    pattern = text.lower().removesuffix("/")
    found = _PATTERN.fullmatch(pattern)
    if found is None:
        raise bad(
            f"{text[:200]!r} is no origin. Write https://host[:port], https://*.example.com for "
            "subdomains, http://localhost:* for any port of this machine, or * for every page; "
            "an origin ends where the path begins."
        )
    host, port = found["host"], found["port"]
    if host.startswith("*.") and (host.count(".") < 2 or ".." in host):
        raise bad(
            f"{text[:200]!r} is too wide: name at least two labels after the star, as in "
            "https://*.example.com."
        )
    if port == "*" and host not in _LOOPBACK:
        raise bad(f"{text[:200]!r}: any port is for this machine alone. Name the port.")
    if port not in (None, "*") and not 0 < int(port) < 65_536:
        raise bad(f"{text[:200]!r}: there is no port {port}.")
    return pattern


def read_limits(value: Any) -> dict[str, Any]:
    """The limits of a key, as ``join`` reads them; one that is null is not set.

    Raises:
        Refusal: ``bad-request``; says which, and what may stand there.
    """
    if not isinstance(value, Mapping):
        raise bad("'limits' must be an object.")
    limits: dict[str, Any] = {}
    for name, given in value.items():
        if name not in (*_NUMBERS, *_WORDS, "tokenRequired"):
            raise bad(f"There is no limit {str(name)[:64]!r}.")
        if given is not None:
            limits[name] = _limit(name, given)
    return limits


def _limit(name: str, value: Any) -> Any:
    if name in _NUMBERS:
        least, most = _NUMBERS[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
            raise bad(f"The limit {name} must be a whole number from {least} to {most}.")
        if not least <= value <= most:
            raise bad(f"The limit {name} must be a whole number from {least} to {most}.")
        return int(value)
    if name in _WORDS:
        if value not in _WORDS[name]:
            raise bad(f"The limit {name} must be one of: {', '.join(_WORDS[name])}.")
        return value
    if not isinstance(value, bool):
        raise bad(f"The limit {name} must be true or false.")
    return value


def check_usable(origins: object, programs: object) -> None:
    """Refuse a key that nobody could use.

    Raises:
        Refusal: ``bad-request``.
    """
    if not origins and programs is not True:
        raise bad("Nobody could use this key: give it an origin, or allow programs.")
