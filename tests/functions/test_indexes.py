"""Every query of the functions has its index: no emulator enforces them."""

from __future__ import annotations

import ast
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import schema
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore
from sweep import LEASED, leased_query, registrations_query

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime.now(UTC)

COLLECTION_SCOPE_FIELDS = {("calls", "to")}
"""Equality on one field inside one room (cleanup.py): its automatic index must be there."""


def declared() -> dict[str, Any]:
    """The indexes that are deployed."""
    found: dict[str, Any] = json.loads((ROOT / "firestore.indexes.json").read_text())
    return found


def automatic(group: str, field: str) -> list[dict[str, str]] | None:
    """The single-field indexes that are declared for a field; ``None``: the automatic ones."""
    for override in declared()["fieldOverrides"]:
        if (override["collectionGroup"], override["fieldPath"]) == (group, field):
            indexes: list[dict[str, str]] = override["indexes"]
            return indexes
    return None


def fields_of(query: firestore.Query) -> tuple[str, list[str]]:
    """Collection group of a query, and the fields that its index needs, in order."""
    proto = query._to_protobuf()
    (source,) = proto.from_
    assert source.all_descendants
    where = proto.where
    parts = list(where.composite_filter.filters) or [where]
    names = [part.field_filter.field.field_path for part in parts]
    for order in proto.order_by:
        if order.field.field_path not in (*names, "__name__"):
            names.append(order.field.field_path)
    return source.collection_id, names


def test_sweep_queries() -> None:
    nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]  # it has no types
    database = firestore.Client(project="demo", credentials=nobody)
    composite = {
        (index["collectionGroup"], tuple(field["fieldPath"] for field in index["fields"]))
        for index in declared()["indexes"]
        if index["queryScope"] == "COLLECTION_GROUP"
        and all(field["order"] == "ASCENDING" for field in index["fields"])
    }
    for group in (*LEASED, schema.ROOMS):
        named, fields = fields_of(leased_query(database, group, 0, NOW))
        assert fields == ["shard", "leaseUntil"]
        assert (named, tuple(fields)) in composite
    named, fields = fields_of(registrations_query(database, NOW))
    assert (named, fields) == ("ids", ["until"])
    scopes = automatic("ids", "until")
    assert scopes is not None
    assert {"order": "ASCENDING", "queryScope": "COLLECTION_GROUP"} in scopes
    database.close()  # type: ignore[no-untyped-call]  # it has no types


def test_queries_inside_a_room() -> None:
    for group, field in COLLECTION_SCOPE_FIELDS:
        indexes = automatic(group, field)
        assert indexes is None or {"order": "ASCENDING", "queryScope": "COLLECTION"} in indexes


def test_no_query_is_forgotten() -> None:
    # Filters and orders by module; a new one must be looked at, and its index declared.
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "functions").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            if name in ("FieldFilter", "order_by", "collection_group") and node.args:
                found.setdefault(path.name, []).append(f"{name} {ast.unparse(node.args[0])}")
    assert {name: sorted(calls) for name, calls in found.items()} == {
        "cleanup.py": [
            "FieldFilter 'to'",
            "order_by '__name__'",
            "order_by '__name__'",
            "order_by '__name__'",
        ],
        # Equality alone, which the automatic index of the one field serves.
        "consolekeys.py": ["FieldFilter 'realm'"],
        "sweep.py": [
            "FieldFilter 'leaseUntil'",
            "FieldFilter 'shard'",
            "FieldFilter 'until'",
            "collection_group group",
            "collection_group schema.IDS",
            "order_by 'leaseUntil'",
            "order_by 'until'",
        ],
    }
