"""Python values to Firestore's and back; the few kinds that our documents use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.cloud.firestore_v1.types import ArrayValue, DocumentTransform, MapValue, Value
from google.protobuf.timestamp_pb2 import Timestamp

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class _ServerTime:
    """Marks a field that the server sets to the time of the request."""

    def __repr__(self) -> str:
        return "SERVER_TIME"


SERVER_TIME: Final = _ServerTime()


@dataclass(frozen=True)
class Append:
    """Appends these to a list, those that it hasn't already (Firestore's array union)."""

    entries: Sequence[Any]


def encode(value: Any) -> Value:
    """One value.

    :raises TypeError: for a kind that none of our documents has.
    """
    match value:
        case None:
            return Value(null_value=0)
        case bool():
            return Value(boolean_value=value)
        case int():
            return Value(integer_value=value)
        case float():
            return Value(double_value=value)
        case str():
            return Value(string_value=value)
        case datetime():
            stamp = Timestamp()
            stamp.FromDatetime(value.astimezone(UTC).replace(tzinfo=None))
            return Value(timestamp_value=stamp)
        case Mapping():
            fields = {str(name): encode(inner) for name, inner in value.items()}
            return Value(map_value=MapValue(fields=fields))
        case list() | tuple():
            return Value(array_value=ArrayValue(values=[encode(inner) for inner in value]))
    raise TypeError(f"no document holds a {type(value).__name__}")


def decode(value: Any) -> Any:
    """One value, from a raw protobuf message: whatever kind somebody wrote."""
    kind = value.WhichOneof("value_type")
    if kind == "map_value":
        return {name: decode(inner) for name, inner in value.map_value.fields.items()}
    if kind == "array_value":
        return [decode(inner) for inner in value.array_value.values]
    if kind == "timestamp_value":
        stamp = value.timestamp_value
        # Not by way of a float, which rounds the last moment of the year 9999 into the next.
        return EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)
    if kind is None or kind == "null_value":
        return None
    return getattr(value, kind)


def decode_fields(document: Any) -> dict[str, Any]:
    """A document's fields, from a raw protobuf ``Document``."""
    return {name: decode(value) for name, value in document.fields.items()}


def split_transforms(
    fields: Mapping[str, Any],
) -> tuple[dict[str, Value], list[DocumentTransform.FieldTransform]]:
    """Part the plain values from those that the server computes."""
    plain: dict[str, Value] = {}
    transforms = []
    for name, value in fields.items():
        if value is SERVER_TIME:
            transforms.append(
                DocumentTransform.FieldTransform(
                    field_path=name,
                    set_to_server_value=DocumentTransform.FieldTransform.ServerValue.REQUEST_TIME,
                )
            )
        elif isinstance(value, Append):
            values = ArrayValue(values=[encode(entry) for entry in value.entries])
            transforms.append(
                DocumentTransform.FieldTransform(field_path=name, append_missing_elements=values)
            )
        else:
            plain[name] = encode(value)
    return plain, transforms
