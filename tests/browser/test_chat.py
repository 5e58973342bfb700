"""The chat page: people in a room, and what they say."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from firertc.suite import LocalSuite, Seeds

from .conftest import Run
from .console import complaint
from .screen import STEP_MILLISECONDS, wait_for_view

GONE_MILLISECONDS = 6_000
SCRIPT = "<script>document.title = 'broken'</script>"

OpenChat = Callable[[str], Page]


@pytest.fixture
def room() -> str:
    """A room of the test's own."""
    return f"chat-{secrets.token_hex(4)}"


@pytest.fixture
def chat(
    pages: Path, suite: LocalSuite, browser: Browser, realm: Seeds, room: str
) -> Iterator[OpenChat]:
    """Opens the page and goes in; at the end no page may have complained."""
    opened: list[Page] = []
    complaints: list[str] = []

    def note(line: ConsoleMessage) -> None:
        complaints.extend(complaint(line))

    def open_it(name: str) -> Page:
        page = browser.new_context(viewport={"width": 900, "height": 800}).new_page()
        page.set_default_timeout(STEP_MILLISECONDS)
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(f"exception: {error}"))
        page.goto(f"{suite.addresses.hosting}/chat?key={realm.key}&room={room}")
        enter(page, name)
        opened.append(page)
        return page

    yield open_it
    for page in opened:
        page.context.close()
    assert complaints == []


def enter(page: Page, name: str) -> None:
    """Go in."""
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Join", exact=True).click()
    wait_for_view(page, "room")


def say(page: Page, text: str, to: str = "Everybody") -> None:
    """Say something once all are connected."""
    expect(page.locator("#people")).not_to_contain_text("connecting…")
    page.get_by_label("To", exact=True).select_option(label=to)
    page.get_by_label("Message", exact=True).fill(text)
    page.get_by_role("button", name="Send").click()


def test_to_all_and_to_one(chat: OpenChat) -> None:
    ada, grace, linus = chat("Ada"), chat("Grace"), chat("Linus")
    for page in (ada, grace, linus):
        expect(page.locator("#people li")).to_have_count(3)
    say(ada, "hello all")
    for page in (grace, linus):
        expect(page.locator("#messages .they")).to_have_text(["Ada hello all"])
    say(grace, "psst", to="Ada")
    expect(ada.locator("#messages .private")).to_have_text(["Grace psst"])
    say(linus, "who is there?")
    expect(ada.locator("#messages .they")).to_have_text(["Linus who is there?"])
    expect(linus.locator("#messages .private")).to_have_count(0)
    expect(ada.locator("#messages .notice")).to_have_text(["Grace joined", "Linus joined"])


def test_leaving_is_seen(chat: OpenChat) -> None:
    ada, grace, linus = chat("Ada"), chat("Grace"), chat("Linus")
    grace.get_by_role("button", name="Leave").click()
    expect(ada.locator("#messages")).to_contain_text("Grace left", timeout=GONE_MILLISECONDS)
    linus.close(run_before_unload=False)
    expect(ada.locator("#messages")).to_contain_text("Linus left", timeout=GONE_MILLISECONDS)
    expect(ada.locator("#people li")).to_have_count(1)


def test_a_reload_is_the_same_person(chat: OpenChat) -> None:
    ada, grace = chat("Ada"), chat("Grace")
    option = ada.locator("#to option").nth(1)
    before = option.get_attribute("value")
    grace.reload()
    enter(grace, "Grace")
    expect(ada.locator("#to option")).to_have_count(2)
    assert option.get_attribute("value") == before
    say(grace, "back")
    expect(ada.locator("#messages")).to_contain_text("Grace back")


def test_text_stays_text(chat: OpenChat) -> None:
    ada, hostile = chat("Ada"), chat(SCRIPT[:40])
    say(hostile, SCRIPT)
    expect(ada.locator("#messages .they span")).to_have_text([SCRIPT])
    expect(ada.locator("#people li").nth(1)).to_contain_text(SCRIPT[:40])
    assert ada.locator("main script").count() == 0
    assert ada.title() != "broken"


def drop(page: Page, name: str, content: str) -> None:
    """Drop a file onto the page."""
    expect(page.locator("#people")).not_to_contain_text("connecting…")
    data = page.evaluate_handle(
        """([name, content]) => {
          const data = new DataTransfer();
          data.items.add(new File([content], name));
          return data;
        }""",
        [name, content],
    )
    page.dispatch_event("main", "drop", {"dataTransfer": data})


def test_files_are_dropped(chat: OpenChat) -> None:
    ada, grace, linus = chat("Ada"), chat("Grace"), chat("Linus")
    for page in (ada, grace, linus):
        expect(page.locator("#people li")).to_have_count(3)
    name = "<b>plan.txt"
    drop(ada, name, "what we do")
    for page in (grace, linus):
        expect(page.locator("#messages .transfer")).to_contain_text(f"Ada offers {name} (10 B)")
    with grace.expect_download() as downloading:
        grace.get_by_role("button", name=f"Accept {name}").click()
    assert downloading.value.path().read_text() == "what we do"
    linus.get_by_role("button", name=f"Decline {name}").click()
    sent = ada.locator("#messages .transfer")
    expect(sent).to_contain_text(f"You offer {name} (10 B)")
    expect(sent).to_contain_text("Grace has it")
    expect(sent).to_contain_text("Linus: declined")
    # To one alone; who offered it goes.
    ada.get_by_label("To", exact=True).select_option(label="Linus")
    drop(ada, "secret.txt", "x")
    expect(linus.locator("#messages .transfer")).to_have_count(2)
    expect(grace.locator("#messages .transfer")).to_have_count(1)
    ada.get_by_role("button", name="Leave").click()
    expect(linus.locator("#messages .transfer").nth(1)).not_to_contain_text("Accept")


def test_with_a_terminal(chat: OpenChat, firertc: Run, realm: Seeds, room: str) -> None:
    page = chat("Ada")
    python = firertc("room", "join", room, "--as", "robot", "--key", realm.key, "--chat")
    python.wait_for("linked")
    python.say("beep")
    expect(page.locator("#messages .they")).to_have_text(["robot beep"])
    say(page, "go left", to="robot")
    assert python.wait_for("message")["body"] == {"text": "go left", "private": True}
