"""Every page in its main states, for whoever looks at how pages look.

To add a page: write functions that take a :class:`Scene`, bring a page into a state and return it,
and name them in :data:`SCENES`.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from google.cloud.firestore import Client
from playwright.sync_api import Browser, ConsoleMessage, FilePayload, Page, expect

from firertc.suite import LocalSuite, Seeds, add_key

from .command import Command
from .console import complaint
from .owner import ConsolePage, Owner, grant, new_owner, write_room
from .screen import STEP_MILLISECONDS, CallPage, wait_for_view

WIDTH, HEIGHT = 1000, 900
SHOWN_REALM: Final = "shop"
"""A realm for pictures: a test's own has a random name."""


@dataclass
class Scene:
    """A browser, a realm, and the pages that were opened."""

    suite: LocalSuite
    browser: Browser
    realm: Seeds
    admin: Client
    """The database as its owner."""
    pages: list[Page] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    """Python processes that were started."""
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings in the console, and exceptions, of all pages."""

    def open(self, path: str) -> Page:
        """Open a page in a context of its own."""
        context = self.browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
        page = context.new_page()
        self.pages.append(page)
        page.set_default_timeout(STEP_MILLISECONDS)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))
        page.goto(self.suite.addresses.hosting + path)
        return page

    def _console(self, message: ConsoleMessage) -> None:
        self.complaints.extend(complaint(message))

    def call(self) -> CallPage:
        """Open the call page."""
        return CallPage(self.open(f"/call?key={self.realm.key}"))

    def console(self) -> ConsolePage:
        """Open the console."""
        return ConsolePage(self.open("/console"))

    def owner(self) -> Owner:
        """An account that may use the console."""
        return new_owner(self.suite)

    def run(self, *arguments: str) -> Command:
        """Start ``firertc`` in the suite's own realm."""
        command = Command.start({**os.environ, **self.suite.environment()}, *arguments)
        self.commands.append(command)
        return command

    def close(self) -> None:
        """Close every page, and end every command."""
        for page in self.pages:
            page.context.close()
        for command in self.commands:
            command.end()


# ---- the start ----------------------------------------------------------------------------------


def start(scene: Scene) -> Page:
    """The page that leads to all others."""
    return scene.open("/")


# ---- call ---------------------------------------------------------------------------------------


def call_start(scene: Scene) -> Page:
    """Before anything."""
    return scene.call().page


def call_problem(scene: Scene) -> Page:
    """With a code that is none."""
    page = scene.call()
    page.join("abandon ability able")
    expect(page.problem()).to_be_visible()
    return page.page


def call_waiting(scene: Scene) -> Page:
    """With a code and its picture."""
    page = scene.call()
    page.start_call()
    return page.page


def call_talking(scene: Scene) -> Page:
    """Two in a call, with messages, and the chart under way."""
    first, second = scene.call(), scene.call()
    second.join(first.start_call())
    for page in (first, second):
        page.wait_for_view("call")
    # As soon as it connects, the page counts what arrives: the chart needs a few seconds of it.
    expect(first.page.locator("#bitrate")).to_contain_text("bit/s", timeout=STEP_MILLISECONDS)
    second.say("Can you see me?")
    first.expect_message("Can you see me?")
    first.say("Yes, and the picture moves.")
    second.expect_message("Yes, and the picture moves.")
    _wait_for_chart(first.page)
    return first.page


def _wait_for_chart(page: Page) -> None:
    points = re.compile(r"^(\S+ ){4,}")
    chart = page.locator("#chart-in")
    expect(chart).to_have_attribute("points", points, timeout=STEP_MILLISECONDS)


def call_python(scene: Scene) -> Page:
    """A browser and a Python process in a call."""
    python = scene.run("answer", "--chat", "--stay", "--play", "test")
    page = CallPage(scene.open(f"/call#{python.wait_for('code')['code']}"))
    page.join()
    page.wait_for_view("call")
    python.say("Python speaking. This is my test picture.")
    page.expect_message("Python speaking. This is my test picture.")
    page.say("I see it, and the numbers run.")
    expect(page.page.locator("#no-picture")).to_be_hidden(timeout=STEP_MILLISECONDS)
    _wait_for_chart(page.page)
    return page.page


def call_over(scene: Scene) -> Page:
    """After it."""
    first, second = scene.call(), scene.call()
    second.join(first.start_call())
    first.wait_for_view("call")
    second.wait_for_view("call")
    second.button("Hang up").click()
    first.wait_for_view("ended")
    return first.page


def _in_office(scene: Scene, *names: str) -> list[CallPage]:
    """Call pages of people in a room, who all see one another."""
    pages = []
    for name in names:
        page = CallPage(scene.open(f"/call?key={scene.realm.key}&room=office"))
        page.page.get_by_label("Your name").fill(name)
        page.button("Enter the room").click()
        page.wait_for_view("lobby")
        pages.append(page)
    for page in pages:
        people = page.page.locator("#people li")
        expect(people).to_have_count(len(names) - 1, timeout=STEP_MILLISECONDS)
    return pages


def call_lobby(scene: Scene) -> Page:
    """In a room, with others to call."""
    return _in_office(scene, "Ada Lovelace", "Grace Hopper", "Linus")[0].page


def call_alone(scene: Scene) -> Page:
    """In a room where nobody else is."""
    return _in_office(scene, "Ada Lovelace")[0].page


def _ringing(scene: Scene) -> tuple[Page, Page]:
    ada, grace = _in_office(scene, "Ada Lovelace", "Grace Hopper")
    ada.button("Call Grace Hopper").click()
    question = grace.page.get_by_role("dialog", name="A call for you")
    expect(question).to_be_visible(timeout=STEP_MILLISECONDS)
    return ada.page, grace.page


def call_ringing(scene: Scene) -> Page:
    """While somebody else is called."""
    page = _ringing(scene)[0]
    expect(page.get_by_role("dialog", name="Calling")).to_be_visible()
    return page


def call_rung(scene: Scene) -> Page:
    """While it is asked whether to take a call."""
    return _ringing(scene)[1]


def call_rejected(scene: Scene) -> Page:
    """After the other side said no."""
    page, other = _ringing(scene)
    other.get_by_role("button", name="Reject").click()
    expect(page.locator("#problem")).to_contain_text("rejected", timeout=STEP_MILLISECONDS)
    return page


# ---- conference and chat ------------------------------------------------------------------------


def _join(page: Page, name: str) -> Page:
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Join", exact=True).click()
    wait_for_view(page, "room")
    return page


def _say(page: Page, text: str) -> None:
    page.locator("#line").fill(text)
    page.get_by_role("button", name="Send").click()


def conference_start(scene: Scene) -> Page:
    """Before anything."""
    return scene.open(f"/conference?key={scene.realm.key}&room=planning")


def conference_meeting(scene: Scene) -> Page:
    """Two people and a Python process."""
    where = f"?key={scene.realm.key}&room=planning"
    ada, grace = (
        _join(scene.open(f"/conference{where}"), name) for name in ("Ada Lovelace", "Grace Hopper")
    )
    robot = scene.run(
        *("room", "join", "planning", "--as", "robot", "--key", scene.realm.key),
        *("--play", "test", "--chat"),
    )
    robot.wait_for("linked")
    robot.wait_for("linked")
    robot.say("Python is here, too.")
    expect(ada.locator("#messages")).to_contain_text("Python is here", timeout=STEP_MILLISECONDS)
    _say(grace, "I see all three of us.")
    expect(ada.locator("#messages")).to_contain_text("all three", timeout=STEP_MILLISECONDS)
    expect(ada.locator("#tiles .dark")).to_have_count(0, timeout=STEP_MILLISECONDS)
    return ada


def chat_start(scene: Scene) -> Page:
    """Before anything."""
    return scene.open(f"/chat?key={scene.realm.key}&room=planning")


def chat_talking(scene: Scene) -> Page:
    """Three people, one of whom said something to one alone."""
    where = f"/chat?key={scene.realm.key}&room=planning"
    ada, grace, linus = (_join(scene.open(where), name) for name in ("Ada", "Grace", "Linus"))
    for page in (ada, grace, linus):
        expect(page.locator("#people li")).to_have_count(3, timeout=STEP_MILLISECONDS)
        expect(page.locator("#people")).not_to_contain_text("connecting…")
    _say(grace, "Shall we begin?")
    expect(ada.locator("#messages")).to_contain_text("begin", timeout=STEP_MILLISECONDS)
    _say(ada, "Yes. The plan is in the usual place.")
    linus.locator("#to").select_option(label="Ada")
    _say(linus, "I have not read it yet.")
    expect(ada.locator("#messages")).to_contain_text("not read", timeout=STEP_MILLISECONDS)
    return ada


# ---- files --------------------------------------------------------------------------------------


def _files(scene: Scene, fragment: str = "") -> Page:
    return scene.open(f"/files?key={scene.realm.key}{fragment}")


SENT: Final = (
    ("beach.jpg", 400_000),
    ("lighthouse, seen from the sea.jpg", 1_250_000),
    ("report for the board, with an unusually long name that has to be broken.pdf", 9_400_000),
)


def _offer(page: Page) -> str:
    payloads: list[FilePayload] = [
        {"name": name, "mimeType": "application/octet-stream", "buffer": bytes(size)}
        for name, size in SENT
    ]
    page.locator("#files").set_input_files(payloads)
    code = page.locator("#shown-code")
    expect(code).to_have_text(re.compile("-"), timeout=STEP_MILLISECONDS)
    return code.text_content() or ""


def _offered(scene: Scene) -> tuple[Page, Page]:
    sender = _files(scene)
    receiver = _files(scene, f"#{_offer(sender)}")
    receiver.get_by_role("button", name="Receive").click()
    wait_for_view(receiver, "question")
    return sender, receiver


def files_start(scene: Scene) -> Page:
    """Before anything."""
    return _files(scene)


def files_problem(scene: Scene) -> Page:
    """With a code that is none."""
    page = _files(scene)
    page.locator("#code").fill("abandon ability able")
    page.get_by_role("button", name="Receive").click()
    expect(page.locator("#problem")).to_be_visible(timeout=STEP_MILLISECONDS)
    return page


def files_waiting(scene: Scene) -> Page:
    """With a code and its picture."""
    page = _files(scene)
    _offer(page)
    return page


def files_question(scene: Scene) -> Page:
    """While it is asked whether to take what is offered."""
    return _offered(scene)[1]


def files_received(scene: Scene) -> Page:
    """All is there."""
    _, page = _offered(scene)
    page.get_by_role("button", name="Accept").click()
    wait_for_view(page, "ended")
    return page


def files_moving(scene: Scene) -> Page:
    """While they travel, held in the middle."""
    _, receiver = _offered(scene)
    # Once two of them are there: what is drawn stays as it is.
    receiver.evaluate(
        """() => new MutationObserver(() => {
          if (document.querySelectorAll("#moving-files .whole").length < 2) return;
          FileSystemFileHandle.prototype.createWritable = () => new Promise(() => undefined);
        }).observe(document.querySelector("#moving-files"), {childList: true, subtree: true})"""
    )
    receiver.get_by_role("button", name="Accept").click()
    whole = receiver.locator("#moving-files .whole")
    expect(whole).to_have_count(2, timeout=STEP_MILLISECONDS)
    return receiver


# ---- console ------------------------------------------------------------------------------------


def console_sign_in(scene: Scene) -> Page:
    """Before signing in."""
    page = scene.console()
    page.wait_for_view("sign-in")
    return page.page


def console_no_rights(scene: Scene) -> Page:
    """Signed in as somebody."""
    owner = scene.owner()
    grant(scene.suite, "revoke", owner.email)
    page = scene.console()
    page.sign_in(owner)
    page.wait_for_view("no-rights")
    return page.page


def _signed_in(scene: Scene) -> ConsolePage:
    """A project with keys, rooms and some use of them."""
    addresses, admin = scene.suite.addresses, scene.admin
    add_key(addresses, SHOWN_REALM, "kWebShopForThePicture", label="Web shop")
    add_key(addresses, SHOWN_REALM, "kWarehouseDisabledOne", label="Old warehouse camera")
    admin.document("keys/kWarehouseDisabledOne").update({"disabled": True, "origins": []})
    admin.document("keys/kWebShopForThePicture").update(
        {"limits": {"role": "subscriber", "capacity": 12}, "origins": ["https://shop.example"]}
    )
    write_room(admin, SHOWN_REALM, "advice", ada="", customer=SAYS)
    write_room(admin, SHOWN_REALM, "warehouse", camera="")
    admin.document(f"realms/{SHOWN_REALM}/rooms/warehouse").update({"locked": True})
    for days_ago, joins in enumerate((31, 44, 12, 9, 52, 61, 40, 38, 20, 7, 15, 33, 28, 30)):
        day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - days_ago * 86_400))
        counted = {"joins": joins, "renewals": joins // 3, "rooms": joins // 5}
        admin.document(f"realms/{SHOWN_REALM}/usage/{day}_0").set(counted)
    owner = scene.owner()
    page = scene.console()
    page.sign_in(owner)
    page.wait_for_view("console")
    page.choose_realm(SHOWN_REALM)
    for there in (page.key("Old warehouse camera"), page.room("advice"), page.room("warehouse")):
        expect(there).to_be_visible(timeout=STEP_MILLISECONDS)
    expect(page.room("advice")).to_contain_text("2 of 10", timeout=STEP_MILLISECONDS)
    expect(page.page.locator("#days tr")).to_have_count(14, timeout=STEP_MILLISECONDS)
    # Its name is a random one.
    page.page.evaluate("document.querySelector('#who').textContent = 'owner@example.com'")
    return page


SAYS: Final = "a question about an order"


def console_overview(scene: Scene) -> Page:
    """Keys, live rooms and use."""
    return _signed_in(scene).page


def console_key_form(scene: Scene) -> Page:
    """While a key is made, with a mistake in it."""
    page = _signed_in(scene)
    page.button("New key").click()
    page.button("Make key").click()
    expect(page.page.locator("#key-problem")).to_be_visible()
    # Chromium itself writes about the function's 400.
    scene.complaints = [line for line in scene.complaints if "400" not in line]
    return page.page


def console_secret(scene: Scene) -> Page:
    """While a secret is shown."""
    page = _signed_in(scene)
    page.button("Show secret: Web shop").click()
    page.button("Show secret").click()
    expect(page.page.locator("#secret-dialog")).to_be_visible()
    return page.page


def console_question(scene: Scene) -> Page:
    """While it asks whether that is meant."""
    page = _signed_in(scene)
    page.button("Close: advice").click()
    expect(page.page.get_by_role("dialog")).to_be_visible()
    return page.page


SCENES: Final[Mapping[str, Callable[[Scene], Page]]] = {
    "start": start,
    "call, start": call_start,
    "call, problem": call_problem,
    "call, waiting": call_waiting,
    "call, talking": call_talking,
    "call, with Python": call_python,
    "call, over": call_over,
    "call, alone in a room": call_alone,
    "call, lobby": call_lobby,
    "call, ringing": call_ringing,
    "call, rung": call_rung,
    "call, rejected": call_rejected,
    "conference, start": conference_start,
    "conference, meeting": conference_meeting,
    "chat, start": chat_start,
    "chat, talking": chat_talking,
    "files, start": files_start,
    "files, problem": files_problem,
    "files, waiting": files_waiting,
    "files, question": files_question,
    "files, moving": files_moving,
    "files, received": files_received,
    "console, sign in": console_sign_in,
    "console, no rights": console_no_rights,
    "console, overview": console_overview,
    "console, key form": console_key_form,
    "console, secret": console_secret,
    "console, question": console_question,
}
"""Every page in its main states."""

PICTURES: Final[Mapping[str, tuple[str, int]]] = {
    "start": ("start", 800),
    "call": ("call, with Python", 860),
    "lobby": ("call, lobby", 460),
    "ring": ("call, rung", 460),
    "conference": ("conference, meeting", 820),
    "chat": ("chat, talking", 780),
    "files": ("files, moving", 560),
    "console": ("console, overview", 2000),
}
"""Which state ``docs/{page}-page.png`` shows, and how many pixels of height of it."""
