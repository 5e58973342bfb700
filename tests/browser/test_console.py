"""The owner's console: who gets in, keys, live rooms, use per day."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from google.cloud.firestore import Client
from playwright.sync_api import Browser, Locator, Route, expect

from firertc.suite import LocalSuite, Seeds

from .conftest import Run
from .owner import ConsolePage, Owner, grant, new_owner, write_room
from .screen import STEP_MILLISECONDS

SCRIPT = "<img src=x onerror=\"document.title='taken over'\"><script>alert(1)</script>"

OpenConsole = Callable[[], ConsolePage]


@pytest.fixture(scope="module")
def owner(suite: LocalSuite) -> Owner:
    """An account that may use the console."""
    return new_owner(suite)


@pytest.fixture
def open_console(pages: Path, suite: LocalSuite, browser: Browser) -> Iterator[OpenConsole]:
    """Opens the console; at the end no page may have complained."""
    opened: list[ConsolePage] = []

    def open_it() -> ConsolePage:
        page = ConsolePage.open(browser, f"{suite.addresses.hosting}/console")
        opened.append(page)
        return page

    yield open_it
    complaints = [line for page in opened for line in page.complaints]
    for page in opened:
        page.close()
    assert complaints == []


def soon(locator: Locator) -> None:
    """Wait until it is there to be seen."""
    expect(locator).to_be_visible(timeout=STEP_MILLISECONDS)


def test_from_a_grant_to_a_closed_room(
    open_console: OpenConsole, firertc: Run, suite: LocalSuite
) -> None:
    """The whole way: right, key, a Python peer, live room, lock, a newcomer refused, closed."""
    owner = new_owner(suite)
    page = open_console()
    page.sign_in(owner)
    page.wait_for_view("console")
    realm = f"app-{secrets.token_hex(4)}"
    page.make_realm(realm)
    expect(page.page.locator("#no-keys")).to_be_visible()
    key, secret = page.make_key("programs")
    soon(page.key("programs"))
    assert len(secret) > 40
    expect(page.page.locator("#secret-text")).to_be_empty()
    assert secret not in page.page.content()
    assert (
        page.page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])").find(secret)
        == -1
    )

    first = firertc("room", "join", "lobby", "--key", key, "--as", "ada")
    room = page.room("lobby")
    expect(room).to_contain_text("1 of", timeout=STEP_MILLISECONDS)
    expect(room.get_by_role("listitem")).to_contain_text("ada")
    second = firertc("room", "join", "lobby", "--key", key, "--as", "bob")
    expect(room).to_contain_text("2 of", timeout=STEP_MILLISECONDS)

    page.button("Lock: lobby").click()
    expect(room.locator(".badge")).to_have_text("locked", timeout=STEP_MILLISECONDS)
    third = firertc("room", "join", "lobby", "--key", key, "--as", "eve")
    assert third.exit_code(STEP_MILLISECONDS / 1000) == 5
    page.button("Unlock: lobby").click()
    expect(room.locator(".badge")).to_have_count(0, timeout=STEP_MILLISECONDS)

    page.button("Put out: bob").click()
    page.button("Put out").click()
    expect(room).to_contain_text("1 of", timeout=STEP_MILLISECONDS)
    assert second.exit_code(STEP_MILLISECONDS / 1000) == 5

    page.button("Close: lobby").click()
    page.button("Close room").click()
    expect(room).to_have_count(0, timeout=STEP_MILLISECONDS)
    assert first.exit_code(STEP_MILLISECONDS / 1000) != 0

    page.button("Disable: programs").click()
    expect(page.key("programs")).to_contain_text("disabled", timeout=STEP_MILLISECONDS)
    fourth = firertc("room", "join", "lobby", "--key", key)
    assert fourth.exit_code(STEP_MILLISECONDS / 1000) == 5


def test_without_the_right(open_console: OpenConsole, suite: LocalSuite) -> None:
    """Words, the command, and the command works."""
    owner = new_owner(suite)
    grant(suite, "revoke", owner.email)
    page = open_console()
    page.sign_in(owner)
    page.wait_for_view("no-rights")
    command = page.page.locator("#grant-command").inner_text()
    assert command == f"firertc admin grant {owner.email}"
    page.button("Check again").click()
    page.wait_for_view("no-rights")
    grant(suite, *command.split()[2:])
    page.button("Check again").click()
    page.wait_for_view("console")
    # Taken away again: the next act is refused, whatever the page shows.
    grant(suite, "revoke", owner.email)
    page.button("New realm").click()
    page.page.get_by_label("Name", exact=True).fill("x")
    page.button("Make realm").click()
    expect(page.page.locator("#realm-problem")).to_contain_text("firertc admin grant")
    # Chromium itself writes about the function's 403.
    assert all("403" in line for line in page.complaints)
    page.complaints.clear()
    page.page.keyboard.press("Escape")
    page.button("Sign out").click()
    page.wait_for_view("sign-in")
    assert page.page.locator("#rooms > li, #keys > li, #realm option").count() == 0


def test_a_wrong_password(open_console: OpenConsole, owner: Owner) -> None:
    page = open_console()
    page.sign_in(Owner(owner.email, "not the password"))
    expect(page.problem()).to_have_text("There is no account with this e-mail and password.")
    expect(page.page.get_by_label("Password")).to_have_value("")
    assert all("400" in line for line in page.complaints)
    page.complaints.clear()


def test_keys(open_console: OpenConsole, owner: Owner, realm: Seeds, admin_sync: Client) -> None:
    """Alias, change, secrets; text of people stays text."""
    page = open_console()
    page.sign_in(owner)
    page.wait_for_view("console")
    page.choose_realm(realm.realm)
    soon(page.key("test"))

    page.button("New key").click()
    page.page.get_by_label("Label").fill(SCRIPT)
    page.page.get_by_label("Pages that may use it").fill("https://app.example.com/path")
    page.button("Make key").click()
    expect(page.page.locator("#key-problem")).to_contain_text("is no origin")
    page.page.get_by_label("Pages that may use it").fill(
        "https://app.example.com\nhttp://localhost:*"
    )
    page.page.get_by_label("Role of who comes").select_option("subscriber")
    page.page.get_by_label("Most peers in a room").fill("4")
    page.button("Make key").click()
    # The try before: Chromium itself writes about the function's 400.
    assert all("400" in line for line in page.complaints)
    page.complaints.clear()
    key, secret = page.take_secret()
    card = page.key(SCRIPT)
    expect(card).to_contain_text("https://app.example.com, http://localhost:*")
    expect(card).to_contain_text("subscriber, 4 peers a room")
    stored = admin_sync.document(f"keys/{key}").get().to_dict() or {}
    assert (stored["label"], stored["secret"]) == (SCRIPT, secret)

    page.button(f"New alias: {SCRIPT}").click()
    page.page.get_by_label("Label").fill("second")
    page.page.get_by_label("Programs may use it").check()
    page.button("Make alias").click()
    alias, other = page.take_secret()
    assert alias != key
    assert other != secret
    expect(page.key("second")).to_contain_text("subscriber, 4 peers a room")

    page.button("Change: second").click()
    page.page.get_by_label("Seconds until").fill("600")
    page.page.get_by_label("Only who brings").check()
    page.button("Save").click()
    expect(page.key("second")).to_contain_text(
        "token required, 4 peers a room, renewed every 600 s"
    )
    stored = admin_sync.document(f"keys/{alias}").get().to_dict() or {}
    assert stored["secret"] == other
    assert stored["limits"]["sessionSeconds"] == 600

    page.button("Show secret: second").click()
    page.button("Show secret").click()
    assert page.take_secret() == (alias, other)
    page.button("New secret: second").click()
    page.button("Make new secret").click()
    assert page.take_secret()[1] not in (other, secret)

    page.button("Delete: second").click()
    page.page.keyboard.press("Escape")
    soon(page.key("second"))
    page.button("Delete: second").click()
    page.button("Delete key").click()
    expect(page.key("second")).to_have_count(0)
    assert not admin_sync.document(f"keys/{alias}").get().exists
    assert page.page.title() == "Console · FireRTC"


def test_what_peers_say_stays_text(
    open_console: OpenConsole, owner: Owner, realm: Seeds, admin_sync: Client
) -> None:
    page = open_console()
    page.sign_in(owner)
    page.wait_for_view("console")
    page.choose_realm(realm.realm)
    soon(page.page.locator("#no-rooms"))
    write_room(admin_sync, realm.realm, "hall", ada=SCRIPT)
    expect(page.room("hall").locator("q")).to_have_text(SCRIPT, timeout=STEP_MILLISECONDS)
    assert page.page.locator("img, script:not([src])").count() == 0
    assert page.page.title() == "Console · FireRTC"


def test_a_clock_that_is_wrong(
    open_console: OpenConsole, owner: Owner, realm: Seeds, admin_sync: Client
) -> None:
    """Whose clock is hours ahead sees who is there all the same."""
    page = open_console()
    page.page.add_init_script(
        """const real = Date.now.bind(Date);
        Date.now = () => real() + 5 * 3600 * 1000;"""
    )
    page.page.reload()
    page.sign_in(owner)
    page.wait_for_view("console")
    page.choose_realm(realm.realm)
    write_room(admin_sync, realm.realm, "hall", ada="")
    expect(page.room("hall")).to_contain_text("1 of 10", timeout=STEP_MILLISECONDS)


def test_use_per_day(
    open_console: OpenConsole, owner: Owner, realm: Seeds, admin_sync: Client
) -> None:
    usage = admin_sync.collection(f"realms/{realm.realm}/usage")
    today = time.strftime("%Y-%m-%d", time.gmtime())
    usage.document(f"{today}_0").set({"joins": 3, "renewals": 1})
    usage.document(f"{today}_5").set({"joins": 4, "rooms": 2})
    usage.document("2020-01-01_0").set({"joins": 999})
    page = open_console()
    page.sign_in(owner)
    page.wait_for_view("console")
    page.choose_realm(realm.realm)
    row = page.page.locator("#days tr")
    expect(row).to_have_text([f"{today}712"], timeout=STEP_MILLISECONDS)
    usage.document(f"{today}_5").set({"joins": 40, "rooms": 2})
    expect(row).to_have_text([f"{today}4312"], timeout=STEP_MILLISECONDS)


def test_reload_and_realms(open_console: OpenConsole, owner: Owner, admin_sync: Client) -> None:
    """The tab stays signed in; realms are opened and closed."""
    page = open_console()
    page.sign_in(owner)
    page.wait_for_view("console")
    realm = f"shop-{secrets.token_hex(4)}"
    page.make_realm(realm)
    page.page.reload()
    page.wait_for_view("console")
    soon(page.page.locator(f"#realm option[value={realm}]").locator("xpath=.."))
    page.choose_realm(realm)
    state = page.page.locator("#realm-open")
    page.button("Open realm").click()
    page.page.get_by_role("dialog").get_by_role("button", name="Open realm").click()
    expect(state).to_contain_text("Open:", timeout=STEP_MILLISECONDS)
    assert admin_sync.document(f"realms/{realm}").get().get("open") is True
    page.button("Close realm").click()
    expect(state).to_contain_text("Closed:", timeout=STEP_MILLISECONDS)


def test_google_where_it_is_set_up(open_console: OpenConsole, suite: LocalSuite) -> None:
    """The way there is Google's; a way back that this tab didn't begin is none."""
    page = open_console()
    expect(page.button("Sign in with Google")).to_be_hidden()
    page.page.route(
        "**/firertc.json", lambda route: route.fulfill(json={"googleClientId": "an-id.example"})
    )
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(body="")

    page.page.route("https://accounts.google.com/**", answer)
    page.page.reload()
    page.button("Sign in with Google").click()
    page.page.wait_for_url("https://accounts.google.com/**")
    (url,) = asked
    assert "client_id=an-id.example" in url
    assert "response_type=token" in url
    page.page.goto(f"{suite.addresses.hosting}/console#state=forged&access_token=x")
    page.wait_for_view("sign-in")
    assert page.page.url == f"{suite.addresses.hosting}/console"
    expect(page.page.locator("#problem")).to_be_hidden()


def test_keyboard_alone(open_console: OpenConsole, owner: Owner, realm: Seeds) -> None:
    """Signing in, and a dialog that takes the focus and gives it back."""
    page = open_console()
    page.wait_for_view("sign-in")
    page.page.get_by_label("E-mail").focus()
    page.page.keyboard.type(owner.email)
    page.page.keyboard.press("Tab")
    page.page.keyboard.type(owner.password)
    page.page.keyboard.press("Enter")
    page.wait_for_view("console")
    expect(page.page.locator("#console-title")).to_be_focused()
    page.choose_realm(realm.realm)
    soon(page.key("test"))
    page.button("Delete: test").focus()
    page.page.keyboard.press("Enter")
    expect(page.button("Cancel")).to_be_focused()
    page.page.keyboard.press("Escape")
    expect(page.button("Delete: test")).to_be_focused()
