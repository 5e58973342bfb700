"""BinaryPack against PeerJS's own implementation of it, and against nonsense."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firertc.compat.peerjs.binarypack import pack, unpack

ROOT = Path(__file__).resolve().parents[2]
VALUES: list[Any] = [
    *(None, True, False, 0, 1, 127, 128, 255, 256, 65_535, 65_536, 2**31, 2**32 - 1, 2**40),
    *(-1, -32, -33, -128, -129, -32_768, -32_769, -(2**31), -(2**31) - 1, -(2**40)),
    *(1.5, -0.25, 3.141592653589793, 1e-9, 1e300),
    *("", "fifteen letters", "sixteen letters!", "Zoë ☕ 🦊", "x" * 70_000),
    *([], list(range(15)), list(range(16)), [[1, [2, [3]]]], ["mixed", 1, None, {"a": [True]}]),
    *({}, {"a": 1}, {str(n): n for n in range(20)}, {"": {"deep": {"er": ["x"]}}}),
]
READ = """
import { readFileSync } from "node:fs";
import { unpack } from "peerjs-js-binarypack";
const lines = readFileSync(0, "utf8").trim().split("\\n");
const plain = (v) => v instanceof ArrayBuffer ? { bytes: [...new Uint8Array(v)] } : v;
const read = (line) => unpack(new Uint8Array(Buffer.from(line, "base64")).buffer);
console.log(JSON.stringify(lines.map((line) => plain(read(line)))));
"""
WRITE = """
import { readFileSync } from "node:fs";
import { pack } from "peerjs-js-binarypack";
const values = JSON.parse(readFileSync(0, "utf8"));
values.push(new Uint8Array([1, 2, 255]).buffer, new Uint8Array(70000).buffer);
values.push(new Int32Array([1, -1]), undefined);
for (const value of values) console.log(Buffer.from(await pack(value)).toString("base64"));
"""


def node(script: str, given: str) -> str:
    """Run a script of Node's, with the checkout's packages."""
    program = shutil.which("node")
    if program is None or not (ROOT / "node_modules/peerjs-js-binarypack").is_dir():
        pytest.skip("Node.js or the package peerjs-js-binarypack is not installed")
    run = subprocess.run(
        [program, "--input-type=module", "-e", script],
        cwd=ROOT,
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return run.stdout


def test_peerjs_reads_what_we_write() -> None:
    from base64 import b64encode

    values = [*VALUES, b"", b"\x01\x02\xff", b"x" * 20]
    lines = "\n".join(b64encode(pack(value)).decode() for value in values)
    expected = [{"bytes": list(v)} if isinstance(v, bytes) else v for v in values]
    for got, value in zip(json.loads(node(READ, lines)), expected, strict=True):
        assert got == (pytest.approx(value, rel=1e-12) if isinstance(value, float) else value)


def test_we_read_what_peerjs_writes() -> None:
    from base64 import b64decode

    # Those it can't write: it takes them for whole numbers of 64 bits, or writes them wrongly.
    values = [v for v in VALUES if v not in (1e300, -(2**31) - 1, -(2**40))]
    lines = node(WRITE, json.dumps(values)).split()
    read = [unpack(b64decode(line)) for line in lines]
    # Of large and small floats PeerJS itself loses the last bits.
    for got, value in zip(read, values, strict=False):
        assert got == (pytest.approx(value, rel=1e-12) if isinstance(value, float) else value)
    assert read[len(values) :] == [
        b"\x01\x02\xff",
        bytes(70_000),
        b"\x01\0\0\0\xff\xff\xff\xff",
        None,
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values)
def test_what_is_written_is_read(value: Any) -> None:
    assert unpack(pack(value)) == value


@given(st.floats(allow_nan=False))
def test_floats(value: float) -> None:
    assert unpack(pack(value)) == value


@given(st.binary())
def test_nonsense_is_refused(data: bytes) -> None:
    try:
        unpack(data)
    except ValueError:
        return


def test_what_can_not_be_written() -> None:
    for wrong in (object(), {1, 2}, 1j):
        with pytest.raises(TypeError):
            pack(wrong)
    deep: list[Any] = []
    for _ in range(100):
        deep = [deep]
    for too_much in (2**64, -(2**63) - 1, deep):
        with pytest.raises(ValueError, match=r"64"):
            pack(too_much)
    with pytest.raises(ValueError, match="64 deep"):
        unpack(b"\x91" * 100_000 + b"\x01")
    assert unpack(pack(datetime(2026, 1, 2, tzinfo=UTC))) == "2026-01-02T00:00:00+00:00"
