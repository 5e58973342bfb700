"""A page leaves in the very moment in which its presence, or its offer, is being written."""

from __future__ import annotations

import time

import pytest
from e2e.remains import remains
from google.cloud.firestore import Client as Owner
from playwright.sync_api import Page, Request, Route

from firertc.suite import Seeds

from .blank import Settings
from .test_pages import wait_until_clean

COMMITS = "**/documents:commit*"
DELETE_SECONDS = 10.0

ENTER = """async (config) => {
  const client = new firertc.Client(config);
  window.client = client;
  window.outcome = codeOf(client.enter("hall"));
}"""
WAIT = """async (config) => {
  const client = new firertc.Client(config);
  window.client = client;
  window.outcome = codeOf(client.waitAtCode({ onCode: (code) => { window.code = code; } }));
}"""
STARTS = pytest.mark.parametrize("start", [ENTER, WAIT], ids=["room", "code"])


def writes(request: Request) -> bool:
    """Whether it writes something: an empty commit only asks whether the browser may (CORS)."""
    return "/documents:commit" in request.url and bool((request.post_data_json or {}).get("writes"))


def hold_commit(page: Page, start: str, settings: Settings, realm: Seeds) -> list[Route]:
    """Begin, and hold back what is written."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        if writes(route.request):
            held.append(route)
        else:
            route.continue_()

    page.route(COMMITS, hold)
    page.evaluate(start, settings)
    give_up = time.monotonic() + DELETE_SECONDS
    while not held:
        assert time.monotonic() < give_up, "nothing is written"
        page.wait_for_timeout(20)
    return held


def abandon(page: Page) -> None:
    """What a page does on `pagehide`; the deletion is answered before this returns."""
    with page.expect_response(lambda got: got.request.method == "DELETE"):
        page.evaluate("client.abandon()")


@STARTS
def test_what_is_written_too_late_is_deleted(
    page: Page, settings: Settings, realm: Seeds, admin_sync: Owner, start: str
) -> None:
    held = hold_commit(page, start, settings, realm)
    abandon(page)
    # The page was only put aside: it is still there when the database answers.
    with page.expect_response(lambda got: writes(got.request)) as written:
        held.pop().continue_()
    assert written.value.ok
    wait_until_clean(admin_sync, realm.realm)
    assert page.evaluate("outcome") in ("cancelled", "peer-gone")


@STARTS
def test_what_was_not_written_is_not_asked_again(
    page: Page, settings: Settings, realm: Seeds, admin_sync: Owner, start: str
) -> None:
    held = hold_commit(page, start, settings, realm)
    abandon(page)
    error = {"error": {"code": 503, "status": "UNAVAILABLE", "message": "later"}}
    held.pop().fulfill(status=503, json=error)
    assert page.evaluate("outcome") == "cancelled"
    assert held == []
    assert remains(admin_sync, realm.realm) == []


@STARTS
def test_a_tab_is_closed(
    page: Page, settings: Settings, realm: Seeds, admin_sync: Owner, start: str
) -> None:
    held = hold_commit(page, start, settings, realm)
    page.evaluate("addEventListener('pagehide', () => client.abandon())")
    page.goto("about:blank")
    # What was not sent yet goes with the page.
    held.pop().abort()
    page.wait_for_timeout(500)
    assert held == []
    assert remains(admin_sync, realm.realm) == []
