"""One Chromium for all of these tests, pages of it, and Python processes to call and be called."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from firertc.config import Config, load_config
from firertc.suite import LocalSuite, Seeds
from firertc.suite.addresses import HOST
from firertc.suite.supervisor import MARK, descendants

from .aside import Aside
from .blank import Settings, blank, config
from .clips import write_camera, write_microphone
from .command import Command
from .screen import CallPage

ROOT = Path(__file__).resolve().parents[2]
BUILD_SECONDS = 120
LEAK_SECONDS = 3.0

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
)


@pytest.fixture(autouse=True)
def nothing_leaks(suite: LocalSuite) -> Iterator[None]:
    """Fail a test that leaves a process behind; the browser keeps some between tests."""
    before = set(descendants([os.getpid()]))
    yield
    give_up = time.monotonic() + LEAK_SECONDS
    while left := [
        pid for pid in descendants([os.getpid()]) if pid not in before and _is_ours(pid)
    ]:
        if time.monotonic() > give_up:
            pytest.fail(f"processes left behind: {left}")
        time.sleep(0.05)


def _is_ours(pid: int) -> bool:
    """Whether this is neither of the browser nor of the suite, which start some when they want."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        program = Path(f"/proc/{pid}/comm").read_text("utf-8", "replace")
    except OSError:
        return False  # it is gone
    return MARK.encode() not in environment and not program.startswith(("chrom", "cat"))


def build(folder: str) -> Path:
    """Build a part of ``web`` from what the checkout holds now; the folder."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed: the web part can't be built")
    place = ROOT / "web" / folder
    built = subprocess.run(
        [npm, "run", "--silent", "build"],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    if built.returncode != 0:
        pytest.fail(f"web/{folder} can't be built:\n{built.stdout}{built.stderr}")
    return place


@pytest.fixture(scope="session")
def pages() -> Path:
    """The pages, built."""
    return build("pages")


@pytest.fixture(scope="session")
def script() -> Path:
    """The SDK's one file for a script tag."""
    return build("sdk") / "dist" / "firertc.js"


@pytest.fixture(scope="package")
def chromium() -> str:
    """Debian's Chromium."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("Chromium is not installed: run scripts/setup --browser")
    return path


@pytest.fixture(scope="package")
def playwright(chromium: str) -> Iterator[Playwright]:
    """What drives the browser."""
    with sync_playwright() as running:
        yield running


Launch = Callable[..., Browser]


@pytest.fixture(scope="package")
def launch(
    playwright: Playwright, chromium: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Launch]:
    """Starts a Chromium whose camera shows numbered pictures and whose microphone hears a tone."""
    folder = tmp_path_factory.mktemp("devices")
    camera = write_camera(folder / "camera.y4m")
    microphone = write_microphone(folder / "microphone.wav")
    with ExitStack() as stack:

        def start(*flags: str) -> Browser:
            browser = playwright.chromium.launch(
                executable_path=chromium,
                headless=True,
                args=[
                    *FLAGS,
                    f"--use-file-for-fake-video-capture={camera}",
                    f"--use-file-for-fake-audio-capture={microphone}",
                    *flags,
                ],
            )
            stack.callback(browser.close)
            return browser

        yield start


@pytest.fixture(scope="package")
def browser(launch: Launch) -> Browser:
    """A browser whose person allows camera and microphone."""
    return launch("--use-fake-ui-for-media-stream")


@pytest.fixture
def page(browser: Browser, script: Path, suite: LocalSuite) -> Iterator[Page]:
    """A page with the SDK and nothing else."""
    with blank(browser, script, suite) as opened:
        yield opened


@pytest.fixture
def settings(suite: LocalSuite, realm: Seeds) -> Settings:
    """A page's settings in the test's own realm."""
    return config(suite) | {"key": realm.key}


@pytest.fixture
def aside() -> Iterator[Aside]:
    """Where Python peers live."""
    loop = Aside()
    yield loop
    loop.close()


@pytest.fixture
def python(suite: LocalSuite, realm: Seeds) -> Config:
    """A Python peer's settings in the test's own realm."""
    return load_config({"realm": realm.realm, "key": realm.key}, environ=suite.environment())


OpenPage = Callable[..., CallPage]


@pytest.fixture
def open_page(pages: Path, suite: LocalSuite, browser: Browser) -> Iterator[OpenPage]:
    """Opens the call page; at the end no page may have complained."""
    opened: list[CallPage] = []

    def open_it(
        fragment: str = "", *, within: Browser = browser, query: str = "", host: str = HOST
    ) -> CallPage:
        hosting = suite.addresses.hosting.replace(HOST, host)
        page = CallPage.open(within, f"{hosting}/call{query}{fragment}")
        opened.append(page)
        return page

    yield open_it
    complaints = [line for page in opened for line in page.complaints]
    for page in opened:
        page.close()
    assert complaints == []


Run = Callable[..., Command]


@pytest.fixture
def firertc(suite: LocalSuite) -> Iterator[Run]:
    """Runs the command line; what still runs at the end is ended."""
    commands: list[Command] = []

    def run(*arguments: str, code: str | None = None) -> Command:
        environment = {**os.environ, **suite.environment()}
        environment.pop("FIRERTC_CODE", None)
        if code is not None:
            environment["FIRERTC_CODE"] = code
        command = Command.start(environment, *arguments)
        commands.append(command)
        return command

    yield run
    for command in commands:
        command.end()
