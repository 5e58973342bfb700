"""Requests on a link: asked on one side, answered by a function of the other side's program."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from .control import Message
from .errors import ConfigError, FireRTCError, NoReply, PeerGone, RequestRefused

NO_HANDLER = "no-handler"
FAILED = "failed"
HANDLED_MOST = 64
"""Requests of the other side that are worked on at one time; more are answered ``busy``."""

Handler = Callable[[Any], Awaitable[Any] | Any]
"""Given a request's body, returns the reply's, or something to await for it."""


class Say(Protocol):
    """Sends a numbered message."""

    def __call__(
        self,
        body: Any,
        *,
        ask: int | None = None,
        reply: int | None = None,
        error: str | None = None,
    ) -> None: ...


class Requests:
    """Asks, and has what is asked answered.

    :param say: sends a numbered message.
    """

    def __init__(self, say: Say) -> None:
        self.handler: Handler | None = None
        self._say = say
        self._last = 0
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._handling: set[asyncio.Task[None]] = set()

    async def ask(self, body: Any, timeout: float) -> Any:
        """Ask and wait for the reply: see :meth:`Link.request`."""
        self._last += 1
        number = self._last
        reply = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            self._say(body, ask=number)
            async with asyncio.timeout(timeout):
                return await reply
        except TimeoutError:
            raise NoReply(f"No reply to the request within {timeout:g} s.") from None
        finally:
            del self._asked[number]

    def take(self, message: Message) -> bool:
        """Take a message that is a request or a reply.

        :returns: whether it is one.
        """
        if message.ask is not None:
            task = asyncio.create_task(self._answer(message.ask, message.body))
            self._handling.add(task)
            task.add_done_callback(self._handling.discard)
            return True
        if message.reply is None:
            return False
        waiting = self._asked.get(message.reply)
        if waiting is None or waiting.done():
            # It came too late.
            return True
        if message.error is None:
            waiting.set_result(message.body)
        else:
            text = message.body if isinstance(message.body, str) else ""
            waiting.set_exception(RequestRefused(message.error, text))
        return True

    async def _answer(self, number: int, body: Any) -> None:
        error, reply = await self._handle(body)
        try:
            self._say(reply, reply=number, error=error)
        except ConfigError:
            # What the handler returned is no JSON value, or too long.
            self._say(None, reply=number, error=FAILED)
        except PeerGone:
            return

    async def _handle(self, body: Any) -> tuple[str | None, Any]:
        handler = self.handler
        if handler is None:
            return NO_HANDLER, "Nobody answers requests here."
        if len(self._handling) > HANDLED_MOST:
            return "busy", "Too many requests at once."
        try:
            result = handler(body)
            return None, await result if inspect.isawaitable(result) else result
        except RequestRefused as refused:
            return refused.reason, refused.text
        except Exception as error:
            # The other side learns that it failed, not why; the program's own log does.
            loop = asyncio.get_running_loop()
            context = {"message": "A request handler failed.", "exception": error}
            if not isinstance(error, FireRTCError):
                loop.call_exception_handler(context)
            return FAILED, None

    async def close(self) -> None:
        """The link has ended: nobody waits, nothing is worked on."""
        for waiting in self._asked.values():
            if not waiting.done():
                waiting.set_exception(PeerGone("The link ended before the reply came."))
                waiting.exception()
        handling = [task for task in self._handling if task is not asyncio.current_task()]
        for task in handling:
            task.cancel()
        await asyncio.gather(*handling, return_exceptions=True)
