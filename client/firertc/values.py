"""Python values to Firestore's and back; the few kinds that our documents use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.cloud.firestore_v1.types import ArrayValue, DocumentTransform, MapValue, Value
from google.protobuf.timestamp_pb2 import Timestamp

_Value: Final = Value.pb()
_MapValue: Final = MapValue.pb()
_ArrayValue: Final = ArrayValue.pb()
_FieldTransform: Final = DocumentTransform.FieldTransform.pb()
_REQUEST_TIME: Final = int(DocumentTransform.FieldTransform.ServerValue.REQUEST_TIME)

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


def encode(value: Any) -> Any:
    """One value, as a raw protobuf message: a tenth of the time its wrapper takes.

    :raises TypeError: for a kind that none of our documents has.
    """
    match value:
        case None:
            return _Value(null_value=0)
        case bool():
            return _Value(boolean_value=value)
        case int():
            return _Value(integer_value=value)
        case float():
            return _Value(double_value=value)
        case str():
            return _Value(string_value=value)
        case datetime():
            stamp = Timestamp()
            stamp.FromDatetime(value.astimezone(UTC).replace(tzinfo=None))
            return _Value(timestamp_value=stamp)
        case Mapping():
            fields = {str(name): encode(inner) for name, inner in value.items()}
            return _Value(map_value=_MapValue(fields=fields))
        case list() | tuple():
            return _Value(array_value=_array(value))
    raise TypeError(f"no document holds a {type(value).__name__}")


def _array(values: Sequence[Any]) -> Any:
    return _ArrayValue(values=[encode(inner) for inner in values])


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


def split_transforms(fields: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """Part the plain values from those that the server computes; both as raw messages."""
    plain: dict[str, Any] = {}
    transforms = []
    for name, value in fields.items():
        if value is SERVER_TIME:
            transforms.append(_FieldTransform(field_path=name, set_to_server_value=_REQUEST_TIME))
        elif isinstance(value, Append):
            transforms.append(
                _FieldTransform(field_path=name, append_missing_elements=_array(value.entries))
            )
        else:
            plain[name] = encode(value)
    return plain, transforms
