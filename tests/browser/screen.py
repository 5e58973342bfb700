"""The call page as a person meets it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from .console import complaint

READING = (Path(__file__).parent / "reading.js").read_text("utf-8")
STEP_MILLISECONDS = 30_000
FRAME_SECONDS = 15.0


def wait_for_view(page: Page, view: str) -> None:
    """Wait until a page shows one of its views."""
    main = page.locator("main")
    expect(main).to_have_attribute("data-view", view, timeout=STEP_MILLISECONDS)


@dataclass
class CallPage:
    """One open call page, in a context of its own."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings in the console, exceptions, requests that failed."""

    @classmethod
    def open(cls, browser: Browser, address: str) -> CallPage:
        """Open it."""
        context = browser.new_context(viewport={"width": 1000, "height": 900})
        page = context.new_page()
        page.set_default_timeout(STEP_MILLISECONDS)
        opened = cls(page)
        page.on("console", opened._console)
        page.on("pageerror", lambda error: opened.complaints.append(f"exception: {error}"))
        page.goto(address)
        page.evaluate(READING)
        return opened

    def _console(self, message: ConsoleMessage) -> None:
        self.complaints.extend(complaint(message))

    def close(self) -> None:
        """Close the tab."""
        self.page.context.close()

    # What a person does.

    def start_call(self) -> str:
        """Start a new call; the code that is shown."""
        self.button("Start a new call").click()
        code = self.page.locator("#shown-code")
        expect(code).to_have_text(re.compile(r"^[a-z]+(-[a-z]+){3}$"), timeout=STEP_MILLISECONDS)
        return code.inner_text()

    def join(self, code: str | None = None) -> None:
        """Join a call, by the code of the address or by this one."""
        if code is not None:
            self.page.get_by_label("Code", exact=True).fill(code)
        self.button("Join").click()

    def button(self, name: str) -> Locator:
        """A button by its name."""
        return self.page.get_by_role("button", name=name)

    def say(self, text: str) -> None:
        """Write a message."""
        self.page.get_by_label("Message", exact=True).fill(text)
        self.button("Send").click()

    # What a person sees.

    def wait_for_view(self, view: str) -> None:
        """Wait for ``start``, ``waiting``, ``connecting``, ``call`` or ``ended``."""
        wait_for_view(self.page, view)

    def expect_message(self, text: str) -> None:
        """Wait for a message of the other side."""
        line = self.page.locator("#messages .they span").filter(has_text=text)
        expect(line).to_have_text(text, timeout=STEP_MILLISECONDS)

    def problem(self) -> Locator:
        """The text of the problem that is shown."""
        return self.page.locator("#problem-text")

    # What arrives.

    def frame_numbers(self, count: int = 3) -> list[int]:
        """Numbers of the test pictures that are shown, each read after a moment."""
        numbers: list[int] = []
        give_up = time.monotonic() + FRAME_SECONDS
        while len(numbers) < count and time.monotonic() < give_up:
            number = self.page.evaluate("reading.frameNumber()")
            if number is not None:
                numbers.append(number)
            self.page.wait_for_timeout(150)
        return numbers

    def bars(self) -> list[list[int]]:
        """The colours of the eight bars of the test picture, as (red, green, blue)."""
        colours: list[list[int]] = self.page.evaluate("reading.bars()")
        return colours

    def sound(self) -> dict[str, Any]:
        """The loudest frequency in hertz, and how loud it is in decibels."""
        heard: dict[str, Any] = self.page.evaluate("reading.sound()")
        return heard
