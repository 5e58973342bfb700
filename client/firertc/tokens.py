"""Server-made tokens: your server says who may join, as what, and where.

A key is public, so whoever has it can join. With a key that asks for tokens (or gives a lesser
role without one) your own server decides instead: it makes a token with the key's secret, hands it
to a person it knows, and that person's client sends it when joining. The secret stays on the
server.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from typing import Any, Final, Literal

import jwt

from firertc.errors import ConfigError

__all__ = ["DATA_CHARS", "EXPIRES_IN_SECONDS", "SECRET_CHARS_MIN", "Role", "make_token"]

EXPIRES_IN_SECONDS: Final = 3600
DATA_CHARS: Final = 8192
"""As in a peer's document (docs/protocol.md, section 3.4)."""
SECRET_CHARS_MIN: Final = 32
"""An HMAC key is to be at least as long as its hash: 32 bytes for HS256 (RFC 7518, section 3.2)."""

Role = Literal["subscriber", "publisher", "moderator"]
_ROLES: Final = ("subscriber", "publisher", "moderator")


def make_token(
    key: str,
    secret: str,
    *,
    room: str | None = None,
    peer: str | None = None,
    role: Role = "publisher",
    expires_in_seconds: float = EXPIRES_IN_SECONDS,
    data: Mapping[str, Any] | None = None,
) -> str:
    """Make a server-made token: a JWT (RFC 7519), signed with HS256.

    Args:
        key: the key that the client joins with.
        secret: that key's own secret, as ``firertc keys create`` printed it. Never in a client.
        room: name of the only room that the token is good for; ``None``: any room of the realm.
        peer: name that the peer gets; ``None``: the client's choice, or a random one.
        role: ``subscriber`` (receives only), ``publisher``, or ``moderator`` (also locks rooms
            and removes peers).
        expires_in_seconds: until when one may join with it. Who has joined stays, and renews its
            session, beyond that.
        data: what your server says about the peer; as JSON at most 8,192 characters. The client
            can read it.

    Returns:
        The token; it is a secret of the person it was made for.

    Raises:
        ConfigError: an argument is empty, too long or of the wrong kind.
    """
    if not key:
        raise ConfigError("A server-made token needs the key it is for; see 'firertc keys list'.")
    if len(secret) < SECRET_CHARS_MIN:
        raise ConfigError(
            f"The secret of a key has at least {SECRET_CHARS_MIN} characters; this has "
            f"{len(secret)}. Give the secret, not the key: 'firertc keys rotate' makes a new one."
        )
    if role not in _ROLES:
        raise ConfigError(f"The role must be one of {', '.join(_ROLES)}, not {role!r}.")
    if room == "" or peer == "":
        raise ConfigError("A room or peer name has at least one character; leave it out for any.")
    if not 0 < expires_in_seconds < math.inf:
        raise ConfigError("expires_in_seconds must be above 0 and finite, or the token is no use.")
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": key,
        "iat": now,
        "exp": now + max(int(expires_in_seconds), 1),
        "role": role,
    }
    if room is not None:
        claims["room"] = room
    if peer is not None:
        claims["peer"] = peer
    if data is not None:
        claims["data"] = _json_text(data)
    return jwt.encode(claims, secret, algorithm="HS256")


def _json_text(data: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(dict(data), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"The token's data can't be written as JSON: {error}.") from None
    if len(text) > DATA_CHARS:
        raise ConfigError(f"The token's data is {len(text)} characters of JSON; {DATA_CHARS} fit.")
    return text
