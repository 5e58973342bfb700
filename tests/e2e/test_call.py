"""Two terminals call each other: both orders, sound, picture, text, events, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from firertc.recording import Recorded, probe

from .conftest import Left, Run
from .terminal import Terminal


@pytest.mark.parametrize(("waits", "comes"), [("call", "answer"), ("answer", "call")])
def test_either_side_first(run: Run, left: Left, waits: str, comes: str) -> None:
    first = run(waits, "--chat", "--json")
    second = run(comes, first.code(), "--chat", "--json")
    for side in (first, second):
        connected = side.wait_for("connected")
        assert connected["path"] == "host"
        assert 0 < connected["rtt_ms"] < 5_000
    first.say("from the one who waited")
    second.say("from the one who came, with ümläuts and 🦊")
    assert second.wait_for("message")["body"] == "from the one who waited"
    assert first.wait_for("message")["body"] == "from the one who came, with ümläuts and 🦊"
    first.no_more()
    assert first.end() == 0 and second.end() == 0
    assert first.wait_for("ended") == {"event": "ended", "reason": "hangup", "by_remote": False}
    assert second.wait_for("ended") == {"event": "ended", "reason": "hangup", "by_remote": True}
    assert states(first) == ["waiting", "connecting", "connected", "ended"]
    assert states(second) == ["connecting", "connected", "ended"]
    assert first.error == second.error == ""
    assert left() == []


def states(terminal: Terminal) -> list[str]:
    return [event["state"] for event in terminal.events if event["event"] == "state"]


def test_a_film_is_recorded_and_the_steps_are_written_down(
    run: Run, left: Left, clip: Recorded, tmp_path: Path
) -> None:
    record, dump = tmp_path / "got.mp4", tmp_path / "timing.json"
    waiting = run("answer", "--record", str(record), "--json", "--dump-timing", str(dump))
    other_dump = tmp_path / "other.json"
    player = run("call", waiting.code(), "--play", str(clip.path), "--dump-timing", str(other_dump))
    assert player.end() == 0, player
    assert waiting.end() == 0, waiting
    said = waiting.wait_for("recorded")
    assert said["path"] == str(record)
    got = probe(record)
    assert got.video_frames == said["video_frames"] >= clip.video_frames * 0.5
    assert got.audio_seconds >= clip.audio_seconds * 0.5
    assert not got.silent
    assert (got.width, got.height) == (clip.width, clip.height)
    steps = json.loads(dump.read_text())
    assert [step["step"] for step in steps["steps"]] == [
        *("code", "joined", "offer", "offer written", "code shown", "answer read", "open"),
        "document deleted",
    ]
    assert steps["path"] == "host" and steps["error"] is None
    assert steps["states"] == ["new", "waiting", "connecting", "connected", "ended"]
    came = json.loads(other_dump.read_text())
    assert [step["step"] for step in came["steps"]] == [
        *("joined", "offer read", "answer", "answer written", "open"),
    ]
    assert came["operations"]["billed"] <= 4
    assert left() == []
    assert "connected: host path" in player.error and "ended: we hung up" in player.error


def test_lines_are_piped_through(run: Run, left: Left) -> None:
    """As in ``firertc answer --chat > file`` and ``seq 500 | firertc call CODE --chat``."""
    waiting = run("answer", "--chat", "--stay", "--no-audio", "--no-video")
    code = waiting.wait_for_error_line("code: ").removeprefix("code: ")
    waiting.no_more()
    lines = [f"line {number}" for number in range(500)]
    piped = run("call", "--chat", "--no-audio", "--no-video", FIRERTC_CODE=code)
    piped.write("\n".join(lines).encode())
    piped.no_more()
    assert piped.end() == 0, piped
    assert waiting.end() == 0, waiting
    assert waiting.out == lines
    assert piped.out == []
    assert left() == []


def test_a_code_from_standard_input_stays_out_of_ps(run: Run) -> None:
    waiting = run("call", "--json")
    code = waiting.code()
    coming = run("answer", "-", "--json")
    coming.say(code)
    coming.wait_for("connected")
    for terminal in (waiting, coming):
        shown = Path(f"/proc/{terminal.process.pid}/cmdline").read_bytes()
        assert not any(word.encode() in shown for word in code.split("-"))
    coming.interrupt()
    assert coming.end() == 130
    assert waiting.end() == 0


def test_text_that_commands_a_terminal_is_shown_not_obeyed(run: Run) -> None:
    waiting = run("answer", "--chat")
    code = waiting.wait_for_error_line("code: ").removeprefix("code: ")
    coming = run("call", code, "--chat")
    coming.write(b"\x1b[2Jgone? \xc2\x9b1m\n")
    assert waiting.wait_for_line("gone?") == r"\x1b[2Jgone? \x9b1m"
    coming.no_more()
    assert coming.end() == 0 and waiting.end() == 0


def test_what_is_no_text_arrives_marked(run: Run) -> None:
    waiting = run("answer", "--chat", "--json")
    coming = run("call", waiting.code(), "--chat", LC_ALL="C")
    coming.write(b"caf\xe9\n")
    assert waiting.wait_for("message")["body"] == "caf\ufffd"
    coming.no_more()
    assert coming.end() == 0 and waiting.end() == 0
