"""Sealed rooms: with the passphrase everything works, without it nothing can be read."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from google.cloud.firestore import AsyncClient

from firertc.call import Media
from firertc.client import Client
from firertc.config import Config
from firertc.errors import ConfigError, PassphraseNeeded, SealBroken, WrongPassphrase
from firertc.ringing import ring

from .conftest import Left
from .gathering import Gathering
from .remains import emptied

SECRET = "tür 7: offen"
QUIET = Media(receiving=frozenset())


@pytest_asyncio.fixture
async def hall(config: Config) -> AsyncIterator[Gathering]:
    made = Gathering(config)
    yield made
    await made.close()


async def all_text(admin: AsyncClient, path: str) -> str:
    """Everything that stands below a room, as text."""
    texts: list[Any] = [(await admin.document(path).get()).to_dict()]
    async for collection in admin.document(path).collections():
        async for document in collection.stream():
            texts.append(document.to_dict())
    return json.dumps(texts, default=str)


async def test_who_has_the_passphrase_sees_hears_and_is_linked(
    hall: Gathering, admin: AsyncClient, left: Left
) -> None:
    how: dict[str, Any] = {"connect": "all", "passphrase": SECRET, "events": ("broadcast",)}
    ann = await hall.enter("ann", data={"colour": "mauve-of-ann"}, **how)
    bob = await hall.enter("bob", data={"colour": "beige-of-bob"}, **how)
    await hall.linked("ann", "bob")
    await hall.enter("carl", **how)
    await hall.linked("ann", "bob", "carl")
    assert bob.peers["ann"].data == {"colour": "mauve-of-ann"}
    assert ann.peers["bob"].data == {"colour": "beige-of-bob"}
    assert ann.peers["carl"].data is None
    await bob.set_data(["taupe-of-bob"])
    await hall.until(lambda: ann.peers["bob"].data == ["taupe-of-bob"])
    await bob.broadcast("whispered-by-bob")
    await hall.until(lambda: hall.told("ann", "broadcast"))
    assert hall.told("ann", "broadcast") == [("bob", "whispered-by-bob", False)]
    ann.send("peer to peer")
    await hall.until(lambda: hall.told("bob", "message"))
    text = await all_text(admin, ann.path)
    # The operator sees that there is something, and nothing of what it is.
    for secret in ("mauve", "beige", "taupe", "whispered", "candidate:", "a=fingerprint", SECRET):
        assert secret not in text
    assert '"sealed"' in text
    await hall.close()
    await emptied(left)


async def test_rings_in_a_sealed_room(hall: Gathering) -> None:
    ann = await hall.enter("ann", passphrase=SECRET)
    bob = await hall.enter("bob", passphrase=SECRET)
    rung: list[Any] = []

    async def answer(ringing: Any) -> None:
        rung.append(ringing.metadata)
        await ringing.accept(QUIET)

    bob.on("ring", answer)
    await hall.until(lambda: "bob" in ann.peers)
    call = await ring(ann, "bob", QUIET, metadata={"topic": "geheim"})
    assert rung == [{"topic": "geheim"}]
    assert list(ann.links) == ["bob"]
    await call.close()


async def test_the_wrong_passphrase_none_and_one_too_many(
    hall: Gathering, client: Client, left: Left
) -> None:
    await hall.enter("ann", passphrase=SECRET)
    with pytest.raises(PassphraseNeeded, match="takes a passphrase"):
        await client.enter("hall", connect="all")
    with pytest.raises(WrongPassphrase, match="not this room's"):
        await client.enter("hall", passphrase="tür 8: offen")
    with pytest.raises(ConfigError, match="at least one character"):
        await client.enter("hall", passphrase="")
    await client.enter("plain")
    with pytest.raises(SealBroken, match="is not sealed, though"):
        await client.enter("plain", passphrase=SECRET)
    inside = [path for path in left() if "/rooms/hall/" in path]
    assert [path.rsplit("/", 1)[1] for path in inside] == ["ann"], "who was refused wrote nothing"


async def test_looking_into_a_sealed_room(hall: Gathering, client: Client) -> None:
    await hall.enter("ann", data="in the cellar", passphrase=SECRET)
    view = await client.look("hall")
    assert view.sealed
    assert view.peers is not None
    assert [(peer.id, peer.data) for peer in view.peers] == [("ann", None)]
    view = await client.look("hall", passphrase=SECRET)
    assert view.peers is not None
    assert [(peer.id, peer.data) for peer in view.peers] == [("ann", "in the cellar")]
    with pytest.raises(WrongPassphrase):
        await client.look("hall", passphrase="no")


async def test_what_somebody_without_the_key_wrote_is_not_believed(
    hall: Gathering, admin: AsyncClient
) -> None:
    ann = await hall.enter("ann", passphrase=SECRET, events=("broadcast",))
    bob = await hall.enter("bob", data="bob", passphrase=SECRET)
    await hall.until(lambda: "bob" in ann.peers and ann.peers["bob"].data == "bob")
    own = admin.document(f"{bob.peers_path}/bob")
    await own.update({"data": '"mallory"'})
    await hall.until(lambda: ann.peers["bob"].data is None)
    await bob.broadcast("one")
    await hall.until(lambda: hall.told("ann", "broadcast"))
    slots = admin.document(ann.path).collection("messages")
    said = (await slots.document("bob~m1").get()).to_dict() or {}
    # The operator says it again, under a higher number; and something of its own.
    await slots.document("bob~m1").set(said | {"n": 17})
    await slots.document("bob~m9").set(said | {"n": 25, "body": '"forged"'})
    await bob.broadcast("two")
    await bob.broadcast("three")
    await hall.until(lambda: len(hall.told("ann", "broadcast")) > 2)
    assert [values[1] for values in hall.told("ann", "broadcast")] == ["one", "two", "three"]


async def test_sealed_data_that_is_too_long_is_refused_here(hall: Gathering) -> None:
    ann = await hall.enter("ann", passphrase=SECRET)
    with pytest.raises(ConfigError, match="sealed data of the peer has"):
        await ann.set_data("x" * 7_000)
    with pytest.raises(ConfigError, match="sealed message has"):
        await ann.broadcast("x" * 16_000)
    await ann.set_data("x" * 6_000)
