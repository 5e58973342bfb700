"""The entry points of the functions; every line is one deployed function."""

from join import join
from rooms import peer_deleted, room_deleted
from schedule import delete_expired, delete_idle_accounts

__all__ = ["delete_expired", "delete_idle_accounts", "join", "peer_deleted", "room_deleted"]
