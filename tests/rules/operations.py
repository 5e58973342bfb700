"""What a row of the matrix does: one request, in words, and its form in the REST API."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from .engine import Claims, Engine, Reply

DOCUMENTS: Final = "projects/{project}/databases/(default)/documents"


class Marker:
    """A value that the request, not the row, knows."""


class Now(Marker):
    """The server's request time."""


NOW: Final = Now()


@dataclass(frozen=True)
class Ahead(Marker):
    """A time so many minutes from now; negative: ago."""

    minutes: float
    """Minutes."""


@dataclass(frozen=True)
class Append(Marker):
    """Elements appended to a list (array union)."""

    elements: tuple[Any, ...]
    """What to append."""


class Gone(Marker):
    """A field that an update removes."""


GONE: Final = Gone()


def encode(value: Any) -> dict[str, Any]:
    """A value in the REST API's form."""
    match value:
        case None:
            return {"nullValue": None}
        case bool():
            return {"booleanValue": value}
        case int():
            return {"integerValue": str(value)}
        case float():
            return {"doubleValue": value}
        case str():
            return {"stringValue": value}
        case Ahead():
            moment = datetime.now(UTC) + timedelta(minutes=value.minutes)
            return {"timestampValue": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
        case Now():
            return encode(Ahead(0))
        case Mapping():
            return {"mapValue": {"fields": {name: encode(item) for name, item in value.items()}}}
        case list() | tuple():
            return {"arrayValue": {"values": [encode(item) for item in value]}}
        case _:
            raise TypeError(f"no Firestore value: {value!r}")


@dataclass(frozen=True)
class Place:
    """Where a row's paths are: below ``realms/{realm}``, or with a leading ``/`` below the root.

    ``{realm}`` in a path is the row's realm.
    """

    project: str
    """Project id."""

    realm: str
    """The row's own realm."""

    def relative(self, path: str) -> str:
        """The path below the documents' root."""
        if path == ".":
            return f"realms/{self.realm}"
        path = path.replace("{realm}", self.realm)
        return path[1:] if path.startswith("/") else f"realms/{self.realm}/{path}"

    def name(self, path: str) -> str:
        """The full name of a document or collection."""
        return f"{DOCUMENTS.format(project=self.project)}/{self.relative(path)}"


class Operation(Protocol):
    """One request."""

    def send(self, engine: Engine, place: Place, claims: Claims) -> Reply:
        """Make it, as this user."""
        ...


@dataclass(frozen=True)
class Write:
    """One write; as an operation, a commit of it alone."""

    path: str
    """Document, relative to the row's realm."""

    data: Mapping[str, Any] | None
    """Fields; ``None`` deletes the document."""

    merge: bool = False
    """Change these fields alone, and only if the document exists."""

    fresh: bool = False
    """Only if it doesn't."""

    def encoded(self, place: Place, *, as_owner: bool = False) -> dict[str, Any]:
        """The write, in the REST API's form."""
        name = place.name(self.path)
        if self.data is None:
            return {"delete": name}
        fields = {
            key: encode(value)
            for key, value in self.data.items()
            if as_owner or not isinstance(value, Now | Append | Gone)
        }
        transforms: list[dict[str, Any]] = []
        if not as_owner:
            for key, value in self.data.items():
                if isinstance(value, Now):
                    transforms.append({"fieldPath": key, "setToServerValue": "REQUEST_TIME"})
                elif isinstance(value, Append):
                    elements = {"values": [encode(item) for item in value.elements]}
                    transforms.append({"fieldPath": key, "appendMissingElements": elements})
        write: dict[str, Any] = {"update": {"name": name, "fields": fields}}
        if transforms:
            write["updateTransforms"] = transforms
        if self.fresh:
            write["currentDocument"] = {"exists": False}
        if self.merge:
            kept = [key for key in self.data if not isinstance(self.data[key], Now | Append)]
            write["updateMask"] = {"fieldPaths": kept}
            write["currentDocument"] = {"exists": True}
        return write

    def send(self, engine: Engine, place: Place, claims: Claims) -> Reply:
        return Commit((self,)).send(engine, place, claims)


@dataclass(frozen=True)
class Commit:
    """Several writes at once."""

    writes: tuple[Write, ...]
    """In order."""

    def send(self, engine: Engine, place: Place, claims: Claims) -> Reply:
        body = {"writes": [write.encoded(place) for write in self.writes]}
        return engine.post(place.project, ":commit", claims, body)


@dataclass(frozen=True)
class Get:
    """One document read."""

    path: str
    """Document, relative to the row's realm."""

    def send(self, engine: Engine, place: Place, claims: Claims) -> Reply:
        body = {"documents": [place.name(self.path)]}
        return engine.post(place.project, ":batchGet", claims, body)


@dataclass(frozen=True)
class List:
    """A query of a collection, or of all collections of that name in the database."""

    path: str
    """Collection, relative to the row's realm."""

    where: Mapping[str, Any] = field(default_factory=dict)
    """Fields and what they equal."""

    group: bool = False
    """Whether to ask for the collection group."""

    operator: str = "EQUAL"
    """How the fields are compared."""

    def send(self, engine: Engine, place: Place, claims: Claims) -> Reply:
        parent, _, collection = place.relative(self.path).rpartition("/")
        parent = "" if self.group else parent
        filters = [
            {
                "fieldFilter": {
                    "field": {"fieldPath": name},
                    "op": self.operator,
                    "value": encode(value),
                }
            }
            for name, value in self.where.items()
        ]
        query: dict[str, Any] = {
            "from": [{"collectionId": collection, "allDescendants": self.group}]
        }
        if filters:
            query["where"] = {"compositeFilter": {"op": "AND", "filters": filters}}
        method = f"/{parent}:runQuery" if parent else ":runQuery"
        return engine.post(place.project, method, claims, {"structuredQuery": query})


def put(path: str, data: Mapping[str, Any], /, **changes: Any) -> Write:
    """Write a whole document: ``data`` with some fields changed, or left out (``GONE``)."""
    whole = {**data, **changes}
    return Write(path, {key: value for key, value in whole.items() if value is not GONE})


def change(path: str, /, **fields: Any) -> Write:
    """Change some fields of a document."""
    return Write(path, fields, merge=True)


def delete(path: str) -> Write:
    """Delete a document."""
    return Write(path, None)


def commit(*writes: Write) -> Commit:
    """Several writes at once."""
    return Commit(writes)


def arrange(engine: Engine, place: Place, owner: Claims, writes: Sequence[Write]) -> None:
    """Put documents in place, as the administrator."""
    body = {"writes": [write.encoded(place, as_owner=True) for write in writes]}
    reply = engine.post(place.project, ":commit", owner, body)
    if not reply.fine:
        raise RuntimeError(f"cannot arrange: {reply.body}")


def slug(text: str) -> str:
    """A realm id made of a row's id."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", text)
