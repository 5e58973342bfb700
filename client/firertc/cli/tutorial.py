"""``firertc call --schema`` and ``firertc answer --schema``: calls with the tutorials' pages."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import click

from ..call import Media
from ..client import Client
from ..compat import tutorial
from ..compat.tutorial import TutorialCall
from ..config import Config
from ..errors import FireRTCError
from .conversation import Conversation
from .running import run


class TutorialConversation(Conversation):
    """A conversation without a control channel: media, a recording, and its end.

    :param schema: ``calls`` or ``rooms``.
    :param call_id: what the other side shows; None: we make one and wait.
    :param timeout: seconds to wait for the other side.
    """

    def __init__(
        self, config: Config, plan: Any, schema: str, call_id: str | None, timeout: float
    ) -> None:
        super().__init__(config, plan)
        self.schema = schema
        self.call_id = call_id
        self.timeout = timeout

    async def converse(self) -> None:
        """Make the call, carry it to its end, and leave nothing behind that we may delete.

        :raises FireRTCError: whatever keeps it from coming about or ends it before its time.
        """
        client: Client | None = None
        error: BaseException | None = None
        try:
            media = await self._media()
            client = Client(self.config, server_token=self.plan.server_token)
            client.on_outage = self._outage
            await self._hold(client, media)
        except BaseException as caught:
            error = caught
            raise
        finally:
            await self._finish(client, error)

    async def _hold(self, client: Client, media: Media) -> None:
        session = await client.join()
        held: list[TutorialCall] = []

        def hold(call: TutorialCall) -> None:
            call.on_track = self._take_track
            held.append(call)

        try:
            if self.call_id is None:
                call = await tutorial.call(session, self.schema, media, on_call=hold)
                self._show_id(call.id)
                await call.answered(self.timeout)
            else:
                self.event("state", "connecting…", state="connecting")
                call = await tutorial.answer(
                    session,
                    self.schema,
                    self.call_id,
                    media,
                    wait_seconds=self.timeout,
                    on_call=hold,
                )
            await self._carry(call)
        finally:
            for call in held:
                await call.close()
                if call.left_behind:
                    self.event(
                        "left",
                        f"the call's documents stay at {call.path}: the rules don't let them be "
                        "deleted",
                        path=call.path,
                    )

    def _show_id(self, call_id: str) -> None:
        self.event("id", f"id: {call_id}", id=call_id, schema=self.schema)
        if not self.plan.as_json:
            self.event(
                "waiting",
                f"  the other side enters it in its page, or runs: firertc answer --schema "
                f"{self.schema} {call_id}",
            )

    async def _carry(self, call: TutorialCall) -> None:
        if self._recorder is not None:
            await self._recorder.start()
        path = call.network_path()
        kind, address = (path.kind, path.address) if path else ("unknown", None)
        self.event(
            "connected", f"connected: {kind} path to {address or '?'}", path=kind, address=address
        )
        closed = asyncio.create_task(call.closed())
        finite: list[asyncio.Task[Any]] = []
        if self._source is not None and self._is_finite():
            finite.append(asyncio.create_task(self._played()))
        try:
            await self._until_over(finite, closed)
            if not closed.done():
                await call.close()
            self._show_end(await closed)
        finally:
            for task in (*finite, closed):
                task.cancel()
            await asyncio.gather(*finite, closed, return_exceptions=True)


def meet(
    config: Config, plan: Any, schema: str, call_id: str | None, timeout: float | None, wait: float
) -> None:
    """Run one such call.

    :param call_id: ``-`` reads it from standard input.
    :param wait: seconds, where the person has given none.
    :raises FireRTCError: whatever keeps it from coming about or ends it before its time.
    """
    if plan.chat:
        raise click.UsageError(
            "--chat needs a data channel, and the tutorials' pages have none: leave --chat or "
            "--schema away."
        )
    if call_id == "-":
        call_id = sys.stdin.readline()
    if call_id is not None:
        call_id = tutorial.checked_id(call_id)
        wait = tutorial.OFFER_WAIT_SECONDS
    conversation = TutorialConversation(config, plan, schema, call_id, timeout or wait)
    try:
        run(conversation.converse)
    except FireRTCError as error:
        if plan.as_json:
            conversation.event("error", None, code=error.code, message=str(error))
        raise
