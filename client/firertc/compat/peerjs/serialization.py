"""How a data connection turns values into messages and back: one message a value."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ...schema import parse_json
from .binarypack import pack, unpack

Wire = str | bytes
"""What a channel carries."""


@dataclass(frozen=True)
class Serializer:
    """One way of writing values."""

    encode: Callable[[Any], Wire]
    """Raises TypeError or ValueError for what it can't write."""
    decode: Callable[[Wire], Any]
    """Raises ValueError for what it can't read."""


def _bytes(message: Wire) -> bytes:
    return message.encode() if isinstance(message, str) else message


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _from_json(message: Wire) -> Any:
    return parse_json(message if isinstance(message, str) else message.decode())


def _raw(value: Any) -> Wire:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise TypeError("a raw connection sends text and bytes")


def _to_msgpack(value: Any) -> bytes:
    import msgpack  # type: ignore[import-untyped]  # it ships no types

    packed: bytes = msgpack.packb(value, datetime=True)
    return packed


def _from_msgpack(message: Wire) -> Any:
    import msgpack

    try:
        # 3: timestamps as dates that know their offset.
        return msgpack.unpackb(_bytes(message), timestamp=3, strict_map_key=False)
    except (msgpack.UnpackException, RecursionError, OverflowError) as error:
        raise ValueError(f"no MessagePack: {type(error).__name__}") from None


_BINARY: Final = Serializer(pack, lambda message: unpack(_bytes(message)))

SERIALIZERS: Final = {
    "binary": _BINARY,
    "binary-utf8": _BINARY,
    "json": Serializer(_to_json, _from_json),
    "raw": Serializer(_raw, lambda message: message),
    "MsgPack": Serializer(_to_msgpack, _from_msgpack),
}
"""By the names of the option ``serialization``."""
