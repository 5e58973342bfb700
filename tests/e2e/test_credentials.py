"""Credentials that a server signed for one room and a time, in place of a server-made token."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from firertc import Client, Config, Credentials
from firertc.errors import ConfigError, Denied, SessionExpired
from firertc.suite import Seeds


def signed(secret: str, room: str, hours_ago: int = 0) -> Credentials:
    """Good for an hour from then on."""
    start = (datetime.now(UTC) - timedelta(hours=hours_ago)).isoformat()
    digest = hmac.new(secret.encode(), f"{room}_1_{start}".encode(), hashlib.sha1).digest()
    return Credentials(start, 1, base64.b64encode(digest).decode(), room)


async def test_they_let_into_their_room(config: Config, realm: Seeds) -> None:
    good = signed(realm.secret, "hall")
    assert good.signature not in repr(good)
    async with Client(config, server_token="not used where there are credentials") as client:
        room = await client.enter("hall", peer="ann", credentials=good)
        assert (room.session.peer, room.session.room) == ("ann", "hall")
        await room.session.renew()
        with pytest.raises(Denied, match="wrong-room"):
            await client.join(room="cellar", credentials=good)
        with pytest.raises(SessionExpired, match="forged-token"):
            await client.join(room="hall", credentials=signed("x" * 32, "hall"))
        with pytest.raises(SessionExpired, match="ended"):
            old = signed(realm.secret, "hall", hours_ago=2)
            await client.join(room="hall", credentials=old)


async def test_they_are_a_keys(config: Config, realm: Seeds) -> None:
    keyless = dataclasses.replace(config, key="")
    async with Client(keyless) as client:
        with pytest.raises(ConfigError, match="FIRERTC_KEY"):
            await client.join(credentials=signed(realm.secret, "hall"))
