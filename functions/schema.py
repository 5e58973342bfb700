"""Paths, ids and limits of the documents (docs/protocol.md, sections 1 to 3)."""

from __future__ import annotations

import re
from typing import Final

REALM_ID_BYTES: Final = 32
PEER_ID_BYTES: Final = 80
"""With a realm and a colon it must fit Firebase's uid of 128 characters."""
ROOM_ID_BYTES: Final = 128

SHARDS: Final = 8
"""Documents carry a random ``shard`` below this; it spreads the index that the sweep reads."""

SESSION_SECONDS: Final = 3600
"""The longest that a token is good for (claim ``until``)."""

ROLES: Final = ("subscriber", "publisher", "moderator")

SESSION_PATTERN: Final = re.compile(r"[A-Za-z0-9_-]{16,32}")
CALL_PATTERN: Final = re.compile(r"[0-9a-f]{32}")
KEY_PATTERN: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

RANDOM_PEER_PATTERN: Final = re.compile(r"p-[a-z2-7]{16}")
"""Peer ids that ``join`` makes up. They are not registered, so nobody may choose one of them."""

KEYS: Final = "keys"
REALMS: Final = "realms"
IDS: Final = "ids"
USAGE: Final = "usage"
ROOMS: Final = "rooms"
PEERS: Final = "peers"
CALLS: Final = "calls"
CALLERS: Final = "callers"
MESSAGES: Final = "messages"
REMOVED: Final = "removed"

ROOM_CHILDREN: Final = (PEERS, CALLS, MESSAGES, REMOVED)
"""Sub-collections of a room."""

_LITERAL: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


def encode_id(name: str) -> str:
    """Turn a realm, room or peer name into its document id.

    Every byte of the UTF-8 outside ``[A-Za-z0-9_-]`` becomes ``%XX``; an id that would read
    ``__…__``, which Firestore reserves, has its first character written as ``%5F``.

    Raises:
        UnicodeEncodeError: if the name has half of a surrogate pair.
    """
    encoded = "".join(
        chr(byte) if byte in _LITERAL else f"%{byte:02X}" for byte in name.encode("utf-8")
    )
    if len(encoded) >= 4 and encoded.startswith("__") and encoded.endswith("__"):
        encoded = "%5F" + encoded[1:]
    return encoded


def key_path(key: str) -> str:
    """Path of a key's document."""
    return f"{KEYS}/{key}"


def id_path(realm: str, peer: str) -> str:
    """Path of the document that says who holds a chosen peer id."""
    return f"{REALMS}/{realm}/{IDS}/{peer}"


def room_path(realm: str, room: str) -> str:
    """Path of a room's document."""
    return f"{REALMS}/{realm}/{ROOMS}/{room}"


def peer_path(realm: str, room: str, peer: str) -> str:
    """Path of a peer's document in a room."""
    return f"{room_path(realm, room)}/{PEERS}/{peer}"


def usage_path(realm: str, day: str, shard: int) -> str:
    """Path of one shard of a day's counters; ``day`` is ``YYYY-MM-DD``, in UTC."""
    return f"{REALMS}/{realm}/{USAGE}/{day}_{shard}"
