"""What happens in a room's documents, live, for its project's owner; without anything secret.

Of an SDP there remain its sections, codecs and numbers of candidates; of what people say of
themselves or to each other, its length. Addresses only if they are asked for.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from . import schema
from .config import Config
from .database import Database, Where
from .errors import Denied, FireRTCError
from .snapshots import Listener, Snapshots
from .targets import Snapshot

PARTS = {"peers": "peer", "calls": "call", "messages": "message", "removed": "removed"}
"""The collections of a room, and what one of their documents is called here."""
SESSION_CHARS = 6
"""Enough to tell one session of a peer from the next."""
TEXT_CHARS = 256
SCOPE = "https://www.googleapis.com/auth/datastore"

Kind = Literal["room", "peer", "call", "message", "removed"]
Happening = Literal["present", "created", "changed", "deleted"]


@dataclass(frozen=True)
class Event:
    """Something that happened to one document."""

    kind: str
    """``room``, ``peer``, ``call``, ``message`` or ``removed``."""
    id: str
    """Of the document."""
    what: Happening
    """``present``: it was there when we began."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What it says; of a change only what is different now."""


class OwnerTokens:
    """The owner's access tokens: Google's application default credentials, in the cloud."""

    def __init__(self, config: Config) -> None:
        self._local = config.local
        self._credentials: Any = None
        self._refreshing = asyncio.Lock()

    async def token(self) -> str:
        """The token to sign the next request with.

        :raises Denied: if there are no credentials, or Google doesn't take them.
        """
        if self._local:
            return "owner"
        async with self._refreshing:
            return await asyncio.to_thread(self._refresh, False)

    async def refresh(self, refused: str) -> str:
        """Another token: the server refused this one."""
        if self._local:
            raise Denied("The emulator refuses its owner.")
        async with self._refreshing:
            return await asyncio.to_thread(self._refresh, True)

    def _refresh(self, anew: bool) -> str:
        import google.auth
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.requests import Request

        try:
            if self._credentials is None:
                self._credentials, _ = google.auth.default(scopes=[SCOPE])
            if anew or not self._credentials.valid:
                self._credentials.refresh(Request())
        except GoogleAuthError:
            raise Denied(
                "Google does not accept these credentials. Run 'gcloud auth application-default "
                "login'."
            ) from None
        return str(self._credentials.token)


async def watch(
    config: Config, realm: str, room: str, *, addresses: bool = False
) -> AsyncGenerator[Event, None]:
    """What is in a room's documents, then what happens to them, until the iteration is closed.

    :param realm: name of the realm.
    :param room: name of the room.
    :param addresses: tell network addresses.
    :raises FireRTCError: if the database can't be listened to.
    """
    place = schema.room_path(
        schema.encode_id(realm, limit=schema.REALM_ID_BYTES, what="realm"),
        schema.encode_id(room, limit=schema.ROOM_ID_BYTES, what="room"),
    )
    database = Database(
        project=config.project,
        database=config.database,
        emulator=config.firestore_emulator,
        tokens=OwnerTokens(config),
    )
    snapshots = Snapshots(database)
    events: asyncio.Queue[list[Event] | FireRTCError] = asyncio.Queue()

    async def follow(kind: str, listener: Listener) -> None:
        known = Known(kind, addresses)
        try:
            async for snapshot in listener:
                events.put_nowait(known.take(snapshot))
        except FireRTCError as error:
            events.put_nowait(error)

    watched = {"room": snapshots.listen(place)}
    for collection, kind in PARTS.items():
        watched[kind] = snapshots.listen(Where(f"{place}/{collection}"))
    tasks = [asyncio.create_task(follow(kind, it)) for kind, it in watched.items()]
    try:
        while True:
            found = await events.get()
            if isinstance(found, FireRTCError):
                raise found
            for event in found:
                yield event
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await snapshots.close()
        await database.close()


class Known:
    """What is known of the documents of one kind, to tell what changes.

    :param kind: see :class:`Event`.
    :param addresses: whether to tell network addresses.
    """

    def __init__(self, kind: str, addresses: bool) -> None:
        self._kind = kind
        self._addresses = addresses
        self._described: dict[str, dict[str, Any]] = {}
        self._begun = False

    def take(self, snapshot: Snapshot) -> list[Event]:
        """What a snapshot tells that is new."""
        events = []
        for path in snapshot.removed:
            if self._described.pop(path, None) is not None:
                events.append(Event(self._kind, _id(path), "deleted"))
        for path in sorted(snapshot.changed):
            now = describe(self._kind, snapshot.documents[path], addresses=self._addresses)
            before = self._described.get(path)
            self._described[path] = now
            if before is None:
                what: Happening = "created" if self._begun else "present"
                events.append(Event(self._kind, _id(path), what, now))
                continue
            changes = {
                name: now.get(name) for name in {**before, **now} if _differ(before, now, name)
            }
            if changes:
                events.append(Event(self._kind, _id(path), "changed", changes))
        self._begun = True
        return events


def _differ(before: Mapping[str, Any], now: Mapping[str, Any], name: str) -> bool:
    return before.get(name) != now.get(name)


def _id(path: str) -> str:
    return path.rsplit("/", 1)[1]


def describe(kind: str, fields: Mapping[str, Any], *, addresses: bool = False) -> dict[str, Any]:
    """What a document says, without its secrets; whatever somebody wrote into it.

    :param kind: see :class:`Event`.
    :param addresses: tell network addresses.
    :returns: JSON values.
    """
    told: dict[str, Any] = {}
    for name, value in fields.items():
        match name:
            case "offer" | "answer":
                told[name] = _description(value, addresses)
            case "offerCandidates" | "answerCandidates":
                told[name] = _candidates(value, addresses)
            case "sealed":
                told[name] = True
            case "session" | "fromSession" | "toSession":
                told[name] = str(value)[:SESSION_CHARS]
            case "metadata":
                told[name] = _metadata(value)
            case "data" | "body":
                told[f"{name}Characters"] = len(value) if isinstance(value, str) else 0
            case "shard" | "v":
                continue
            case "ended" if isinstance(value, Mapping):
                told[name] = {key: _plain(value.get(key)) for key in ("by", "reason")}
            case "media" if isinstance(value, Mapping):
                told[name] = sorted(str(word)[:16] for word, on in value.items() if on is True)
            case "can" if isinstance(value, list):
                told[name] = [_plain(word) for word in value[:16]]
            case _ if name in _PLAIN.get(kind, ()):
                told[name] = _plain(value)
    return told


_CALL = ("kind", "from", "to", "attempt", "createdAt", "leaseUntil")
_PLAIN: Mapping[str, tuple[str, ...]] = {
    "room": ("connect", "capacity", "locked", "listed", "createdBy", "createdAt", "leaseUntil"),
    "peer": ("role", "joinedAt", "leaseUntil"),
    "call": _CALL,
    "message": ("from", "to", "n", "createdAt", "leaseUntil"),
    "removed": ("by", "reason", "at", "leaseUntil"),
}
"""Fields that are told as they are. What isn't named anywhere isn't told: it is none of ours."""


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, str):
        return value[:TEXT_CHARS]
    return value if isinstance(value, bool | int | float) or value is None else "?"


def _description(value: Any, addresses: bool) -> Any:
    if not isinstance(value, Mapping):
        return "?"
    if isinstance(sealed := value.get("sealed"), str):
        return {"sealed": len(sealed)}
    sdp = value.get("sdp")
    return describe_sdp(sdp, addresses=addresses) if isinstance(sdp, str) else "?"


def describe_sdp(sdp: str, *, addresses: bool = False) -> list[dict[str, Any]]:
    """The sections of an SDP (RFC 8866): kind, direction, codecs, how many candidates.

    :param addresses: the candidates' addresses as well.
    """
    sections: list[dict[str, Any]] = []
    for line in sdp.splitlines():
        if line.startswith("m="):
            kind = line[2:].split(" ", 1)[0]
            known = kind if kind in ("audio", "video", "application") else "other"
            sections.append({"kind": known, "candidates": 0})
            if addresses:
                sections[-1]["addresses"] = []
        elif not sections:
            continue
        elif line in ("a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"):
            sections[-1]["direction"] = line[2:]
        elif line.startswith("a=rtpmap:"):
            codec = line.partition(" ")[2].partition("/")[0][:32]
            codecs = sections[-1].setdefault("codecs", [])
            if codec and codec not in codecs:
                codecs.append(codec)
        elif line.startswith("a=candidate:"):
            sections[-1]["candidates"] += 1
            if addresses:
                sections[-1]["addresses"].append(_address(line[2:]))
    return sections


def _candidates(value: Any, addresses: bool) -> Any:
    entries = (
        [entry for entry in value if isinstance(entry, str)] if isinstance(value, list) else []
    )
    if not addresses:
        return len(entries)
    return [_entry(entry) for entry in entries]


def _entry(entry: str) -> str:
    try:
        candidate = schema.parse_json(entry)["candidate"]
    except (ValueError, KeyError, TypeError):
        return "sealed"
    return _address(candidate) if candidate else "end"


def _address(candidate: Any) -> str:
    """``address:port type`` of a candidate (RFC 8839, section 5.1)."""
    parts = str(candidate).split()
    if len(parts) < 8:
        return "?"
    return f"{parts[4][:64]}:{parts[5][:5]} {parts[7][:8]}"


def _metadata(value: Any) -> Any:
    """Its length; but the marks that a link's repair leaves there are no secret."""
    if not isinstance(value, str):
        return "?"
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        parsed = None
    repair = parsed.get("repair") if isinstance(parsed, dict) else None
    if repair in ("fresh", "restart"):
        return {"repair": repair}
    return {"characters": len(value)}
