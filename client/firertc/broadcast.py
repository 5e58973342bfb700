"""Broadcasts: what is said in a room through its database, to those one isn't linked to as well.

A sender has 16 slots (``messages/{peer}~m{0…15}``) and writes its messages into them in turn. So a
message lasts until 16 others of its sender have followed, ten minutes at most: this is for
announcements, links are for conversations.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from . import schema
from .database import Change, Delete, Replace, Where
from .errors import ConfigError, DocumentMalformed, FireRTCError, PermissionDenied, SealBroken
from .membership import Membership
from .schema import ANYONE
from .sealing import Context
from .snapshots import Listener
from .values import SERVER_TIME

SLOT_REST_SECONDS = 1.0
"""A slot is written again after so long: a document takes about one write a second for long
(Firestore, "Best practices"), and readers see what is in it before it changes."""
SESSIONS_KNOWN = 1_000
"""Senders' sessions whose numbers are remembered."""
RULE_READS = 1
"""To allow a message the rules read the sender's peer document."""


@dataclass(frozen=True)
class Message:
    """A message's document as read."""

    path: str
    sender: str
    session: str
    """The sender's."""
    receiver: str
    """``*`` or a peer id."""
    number: int
    """Counts the sender's messages, to whomever."""
    body: str
    """JSON, or sealed JSON."""
    created_at: datetime


def read_message(path: str, fields: Mapping[str, Any]) -> Message:
    """Check a message that somebody else wrote.

    :raises DocumentMalformed: says which field and why.
    """
    body, number, created = (fields.get(name) for name in ("body", "n", "createdAt"))
    if not isinstance(body, str) or len(body) > schema.BODY_CHARS:
        raise DocumentMalformed(f"{path}: 'body' must be text of {schema.BODY_CHARS} at most.")
    if not isinstance(number, int) or isinstance(number, bool):
        raise DocumentMalformed(f"{path}: 'n' must be an integer.")
    if not isinstance(created, datetime):
        raise DocumentMalformed(f"{path}: 'createdAt' must be a time.")
    return Message(
        path=path,
        sender=schema.read_id(path, fields, "from"),
        session=schema.read_session(path, fields, "fromSession"),
        receiver=ANYONE if fields.get("to") == ANYONE else schema.read_id(path, fields, "to"),
        number=number,
        body=body,
        created_at=created,
    )


class Order:
    """Each message once, and of one sender in the order of their numbers."""

    def __init__(self) -> None:
        self._latest: dict[tuple[str, str], int] = {}
        """By sender and session."""

    def take(self, messages: Iterable[Message]) -> list[Message]:
        """What of this is new, in order."""
        new = []
        for message in sorted(messages, key=lambda message: message.number):
            sender = (message.sender, message.session)
            if message.number > self._latest.get(sender, -1):
                # The one heard last stands last.
                self._latest.pop(sender, None)
                self._latest[sender] = message.number
                new.append(message)
        while len(self._latest) > SESSIONS_KNOWN:
            del self._latest[next(iter(self._latest))]
        return new


class Broadcasts:
    """A peer's messages through the database, and the others' to it.

    :param room: emits ``broadcast`` (peer id, body, whether it was said to us alone).
    :param on_error: told why listening has ended, if it has.
    """

    def __init__(self, room: Membership, on_error: Callable[[FireRTCError], None]) -> None:
        self._room = room
        self._on_error = on_error
        self._number = 0
        self._written: dict[int, float] = {}
        """When each slot was written: the loop's time."""
        self._sending = asyncio.Lock()
        self._order = Order()
        self._waiting: list[Message] = []
        self._listeners: list[Listener] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def send(self, body: Any, to: str | Iterable[str] | None) -> None:
        """Write a message: one document to all, or one for each of ``to``."""
        text = schema.json_text(body, limit=schema.BODY_CHARS, what="message")
        receivers = [ANYONE] if to is None else [to] if isinstance(to, str) else list(to)
        if len(receivers) > schema.MESSAGE_SLOTS:
            raise ConfigError(
                f"A message through the database goes to {schema.MESSAGE_SLOTS} peers at most, or "
                "to all."
            )
        if not receivers:
            return
        async with self._sending:
            changes = [await self._write(text, receiver) for receiver in receivers]
            try:
                await self._room.session.database.commit(*changes, rule_reads=RULE_READS)
            except PermissionDenied:
                # A reply that was lost makes the repeated write fail: then it stands.
                last = changes[-1]
                fields = await self._room.session.database.get(last.path) or {}
                if any(fields.get(name) != last.fields[name] for name in ("fromSession", "n")):
                    raise

    async def _write(self, text: str, receiver: str) -> Replace:
        session = self._room.session
        self._number += 1
        slot = self._number % schema.MESSAGE_SLOTS
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(
            self._written.get(slot, -SLOT_REST_SECONDS) + SLOT_REST_SECONDS - clock()
        )
        self._written[slot] = clock()
        path = f"{self._room.path}/messages/{schema.message_id(session.peer, self._number)}"
        if self._room.seal is not None:
            context = Context(
                path, "body", session.peer, session.session, receiver, str(self._number)
            )
            text = self._room.seal.close(text, context)
            schema.check_chars(text, schema.BODY_CHARS, "sealed message")
        return Replace(
            path,
            {
                "from": session.peer,
                "fromSession": session.session,
                "to": receiver,
                "n": self._number,
                "body": text,
                "createdAt": SERVER_TIME,
                "leaseUntil": schema.timestamp(session.now() + schema.MESSAGE_LEASE_SECONDS),
                "shard": schema.new_shard(),
            },
        )

    def listen(self) -> None:
        """Begin to listen: two reads at least."""
        if self._listeners:
            return
        where = f"{self._room.path}/messages"
        session = self._room.session
        for receiver in (ANYONE, session.peer):
            listener = session.snapshots.listen(Where(where, "to", receiver))
            self._listeners.append(listener)
            self._tasks.append(asyncio.create_task(self._follow(listener)))

    async def _follow(self, listener: Listener) -> None:
        try:
            async for snapshot in listener:
                for path in snapshot.changed:
                    try:
                        self._waiting.append(read_message(path, snapshot.documents[path]))
                    except DocumentMalformed:
                        continue
                # Both queries show the same moment of the database: first what both have.
                asyncio.get_running_loop().call_soon(self.hand_on)
        except FireRTCError as error:
            self._on_error(error)

    def hand_on(self) -> None:
        """Tell what has come in, if it is known since when we are here."""
        me = self._room.peers.get(self._room.session.peer)
        if me is None or me.session != self._room.session.session:
            return
        waiting, self._waiting = self._waiting, []
        bodies = {}
        for message in waiting:
            if message.sender != me.id and message.created_at >= me.joined_at:
                # What doesn't open mustn't count: it would hide the numbers below its own.
                with contextlib.suppress(SealBroken, ValueError):
                    bodies[message] = schema.parse_json(self._open(message))
        for message in self._order.take(bodies):
            self._room.emit(
                "broadcast", message.sender, bodies[message], message.receiver != ANYONE
            )

    def _open(self, message: Message) -> str:
        if self._room.seal is None:
            return message.body
        return self._room.seal.open(
            message.body,
            Context(
                message.path,
                "body",
                message.sender,
                message.session,
                message.receiver,
                str(message.number),
            ),
        )

    async def close(self) -> list[Change]:
        """Listen no longer.

        :returns: what is left to delete in the database.
        """
        for listener in self._listeners:
            listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        peer = self._room.session.peer
        return [
            Delete(f"{self._room.path}/messages/{schema.message_id(peer, slot)}")
            for slot in self._written
        ]
