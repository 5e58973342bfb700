"""What a newcomer finds in a room: told with its token, it saves the newcomer a round trip.

Nothing is told here that the rules would not let the bearer of the token read a moment later: the
room's document, and the offers that wait for whoever comes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import schema
from database import ATTEMPT_SECONDS, RETRY
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter

OFFERS_MOST: Final = 24
"""Offers told. A client answers 12 of them at most; some belong to peers that have gone."""
ROOM_FIELDS: Final = (
    "connect",
    "capacity",
    "locked",
    "listed",
    "sealed",
    "createdBy",
    "leaseUntil",
)
_OFFER_FIELDS: Final = (
    "v",
    "kind",
    "from",
    "fromSession",
    "to",
    "toSession",
    "attempt",
    "offer",
    "offerCandidates",
    "metadata",
    "leaseUntil",
)


def standing_offers(database: firestore.Client, realm: str, room: str) -> list[dict[str, Any]]:
    """Read the offers that wait in a room for whoever comes: one read each, one at least.

    Returns:
        For each its document's ``id`` and ``fields``, times as Unix seconds.
    """
    calls = database.document(schema.room_path(realm, room)).collection(schema.CALLS)
    found = (
        calls.where(filter=FieldFilter("to", "==", "*"))
        .limit(OFFERS_MOST)
        .get(retry=RETRY, timeout=ATTEMPT_SECONDS)
    )
    offers = [{"id": one.id, "fields": plain(one.to_dict() or {}, _OFFER_FIELDS)} for one in found]
    return [offer for offer in offers if offer["fields"] is not None]


def plain(fields: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any] | None:
    """These fields, times as Unix seconds; ``None`` if JSON can't say one of them."""
    chosen = {
        name: value.timestamp() if isinstance(value, datetime) else value
        for name, value in fields.items()
        if name in names
    }
    try:
        # The rules let nothing else in, but an owner's tool may write anything.
        json.dumps(chosen, allow_nan=False)
    except (TypeError, ValueError):
        return None
    return chosen
