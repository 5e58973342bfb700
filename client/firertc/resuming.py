"""A call by code whose other side's page is being loaded anew goes on: both meet at the code again.

Whoever made the offer first makes it again, and the other side listens for it. What a repair keeps,
a page that was loaded anew has lost (its keys and its session): the call gets another link.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .call import Call, Media
from .errors import CallError, ConfigError, FireRTCError, NoAnswer, PeerGone
from .mending import is_repair, mend_one_off
from .negotiation import CallState
from .schema import LEASE_SLACK_SECONDS
from .schema import Call as CallFields
from .signaling import Terms

BACK_SECONDS = 20.0
"""How long both sides wait for one another."""
ATTEMPT_SECONDS = 8.0
"""How long one attempt to connect may take before the next: the page may be loaded once more."""
AGAIN_SECONDS = 0.5


async def resume_call(
    lost: Call,
    media: Media | None = None,
    *,
    wait_seconds: float = BACK_SECONDS,
    on_state: Callable[[CallState], None] | None = None,
    on_call: Callable[[Call], object] | None = None,
) -> Call:
    """Meet the other side of a call at its code again; see :meth:`firertc.Client.resume`.

    :returns: a connected call; close it in the end.
    :raises ConfigError: if the call has no code, or never connected.
    :raises NoAnswer: if the other side does not come back in time.
    :raises FireRTCError: what kept the two from connecting when the time was over.
    """
    if not lost.code or not lost.remote:
        raise ConfigError("Only a call by code that was connected can be resumed.")
    if media is None:
        media = lost.media
        if not media.keep and (media.sending or media.more):
            raise ConfigError(
                "The tracks that were sent ended with the call: make it with Media(keep=True), or "
                "give others to resume with."
            )
    await lost.close()
    clock = asyncio.get_running_loop().time
    until = clock() + wait_seconds
    while True:
        call = Call(
            lost.session,
            lost.document,
            media,
            lost.link.side,
            code=lost.code,
            on_state=on_state,
        )
        call.expect(lost.remote, None)
        mend_one_off(call)
        if on_call is not None:
            on_call(call)
        try:
            await _meet(call, lost.remote, until - clock())
            return call
        except FireRTCError as error:
            hung_up = call.state is CallState.ENDED
            await call.close("failed")
            if hung_up:
                raise
            if until - clock() < AGAIN_SECONDS:
                if isinstance(error, CallError):
                    raise NoAnswer("The other side did not come back to the call.") from error
                raise
        except BaseException:
            await call.close("failed")
            raise
        await asyncio.sleep(AGAIN_SECONDS)


async def _meet(call: Call, remote: str, seconds: float) -> None:
    if call.link.side == "offerer":
        await call.place(Terms("open", seconds + LEASE_SLACK_SECONDS))
        await call.answered(seconds)
        return
    try:
        async with asyncio.timeout(seconds):
            fields = await _offer(call, remote)
    except TimeoutError:
        raise NoAnswer(f"No offer came within {seconds:.0f} s.") from None
    try:
        async with asyncio.timeout(ATTEMPT_SECONDS):
            await call.take(fields)
    except TimeoutError:
        raise PeerGone("The other side came back, and did not connect.") from None


async def _offer(call: Call, remote: str) -> CallFields:
    """Wait until the other side is back at the code."""
    listener = call.document.listen()
    try:
        async for fields in call.document.calls(listener):
            if fields is not None and _is_back(call, fields, remote):
                return fields
    finally:
        listener.close()
    raise PeerGone("The session ended while waiting for the other side.")


def _is_back(call: Call, fields: CallFields, remote: str) -> bool:
    """Whether this is an offer of that peer that waits, and no mere repair of the lost link."""
    return (
        fields.sender == remote
        and fields.answer is None
        and fields.ended is None
        and fields.lease_until.timestamp() > call.session.now()
        and not is_repair(call.document, fields)
    )
