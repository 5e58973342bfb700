"""BinaryPack, PeerJS's own way to write values (the format of peerjs-js-binarypack 2).

It is like MessagePack of 2011, with lengths of text and of bytes told apart: ``a0-af``, ``da``,
``db`` are bytes, ``b0-bf``, ``d8``, ``d9`` text.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

DEPTH_MOST: Final = 64
"""How deep what others send may be nested."""

EXACT_MOST: Final = 2**53
"""Whole numbers up to it are exact in JavaScript, which has floats alone."""

_SIZES: Final = {
    "bytes": (0xA0, 0xDA, 0xDB),
    "text": (0xB0, 0xD8, 0xD9),
    "array": (0x90, 0xDC, 0xDD),
    "map": (0x80, 0xDE, 0xDF),
}
"""First byte with the length in its lower half, before 16 bits of it, and before 32."""
_KINDS: Final = {
    first: (kind, form)
    for kind, (_, middle, large) in _SIZES.items()
    for first, form in ((middle, ">H"), (large, ">I"))
}
_CONSTANTS: Final = {0xC0: None, 0xC1: None, 0xC2: False, 0xC3: True}
_NUMBERS: Final = {
    0xCA: ">f",
    0xCB: ">d",
    0xCC: ">B",
    0xCD: ">H",
    0xCE: ">I",
    0xCF: ">Q",
    0xD0: ">b",
    0xD1: ">h",
    0xD2: ">i",
    0xD3: ">q",
}
_INTEGERS: Final = (
    (0xCC, ">B", 0, 0xFF),
    (0xD0, ">b", -0x80, 0x7F),
    (0xCD, ">H", 0, 0xFFFF),
    (0xD1, ">h", -0x8000, 0x7FFF),
    (0xCE, ">I", 0, 0xFFFF_FFFF),
    (0xD2, ">i", -0x8000_0000, 0x7FFF_FFFF),
    (0xD3, ">q", -(2**63), 2**63 - 1),
    (0xCF, ">Q", 0, 2**64 - 1),
)
"""First byte, form, least and most, in the original's order of preference."""


def pack(value: Any) -> bytes:
    """Write a value: None, a bool, a number, text, bytes, a list, a dictionary; dates as text.

    :raises TypeError: for any other kind.
    :raises ValueError: for a number of more than 64 bits, or nesting deeper than 64.
    """
    out = bytearray()
    _pack(value, out, DEPTH_MOST)
    return bytes(out)


def unpack(data: bytes) -> Any:
    """Read a value; JavaScript's ``undefined`` is None.

    :raises ValueError: if it is none.
    """
    value, _ = _unpack(data, 0, DEPTH_MOST)
    return value


def _pack(value: Any, out: bytearray, depth: int) -> None:
    if depth < 0:
        raise ValueError(f"nested more than {DEPTH_MOST} deep")
    match value:
        case None:
            out.append(0xC0)
        case bool():
            out.append(0xC3 if value else 0xC2)
        case int():
            _pack_integer(value, out)
        case float():
            # As JavaScript tells them: the original can't read a zero that is written as a float.
            if value.is_integer() and abs(value) <= EXACT_MOST:
                _pack_integer(int(value), out)
            else:
                out += b"\xcb" + struct.pack(">d", value)
        case str():
            _pack_sized("text", value.encode(), out)
        case bytes() | bytearray() | memoryview():
            _pack_sized("bytes", bytes(value), out)
        case date():
            _pack_sized("text", value.isoformat().encode(), out)
        case list() | tuple():
            _pack_size("array", len(value), out)
            for item in value:
                _pack(item, out, depth - 1)
        case Mapping():
            _pack_size("map", len(value), out)
            for name, item in value.items():
                _pack_sized("text", str(name).encode(), out)
                _pack(item, out, depth - 1)
        case _:
            raise TypeError(f"BinaryPack has no {type(value).__name__}")


def _pack_integer(value: int, out: bytearray) -> None:
    if -32 <= value <= 0x7F:
        out.append(value & 0xFF)
        return
    if -EXACT_MOST <= value < -0x8000_0000:
        # The original reads negative numbers of 64 bits wrongly, floats rightly.
        out += b"\xcb" + struct.pack(">d", value)
        return
    for first, form, least, most in _INTEGERS:
        if least <= value <= most:
            out.append(first)
            out += struct.pack(form, value)
            return
    raise ValueError("a number of more than 64 bits")


def _pack_sized(kind: str, raw: bytes, out: bytearray) -> None:
    _pack_size(kind, len(raw), out)
    out += raw


def _pack_size(kind: str, size: int, out: bytearray) -> None:
    small, middle, large = _SIZES[kind]
    if size <= 0x0F:
        out.append(small + size)
    elif size <= 0xFFFF:
        out += bytes((middle,)) + struct.pack(">H", size)
    else:
        out += bytes((large,)) + struct.pack(">I", size)


def _unpack(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if depth < 0:
        raise ValueError(f"nested more than {DEPTH_MOST} deep")
    first = _take(data, at, 1)[0]
    at += 1
    if first < 0x80:
        return first, at
    if first >= 0xE0:
        return first - 0x100, at
    if first in _CONSTANTS:
        return _CONSTANTS[first], at
    if first in _NUMBERS:
        form = _NUMBERS[first]
        size = struct.calcsize(form)
        number = struct.unpack(form, _take(data, at, size))[0]
        whole = isinstance(number, float) and number.is_integer() and abs(number) <= EXACT_MOST
        return int(number) if whole else number, at + size
    if first in _KINDS:
        kind, form = _KINDS[first]
        width = struct.calcsize(form)
        size = struct.unpack(form, _take(data, at, width))[0]
        return _unpack_sized(kind, size, data, at + width, depth)
    for kind, (small, _, _) in _SIZES.items():
        if first & 0xF0 == small:
            return _unpack_sized(kind, first & 0x0F, data, at, depth)
    raise ValueError(f"no value begins with {first:#x}")


def _unpack_sized(kind: str, size: int, data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if kind == "bytes":
        return _take(data, at, size), at + size
    if kind == "text":
        return _take(data, at, size).decode(), at + size
    if kind == "array":
        items = []
        for _ in range(size):
            item, at = _unpack(data, at, depth - 1)
            items.append(item)
        return items, at
    found = {}
    for _ in range(size):
        name, at = _unpack(data, at, depth - 1)
        found[name if isinstance(name, str) else str(name)], at = _unpack(data, at, depth - 1)
    return found, at


def _take(data: bytes, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise ValueError("it ends too early")
    return data[at : at + size]
