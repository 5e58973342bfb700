"""Whose task a link of a mesh is, which offers are taken, when it is tried again: decisions without
I/O.

:mod:`firertc.mesh` does what is decided here.
"""

from __future__ import annotations

from typing import NamedTuple

from .negotiation import ATTEMPT_SECONDS, UNREACHABLE_SECONDS, Presence, connects
from .schema import Call

ANSWERS_AT_ONCE = 3
"""Standing offers answered in the commit that a newcomer comes in with. Rules may evaluate 1,000
expressions a request (Firestore's limit), and nothing says that a commit's writes are not added up:
presence takes 291, an answer 202."""
ANSWERS_MOST = 12
"""Standing offers answered at all; the rest of a crowd gets direct ones."""
REMADE = frozenset({"gone", "failed", "left"})
"""A link that ended so is made anew if its peer is still there. ``left``: the other side thought
so, while our presence had lapsed."""


def is_usable(offer: Call, me: str, now: float) -> bool:
    """Whether a standing offer that was found can be answered.

    :param me: our peer id.
    :param now: Unix seconds, the server's.
    """
    return offer.open and offer.sender != me and offer.lease_until.timestamp() > now


def is_from(offer: Call, session: str | None) -> bool:
    """Whether an offer is one of a peer that is there, not of its ghost.

    :param session: of its sender, as it is there now; None: it isn't.
    """
    return session == offer.sender_session


def makes(me: Presence | None, other: Presence, busy: bool) -> bool:
    """Whether we make a direct offer to a peer now.

    :param me: our own presence; None: not seen yet.
    :param busy: whether there is a link to it, or one is being made.
    """
    return me is not None and not busy and connects(me, other)


class Taken(NamedTuple):
    """A direct offer that is being answered, or was."""

    session: str
    attempt: int


def takes(known: Taken | None, offer: Call) -> bool:
    """Whether a direct offer to us is to be answered: in place of an older one of the same peer,
    which is then given up.

    :param known: the latest that was taken of this peer.
    """
    return known is None or known.session != offer.sender_session or known.attempt < offer.attempt


def try_until(elapsed: float, before: float = 0.0) -> float | None:
    """When the try that begins now ends, and the next one begins.

    :param elapsed: seconds since the first try began.
    :param before: what this said of the try before.
    :returns: seconds since the first try began; None: no more tries, it is unreachable.
    """
    later = (end for end in (*ATTEMPT_SECONDS, UNREACHABLE_SECONDS) if end > max(elapsed, before))
    return next(later, None)
