"""Pages in the style of the two public tutorials, with ``firertc --schema`` at the other end."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import pytest
from google.cloud.firestore import Client as Owner
from playwright.sync_api import Browser, expect

from firertc.errors import EXIT_NO_ANSWER, EXIT_UNREACHABLE
from firertc.suite import LocalSuite, seed
from firertc.suite.addresses import HOST
from firertc.suite.presets import open_presets

from .command import END_SECONDS, Command
from .conftest import ROOT, Run
from .screen import READING, STEP_MILLISECONDS, CallPage
from .test_call import DIRECT, check_picture_and_sound, check_recording

PAGES = Path(__file__).parent / "tutorials"
FIREBASE = ROOT / "node_modules" / "firebase"
SETUP = """
firebase.initializeApp({{ apiKey: "local", projectId: "{project}" }});
firebase.auth().useEmulator("http://{auth}", {{ disableWarnings: true }});
const [host, port] = "{firestore}".split(":");
firebase.firestore().useEmulator(host, Number(port));
"""
"""What the tutorial's reader pastes from the Firebase console, and where the local suite is."""
CANDIDATE = {"candidate", "sdpMid", "sdpMLineIndex", "usernameFragment"}
KNOWN = """() => peerConnection && {
  connection: peerConnection.connectionState,
  gathering: peerConnection.iceGatheringState,
  local: peerConnection.localDescription?.sdp,
  remote: peerConnection.remoteDescription?.sdp,
}"""
SILENT_SECONDS = 60.0
"""A tab that is closed says nothing: aiortc's checks fail after about half a minute."""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSuite]:
    """A suite whose rules open the tutorials' paths."""
    rules = open_presets(ROOT / "firestore.rules", tmp_path_factory.mktemp("rules") / "open.rules")
    with LocalSuite(ROOT, rules=rules) as running:
        seed(running.addresses)
        yield running


@pytest.fixture
def owner(suite: LocalSuite, monkeypatch: pytest.MonkeyPatch) -> Iterator[Owner]:
    """The database past the rules."""
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", suite.addresses.firestore)
    client = Owner(project=suite.project)
    yield client
    client.close()  # type: ignore[no-untyped-call]


Test = TypeVar("Test", bound=Callable[..., None])
OpenTutorial = Callable[[str], CallPage]


class Files(BaseHTTPRequestHandler):
    """Serves the pages, Firebase's scripts for a script tag, and the project's settings."""

    settings = b""

    def do_GET(self) -> None:
        name = self.path.rsplit("/", 1)[1]
        if name == "favicon.ico":
            self.send_response(204)
            self.end_headers()
            return
        place = FIREBASE if name.startswith("firebase-") else PAGES
        body = self.settings if name == "setup.js" else (place / name).read_bytes()
        kind = "text/html" if name.endswith(".html") else "text/javascript"
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(suite: LocalSuite) -> Iterator[str]:
    """A web server of its own, as a page has that is not of this project."""
    addresses = suite.addresses
    setup = SETUP.format(
        project=addresses.project, auth=addresses.auth, firestore=addresses.firestore
    )
    handler = type("ThisSuite", (Files,), {"settings": setup.encode()})
    with ThreadingHTTPServer((HOST, 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        yield f"http://{HOST}:{server.server_port}/tutorials"
        server.shutdown()
        serving.join()


def open_tutorial(browser: Browser, site: str, name: str) -> CallPage:
    page = browser.new_context().new_page()
    page.set_default_timeout(STEP_MILLISECONDS)
    page.goto(f"{site}/{name}.html")
    page.evaluate(READING)
    return CallPage(page)


@pytest.fixture
def tutorial(site: str, browser: Browser) -> Iterator[OpenTutorial]:
    """Opens one of the pages."""
    opened: list[CallPage] = []

    def open_it(name: str) -> CallPage:
        opened.append(open_tutorial(browser, site, name))
        return opened[-1]

    yield open_it
    for page in opened:
        page.close()


LeftAlone = tuple[Command, float]
"""A process whose page was closed, and when."""


@pytest.fixture(scope="module", autouse=True)
def left_alone(
    request: pytest.FixtureRequest, suite: LocalSuite, site: str, browser: Browser
) -> Iterator[LeftAlone | None]:
    """Begun before the other tests: it takes half a minute, which passes while they run."""
    wanted = test_a_page_that_is_closed_without_a_word
    if not any(getattr(item, "function", None) is wanted for item in request.session.items):
        yield None
        return
    page = open_tutorial(browser, site, "calls")
    open_camera(page, "#webcamButton")
    click(page, "#callButton")
    called = shown_id(page, "#callInput")
    environment = {**os.environ, **suite.environment()}
    python = Command.start(environment, "answer", "--schema", "calls", called)
    connected(page, python)
    page.close()
    yield python, time.monotonic()
    python.end()


def click(page: CallPage, selector: str) -> None:
    page.page.locator(selector).click()


def enter(page: CallPage, selector: str, call_id: str) -> None:
    page.page.locator(selector).fill(call_id)


def shown_id(page: CallPage, selector: str) -> str:
    """The id that the page shows, once it does."""
    expect(page.page.locator(selector)).not_to_have_value("", timeout=STEP_MILLISECONDS)
    return page.page.locator(selector).input_value()


def open_camera(page: CallPage, selector: str) -> None:
    click(page, selector)
    page.page.wait_for_function("document.getElementById('remote').srcObject !== null")


class NothingGathered(AssertionError):
    """Chromium found no address of its own: about once in a hundred pages whose connection has a
    pool of candidates (``iceCandidatePoolSize``), it goes on gathering for good."""


def connected(page: CallPage, python: Command) -> dict[str, Any]:
    """The event that says so; a failure says what the page knows of it."""
    try:
        return python.wait_for("connected")
    except AssertionError as error:
        known = page.page.evaluate(KNOWN)
        if known and known["gathering"] == "gathering" and "a=candidate" not in known["local"]:
            raise NothingGathered(f"{error}; the page: {known}") from None
        error.add_note(f"the page: {known}")
        raise


def again_with_addresses(test: Test) -> Test:
    """Try once more, as a person would, where Chromium gathered nothing: its pages have no say."""

    @functools.wraps(test)
    def tried(*arguments: Any, **named: Any) -> None:
        try:
            test(*arguments, **named)
        except NothingGathered:
            test(*arguments, **named)

    return tried  # type: ignore[return-value]


def check_both_ways(page: CallPage, python: Command, record: Path) -> None:
    assert connected(page, python)["path"] in DIRECT
    check_picture_and_sound(page)
    python.interrupt()
    python.exit_code()
    check_recording(record)


def documents(owner: Owner, path: str) -> dict[str, Any]:
    """What there is of a call: its fields, and its candidates by collection."""
    document = owner.document(path)
    found: dict[str, Any] = {"": document.get().to_dict()}
    for collection in document.collections():
        found[collection.id] = [item.to_dict() for item in collection.stream()]
    return found


@again_with_addresses
def test_a_page_calls_by_calls(
    tutorial: OpenTutorial, firertc: Run, tmp_path: Path, owner: Owner
) -> None:
    record = tmp_path / "page.mp4"
    page = tutorial("calls")
    open_camera(page, "#webcamButton")
    click(page, "#callButton")
    # The page shows the id before it has written the offer.
    call_id = shown_id(page, "#callInput")
    python = firertc(
        *("answer", "--schema", "calls", call_id, "--play", "test", "--record", str(record))
    )
    check_both_ways(page, python, record)


@again_with_addresses
def test_a_page_answers_by_calls(tutorial: OpenTutorial, firertc: Run, tmp_path: Path) -> None:
    record = tmp_path / "page.mp4"
    python = firertc("call", "--schema", "calls", "--play", "test", "--record", str(record))
    page = tutorial("calls")
    open_camera(page, "#webcamButton")
    enter(page, "#callInput", python.wait_for("id")["id"])
    click(page, "#answerButton")
    check_both_ways(page, python, record)


@again_with_addresses
def test_a_page_calls_by_rooms(tutorial: OpenTutorial, firertc: Run, tmp_path: Path) -> None:
    record = tmp_path / "page.mp4"
    page = tutorial("rooms")
    open_camera(page, "#cameraBtn")
    click(page, "#createBtn")
    call_id = shown_id(page, "#room-id")
    python = firertc(
        *("answer", "--schema", "rooms", call_id, "--play", "test", "--record", str(record))
    )
    check_both_ways(page, python, record)


@again_with_addresses
def test_a_page_answers_by_rooms_and_hangs_up(
    tutorial: OpenTutorial, firertc: Run, tmp_path: Path
) -> None:
    record = tmp_path / "page.mp4"
    python = firertc("call", "--schema", "rooms", "--play", "test", "--record", str(record))
    page = tutorial("rooms")
    open_camera(page, "#cameraBtn")
    enter(page, "#room-id", python.wait_for("id")["id"])
    click(page, "#joinBtn")
    assert connected(page, python)["path"] in DIRECT
    check_picture_and_sound(page)
    click(page, "#hangupBtn")
    assert python.wait_for("ended") == {"event": "ended", "reason": "hangup", "by_remote": True}
    assert python.exit_code() == 0
    check_recording(record)


def test_a_page_that_is_closed_without_a_word(left_alone: LeftAlone) -> None:
    python, closed = left_alone
    ended = python.wait_for("ended", max(0.0, closed + SILENT_SECONDS - time.monotonic()))
    assert ended["reason"] in ("hangup", "failed"), "the connection's end is all that shows it"
    assert python.exit_code() == (0 if ended["reason"] == "hangup" else EXIT_UNREACHABLE)
    assert python.ended is not None and python.ended - closed < SILENT_SECONDS + END_SECONDS


@again_with_addresses
def test_a_call_is_over_when_its_document_is_deleted(
    tutorial: OpenTutorial, firertc: Run, owner: Owner
) -> None:
    python = firertc("call", "--schema", "rooms", "--play", "test")
    page = tutorial("rooms")
    open_camera(page, "#cameraBtn")
    call_id = python.wait_for("id")["id"]
    enter(page, "#room-id", call_id)
    click(page, "#joinBtn")
    connected(page, python)
    found = documents(owner, f"rooms/{call_id}")
    assert found[""]["answer"]["type"] == "answer"
    assert all(set(item) == CANDIDATE for item in found["calleeCandidates"])
    # As a page whose connection is stuck leaves it: deleted, and nothing heard of it.
    owner.document(f"rooms/{call_id}").delete()
    assert python.wait_for("ended") == {"event": "ended", "reason": "hangup", "by_remote": True}
    assert python.exit_code() == 0


def test_candidates_may_come_before_the_offer(
    tutorial: OpenTutorial, firertc: Run, owner: Owner
) -> None:
    page = tutorial("calls")
    open_camera(page, "#webcamButton")
    call_id = "A" * 20
    early = owner.collection(f"calls/{call_id}/offerCandidates")
    early.add({"candidate": "nonsense", "sdpMid": None, "sdpMLineIndex": None})
    early.add({"candidate": "", "sdpMid": "0", "sdpMLineIndex": 0})
    python = firertc("answer", "--schema", "calls", call_id, "--timeout", "20")
    python.wait_for("state")
    page.page.evaluate(
        "(id) => { const calls = firestore.collection('calls');"
        "firestore.collection = () => ({ doc: () => calls.doc(id) }); }",
        call_id,
    )
    click(page, "#callButton")
    assert connected(page, python)["path"] in DIRECT
    written = documents(owner, f"calls/{call_id}")
    assert len(written["offerCandidates"]) > 2
    offered = owner.document(f"calls/{call_id}").get().create_time
    times = [item.create_time for item in early.stream()]
    assert sum(time < offered for time in times) > 2


def test_what_is_left_is_told(firertc: Run, owner: Owner) -> None:
    python = firertc("call", "--schema", "calls", "--timeout", "1")
    call_id = python.wait_for("id")["id"]
    assert owner.document(f"calls/{call_id}").get().exists
    assert python.exit_code() == EXIT_NO_ANSWER
    python.wait_for("error")
    told = any(event["event"] == "left" for event in python.seen)
    assert told == owner.document(f"calls/{call_id}").get().exists
