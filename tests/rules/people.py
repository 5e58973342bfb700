"""Who makes the requests: peers with keys, accounts of open realms, owners, strangers."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any, Final

from .engine import NOBODY, Claims


@dataclass(frozen=True)
class Person:
    """A user, and what its token says."""

    peer: str
    """Peer id."""

    session: str
    """Session."""

    role: str | None = "publisher"
    """Claim ``role``; ``None``: an account without claims."""

    uid: str | None = None
    """The account; ``None``: the keyed one's, ``{realm}:{peer}``."""

    realm: str | None = None
    """Claim ``realm``; ``None``: the row's realm."""

    minutes: float = 60
    """How far the claim ``until`` is ahead; negative: past."""

    more: tuple[tuple[str, Any], ...] = ()
    """Other claims: ``room``, ``call``, and what doesn't belong there."""

    signed_in: bool = True
    """Whether there is a token at all."""

    def claims(self, realm: str) -> Claims:
        """The token's claims, for a row in this realm."""
        if not self.signed_in:
            return NOBODY
        if self.role is None:
            return {"sub": self.uid or self.peer, **dict(self.more)}
        home = self.realm or realm
        return {
            "sub": self.uid or f"{home}:{self.peer}",
            "realm": home,
            "peer": self.peer,
            "session": self.session,
            "role": self.role,
            "until": int(time.time() + self.minutes * 60),
            **dict(self.more),
        }

    def but(self, **changes: Any) -> Person:
        """The same person, with some things different."""
        return replace(self, **changes)

    def claiming(self, **claims: Any) -> Person:
        """The same person, with other claims."""
        return replace(self, more=(*self.more, *claims.items()))

    @property
    def over(self) -> Person:
        """The same person, a second after the session ended."""
        return replace(self, minutes=-1 / 60)

    @property
    def abroad(self) -> Person:
        """The same names, in another realm's token."""
        return replace(self, realm="elsewhere")

    @property
    def again(self) -> Person:
        """The same peer in a new session."""
        stem = "open-" if self.session.startswith("open-") else ""
        return replace(self, session=f"{stem}{self.uid or self.peer}-second-session")


def keyed(peer: str, role: str = "publisher") -> Person:
    """A peer whose token a key gave it."""
    return Person(peer, f"{peer}-session-1".ljust(16, "0"), role)


def account(uid: str, suffix: str = "tab1") -> Person:
    """An account in an open realm, by one of its peers."""
    return Person(f"{uid}-{suffix}", f"open-{uid}-session-1", role=None, uid=uid)


ALICE: Final = keyed("alice")
"""In every room; has standing offers, and called Bob."""
BOB: Final = keyed("bob")
"""In every room."""
CAROL: Final = keyed("carol")
"""Admitted to the realm, in no room."""
DAVE: Final = keyed("dave")
"""Was put out of the lobby."""
MOD: Final = keyed("mod", "moderator")
"""Moderates; in every room."""
GUARD: Final = keyed("guard", "moderator")
"""Moderates; in no room."""
SUE: Final = keyed("sue", "subscriber")
"""May watch, not send; in every room."""

ANN: Final = account("ann")
"""Created the rooms of the open realm, and is in them."""
BEN: Final = account("ben")
"""In every room of the open realm."""
CAT: Final = account("cat")
"""In no room."""

ADMIN: Final = Person("owner", "", role=None, uid="owner", more=(("admin", True),))
"""The project's owner."""
STRANGER: Final = Person("nobody", "", signed_in=False)
"""No token."""
