"""Firestore as one user: reads, writes and what they cost, in the cloud or in the emulator.

The Firestore library signs every request to an emulator as the owner, which bypasses the rules. So
the generated client is given a channel of our own, and each request carries the user's token: the
rules see the same user everywhere.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Protocol, TypeVar

import grpc.aio
from google.api_core import exceptions as api
from google.cloud.firestore_v1.services.firestore import FirestoreAsyncClient
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcAsyncIOTransport
from google.cloud.firestore_v1.types import (
    CommitRequest,
    Document,
    GetDocumentRequest,
    RunQueryRequest,
    StructuredQuery,
    Write,
)

from .errors import DatabaseUnreachable, FireRTCError, PermissionDenied, SessionExpired
from .values import decode_fields, encode, split_transforms

_CommitRequest: Final = CommitRequest.pb()
_Document: Final = Document.pb()
_Write: Final = Write.pb()

FIRESTORE_HOST = "firestore.googleapis.com:443"
PATIENCE_SECONDS = 25.0
"""How long a request is repeated while the database doesn't answer."""
REQUEST_SECONDS = 10.0
"""How long one try may take."""
RETRY_FIRST_SECONDS = 0.25
RETRY_MOST_SECONDS = 3.0

T = TypeVar("T")


class Tokens(Protocol):
    """Where the database gets the user's token from."""

    async def token(self) -> str:
        """The token to sign the next request with."""

    async def refresh(self, refused: str) -> str:
        """Another token: the server refused this one."""


@dataclass
class Operations:
    """What Firestore bills, as this client can count it, and how often it waited for the
    database."""

    reads: int = 0
    """Documents read; a query and a listener cost at least one."""
    rule_reads: int = 0
    """Documents that the rules read to judge our requests."""
    writes: int = 0
    deletes: int = 0
    hops: int = 0
    """Requests sent, retries not counted."""

    @property
    def billed(self) -> int:
        """All that is on the bill."""
        return self.reads + self.rule_reads + self.writes + self.deletes

    def add(self, other: Operations) -> None:
        """Add another client's."""
        for item in fields(self):
            setattr(self, item.name, getattr(self, item.name) + getattr(other, item.name))

    def as_dict(self) -> dict[str, int]:
        """For ``--json`` and ``--dump-timing``."""
        return {item.name: getattr(self, item.name) for item in fields(self)} | {
            "billed": self.billed
        }


@dataclass(frozen=True)
class Create:
    """Write a new document; refused if it exists."""

    path: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Replace:
    """Write a whole document, whether it exists or not."""

    path: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Update:
    """Change these top-level fields of a document that exists."""

    path: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Delete:
    """Delete a document; no error if it is gone already."""

    path: str


Change = Create | Replace | Update | Delete


@dataclass(frozen=True)
class Where:
    """A query: the documents of one collection whose ``field`` equals ``value`` (all, without
    one)."""

    collection: str
    field: str = ""
    value: Any = None


@dataclass
class Database:
    """One user's access to one Firestore database."""

    project: str
    tokens: Tokens
    database: str = "(default)"
    emulator: str = ""
    """``host:port``; empty: the cloud."""
    denial_hint: str = ""
    """What to say beside a refusal of the rules."""
    operations: Operations = field(default_factory=Operations)
    rule_reads_each: int = 0
    """Documents the rules read for each document or query asked for, whatever it is."""
    on_outage: Callable[[bool], None] = lambda down: None
    """Told ``True`` when the database stops answering, ``False`` when it does again."""

    def __post_init__(self) -> None:
        options = [
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.max_reconnect_backoff_ms", 2_000),
            ("grpc.max_receive_message_length", -1),
            # Requests of one process stay on one connection of their own.
            ("grpc.use_local_subchannel_pool", 1),
        ]
        if self.emulator:
            # It is on this machine or near it, not behind the proxy that leads out.
            options.append(("grpc.enable_http_proxy", 0))
            self._channel = grpc.aio.insecure_channel(self.emulator, options=options)
        else:
            self._channel = grpc.aio.secure_channel(
                FIRESTORE_HOST, grpc.ssl_channel_credentials(), options=options
            )
        transport = FirestoreGrpcAsyncIOTransport(channel=self._channel)
        self._api = FirestoreAsyncClient(transport=transport)
        self.name = f"projects/{self.project}/databases/{self.database}"
        self.root = f"{self.name}/documents"
        self._down = False
        self._closed = False

    @property
    def client(self) -> FirestoreAsyncClient:
        """The generated client, for the listener."""
        return self._api

    def signed(self, token: str) -> list[tuple[str, str]]:
        """Metadata that signs and routes a request."""
        return [
            ("authorization", f"Bearer {token}"),
            ("google-cloud-resource-prefix", self.name),
        ]

    def relative(self, name: str) -> str:
        """A document's path from its full resource name."""
        return name.removeprefix(self.root + "/")

    def warm(self) -> None:
        """Begin to connect, so that the first request needn't wait for the handshakes."""
        self._channel.get_state(try_to_connect=True)

    async def close(self) -> None:
        """Close the channel; what is under way fails."""
        self._closed = True
        await self._channel.close()

    async def get(self, path: str, *, rule_reads: int = 0) -> dict[str, Any] | None:
        """Read one document.

        :param path: from ``realms/`` on.
        :param rule_reads: documents that the rules read to allow this; for the count.
        :returns: its fields, or None if there is none.
        :raises PermissionDenied: if the rules refuse it.
        :raises DatabaseUnreachable: after 25 s without an answer.
        """
        request = GetDocumentRequest(name=f"{self.root}/{path}")

        async def attempt(metadata: list[tuple[str, str]]) -> dict[str, Any] | None:
            try:
                document = await self._api.get_document(
                    request, metadata=metadata, timeout=REQUEST_SECONDS, retry=None
                )
            except api.NotFound:
                return None
            return decode_fields(Document.pb(document))

        self.count(reads=1, rule_reads=rule_reads)
        return await self._persist(f"read {path}", attempt)

    async def query(self, where: Where, *, rule_reads: int = 0) -> dict[str, dict[str, Any]]:
        """Read the documents that match.

        :returns: fields by path.
        :raises PermissionDenied: if the rules refuse it.
        :raises DatabaseUnreachable: after 25 s without an answer.
        """
        parent, query = self.structured(where)
        request = RunQueryRequest(parent=parent, structured_query=query)

        async def attempt(metadata: list[tuple[str, str]]) -> dict[str, dict[str, Any]]:
            found = {}
            stream = await self._api.run_query(
                request, metadata=metadata, timeout=REQUEST_SECONDS, retry=None
            )
            async for response in stream:
                document = type(response).pb(response).document
                if document.name:
                    found[self.relative(document.name)] = decode_fields(document)
            return found

        found = await self._persist(f"query {where.collection}", attempt)
        self.count(reads=max(1, len(found)), rule_reads=rule_reads)
        return found

    def structured(self, where: Where) -> tuple[str, StructuredQuery]:
        """A query as Firestore wants it: parent resource and structured query."""
        parent, _, collection = where.collection.rpartition("/")
        query = StructuredQuery(
            from_=[StructuredQuery.CollectionSelector(collection_id=collection)]
        )
        if where.field:
            query.where = StructuredQuery.Filter(
                field_filter=StructuredQuery.FieldFilter(
                    field=StructuredQuery.FieldReference(field_path=where.field),
                    op=StructuredQuery.FieldFilter.Operator.EQUAL,
                    value=encode(where.value),
                )
            )
        return f"{self.root}/{parent}", query

    async def commit(self, *changes: Change, rule_reads: int = 0) -> None:
        """Write all of these or none.

        :param rule_reads: documents that the rules read to allow this; for the count.
        :raises PermissionDenied: if the rules refuse any of them, or a precondition doesn't hold.
        :raises DatabaseUnreachable: after 25 s without an answer. A write may have happened all the
            same.
        """
        request = CommitRequest(
            _CommitRequest(database=self.name, writes=[self._write(c) for c in changes])
        )

        async def attempt(metadata: list[tuple[str, str]]) -> None:
            await self._api.commit(request, metadata=metadata, timeout=REQUEST_SECONDS, retry=None)

        deletes = sum(isinstance(change, Delete) for change in changes)
        self.count(
            writes=len(changes) - deletes,
            deletes=deletes,
            rule_reads=rule_reads,
            asked=len(changes),
        )
        await self._persist(f"write {', '.join(c.path for c in changes)}", attempt)

    def _write(self, change: Change) -> Any:
        """One write, as a raw protobuf message."""
        name = f"{self.root}/{change.path}"
        if isinstance(change, Delete):
            return _Write(delete=name)
        plain, transforms = split_transforms(change.fields)
        write = _Write(update=_Document(name=name, fields=plain), update_transforms=transforms)
        if isinstance(change, Create):
            write.current_document.exists = False
        elif isinstance(change, Update):
            write.update_mask.field_paths.extend(plain)
            write.current_document.exists = True
        return write

    def count(
        self,
        *,
        reads: int = 0,
        rule_reads: int = 0,
        writes: int = 0,
        deletes: int = 0,
        asked: int = 1,
    ) -> None:
        """Count one request.

        :param asked: how many documents or queries it is about.
        """
        operations = self.operations
        operations.reads += reads
        operations.rule_reads += rule_reads + asked * self.rule_reads_each
        operations.writes += writes
        operations.deletes += deletes
        operations.hops += 1

    async def _persist(
        self, what: str, attempt: Callable[[list[tuple[str, str]]], Awaitable[T]]
    ) -> T:
        """Repeat a request while the database doesn't answer; translate its refusals."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        pause = RETRY_FIRST_SECONDS
        refreshed = False
        while True:
            if self._closed:
                raise SessionExpired(f"Could not {what}: the session is closed.")
            token = await self.tokens.token()
            try:
                result = await attempt(self.signed(token))
                self.outage(False)
                return result
            except api.Unauthenticated:
                if refreshed:
                    raise PermissionDenied(
                        f"Could not {what}: the database refuses this session. Join again."
                    ) from None
                await self.tokens.refresh(token)
                refreshed = True
            except (api.PermissionDenied, api.AlreadyExists, api.NotFound, api.FailedPrecondition):
                self.outage(False)
                raise PermissionDenied(
                    f"Could not {what}: the security rules refuse it.{self.denial_hint}"
                ) from None
            except (
                api.ServiceUnavailable,
                api.DeadlineExceeded,
                api.InternalServerError,
                api.Aborted,
                api.TooManyRequests,
                api.Unknown,
                api.Cancelled,
            ) as error:
                if time.monotonic() + pause > give_up:
                    raise DatabaseUnreachable(self._unreachable(what, error)) from None
                self.outage(True)
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(pause * 1.5, RETRY_MOST_SECONDS)
            except api.GoogleAPICallError as error:
                raise FireRTCError(f"Could not {what}: {error.message}") from None

    def _unreachable(self, what: str, error: api.GoogleAPICallError) -> str:
        if self.emulator:
            return (
                f"Could not {what}: no Firestore emulator answers at {self.emulator}. "
                "Is the local suite running? Start it with 'firertc up'."
            )
        return f"Could not {what}: Firestore does not answer ({error.message}). Check the network."

    def outage(self, down: bool) -> None:
        """Note whether the database answers, and tell whoever wants to know of a change."""
        if down != self._down:
            self._down = down
            self.on_outage(down)
