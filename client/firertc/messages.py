"""The numbered messages of a link, requests among them, over all its connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from . import control
from .control import Ack, Frame, Message
from .errors import PeerGone
from .requests import Requests


class Messages:
    """Numbers what is said, keeps it until it is confirmed, and hands on what is heard.

    :param send: sends a frame on the connection in use.
    :param hand_on: given each message's body, once and in order.
    """

    def __init__(self, send: Callable[[Frame], None], hand_on: Callable[[Any], None]) -> None:
        self.outbox = control.Outbox()
        self.requests = Requests(self.say)
        self.is_open = False
        """Whether something can be said."""
        self.is_flowing = False
        """Whether what is said is sent at once; else when :meth:`repeat` is called."""
        self._send = send
        self._hand_on = hand_on
        self._inbox = control.Inbox()
        self._acknowledged = asyncio.Event()

    def say(
        self,
        body: Any,
        *,
        ask: int | None = None,
        reply: int | None = None,
        error: str | None = None,
    ) -> None:
        """Say something."""
        if not self.is_open:
            raise PeerGone("Nothing can be sent: the link is not open.")
        message = self.outbox.add(body, ask=ask, reply=reply, error=error)
        if self.is_flowing:
            self._send(message)

    async def flush(self, timeout: float) -> None:
        """Wait until everything said so far is confirmed."""
        last = self.outbox.last
        try:
            async with asyncio.timeout(timeout):
                while self.outbox.waiting and self.outbox.waiting[0].number <= last:
                    if not self.is_open:
                        raise PeerGone("The link ended before everything had arrived.")
                    self._acknowledged.clear()
                    await self._acknowledged.wait()
        except TimeoutError:
            raise PeerGone("The other side doesn't confirm what was sent.") from None

    def take(self, message: Message) -> None:
        """A message came."""
        fresh = self._inbox.take(message)
        self._send(Ack(self._inbox.last))
        if fresh and not self.requests.take(message):
            self._hand_on(message.body)

    def take_ack(self, number: int) -> None:
        """The other side has everything up to this number."""
        self.outbox.acknowledge(number)
        self._acknowledged.set()

    def repeat(self) -> None:
        """Say again what the other side may not have heard, on the connection in use now; what is
        said from here on follows it."""
        self.is_flowing = True
        for message in self.outbox.waiting:
            self._send(message)

    def end(self) -> None:
        """The link has ended."""
        self.is_open = self.is_flowing = False
        self._acknowledged.set()
