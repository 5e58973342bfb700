"""The call page with a Python process at the other end, in both directions and both orders."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from playwright.sync_api import expect

from firertc.sample import TONE_HERTZ

from .clips import FRAMES, MICROPHONE_HERTZ, frame_numbers, loudest_hertz
from .command import Command
from .conftest import OpenPage, Run
from .screen import CallPage

BARS = (
    (191, 191, 191),
    (191, 191, 0),
    (0, 191, 191),
    (0, 191, 0),
    (191, 0, 191),
    (191, 0, 0),
    (0, 0, 191),
    (0, 0, 0),
)
"""75 % colour bars, as firertc.sample draws them, in RGB."""
DIRECT = ("host", "prflx")
"""A path without relay or NAT; ``prflx`` if the check came before the candidate it came from."""
COLOUR_TOLERANCE = 45
SCRIPT = "<img src=x onerror=alert(1)>&amp;"


def check_picture_and_sound(page: CallPage) -> None:
    """What the page shows and plays is what ``--play test`` sends."""
    numbers = page.frame_numbers()
    assert len(numbers) == 3, "the frame numbers can't be read in the page"
    assert numbers == sorted(numbers) and numbers[0] < numbers[-1]
    for seen, sent in zip(page.bars(), BARS, strict=True):
        assert all(abs(a - b) < COLOUR_TOLERANCE for a, b in zip(seen, sent, strict=True)), seen
    heard = page.sound()
    assert heard["hertz"] == pytest.approx(TONE_HERTZ, abs=12)
    assert heard["decibels"] > -60


def check_recording(path: Path) -> None:
    """What Python recorded is what the browser's camera and microphone gave."""
    numbers = frame_numbers(path)
    assert len(numbers) > 15, "the page's pictures did not arrive"
    assert max(numbers) < FRAMES
    steps = [(after - before) % FRAMES for before, after in itertools.pairwise(numbers)]
    assert sum(0 < step < 15 for step in steps) > 0.7 * len(steps), steps
    assert loudest_hertz(path) == pytest.approx(MICROPHONE_HERTZ, abs=12)


def talk(page: CallPage, command: Command) -> None:
    """Messages both ways; what looks like HTML stays text."""
    page.say(SCRIPT)
    assert command.wait_for("message")["body"] == SCRIPT
    command.say(SCRIPT)
    page.expect_message(SCRIPT)


def test_python_waits_and_the_page_comes(open_page: OpenPage, firertc: Run, tmp_path: Path) -> None:
    record = tmp_path / "page.mp4"
    python = firertc("answer", "--chat", "--stay", "--play", "test", "--record", str(record))
    link = python.wait_for("code")["url"]
    page = open_page("#" + link.partition("#")[2])
    assert page.page.url == link
    page.join()
    page.wait_for_view("call")
    assert python.wait_for("connected")["path"] in DIRECT
    check_picture_and_sound(page)
    talk(page, python)
    expect(page.page.locator("#path")).to_have_text("local network")
    expect(page.page.locator("#round-trip")).to_contain_text(" ms")
    page.button("Hang up").click()
    page.wait_for_view("ended")
    assert python.wait_for("ended") == {"event": "ended", "reason": "hangup", "by_remote": True}
    assert python.exit_code() == 0
    check_recording(record)


def test_the_page_waits_and_python_comes(open_page: OpenPage, firertc: Run, tmp_path: Path) -> None:
    record = tmp_path / "page.mp4"
    page = open_page()
    code = page.start_call()
    python = firertc(
        *("call", "--chat", "--stay", "--play", "test", "--record", str(record)), code=code
    )
    page.wait_for_view("call")
    assert python.wait_for("connected")["path"] in DIRECT
    check_picture_and_sound(page)
    talk(page, python)
    python.interrupt()
    page.wait_for_view("ended")
    expect(page.page.locator("#ended-text")).to_have_text("The other side hung up.")
    python.exit_code()
    check_recording(record)
