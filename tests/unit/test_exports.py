"""The public names of the package."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import firertc
from firertc import owner

PUBLIC = {
    "Call": "firertc.call",
    "CallState": "firertc.negotiation",
    "Channel": "firertc.channel",
    "Client": "firertc.client",
    "Config": "firertc.config",
    "Credentials": "firertc.session",
    "FireRTCError": "firertc.errors",
    "Link": "firertc.link",
    "LinkEnd": "firertc.link",
    "LinkState": "firertc.link",
    "Media": "firertc.call",
    "Peer": "firertc.schema",
    "Recorder": "firertc.recording",
    "Ring": "firertc.ringing",
    "Room": "firertc.room",
    "RoomView": "firertc.looking",
    "Session": "firertc.session",
    "come_with_code": "firertc.one_off",
    "decode_id": "firertc.schema",
    "encode_id": "firertc.schema",
    "join": "firertc.session",
    "load_config": "firertc.config",
    "make_token": "firertc.tokens",
    "new_room_name": "firertc.schema",
    "open_source": "firertc.media",
    "receive_files": "firertc.receiving",
    "send_files": "firertc.sending",
    "wait_at_code": "firertc.one_off",
}

OWNER = [
    "CallInProgress",
    "Key",
    "NewKey",
    "Present",
    "Room",
    "Unknown",
    "alias_key",
    "close_room",
    "connect",
    "create_key",
    "key_limits",
    "list_keys",
    "list_rooms",
    "origin_pattern",
    "rotate_key",
    "server_time",
    "set_disabled",
    "show_room",
    "sweep",
]


def test_all() -> None:
    assert sorted(firertc.__all__) == sorted([*PUBLIC, "__version__"])
    assert dir(firertc) == sorted(firertc.__all__)
    assert sorted(owner.__all__) == OWNER


@pytest.mark.parametrize("name", PUBLIC)
def test_each_is_what_its_module_has(name: str) -> None:
    value = getattr(firertc, name)
    assert value is getattr(importlib.import_module(PUBLIC[name]), name)
    assert value.__doc__, "a public name is documented"


def test_every_name_of_the_owner_is_documented() -> None:
    for name in owner.__all__:
        assert getattr(owner, name).__doc__, name


def test_type_checkers_see_the_same_names() -> None:
    # They read imports that never run; nothing else would notice one that is missing.
    tree = ast.parse(Path(firertc.__file__).read_text("utf-8"))
    seen = {
        alias.asname: f"firertc.{node.module}"
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == PUBLIC


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match="nothing_of_ours"):
        _ = firertc.nothing_of_ours


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import json, sys, firertc; print(json.dumps([m for m in sys.modules]))"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    ours = [name for name in json.loads(answer.stdout) if name.startswith("firertc")]
    assert ours == ["firertc"]
