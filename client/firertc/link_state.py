"""Where a link stands, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

PROTOCOL_ERROR = "protocol-error"
"""Why a link ended whose other side made no sense."""
AWAY = "away"
"""Why a link ended whose other side was a page that was closed, or is being loaded anew."""
LAST_WORD_SECONDS = 0.05
"""How long a goodbye has to leave before its connection is closed."""


class LinkState(Enum):
    """Where a link stands."""

    CONNECTING = "connecting"
    OPEN = "open"
    RECONNECTING = "reconnecting"
    """The path broke; another one is being looked for."""
    CLOSED = "closed"


@dataclass(frozen=True)
class LinkEnd:
    """How a link ended."""

    reason: str
    """``hangup`` or what the other side gave; ``away`` if it was a page that was closed, or is
    being loaded anew; ``gone`` if it fell silent; ``failed`` if the path broke."""
    by_remote: bool

    @property
    def may_return(self) -> bool:
        """Whether the other side comes back if its page is being loaded anew: see
        :meth:`firertc.Client.resume`."""
        return self.by_remote and self.reason == AWAY


NO_PATH = (
    "No network path between the two sides: both signalled, but no connection opened. The other "
    "side may have vanished, or a firewall stands between: set up a TURN server "
    "(docs/deploying.md)."
)
"""Why a link did not open."""
