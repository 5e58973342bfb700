"""One-off calls: two people share a code, one waits at it and the other comes.

Whoever has no code yet makes one, writes the offer and waits, be it the caller or the one to be
called; whoever comes with the code reads the offer and answers it: one read, one hop, connected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from . import schema
from .call import Call, Media
from .errors import AnsweredElsewhere
from .mending import mend_one_off
from .negotiation import CallState
from .sealing import Seal, new_code, normalize_code, stretch_aside
from .session import Session
from .signaling import CallDocument, Terms, unknown_code
from .timing import Timing

WAIT_SECONDS = 600.0
"""How long one waits at a code."""
OPEN_RULE_READS = 2
"""In an open realm the rules read the call and its counter to allow each other."""


async def wait_at_code(
    open_session: Callable[[Seal], Awaitable[Session]],
    project: str,
    media: Media,
    *,
    code: str | None = None,
    wait_seconds: float = WAIT_SECONDS,
    on_code: Callable[[str], None] | None = None,
    on_state: Callable[[CallState], None] | None = None,
    timing: Timing | None = None,
) -> Call:
    """Make a code, write the offer under it and return the call that waits there.

    :param open_session: joins, given the seal whose ``call`` the session must be good for.
    :param project: Firebase project id; part of the code's salt.
    :param code: one that was made before, to wait at again; default: a new one.
    :param on_code: told the code once the offer is written and somebody can come.
    :returns: a call to await with :meth:`Call.answered`; close it in the end.
    """
    timing = timing or Timing()
    code = new_code() if code is None else normalize_code(code)
    seal = await stretch_aside(code, project)
    timing.mark("code")
    session = await open_session(seal)
    timing.mark("joined")
    counter = None if session.keyed else schema.caller_path(session.realm, session.peer)
    path = schema.one_off_path(session.realm, seal.call)
    document = CallDocument(
        session, path, seal, rule_reads=0 if session.keyed else OPEN_RULE_READS, counter=counter
    )
    call = Call(session, document, media, "offerer", code=code, timing=timing, on_state=on_state)
    mend_one_off(call)
    try:
        await call.place(Terms("open", wait_seconds + schema.LEASE_SLACK_SECONDS))
    except BaseException:
        await call.close("failed")
        raise
    if on_code is not None:
        on_code(code)
    return call


async def come_with_code(
    open_session: Callable[[], Awaitable[Session]],
    project: str,
    code: str,
    media: Media,
    *,
    on_state: Callable[[CallState], None] | None = None,
    on_call: Callable[[Call], object] | None = None,
    timing: Timing | None = None,
) -> Call:
    """Answer the offer that waits at a code.

    :param on_call: given the call before it connects, to hear of its tracks.
    :returns: a connected call; close it in the end.
    :raises CodeUnknown: if nobody waits there.
    :raises SealBroken: if what waits there was not written by somebody who has the code.
    :raises AnsweredElsewhere: if somebody else came first.
    :raises PathUnreachable: if no connection opens.
    """
    timing = timing or Timing()
    code = normalize_code(code)
    seal, session = await asyncio.gather(stretch_aside(code, project), open_session())
    timing.mark("joined")
    document = CallDocument(session, schema.one_off_path(session.realm, seal.call), seal)
    fields = await document.read()
    timing.mark("offer read")
    if fields is None or fields.ended is not None:
        raise unknown_code()
    if fields.answer is not None:
        raise AnsweredElsewhere("Somebody else answered this call first.")
    if fields.lease_until.timestamp() < session.now():
        raise unknown_code()
    call = Call(session, document, media, "answerer", code=code, timing=timing, on_state=on_state)
    mend_one_off(call)
    if on_call is not None:
        on_call(call)
    try:
        await call.take(fields)
    except BaseException:
        await call.close("failed")
        raise
    return call
