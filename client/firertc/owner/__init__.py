"""The project's owner: keys, rooms and the sweep, with service credentials, past the rules.

In the local suite the owner needs no credentials; in the cloud it is whoever the application
default credentials say (``GOOGLE_APPLICATION_CREDENTIALS``, ``gcloud``, or the machine's own)::

    with connect(load_config()) as database:
        made = create_key(database, "chat", origins=["https://app.example.com"])

Everything here blocks: for scripts, cron jobs and servers, not for an event loop.
"""

from ..errors import Unknown
from .access import connect, server_time
from .keys import (
    Key,
    NewKey,
    alias_key,
    create_key,
    list_keys,
    rotate_key,
    set_disabled,
)
from .limits import key_limits
from .origins import origin_pattern
from .rooms import CallInProgress, Present, Room, close_room, list_rooms, show_room
from .sweeping import sweep

__all__ = [
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
