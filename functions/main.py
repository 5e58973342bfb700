"""The entry points of the functions; every line is one deployed function."""

from console import console
from join import join
from rooms import peer_deleted, room_deleted
from schedule import delete_expired, delete_idle_accounts

__all__ = [
    "console",
    "delete_expired",
    "delete_idle_accounts",
    "join",
    "peer_deleted",
    "room_deleted",
]
