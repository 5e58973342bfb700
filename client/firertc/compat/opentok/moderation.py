"""Moderation with the owner's credentials: documents that a moderator in the room would write."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

from google.cloud import firestore

from ...config import Config, load_config
from ...errors import ConfigError, Denied, FireRTCError
from ...owner import connect, list_keys, server_time
from ...owner.access import ONCE
from .exceptions import AuthError, NotFoundError, OpenTokException, RequestError, SignalingError

SIGNAL_TYPE_BYTES: Final = 128
SIGNAL_DATA_BYTES: Final = 8192
SERVER: Final = "%server"
"""Who signals come from: no peer can have this id, for ``%`` alone encodes nothing."""
SLOTS: Final = 16
SHARDS: Final = 8
SIGNAL_LEASE: Final = timedelta(minutes=9)
REMOVAL_LEASE: Final = timedelta(hours=23)
"""Both somewhat less than the rules would let a moderator write (docs/protocol.md, 3.6, 3.7)."""


class Moderation:
    """The rooms of one key's realm, as their owner changes them.

    :param api_key: the key.
    :param config: says project and database; None: what :func:`firertc.load_config` finds.
    """

    def __init__(self, api_key: str, config: Config | None = None) -> None:
        self._api_key = api_key
        self._config = config
        self._realm = ""
        self._session = secrets.token_urlsafe(16)
        self._number = 0

    def remove(self, room: str, peer: str) -> None:
        """Remove somebody from a room, and keep it out for a day.

        :raises NotFoundError: nobody of that id is in the room.
        :raises AuthError: the owner's credentials are missing or refused.
        :raises RequestError: the database doesn't answer.
        """
        with self._database() as database:
            place = self._room(database, room)
            present = _child(place, "peers", peer)
            if not present.get([], **ONCE).exists:
                raise NotFoundError(f"Nobody with the connection {peer[:80]!r} is in this session.")
            batch = database.batch()
            batch.set(
                place.collection("removed").document(peer),
                {
                    "by": SERVER,
                    "reason": "forceDisconnected",
                    "at": firestore.SERVER_TIMESTAMP,
                    "leaseUntil": server_time(database) + REMOVAL_LEASE,
                    "shard": secrets.randbelow(SHARDS),
                },
            )
            batch.delete(present)
            batch.commit(**ONCE)

    def signal(self, room: str, payload: Mapping[str, Any], peer: str | None) -> None:
        """Say something to all in a room, or to one.

        :raises NotFoundError: there is no such room, or nobody of that id in it.
        :raises SignalingError: the payload makes no sense, or the room is sealed.
        :raises AuthError: the owner's credentials are missing or refused.
        :raises RequestError: the database doesn't answer.
        """
        body = signal_body(payload)
        with self._database() as database:
            place = self._room(database, room)
            found = place.get(["sealed"], **ONCE)
            if not found.exists:
                raise NotFoundError("Nobody is in this session.")
            if (found.to_dict() or {}).get("sealed") is not None:
                raise SignalingError(
                    "The session is sealed with a passphrase that its server doesn't have."
                )
            if peer is not None and not _child(place, "peers", peer).get([], **ONCE).exists:
                raise NotFoundError(f"Nobody with the connection {peer[:80]!r} is in this session.")
            self._number += 1
            slot = f"{SERVER}~m{self._number % SLOTS}"
            place.collection("messages").document(slot).set(
                {
                    "from": SERVER,
                    "fromSession": self._session,
                    "to": "*" if peer is None else peer,
                    "n": self._number,
                    "body": body,
                    "createdAt": firestore.SERVER_TIMESTAMP,
                    "leaseUntil": server_time(database) + SIGNAL_LEASE,
                    "shard": secrets.randbelow(SHARDS),
                },
                **ONCE,
            )

    @contextmanager
    def _database(self) -> Iterator[firestore.Client]:
        try:
            with connect(self._config or load_config()) as database:
                yield database
        except (ConfigError, Denied) as error:
            raise AuthError(str(error)) from None
        except FireRTCError as error:
            raise RequestError(str(error)) from None

    def _room(self, database: firestore.Client, room: str) -> firestore.DocumentReference:
        if not self._realm:
            keys = {key.id: key for key in list_keys(database)}
            if self._api_key not in keys:
                raise AuthError("This project has no such key; 'firertc keys list' shows all.")
            self._realm = keys[self._api_key].realm
        # A session's id needs no encoding as a document's.
        place: firestore.DocumentReference = database.document(f"realms/{self._realm}/rooms/{room}")
        return place


def signal_body(payload: Mapping[str, Any]) -> str:
    """A signal as the body of a message.

    :raises SignalingError: if it lacks a field, or one is too long.
    """
    kind, data = payload.get("type", ""), payload.get("data", "")
    if not isinstance(kind, str) or len(kind.encode("utf-8", "replace")) > SIGNAL_TYPE_BYTES:
        raise SignalingError(f"A signal's type is a text of at most {SIGNAL_TYPE_BYTES} bytes.")
    if not isinstance(data, str) or len(data.encode("utf-8", "replace")) > SIGNAL_DATA_BYTES:
        raise SignalingError(f"A signal's data is a text of at most {SIGNAL_DATA_BYTES} bytes.")
    return json.dumps({"signal": {"type": kind, "data": data}}, ensure_ascii=False)


def _child(
    place: firestore.DocumentReference, collection: str, name: str
) -> firestore.DocumentReference:
    if not name or "/" in name or len(name) > SIGNAL_TYPE_BYTES:
        raise OpenTokException("That is no connection's id.")
    child: firestore.DocumentReference = place.collection(collection).document(name)
    return child
