"""``firertc room join``: three processes in a room, each linked to the others."""

from __future__ import annotations

import time
from pathlib import Path

from firertc.recording import Recorded, probe

from .conftest import Left, Run

NAMES = ("ann", "bob", "carl")


def test_three_see_hear_and_read_each_other(
    run: Run, clip: Recorded, tmp_path: Path, left: Left
) -> None:
    people = {
        name: run(
            *("room", "join", "party", "--as", name, "--json", "--chat", "--loop"),
            *("--play", str(clip.path), "--record", str(tmp_path / name)),
        )
        for name in NAMES
    }
    for name, terminal in people.items():
        for other in NAMES:
            if other != name:
                terminal.wait_for("linked")
    for name, terminal in people.items():
        terminal.say(f"hello from {name}")
    for name, terminal in people.items():
        heard = {terminal.wait_for("message")["body"] for _ in range(2)}
        assert heard == {f"hello from {other}" for other in NAMES if other != name}
    # They stay together for as long as the clip lasts: there has to be something to record.
    time.sleep(clip.duration_seconds)
    people["carl"].no_more()
    assert people["carl"].end() == 0
    assert people["ann"].wait_for("unlinked")["peer"] == "carl"
    assert people["ann"].wait_for("recorded")["peer"] == "carl"
    people["bob"].interrupt()
    people["ann"].interrupt()
    assert [people[name].end() for name in ("ann", "bob")] == [0, 0]
    for name in NAMES:
        for other in NAMES:
            if other != name:
                recorded = probe(tmp_path / name / f"{other}.mp4")
                assert recorded.video_frames > 0
                assert not recorded.silent
    assert [path for path in left() if "/peers/" in path or "/calls/" in path] == []
