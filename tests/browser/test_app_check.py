"""Pages that show App Check's token. Google's side of it, which has no emulator, is played here."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from playwright.sync_api import Page, Request, Route

from firertc.suite import LocalSuite

from .blank import config

CHECKED = {"appId": "1:1:web:1", "appCheckSiteKey": "site-key"}
RECAPTCHA = """globalThis.grecaptcha = {enterprise: {
  ready: (then) => then(),
  render: (_, {callback}) => { globalThis.succeed = callback; return 0; },
  execute: async () => { succeed(); return "a person, it seems"; },
}};"""
JOIN = """async (config) => {
  const client = new firertc.Client(config);
  try {
    const room = await client.enter("checked", { connect: "none" });
    return room.session.peer;
  } catch (error) {
    return error.code;
  } finally {
    await client.close();
  }
}"""


def jwt(claims: dict[str, Any]) -> str:
    """A token; nobody verifies it here."""
    parts = [{"alg": "none"}, claims]
    texts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts]
    return b".".join([*texts, b"x"]).decode()


TOKEN = jwt({"sub": "1:1:web:1", "exp": int(time.time()) + 3600, "iat": int(time.time())})


def shown(page: Page) -> list[tuple[str, str | None]]:
    """Where each request of the page goes, and the token that it shows; fills up."""
    seen: list[tuple[str, str | None]] = []

    def note(request: Request) -> None:
        if request.method == "POST":
            seen.append((request.url, request.all_headers().get("x-firebase-appcheck")))

    page.on("requestfinished", note)
    return seen


def play_google(page: Page, status: int = 200) -> list[Any]:
    """Play reCAPTCHA and App Check's exchange; what is asked of the latter."""
    asked: list[Any] = []

    def exchange(route: Route) -> None:
        asked.append(route.request.post_data_json)
        answer = {"token": TOKEN, "ttl": "3600s"} if status == 200 else {}
        headers = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*"}
        route.fulfill(status=status, json=answer, headers=headers)

    page.route(
        "https://www.google.com/recaptcha/**",
        lambda route: route.fulfill(body=RECAPTCHA, content_type="text/javascript"),
    )
    page.route("https://content-firebaseappcheck.googleapis.com/**", exchange)
    return asked


def test_the_token_is_shown(page: Page, suite: LocalSuite) -> None:
    asked, seen = play_google(page), shown(page)
    first = page.evaluate(JOIN, config(suite) | CHECKED)
    assert first.startswith("p-")
    page.evaluate(JOIN, config(suite) | CHECKED)
    joins = [token for url, token in seen if url.endswith("/join")]
    commits = [token for url, token in seen if ":commit" in url]
    assert joins == [TOKEN, TOKEN]
    assert len(commits) > 1 and set(commits) == {TOKEN}
    # reCAPTCHA was asked once, for both sessions.
    assert [said["recaptcha_enterprise_token"] for said in asked] == ["a person, it seems"]


def test_it_is_not_believed(page: Page, suite: LocalSuite) -> None:
    play_google(page, 403)
    assert page.evaluate(JOIN, config(suite) | CHECKED) == "denied"


def test_nothing_of_it_without_a_site_key(page: Page, suite: LocalSuite) -> None:
    asked, seen = play_google(page), shown(page)
    assert page.evaluate(JOIN, config(suite)).startswith("p-")
    assert asked == []
    assert {token for _, token in seen} == {None}


def test_a_site_key_needs_an_app(page: Page, suite: LocalSuite) -> None:
    without = config(suite) | {"appCheckSiteKey": "site-key"}
    made = "(config) => { try { new firertc.Client(config) } catch (error) { return error.code } }"
    assert page.evaluate(made, without) == "bad-config"
