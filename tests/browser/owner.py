"""The console as its owner meets it, and what a project needs to be looked at."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from google.cloud.firestore import Client
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from firertc.suite import LocalSuite

from .console import complaint
from .screen import STEP_MILLISECONDS, wait_for_view

COMMAND_SECONDS = 60


@dataclass(frozen=True)
class Owner:
    """An account."""

    email: str
    password: str = field(repr=False)


def grant(suite: LocalSuite, verb: str, who: str, *options: str, password: str = "") -> str:
    """``firertc admin VERB WHO``, with the password in a pipe; what it says."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("firertc")), "admin", verb, who, *options],
        env={**os.environ, **suite.environment()},
        input=f"{password}\n",
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not password or password not in done.stdout + done.stderr
    return done.stderr


def new_owner(suite: LocalSuite) -> Owner:
    """An account that the command line made, and let use the console."""
    owner = Owner(f"owner-{secrets.token_hex(4)}@example.com", secrets.token_urlsafe(12))
    grant(suite, "grant", owner.email, "--create", password=owner.password)
    return owner


def write_room(admin: Client, realm: str, room: str, **peers: str) -> None:
    """A room and who is in it, with what they say of themselves."""
    until = datetime.now(UTC) + timedelta(minutes=15)
    place = admin.document(f"realms/{realm}/rooms/{room}")
    batch = admin.batch()
    batch.set(
        place,
        {
            "v": 1,
            "connect": "all",
            "capacity": 10,
            "locked": False,
            "listed": False,
            "createdBy": next(iter(peers)),
            "createdAt": until,
            "leaseUntil": until,
            "shard": 0,
        },
    )
    for peer, data in peers.items():
        batch.set(
            place.collection("peers").document(peer),
            {
                "session": f"{peer}-session-0001",
                "data": data,
                "media": {"audio": True, "video": True},
                "role": "publisher",
                "can": [],
                "joinedAt": datetime.now(UTC),
                "leaseUntil": until,
                "shard": 0,
            },
        )
    batch.commit()


@dataclass
class ConsolePage:
    """One open console page, in a context of its own."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings in the console, and exceptions."""

    @classmethod
    def open(cls, browser: Browser, address: str) -> ConsolePage:
        """Open it."""
        page = browser.new_context(viewport={"width": 1000, "height": 900}).new_page()
        page.set_default_timeout(STEP_MILLISECONDS)
        opened = cls(page)
        page.on("console", opened._console)
        page.on("pageerror", lambda error: opened.complaints.append(f"exception: {error}"))
        page.goto(address)
        return opened

    def _console(self, message: ConsoleMessage) -> None:
        self.complaints.extend(complaint(message))

    def close(self) -> None:
        """Close the tab."""
        self.page.context.close()

    def button(self, name: str) -> Locator:
        """A button by its whole name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def wait_for_view(self, view: str) -> None:
        """Wait for ``sign-in``, ``no-rights`` or ``console``."""
        wait_for_view(self.page, view)

    def sign_in(self, owner: Owner) -> None:
        """Sign in."""
        self.wait_for_view("sign-in")
        self.page.get_by_label("E-mail").fill(owner.email)
        self.page.get_by_label("Password").fill(owner.password)
        self.button("Sign in").click()

    def make_realm(self, name: str) -> None:
        """Make a realm; it is the one that is shown then."""
        self.button("New realm").click()
        self.page.get_by_label("Name", exact=True).fill(name)
        self.button("Make realm").click()
        expect(self.page.locator("#realm option:checked")).to_have_text(
            name, timeout=STEP_MILLISECONDS
        )
        expect(self.page.locator("#realm-dialog")).to_be_hidden()

    def choose_realm(self, name: str) -> None:
        """Look at another realm."""
        self.page.get_by_label("Realm", exact=True).select_option(label=name)

    def make_key(self, label: str, *, origins: str = "", programs: bool = True) -> tuple[str, str]:
        """Make a key: the key and its secret, as they are shown once."""
        self.button("New key").click()
        self.page.get_by_label("Label").fill(label)
        self.page.get_by_label("Pages that may use it").fill(origins)
        self.page.get_by_label("Programs may use it").set_checked(programs)
        self.button("Make key").click()
        return self.take_secret()

    def take_secret(self) -> tuple[str, str]:
        """Read the dialog with the secret, and close it."""
        expect(self.page.locator("#secret-dialog")).to_be_visible(timeout=STEP_MILLISECONDS)
        key = self.page.locator("#secret-key").inner_text()
        secret = self.page.locator("#secret-text").inner_text()
        self.button("Done").click()
        expect(self.page.locator("#secret-dialog")).to_be_hidden()
        return key, secret

    def key(self, label: str) -> Locator:
        """The card of a key."""
        return self._card("keys", label)

    def room(self, name: str) -> Locator:
        """The card of a room."""
        return self._card("rooms", name)

    def _card(self, kind: str, name: str) -> Locator:
        title = self.page.get_by_role("heading", name=name, exact=True)
        return self.page.locator(f"#{kind} > li").filter(has=title)

    def problem(self) -> Locator:
        """The text of the problem that is shown."""
        return self.page.locator("#problem-text")
