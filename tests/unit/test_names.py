"""Names of tracks: in descriptions by vectors, and with the tracks of a link."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from firertc.errors import ConfigError
from firertc.names import check_name, read_names, write_names

from .pairs import BOTH, Pair, heard, linked, soon
from .test_tracks import Grey, shows

VECTORS = json.loads(
    Path(__file__).parents[1].joinpath("vectors", "names.json").read_text(encoding="utf-8")
)
SDP = "v=0\r\nm=audio 9 X 0\r\nm=video 9 X 96\r\na=mid:1\r\nm=application 9 Y z\r\n"


@pytest.mark.parametrize("case", VECTORS["written"], ids=lambda case: case["token"][:20])
def test_written(case: dict[str, Any]) -> None:
    written = write_names(SDP, ["", check_name(case["name"])])
    assert f"a=mid:1\r\na=label:{case['token']}\r\nm=application" in written
    assert read_names(written) == ["", case["name"]]


@pytest.mark.parametrize("name", VECTORS["refused"])
def test_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="at most 64"):
        check_name(name)


def test_half_a_character_is_no_name() -> None:
    with pytest.raises(ConfigError, match="half a character"):
        check_name("\ud83d")


@pytest.mark.parametrize("case", VECTORS["read"], ids=lambda case: " ".join(case["names"]))
def test_read(case: dict[str, Any]) -> None:
    assert read_names(case["sdp"]) == case["names"]


def test_a_description_without_an_end() -> None:
    assert write_names("v=0\r\nm=video 9 X 96", ["a"]) == "v=0\r\nm=video 9 X 96\r\na=label:a\r\n"
    assert write_names(SDP, []) == SDP


# ---- on a link ---------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def pair() -> AsyncIterator[Pair]:
    links = await linked(receiving=BOTH)
    yield links
    for each in links:
        await each.close()


@pytest.mark.parametrize("sender", ["offerer", "answerer"])
async def test_which_is_which(pair: Pair, sender: str) -> None:
    mine, theirs = pair if sender == "offerer" else pair[::-1]
    tracks, removed = heard(theirs, "track"), heard(theirs, "track_removed")
    camera, screen = Grey(40), Grey(200)
    await mine.add_track(camera, "camera")
    first = await soon(tracks)
    await mine.add_track(screen, "screen")
    second = await soon(tracks)
    assert [theirs.name_of(track) for track in (first, second)] == ["camera", "screen"]
    await asyncio.gather(shows(first, 40), shows(second, 200))

    # What takes a track's place has its name; what uses its section again has its own.
    await mine.replace_track(screen, slides := Grey(90))
    await mine.add_track(Grey(120))
    assert theirs.name_of(await soon(tracks)) == ""
    assert theirs.name_of(second) == "screen"
    await mine.remove_track(slides)
    assert await soon(removed) is second
    await mine.add_track(Grey(160), "document")
    third = await soon(tracks)
    assert theirs.name_of(third) == "document"
    await shows(third, 160)
    with pytest.raises(ConfigError, match="at most 64"):
        await mine.add_track(Grey(1), "x" * 65)


@pytest.mark.parametrize("asking", ["offerer", "answerer"])
async def test_either_side_asks_to_negotiate(pair: Pair, asking: str) -> None:
    mine, theirs = pair if asking == "offerer" else pair[::-1]
    queue = heard(theirs, "track")
    await mine.add_track(track := Grey(90), "camera")
    first = await soon(queue)
    # Called something else, it comes as another track.
    mine.connection.name(track, "microscope")
    removed = heard(theirs, "track_removed")
    await mine.renegotiate()
    assert await soon(removed) is first
    second = await soon(queue)
    assert theirs.name_of(second) == "microscope" and theirs.tracks == [second]
    await shows(second, 90)
