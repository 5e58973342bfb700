"""The files page: from page to page, and to and from ``firertc send`` and ``firertc receive``."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from firertc.suite import LocalSuite

from .blank import blank, config
from .conftest import Run
from .screen import STEP_MILLISECONDS, wait_for_view
from .sides import SIDES

EVIL_NAME = "<img src=x onerror=alert(1)>.bin"
LARGE_BYTES = 24_000_000

PART_BYTES = 4 * 1024 * 1024
"""What a page keeps at once."""
WATCH = """addEventListener("DOMContentLoaded", globalThis.watch = () => {
  const bar = document.querySelector("#bar");
  new MutationObserver(() => {
    globalThis.begun ||= bar.value;
    if (bar.value > bar.max * globalThis.reloadAt) {
      globalThis.reloadAt = Infinity;
      location.reload();
    }
  }).observe(bar, {attributes: true});
});
if (document.readyState === "complete") watch();
"""

OpenFiles = Callable[[str], Page]


def write(path: Path, size: int) -> str:
    """Make a file; its SHA-256."""
    content = random.Random(size).randbytes(size)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def sha256(path: Path) -> str:
    """Of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def files_page(pages: Path, suite: LocalSuite, browser: Browser) -> Iterator[OpenFiles]:
    """Opens the page; at the end no page may have complained."""
    opened: list[Page] = []
    complaints: list[str] = []

    def note(line: ConsoleMessage) -> None:
        if line.type in ("error", "warning"):
            complaints.append(line.text)

    def open_it(fragment: str = "") -> Page:
        page = browser.new_context(viewport={"width": 1000, "height": 900}).new_page()
        opened.append(page)
        page.set_default_timeout(STEP_MILLISECONDS)
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(f"exception: {error}"))
        page.goto(f"{suite.addresses.hosting}/files{fragment}")
        return page

    yield open_it
    for page in opened:
        page.context.close()
    assert complaints == []


def offer(page: Page, *paths: Path) -> str:
    """Choose files or a folder to send; the code."""
    folder = paths[0].is_dir()
    page.locator("#folder" if folder else "#files").set_input_files(list(paths))
    wait_for_view(page, "waiting")
    code = page.locator("#shown-code").text_content()
    assert code is not None
    return code


def come(page: Page, code: str) -> None:
    """Enter a code, and see what is offered."""
    page.get_by_role("textbox", name="Code").fill(code)
    page.get_by_role("button", name="Receive").click()


def test_page_to_page(files_page: OpenFiles, tmp_path: Path) -> None:
    hashed = write(tmp_path / EVIL_NAME, 3_000_000)
    sender, receiver = files_page(""), files_page("")
    code = offer(sender, tmp_path / EVIL_NAME)
    assert sender.locator("#link").get_attribute("href") == f"{sender.url}#{code}"
    receiver.goto(f"{receiver.url}#{code}")
    receiver.get_by_role("button", name="Receive").click()
    wait_for_view(receiver, "question")
    expect(receiver.locator("#offered li")).to_have_text([f"{EVIL_NAME} 3.0 MB"])
    assert receiver.locator("main img").count() == 0
    with receiver.expect_download() as downloading:
        receiver.get_by_role("button", name="Accept").click()
    assert sha256(downloading.value.path()) == hashed
    wait_for_view(receiver, "ended")
    wait_for_view(sender, "ended")
    expect(sender.locator("#moving-files .whole")).to_have_count(1)
    # The same to somebody else, who declines.
    sender.get_by_role("button", name="Send to somebody else").click()
    wait_for_view(sender, "waiting")
    again = sender.locator("#shown-code").text_content() or ""
    assert again != code
    other = files_page(f"#{again}")
    other.get_by_role("button", name="Receive").click()
    wait_for_view(other, "question")
    other.get_by_role("button", name="Decline").click()
    expect(sender.locator("#problem-text")).to_contain_text("declined")
    expect(other.locator("#problem-text")).to_contain_text("You declined")


def test_a_folder_to_a_terminal(files_page: OpenFiles, firertc: Run, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    sizes = {"a.bin": 1_000_000, "empty": 0, "deeper/ß ü.bin": 250_001}
    hashes = {name: write(folder / name, size) for name, size in sizes.items()}
    into = tmp_path / "into"
    into.mkdir()
    page = files_page("")
    code = offer(page, folder)
    python = firertc("receive", "--yes", "--into", str(into), code=code)
    assert python.wait_for("received")["files"] == 3
    assert python.exit_code() == 0
    wait_for_view(page, "ended")
    assert {name: sha256(into / "photos" / name) for name in sizes} == hashes


def test_from_a_terminal(files_page: OpenFiles, firertc: Run, tmp_path: Path) -> None:
    hashes = {name: write(tmp_path / name, size) for name, size in (("a", 700_000), ("b", 1))}
    python = firertc("send", str(tmp_path / "a"), str(tmp_path / "b"))
    url = python.wait_for("code")["url"]
    assert "/files#" in url
    page = files_page("#" + url.partition("#")[2])
    page.get_by_role("button", name="Receive").click()
    wait_for_view(page, "question")
    expect(page.locator("#offered-sum")).to_have_text("2 files, 700 kB")
    page.get_by_role("button", name="Accept").click()
    wait_for_view(page, "ended")
    python.wait_for("received")
    assert python.exit_code() == 0
    for name, hashed in hashes.items():
        with page.expect_download() as downloading:
            page.get_by_role("button", name=f"Save {name}", exact=True).click()
        assert downloading.value.suggested_filename == name
        assert sha256(downloading.value.path()) == hashed


def test_declined_to_a_terminal(files_page: OpenFiles, firertc: Run, tmp_path: Path) -> None:
    write(tmp_path / "a", 10)
    python = firertc("send", str(tmp_path / "a"))
    page = files_page("")
    come(page, python.wait_for("code")["code"])
    wait_for_view(page, "question")
    page.get_by_role("button", name="Decline").click()
    assert python.exit_code() == 4


@pytest.mark.parametrize("sender", ["page", "terminal"])
def test_a_reload_goes_on(files_page: OpenFiles, firertc: Run, tmp_path: Path, sender: str) -> None:
    hashed = write(tmp_path / "large.bin", LARGE_BYTES)
    receiver = files_page("")
    sending: Page | None = None
    if sender == "page":
        sending = files_page("")
        code = offer(sending, tmp_path / "large.bin")
    else:
        code = firertc("send", str(tmp_path / "large.bin")).wait_for("code")["code"]
    receiver.goto(f"{receiver.url}#{code}")
    receiver.get_by_role("button", name="Receive").click()
    wait_for_view(receiver, "question")
    # Reload as soon as half is there; afterwards note where it goes on.
    receiver.add_init_script(WATCH)
    receiver.evaluate(WATCH)
    receiver.evaluate("globalThis.reloadAt = 0.5")
    with (
        receiver.expect_download(timeout=3 * STEP_MILLISECONDS) as downloading,
        receiver.expect_navigation(),
    ):
        receiver.get_by_role("button", name="Accept").click()
    assert sha256(downloading.value.path()) == hashed
    wait_for_view(receiver, "ended")
    assert receiver.evaluate("globalThis.begun") >= PART_BYTES
    if sending:
        wait_for_view(sending, "ended")


def test_a_path_that_leads_out_is_refused(
    files_page: OpenFiles, browser: Browser, script: Path, suite: LocalSuite
) -> None:
    page = files_page("")
    with blank(browser, script, suite) as evil:
        evil.evaluate(SIDES)
        code = evil.evaluate("config => wait('ann', config)", config(suite))
        evil.evaluate(
            """() => {
              globalThis.answers = [];
              const offer = async () => {
                await sides.ann.answered;
                const channel = await sides.ann.link.openChannel("firertc.files");
                channel.on("message", (said) => answers.push(JSON.parse(said)));
                const files = [{path: "../evil.sh", size: 3}];
                await channel.send(JSON.stringify({t: "offer", transfer: "x", files}));
              };
              offer();
              return null;
            }"""
        )
        come(page, code)
        expect(page.locator("#problem-text")).to_contain_text("leads out of the folder")
        wait_for_view(page, "start")
        evil.wait_for_function("answers.length > 0")
        assert evil.evaluate("answers") == [{"t": "cancel", "reason": "failed"}]


COUNT_HASHED = """globalThis.hashed = 0;
globalThis.Worker = class extends Worker {
  postMessage(message) {
    if (message.t === "add") globalThis.hashed += message.content.length;
    super.postMessage(message);
  }
};"""
"""Counts what a page gives its workers to hash."""


def test_hashing_is_beside_the_page(files_page: OpenFiles, tmp_path: Path) -> None:
    size = LARGE_BYTES
    hashed = write(tmp_path / "large.bin", size)
    sender, receiver = files_page(""), files_page("")
    for page in (sender, receiver):
        page.add_init_script(COUNT_HASHED)
        page.reload()
    come(receiver, offer(sender, tmp_path / "large.bin"))
    wait_for_view(receiver, "question")
    with receiver.expect_download() as downloading:
        receiver.get_by_role("button", name="Accept").click()
    assert sha256(downloading.value.path()) == hashed
    for page in (sender, receiver):
        wait_for_view(page, "ended")
        # All of it, and only once: nothing is left for the page's own thread.
        assert page.evaluate("hashed") == size
