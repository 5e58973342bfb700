"""Asynchronous listening: many documents and queries on one gRPC stream.

``google-cloud-firestore`` has a listener for threads only; this one is for asyncio. It survives
what happens to streams in a long life (cuts, resets, missed deletions, expired resume tokens,
tokens that run out) and hands every error to whoever listens. What the messages mean is decided in
:mod:`firertc.targets`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

from google.api_core import exceptions as api
from google.cloud.firestore_v1.types import ListenRequest, ListenResponse, Target
from grpc.aio import AioRpcError

from . import targets as messages
from .database import Database, Where
from .errors import DatabaseUnreachable, FireRTCError, PermissionDenied, Unreachable
from .targets import Failure, Message, Outcome, Relisten, Snapshot, Targets
from .values import decode_fields

BACKOFF_FIRST_SECONDS = 1.0
BACKOFF_FACTOR = 1.5
BACKOFF_MOST_SECONDS = 60.0
"""The three are those of Firebase's own web SDK."""
HEALTHY_SECONDS = 10.0
"""A stream that lived this long ends the backoff."""


class StreamEnded(Exception):
    """The server ended the stream without an error, as it does once in a while."""


Watched = str | Where
"""A document's path, or a query."""


class Listener:
    """One document or query being listened to: an asynchronous iterator of :class:`Snapshot`.

    The first snapshot comes once the server has sent all there is, if only to say that there is
    nothing.

    :raises PermissionDenied: from the iteration, if the rules refuse it.
    """

    def __init__(self, snapshots: Snapshots, target: int, watched: Watched) -> None:
        self._snapshots = snapshots
        self._queue: asyncio.Queue[Snapshot | FireRTCError | None] = asyncio.Queue()
        self.target = target
        self.watched = watched
        self.seen = False
        """Whether a snapshot has come yet."""

    def __aiter__(self) -> AsyncIterator[Snapshot]:
        return self

    async def __anext__(self) -> Snapshot:
        item = await self._queue.get()
        if item is None:
            raise StopAsyncIteration
        if isinstance(item, FireRTCError):
            raise item
        return item

    def put(self, item: Snapshot | FireRTCError | None) -> None:
        """Hand over a snapshot, an error or the end."""
        self.seen = True
        self._queue.put_nowait(item)

    def close(self) -> None:
        """Stop listening; the iteration ends."""
        self._snapshots.drop(self)
        self.put(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Snapshots:
    """All that one client listens to, on one stream."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._targets = Targets()
        self._listeners: dict[int, Listener] = {}
        self._requests: asyncio.Queue[ListenRequest | None] = asyncio.Queue()
        self._next_target = 1
        self._task: asyncio.Task[None] | None = None
        self._reopen = asyncio.Event()
        self._streaming = False
        self._token = ""
        self._refused = ""
        """The token that the server no longer takes."""
        self._renewed = False
        """Whether the token is a fresh one, got because the server refused the one before."""
        self.reopened = 0
        """How often the stream was opened again; for tests and diagnosis."""

    def listen(self, watched: Watched) -> Listener:
        """Begin to listen.

        :param watched: a document's path from ``realms/`` on, or a query.
        """
        listener = Listener(self, self._number(), watched)
        self._targets.add(listener.target)
        self._listeners[listener.target] = listener
        if self._streaming:
            self._requests.put_nowait(self._add(listener))
            self._database.count()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="firertc-snapshots")
        return listener

    def _number(self) -> int:
        number, self._next_target = self._next_target, self._next_target + 1
        return number

    def drop(self, listener: Listener) -> None:
        """Stop listening; see :meth:`Listener.close`."""
        if self._listeners.pop(listener.target, None) is None:
            return
        self._targets.remove(listener.target)
        if self._streaming:
            self._unlisten(listener.target)

    def _unlisten(self, target: int) -> None:
        self._requests.put_nowait(ListenRequest(database=self._database.name, remove_target=target))

    def reopen(self) -> None:
        """Open the stream anew, where it left off: the user's token has changed."""
        self._reopen.set()

    async def close(self) -> None:
        """End the stream and every listener's iteration."""
        for listener in list(self._listeners.values()):
            listener.close()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        pause = BACKOFF_FIRST_SECONDS
        while True:
            began = loop.time()
            try:
                await self._stream()
                pause = BACKOFF_FIRST_SECONDS
                continue
            except (api.GoogleAPICallError, AioRpcError, StreamEnded) as error:
                if self._fatal(error):
                    return
                if isinstance(error, api.Unauthenticated):
                    self._refused = self._token
                elif not isinstance(error, StreamEnded):
                    self._database.outage(True)
            except Unreachable:
                # The token could not be renewed for now.
                self._database.outage(True)
            except FireRTCError as error:
                self._fail_all(error)
                return
            except Exception as error:
                # Whatever it is, whoever listens must not wait for ever.
                failure = FireRTCError(f"Listening to the database failed: {error!r}.")
                failure.__cause__ = error
                self._fail_all(failure)
                return
            if loop.time() - began > HEALTHY_SECONDS:
                pause = BACKOFF_FIRST_SECONDS
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * BACKOFF_FACTOR, BACKOFF_MOST_SECONDS)
            self.reopened += 1

    async def _stream(self) -> None:
        """One life of the stream; returns when it is to be opened again at once."""
        if self._refused:
            await self._database.tokens.refresh(self._refused)
            self._refused, self._renewed = "", True
        self._reopen.clear()
        self._token = await self._database.tokens.token()
        requests: asyncio.Queue[ListenRequest | None] = asyncio.Queue()
        self._requests = requests
        self._targets.reopened()
        for listener in self._listeners.values():
            requests.put_nowait(self._add(listener))
        self._streaming = True
        stream: Any = None
        try:
            stream = await self._database.client.listen(
                requests=_drain(requests),
                metadata=self._database.signed(self._token),
                timeout=None,
                retry=None,
            )
            self._database.count(asked=len(self._listeners))
            reading = asyncio.ensure_future(self._read(stream))
            reopening = asyncio.ensure_future(self._reopen.wait())
            try:
                await asyncio.wait({reading, reopening}, return_when=asyncio.FIRST_COMPLETED)
                if reading.done():
                    reading.result()
                    raise StreamEnded
            finally:
                for task in (reading, reopening):
                    task.cancel()
                await asyncio.gather(reading, reopening, return_exceptions=True)
        finally:
            self._streaming = False
            requests.put_nowait(None)
            if stream is not None:
                stream.cancel()

    async def _read(self, stream: Any) -> None:
        async for response in stream:
            self._renewed = False
            self._database.outage(False)
            for message in self._messages(response):
                for outcome in self._targets.receive(message):
                    self._carry_out(outcome)

    def _carry_out(self, outcome: Outcome) -> None:
        listener = self._listeners.get(outcome.target)
        if listener is None:
            return
        match outcome:
            case Snapshot():
                if not listener.seen and not outcome.documents:
                    self._database.operations.reads += 1
                listener.put(outcome)
            case Failure(_, code, reason):
                self.drop(listener)
                listener.put(_error(listener.watched, code, reason))
            case Relisten(target, served):
                if served:
                    self._unlisten(target)
                del self._listeners[target]
                listener.target = self._number()
                self._listeners[listener.target] = listener
                self._targets.move(target, listener.target)
                self._requests.put_nowait(self._add(listener))

    def _add(self, listener: Listener) -> ListenRequest:
        database = self._database
        target = Target(target_id=listener.target)
        if isinstance(listener.watched, str):
            name = f"{database.root}/{listener.watched}"
            target.documents = Target.DocumentsTarget(documents=[name])
        else:
            parent, query = database.structured(listener.watched)
            target.query = Target.QueryTarget(parent=parent, structured_query=query)
        if token := self._targets.resume_token(listener.target):
            target.resume_token = token
        return ListenRequest(database=database.name, add_target=target)

    def _messages(self, response: ListenResponse) -> list[Message]:
        raw = ListenResponse.pb(response)
        match raw.WhichOneof("response_type"):
            case "target_change":
                change = raw.target_change
                ids = tuple(change.target_ids)
                token = bytes(change.resume_token)
                match change.target_change_type:
                    case 1:
                        return [messages.Added(ids)]
                    case 2:
                        return [messages.Removed(ids, change.cause.code, change.cause.message)]
                    case 3:
                        return [messages.Current(ids, token)]
                    case 4:
                        return [messages.Reset(ids, token)]
                    case _:
                        return [messages.Consistent(ids, token)]
            case "document_change":
                change = raw.document_change
                path = self._database.relative(change.document.name)
                ids = tuple(change.target_ids)
                self._database.operations.reads += len(ids)
                fields = decode_fields(change.document)
                return [messages.Changed(path, fields, ids, tuple(change.removed_target_ids))]
            case "document_delete":
                path = self._database.relative(raw.document_delete.document)
                return [messages.Gone(path, tuple(raw.document_delete.removed_target_ids))]
            case "document_remove":
                path = self._database.relative(raw.document_remove.document)
                return [messages.Gone(path, tuple(raw.document_remove.removed_target_ids))]
            case "filter":
                return [messages.Count(raw.filter.target_id, raw.filter.count)]
        return []

    def _fatal(self, error: Exception) -> bool:
        """Whether the stream as a whole was refused; then every listener is told."""
        refused = isinstance(error, api.PermissionDenied | api.InvalidArgument)
        if not refused and not (isinstance(error, api.Unauthenticated) and self._renewed):
            return False
        self._fail_all(PermissionDenied("The database refuses to be listened to. Join again."))
        return True

    def _fail_all(self, error: FireRTCError) -> None:
        for listener in list(self._listeners.values()):
            self.drop(listener)
            listener.put(error)


async def _drain(requests: asyncio.Queue[ListenRequest | None]) -> AsyncIterator[ListenRequest]:
    while (request := await requests.get()) is not None:
        yield request


def _error(watched: Watched, code: int, reason: str) -> FireRTCError:
    what = watched if isinstance(watched, str) else watched.collection
    if code == messages.PERMISSION_DENIED:
        return PermissionDenied(f"Could not listen to {what}: the security rules refuse it.")
    return DatabaseUnreachable(f"Could not listen to {what}: {reason or f'code {code}'}.")
