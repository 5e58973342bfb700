"""The emulator's own log of the requests that it judged by the rules.

Both Firestore emulators serve it to the Emulator UI over a WebSocket: one record for each document
written, read or listed by a user. It says nothing about the owner's requests (the functions') nor
how many documents a query or a listener brought; reads made by the rules are not in it either.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import httpx

from firertc.errors import ConfigError, Unreachable

from .addresses import Addresses

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

__all__ = ["Operations", "Request", "RequestLog", "recording"]

ARRIVAL_SECONDS = 10.0
MARK_COLLECTION = "end-of-recording"


@dataclass(frozen=True)
class Operations:
    """Billed database operations."""

    reads: int = 0
    """Documents read; a query or listener at least one."""
    writes: int = 0
    """Documents written."""
    deletes: int = 0
    """Documents deleted."""

    @property
    def total(self) -> int:
        """All told."""
        return self.reads + self.writes + self.deletes


@dataclass(frozen=True)
class Request:
    """One document, or one query, that a user asked for."""

    method: str
    """``get``, ``list``, ``create``, ``update`` or ``delete``."""
    path: str
    """The document's path, ``rooms/x/peers/y``; a query's ends in ``/*``."""
    allowed: bool
    """What the rules said of it."""
    uid: str | None
    """Who asked; None without a token."""
    time: datetime
    """``request.time``."""
    commit: int
    """The same number for all that was asked at once, in a batch: if one is denied, all are."""
    database: str = "(default)"
    """Which database."""


def read_log(records: Iterable[Mapping[str, Any]]) -> list[Request]:
    """Turn the records of the log into requests.

    The log has a record per *evaluation*. A write that may make or change a document is judged as
    both, ``create`` first; a query is judged once for each way its filter can be met. These become
    one request here. An evaluation belongs to the same request as one before it if it repeats that
    one's outcomes and adds its own.
    """
    found: list[Request] = []
    last: dict[tuple[Any, ...], tuple[list[Any], int, str, Any]] = {}
    commits = 0
    for record in records:
        context = record["rulesContext"]
        _, _, database, _, path = context["path"].split("/", 4)
        uid = _uid(context.get("request"))
        who = (context["time"], uid, database)
        outcomes = record["granularAllowOutcomes"]
        before, commit, path_before, index = last.get(who, ([], 0, "", 0))
        together = bool(before) and len(outcomes) > len(before) and _begins(outcomes, before)
        if not together:
            commits += 1
            commit = commits
        missing = context.get("resource") == {"nullValue": None}
        method, allowed = context["method"], record["outcome"] == "allow"
        if method == "update" and missing:
            allowed = False  # there is nothing to update: decided as a create, or not at all
        request = Request(
            method, path, allowed, uid, datetime.fromisoformat(context["time"]), commit, database
        )
        if together and path == path_before:
            other = found[index]
            if (other.method, method) == ("create", "update"):
                found[index] = other if missing else request
            elif other.method == method == "list":
                found[index] = replace(other, allowed=other.allowed and allowed)
            else:
                together = False
        if not together or path != path_before:
            index = len(found)
            found.append(request)
        last[who] = (outcomes, commit, path, index)
    return found


def _begins(longer: list[Any], shorter: list[Any]) -> bool:
    return longer[: len(shorter)] == shorter


def _uid(value: Any) -> str | None:
    """``request.auth.uid`` out of a value message of the rules engine."""
    for name in ("auth", "uid"):
        fields = value.get("mapValue", {}).get("fields", {}) if isinstance(value, dict) else {}
        value = fields.get(name) if isinstance(fields, dict) else None
    uid = value.get("stringValue") if isinstance(value, dict) else None
    return uid if isinstance(uid, str) else None


def count(requests: Iterable[Request]) -> Operations:
    """Count requests as they are billed: those that were allowed, and nothing beside them denied.

    A query or a listener counts as one read, the least it costs: the log doesn't tell how many
    documents it brought.
    """
    requests = list(requests)
    refused = {request.commit for request in requests if not request.allowed}
    methods = [request.method for request in requests if request.commit not in refused]
    return Operations(
        reads=sum(method in ("get", "list") for method in methods),
        writes=sum(method in ("create", "update") for method in methods),
        deletes=methods.count("delete"),
    )


class RequestLog:
    """The requests from the moment of its making on. Thread-safe."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self._texts: list[str | bytes] = []
        self._arrived = threading.Condition()
        self._lost: str | None = None
        try:
            from websockets.exceptions import ConnectionClosed, WebSocketException
            from websockets.sync.client import connect
        except ImportError:
            raise ConfigError(
                "reading the log of requests needs the package websockets: "
                "pip install 'firertc[dev]'"
            ) from None
        self._closed = ConnectionClosed
        self._open = ExitStack()
        try:
            self._connection: ClientConnection = self._open.enter_context(
                connect(addresses.requests, max_size=None, compression=None, proxy=None)
            )
            self._connection.recv(timeout=ARRIVAL_SECONDS)  # what was before
        except (OSError, TimeoutError, WebSocketException) as error:
            self._open.close()
            raise Unreachable(
                f"the log of requests at {addresses.requests} does not answer: {error}"
            ) from error
        self._reader = threading.Thread(target=self._read, name="request-log", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            for text in self._connection:
                with self._arrived:
                    self._texts.append(text)
                    self._arrived.notify_all()
        except self._closed as error:
            with self._arrived:
                self._lost = str(error)
                self._arrived.notify_all()

    def settle(self) -> None:
        """Wait until everything asked so far is in the log.

        :raises Unreachable: if the log has ended.
        """
        mark = f"{MARK_COLLECTION}/{secrets.token_hex(8)}"
        project = self._addresses.project
        base = f"http://{self._addresses.firestore}/v1/projects/{project}/databases/(default)"
        try:
            httpx.get(f"{base}/documents/{mark}", timeout=ARRIVAL_SECONDS, trust_env=False)
        except httpx.HTTPError as error:
            raise Unreachable(f"Firestore does not answer: {error}") from error
        deadline = time.monotonic() + ARRIVAL_SECONDS
        with self._arrived:
            while not any(mark in str(text) for text in self._texts[-20:]):
                wait = deadline - time.monotonic()
                if self._lost is not None or wait <= 0:
                    raise Unreachable(
                        f"the emulator's log of requests ended: {self._lost or 'nothing comes'}"
                    )
                self._arrived.wait(wait)

    def requests(self, under: str = "") -> list[Request]:
        """What has been asked, in order.

        :param under: only paths that begin with this.
        """
        with self._arrived:
            texts = list(self._texts)
        return [
            request
            for request in read_log(json.loads(text) for text in texts)
            if request.path.startswith(under) and not request.path.startswith(MARK_COLLECTION)
        ]

    def operations(self, under: str = "") -> Operations:
        """Count what has been asked, as it is billed; see :func:`count`.

        :param under: only paths that begin with this.
        """
        return count(self.requests(under))

    def close(self) -> None:
        """End the recording."""
        self._open.close()
        self._reader.join(ARRIVAL_SECONDS)


@contextmanager
def recording(addresses: Addresses) -> Iterator[RequestLog]:
    """Record the requests made within the block; all of them are there at its end.

    :param addresses: where the suite is.
    :raises Unreachable: if the emulator has no log.
    """
    log = RequestLog(addresses)
    try:
        yield log
        log.settle()
    finally:
        log.close()
