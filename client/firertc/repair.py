"""When a link that broke is repaired, how, and which offer is a repair: decisions without I/O.

Only the link's original offerer makes repair offers, through the database, while both sessions are
unchanged. The same decisions are taken in the web SDK; ``tests/vectors/repair.json`` holds both to
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .schema import parse_json

REPAIR_SECONDS = 60.0
"""A link that isn't back by then ends."""
REPAIR_ATTEMPT_SECONDS = (0.0, 5.0, 10.0, 20.0, 35.0)
"""When each attempt begins, counted from the break; each lasts till the next."""
REPAIR_JITTER_SECONDS = 0.5
"""The first attempt waits a random part of this: links that break together don't come at once."""

Mode = Literal["fresh", "restart"]
"""A connection of its own, or an ICE restart on the one that exists (browsers only)."""
Step = Literal["wait", "restart", "fresh", "give-up"]


def repair_delay(attempt: int) -> float:
    """When attempt number ``attempt``, from 0, begins: seconds after the break.

    :returns: 60 for those that there are not: by then it is over.
    """
    if attempt < len(REPAIR_ATTEMPT_SECONDS):
        return REPAIR_ATTEMPT_SECONDS[attempt]
    return REPAIR_SECONDS


def repair_step(elapsed_seconds: float, made: int, can_restart: bool = False) -> Step:
    """What the offerer of a broken link does now.

    :param elapsed_seconds: since the break.
    :param made: how many attempts have begun.
    :param can_restart: both sides can restart ICE, no renegotiation is in flight, and the old
        connection is not closed.
    """
    if elapsed_seconds >= REPAIR_SECONDS:
        return "give-up"
    if elapsed_seconds < repair_delay(made):
        return "wait"
    return "restart" if made == 0 and can_restart else "fresh"


@dataclass(frozen=True)
class Standing:
    """What is known of a link, to tell whether an offer is its repair."""

    remote: str
    """Peer id of the other side."""
    remote_session: str
    session: str
    """Our own session."""
    side: Literal["offerer", "answerer"]
    """Which one we were when the link was made."""
    state: Literal["connecting", "open", "reconnecting", "closed"]
    document: str = ""
    """Id of the call document that the link was made by."""


@dataclass(frozen=True)
class Offered:
    """An offer that came."""

    sender: str
    sender_session: str
    receiver_session: str
    """Empty in a one-off call that nobody has answered."""
    metadata: str | None
    """JSON text, opened if it was sealed."""


@dataclass(frozen=True)
class Mark:
    """What says of an offer that it repairs a link."""

    mode: Mode
    document: str = ""
    """Id of the call document that the link was made by; empty: not said."""


def repair_mark(metadata: str | None) -> Mark | None:
    """Read the mark of a repair.

    :param metadata: of a call, as JSON text.
    :returns: None if the call is no repair.
    """
    if metadata is None:
        return None
    try:
        content = parse_json(metadata)
    except ValueError:
        return None
    if not isinstance(content, dict) or content.get("repair") not in ("fresh", "restart"):
        return None
    document = content.get("link", "")
    return Mark(content["repair"], document if isinstance(document, str) else "")


def takes_repair(offered: Offered, link: Standing) -> bool:
    """Whether an offer repairs this link.

    Only the link's original answerer takes one, from the peer and session it is linked to, in the
    session of its own that it was linked in; it may not have noticed yet that the link is broken.
    """
    mark = repair_mark(offered.metadata)
    return (
        mark is not None
        and link.side == "answerer"
        and link.state in ("open", "reconnecting")
        and (offered.sender, offered.sender_session) == (link.remote, link.remote_session)
        and offered.receiver_session in ("", link.session)
        and (not mark.document or not link.document or mark.document == link.document)
    )
