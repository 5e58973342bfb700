"""The conference page as a person meets it."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from .console import complaint
from .screen import READING, STEP_MILLISECONDS, wait_for_view


@dataclass
class ConferencePage:
    """One open conference page, in a context of its own."""

    page: Page
    complaints: list[str]
    """Errors and warnings in the console, exceptions."""

    @classmethod
    def open(cls, browser: Browser, address: str) -> ConferencePage:
        """Open it."""
        context = browser.new_context(viewport={"width": 1100, "height": 900})
        page = context.new_page()
        page.set_default_timeout(STEP_MILLISECONDS)
        opened = cls(page, [])
        page.on("console", opened._console)
        page.on("pageerror", lambda error: opened.complaints.append(f"exception: {error}"))
        page.goto(address)
        page.evaluate(READING)
        return opened

    def _console(self, message: ConsoleMessage) -> None:
        self.complaints.extend(complaint(message))

    def join(self, name: str, *, camera: bool = True, passphrase: str = "") -> None:
        """Go in."""
        self.page.get_by_label("Your name").fill(name)
        if not camera:
            self.page.get_by_label("Camera").uncheck()
            self.page.get_by_label("Microphone").uncheck()
        if passphrase:
            self.page.get_by_label("Passphrase").fill(passphrase)
        self.button("Join").click()

    def wait_until_in(self) -> None:
        """Wait until the room is shown."""
        self.wait_for_view("room")

    def wait_for_view(self, view: str) -> None:
        """Wait for ``start``, ``connecting``, ``room`` or ``ended``."""
        wait_for_view(self.page, view)

    def button(self, name: str) -> Locator:
        """A button by its name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def tile(self, name: str) -> Locator:
        """Somebody's tile."""
        return self.page.locator("#tiles li").filter(has=self.page.get_by_text(name, exact=True))

    def wait_until_linked(self, name: str) -> None:
        """Wait until what is said reaches somebody: who was seen may not be connected yet."""
        expect(self.tile(name)).to_have_count(1, timeout=STEP_MILLISECONDS)
        state = self.tile(name).locator(".state")
        expect(state).not_to_contain_text("connect", timeout=STEP_MILLISECONDS)

    def say(self, text: str) -> None:
        """Write a message to all."""
        self.page.get_by_label("Message to all").fill(text)
        self.button("Send").click()

    def expect_line(self, text: str) -> None:
        """Wait for a line among the messages."""
        expect(self.page.locator("#messages")).to_contain_text(text, timeout=STEP_MILLISECONDS)

    def wait_for_picture(self, name: str) -> None:
        """Wait until somebody's numbered test pictures are shown."""
        video = self.tile(name).locator("video")
        expect(video).to_be_attached(timeout=STEP_MILLISECONDS)
        video.evaluate(
            """(video) => {
              document.getElementById("remote")?.removeAttribute("id");
              video.id = "remote";
            }"""
        )
        self.page.wait_for_function("() => reading.frameNumber() !== null", polling=150)

    def close(self) -> None:
        """Close the tab, as a person does."""
        self.page.close(run_before_unload=False)
