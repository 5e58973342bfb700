"""``firertc rooms``: the rooms of a project, for its owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..config import Config
from ..errors import ConfigError
from .owning import json_option, owner_options, owning
from .running import say
from .tables import moment, printable, remaining, show_json, show_rows

if TYPE_CHECKING:
    from datetime import datetime

    from ..owner import CallInProgress, Present, Room

__all__ = ["rooms"]

_realm_option = click.option("--realm", metavar="NAME", help="The room's realm.")


@click.group()
def rooms() -> None:
    """List, show and close rooms (for the project's owner).

    In the cloud: with Google's application default credentials (gcloud auth application-default
    login, or GOOGLE_APPLICATION_CREDENTIALS). The local suite needs none.
    """


@rooms.command(name="list")
@click.argument("realm", required=False)
@json_option
@owner_options
def list_(config: Config, realm: str | None, as_json: bool) -> None:
    """Show the live rooms of REALM, or of all: reads every room and every peer there."""
    with owning(config) as database:
        from ..owner import list_rooms, server_time
        from ..schema import decode_id

        found = list_rooms(database, realm)
        now = server_time(database)
    if as_json:
        show_json([_room_json(room) for room in found])
        return
    if not found:
        say("There are no rooms.")
        return
    show_rows(
        ("REALM", "ROOM", "PEERS", "LOCKED", "LISTED", "CONNECTS", "LEASE"),
        (
            (
                decode_id(room.realm),
                room.name,
                f"{room.present}/{room.capacity or '?'}",
                _yes(room.locked),
                _yes(room.listed),
                room.connect,
                remaining(room.lease_until, now),
            )
            for room in found
        ),
    )


@rooms.command()
@click.argument("room")
@_realm_option
@json_option
@owner_options
def show(config: Config, room: str, realm: str | None, as_json: bool) -> None:
    """Show ROOM: who is in it, and the calls in progress there."""
    realm = _realm(config, realm)
    with owning(config) as database:
        from ..owner import show_room

        found, now = show_room(database, realm, room)
    if as_json:
        show_json(
            {
                **_room_json(found),
                "peers": [_peer_json(peer) for peer in found.peers],
                "calls": [_call_json(call) for call in found.calls],
            }
        )
        return
    _show(found, now)


@rooms.command()
@click.argument("room")
@_realm_option
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@json_option
@owner_options
def close(config: Config, room: str, realm: str | None, yes: bool, as_json: bool) -> None:
    """Delete ROOM and all that is in it.

    Who is in it finds itself outside, and may make the room anew: to keep people out, lock it, or
    disable their key.
    """
    realm = _realm(config, realm)
    with owning(config) as database:
        from ..owner import Unknown, close_room, show_room

        if not yes:
            try:
                present = show_room(database, realm, room)[0].present
            except Unknown:
                present = 0  # what is left of one can be closed, too
            click.confirm(
                f"Close room {printable(room)} of realm {printable(realm)}, with {present} in it?",
                abort=True,
                err=True,
            )
        deleted = close_room(database, realm, room)
    if as_json:
        show_json({"realm": realm, "room": room, "deleted": deleted})
    else:
        say(f"Closed: {deleted} document{'s' * (deleted != 1)} deleted.")


def _realm(config: Config, given: str | None) -> str:
    realm = given or config.realm
    if not realm:
        raise ConfigError("Which realm is the room in? Say --realm, or set FIRERTC_REALM.")
    return realm


def _show(room: Room, now: datetime) -> None:
    kind = f"connects {room.connect}{', locked' * room.locked}{', listed' * room.listed}"
    click.echo(
        printable(
            f"{room.name}: {room.present} of {room.capacity or '?'} in, {kind}, "
            f"lease {remaining(room.lease_until, now)}"
        )
    )
    if room.peers:
        show_rows(
            ("PEER", "NAME", "ROLE", "JOINED", "LEASE"),
            (
                (
                    peer.id,
                    peer.name,
                    peer.role,
                    moment(peer.joined_at) or "?",
                    remaining(peer.lease_until, now),
                )
                for peer in room.peers
            ),
        )
    if room.calls:
        show_rows(
            ("CALL", "FROM", "TO", "STATE", "LEASE"),
            (
                (
                    call.kind,
                    call.sender,
                    call.receiver,
                    call.state,
                    remaining(call.lease_until, now),
                )
                for call in room.calls
            ),
        )


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _room_json(room: Room) -> dict[str, Any]:
    return {
        "realm": room.realm,
        "room": room.id,
        "name": room.name,
        "present": room.present,
        "capacity": room.capacity,
        "locked": room.locked,
        "listed": room.listed,
        "connect": room.connect,
        "createdBy": room.created_by,
        "createdAt": moment(room.created_at),
        "leaseUntil": moment(room.lease_until),
    }


def _peer_json(peer: Present) -> dict[str, Any]:
    return {
        "peer": peer.id,
        "name": peer.name,
        "role": peer.role,
        "present": peer.present,
        "joinedAt": moment(peer.joined_at),
        "leaseUntil": moment(peer.lease_until),
    }


def _call_json(call: CallInProgress) -> dict[str, Any]:
    return {
        "call": call.id,
        "kind": call.kind,
        "from": call.sender,
        "to": call.receiver,
        "state": call.state,
        "createdAt": moment(call.created_at),
        "leaseUntil": moment(call.lease_until),
    }
