"""The two kinds of token that a key's secret signs: server-made tokens and resume tokens.

Both are JWTs (RFC 7519) with HS256. A resume token names its purpose as audience; PyJWT refuses a
token with an audience where none is expected, and one without where it is, so neither kind
passes for the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
import schema
from errors import Refused
from joinrequest import peer_id, room_id
from keys import Key

RESUME_AUDIENCE: Final = "firertc-resume"
RESUME_SECONDS: Final = 24 * 3600
"""How long after the last join or renewal a peer gets its id back."""
LEEWAY_SECONDS: Final = 30
"""How far the clock of the server that makes tokens may be off."""
DATA_CHARS: Final = 8192

_ALGORITHMS: Final = ["HS256"]
_NEW_ONE: Final = "Ask your server for a new one."
_AGAIN: Final = "Join again without 'resume'."


@dataclass(frozen=True)
class ServerToken:
    """What the holder of the key's secret vouches for; absent fields are ``None``."""

    room: str | None = None
    """Document id of the only room it is good for."""

    peer: str | None = None
    """Document id of the peer."""

    role: str | None = None
    """``subscriber``, ``publisher`` or ``moderator``."""

    data: str | None = None
    """JSON text about the peer, handed through."""


@dataclass(frozen=True)
class ResumeToken:
    """What a peer gets back: itself."""

    peer: str
    """Document id of the peer."""

    session: str
    """Its session when the token was made."""

    until: int
    """End of that session, Unix seconds."""

    nonce: str | None = field(default=None, repr=False)
    """For a chosen peer id: proves that this is its holder; the same in all renewals."""

    room: str | None = None
    """Document id of the room that the session was bound to."""

    bound: bool = False
    """Whether a server-made token, and not the client, bound it to the room."""

    role: str | None = None
    """Role, if a server-made token gave it."""

    call: str | None = None
    """The one-off call that the session may create."""

    data: str | None = None
    """Data of the server-made token."""

    ends: int | None = None
    """Unix seconds: when the credentials end that let the peer in; no session goes beyond."""


def read_server_token(token: str, key: Key, now: int) -> ServerToken:
    """Check a server-made token.

    Args:
        token: the JWT.
        key: the key it must be signed for.
        now: Unix seconds.

    Raises:
        Refused: ``expired-token`` or ``forged-token``, or ``invalid-room`` or
            ``invalid-peer-id`` for a name in it that can't be an id.
    """
    claims = _claims(token, key, now, None, "server-made token", _NEW_ONE)
    names = {name: claims.get(name) for name in ("realm", "room", "peer", "role", "data")}
    for name, value in names.items():
        if value is not None and not isinstance(value, str):
            raise Refused("forged-token", f"The server-made token's '{name}' must be a string.")
    realm, room, peer, role, data = names.values()
    if realm is not None and _realm_id(realm) != key.realm:
        raise Refused("forged-token", f"The server-made token is for another realm. {_NEW_ONE}")
    if role is not None and role not in schema.ROLES:
        raise Refused(
            "forged-token",
            f"The server-made token's role must be one of {', '.join(schema.ROLES)}.",
        )
    if data is not None and len(data) > DATA_CHARS:
        raise Refused("forged-token", f"The token's data is over {DATA_CHARS} characters.")
    return ServerToken(
        room=None if room is None else room_id(room),
        peer=None if peer is None else peer_id(peer),
        role=role,
        data=data,
    )


def read_resume_token(token: str, key: Key, now: int) -> ResumeToken:
    """Check a resume token.

    Raises:
        Refused: ``expired-token`` or ``forged-token``.
    """
    claims = _claims(token, key, now, RESUME_AUDIENCE, "resume token", _AGAIN)
    if claims.get("realm") != key.realm:
        raise Refused("forged-token", f"The resume token is for another realm. {_AGAIN}")
    try:
        return ResumeToken(
            peer=str(claims["sub"]),
            session=str(claims["session"]),
            until=int(claims["until"]),
            nonce=claims.get("jti"),
            room=claims.get("room"),
            bound=claims.get("bound") is True,
            role=claims.get("role"),
            call=claims.get("call"),
            data=claims.get("data"),
            ends=None if claims.get("ends") is None else int(claims["ends"]),
        )
    except (KeyError, TypeError, ValueError):
        raise Refused("forged-token", f"The resume token lacks a claim. {_AGAIN}") from None


def make_resume_token(token: ResumeToken, key: Key, now: int) -> str:
    """Sign what a peer needs to come back as itself."""
    claims: dict[str, Any] = {
        "iss": key.id,
        "aud": RESUME_AUDIENCE,
        "iat": now,
        "exp": now + RESUME_SECONDS,
        "realm": key.realm,
        "sub": token.peer,
        "session": token.session,
        "until": token.until,
        "jti": token.nonce,
        "room": token.room,
        "bound": token.bound or None,
        "role": token.role,
        "call": token.call,
        "data": token.data,
        "ends": token.ends,
    }
    present = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(present, key.secret, algorithm=_ALGORITHMS[0])


def _claims(
    token: str, key: Key, now: int, audience: str | None, kind: str, remedy: str
) -> Mapping[str, Any]:
    """Claims of a token whose signature (compared in constant time), issuer and times are right."""
    required = ["iss", "exp"] if audience is None else ["iss", "exp", "aud"]
    try:
        claims: Mapping[str, Any] = jwt.decode(
            token,
            key.secret,
            algorithms=_ALGORITHMS,
            audience=audience,
            issuer=key.id,
            # The times are judged below, by the given clock and with a useful text.
            options={
                "require": required,
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
        expires, begins = int(claims["exp"]), int(claims.get("nbf", claims.get("iat", 0)))
    except jwt.InvalidSignatureError:
        raise Refused(
            "forged-token",
            f"The {kind} is not signed with this key's secret: it belongs to another key, or the "
            f"secret has been rotated since. {remedy}",
        ) from None
    except jwt.InvalidIssuerError:
        raise Refused(
            "forged-token", f"The {kind} names another key as its issuer ('iss'). {remedy}"
        ) from None
    except jwt.MissingRequiredClaimError as missing:
        raise Refused("forged-token", f"The {kind} has no claim {missing.claim!r}.") from None
    except jwt.InvalidAudienceError:
        raise Refused("forged-token", f"This is not a {kind}. {remedy}") from None
    except (jwt.PyJWTError, TypeError, ValueError, OverflowError):
        raise Refused(
            "forged-token", f"The {kind} is no JWT that is signed with HS256. {remedy}"
        ) from None
    if expires + LEEWAY_SECONDS <= now:
        raise Refused(
            "expired-token",
            f"The {kind} expired {now - expires} s ago. {remedy} If it was made just now, the "
            "clock of the server that made it is behind: set it by NTP.",
        )
    if begins - LEEWAY_SECONDS > now:
        raise Refused(
            "expired-token",
            f"The {kind} is good only {begins - now} s from now: the clock of the server that "
            "made it is ahead; set it by NTP.",
        )
    return claims


def _realm_id(name: str) -> str | None:
    try:
        return schema.encode_id(name)
    except UnicodeEncodeError:
        return None
