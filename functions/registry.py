"""Who holds a chosen peer id: ``realms/{realm}/ids/{peer}``.

A random peer id needs no registration: nobody can choose it, and its resume token is signed.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import schema
from database import ATTEMPT_SECONDS, RETRY
from errors import Refused
from google.api_core.exceptions import Aborted, AlreadyExists, FailedPrecondition, NotFound
from google.cloud import firestore

ATTEMPTS: Final = 4
"""A claim that lost a race looks again; by then the winner usually holds the id."""


@dataclass(frozen=True)
class Claim:
    """A peer's wish to hold an id."""

    peer: str
    """Document id of the peer."""

    key: str
    """The key it came with."""

    until: int
    """End of the session that is asked for, Unix seconds."""

    fresh_session: str
    """The session it gets if it keeps none."""

    nonce: str = field(repr=False)
    """Of its resume token, or a fresh one."""

    session: str | None = None
    """The session it wants to keep; only ever set with a good resume token."""


def decide_holder(held: Mapping[str, Any] | None, claim: Claim, now: int) -> str:
    """Say which session holds a peer id after a claim.

    Args:
        held: fields of the registration; ``None`` if there is none.
        claim: who wants it.
        now: Unix seconds.

    Returns:
        The session: the one to keep, or the fresh one.

    Raises:
        Refused: ``unavailable-id`` if somebody else's session holds it.
    """
    until = held.get("until") if held is not None else None
    if held is None or not isinstance(until, int) or until <= now:
        # Free. A holder whose registration went away (left a room, was swept) keeps its session.
        return claim.session if held is None and claim.session else claim.fresh_session
    if not hmac.compare_digest(str(held.get("resumeHash")), nonce_hash(claim.nonce)):
        raise Refused(
            "unavailable-id",
            f"Somebody holds this peer id for at most {until - now} s more. Choose another, or "
            "come back with the resume token if it was you.",
        )
    session = str(held.get("session"))
    return session if session == claim.session else claim.fresh_session


def register(database: firestore.Client, realm: str, claim: Claim, now: int) -> str:
    """Give a peer id to one of those who want it: a read, and a write that holds only if nobody
    wrote in between. (A transaction would do the same with locks, which make a crowd wait.)

    Returns:
        The session that holds it now.

    Raises:
        Refused: ``unavailable-id``, or ``database-unavailable`` in a crowd.
    """
    reference = database.document(schema.id_path(realm, claim.peer))
    for _ in range(ATTEMPTS):
        found = reference.get(retry=RETRY, timeout=ATTEMPT_SECONDS)
        session = decide_holder(found.to_dict() if found.exists else None, claim, now)
        fields = {
            "session": session,
            "until": claim.until,
            "resumeHash": nonce_hash(claim.nonce),
            "key": claim.key,
        }
        try:
            if found.exists:
                as_read = database.write_option(last_update_time=found.update_time)
                reference.update(fields, as_read, retry=RETRY, timeout=ATTEMPT_SECONDS)
            else:
                reference.create(fields, retry=RETRY, timeout=ATTEMPT_SECONDS)
        except (AlreadyExists, FailedPrecondition, NotFound, Aborted):
            continue
        return session
    raise Refused(
        "database-unavailable",
        "Too many join under this peer id at once. Try again in a few seconds.",
    )


def nonce_hash(nonce: str) -> str:
    """What is stored of a nonce: whoever reads the document can't come back as the holder."""
    return hashlib.sha256(nonce.encode("utf-8")).hexdigest()
