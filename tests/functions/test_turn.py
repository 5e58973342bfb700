"""TURN credentials: coturn's by a known vector, the providers' from a server that speaks so."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
import turn
from functions_place import Place, Serve
from settings import TurnSettings
from turn import TurnUnavailable, coturn_server, read_servers, stun_servers, turn_servers

NOW = 1_800_000_000
SECRET = "the provider's secret"

# As https://developers.cloudflare.com/realtime/turn/generate-credentials/ shows it.
CLOUDFLARE = {
    "iceServers": [
        {"urls": ["stun:stun.cloudflare.com:3478", "stun:stun.cloudflare.com:53"]},
        {
            "urls": [
                "turn:turn.cloudflare.com:53?transport=udp",
                "turn:turn.cloudflare.com:3478?transport=tcp",
                "turn:turn.cloudflare.com:80?transport=tcp",
                "turns:turn.cloudflare.com:5349?transport=tcp",
                "turns:turn.cloudflare.com:443?transport=tcp",
                "turn:turn.cloudflare.com:3478?transport=udp",
            ],
            "username": "g0123",
            "credential": "aba9",
        },
    ]
}

# As https://www.twilio.com/docs/stun-turn/api shows it.
TWILIO = {
    "username": "dc2d",
    "password": "tE2D",
    "ttl": "3600",
    "account_sid": "AC1",
    "ice_servers": [
        {"url": "stun:global.stun.twilio.com:3478", "urls": "stun:global.stun.twilio.com:3478"},
        {
            "url": "turn:global.turn.twilio.com:3478?transport=tcp",
            "urls": "turn:global.turn.twilio.com:3478?transport=tcp",
            "username": "dc2d",
            "credential": "tE2D",
        },
        {
            "url": "turn:global.turn.twilio.com:3478?transport=udp",
            "urls": "turn:global.turn.twilio.com:3478?transport=udp",
            "username": "dc2d",
            "credential": "tE2D",
        },
        {
            "url": "turn:global.turn.twilio.com:443?transport=tcp",
            "urls": "turn:global.turn.twilio.com:443?transport=tcp",
            "username": "dc2d",
            "credential": "tE2D",
        },
    ],
}


class Provider:
    """A provider's API on the loopback, and what it was asked."""

    def __init__(self, url: str) -> None:
        """Take its address."""
        self.url = url
        self.asked: list[tuple[str, str, str]] = []
        """Path, ``Authorization`` header and body of every request."""


Answer = Callable[[BaseHTTPRequestHandler], None]


def answers(status: int, body: Any) -> Answer:
    """Answer with a status and a body."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def never(handler: BaseHTTPRequestHandler) -> None:
    """Take the request and say nothing for longer than anybody waits."""
    time.sleep(turn.PROVIDER_SECONDS * 2)


def drips(handler: BaseHTTPRequestHandler) -> None:
    """Answer a byte at a time, so that no single wait is ever long."""
    handler.send_response(201)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(1000):
        try:
            handler.wfile.write(b" ")
            handler.wfile.flush()
        except OSError:
            return
        time.sleep(0.02)


@contextmanager
def provider(answer: Answer) -> Iterator[Provider]:
    """Run a provider."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            here.asked.append((self.path, self.headers.get("Authorization", ""), body))
            answer(self)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    here = Provider(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield here
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def cloudflare(url: str) -> TurnSettings:
    """Settings for Cloudflare."""
    return TurnSettings("cloudflare", account="key1", api=url, secret=SECRET)


def twilio(url: str) -> TurnSettings:
    """Settings for Twilio."""
    return TurnSettings("twilio", account="AC1", api=url, secret=SECRET)


# ---- coturn -----------------------------------------------------------------------------------


def test_coturn_vector() -> None:
    # printf %s '1800003600:alice' | openssl dgst -sha1 -hmac north -binary | base64
    server = coturn_server(["turn:turn.example.com:3478"], "north", "alice", 1_800_003_600)
    assert server == {
        "urls": ["turn:turn.example.com:3478"],
        "username": "1800003600:alice",
        "credential": "qe6uQh2FdtYywRuncfIrYF8O4Rk=",
    }


def test_coturn_lives_as_long_as_the_session() -> None:
    urls = ("turn:a:3478", "turns:a:443?transport=tcp")
    settings = TurnSettings("coturn", urls=urls, secret=SECRET)
    (server,) = turn_servers(settings, "p", NOW + 3600, NOW)
    assert server["username"] == f"{NOW + 3600}:p"
    assert server["urls"] == list(urls)


# ---- providers --------------------------------------------------------------------------------


def test_cloudflare() -> None:
    with provider(answers(201, CLOUDFLARE)) as api:
        servers = turn_servers(cloudflare(api.url), "p", NOW + 3600, NOW)
    ((path, authorization, body),) = api.asked
    assert path == "/v1/turn/keys/key1/credentials/generate-ice-servers"
    assert authorization == f"Bearer {SECRET}"
    assert json.loads(body) == {"ttl": 3600}
    assert servers == [
        {"urls": ["stun:stun.cloudflare.com:3478"]},
        {
            "urls": [
                "turn:turn.cloudflare.com:3478?transport=udp",
                "turns:turn.cloudflare.com:443?transport=tcp",
                "turns:turn.cloudflare.com:5349?transport=tcp",
                "turn:turn.cloudflare.com:3478?transport=tcp",
                "turn:turn.cloudflare.com:80?transport=tcp",
            ],
            "username": "g0123",
            "credential": "aba9",
        },
    ]


def test_twilio() -> None:
    with provider(answers(201, TWILIO)) as api:
        servers = turn_servers(twilio(api.url), "p", NOW + 3600, NOW)
    ((path, authorization, body),) = api.asked
    assert path == "/2010-04-01/Accounts/AC1/Tokens.json"
    assert authorization == "Basic " + base64.b64encode(f"AC1:{SECRET}".encode()).decode()
    assert parse_qs(body) == {"Ttl": ["3600"]}
    assert servers == [
        {"urls": ["stun:global.stun.twilio.com:3478"]},
        {
            "urls": [
                "turn:global.turn.twilio.com:3478?transport=udp",
                "turn:global.turn.twilio.com:3478?transport=tcp",
                "turn:global.turn.twilio.com:443?transport=tcp",
            ],
            "username": "dc2d",
            "credential": "tE2D",
        },
    ]


@pytest.mark.parametrize(
    "answer",
    [
        answers(401, {"error": "no"}),
        answers(500, b"oops"),
        answers(302, b""),
        answers(201, b"<html>"),
        answers(201, b"[]"),
        answers(201, b"{}"),
        answers(201, {"iceServers": [{"username": "u"}], "ice_servers": [7]}),
        answers(201, {"iceServers": [{"urls": "turn:a"}], "ice_servers": [{"urls": "turn:a"}]}),
        answers(201, b" " * 100_000),
    ],
)
@pytest.mark.parametrize("settings", [cloudflare, twilio])
def test_provider_that_fails(settings: Callable[[str], TurnSettings], answer: Answer) -> None:
    with provider(answer) as api, pytest.raises(TurnUnavailable) as error:
        turn_servers(settings(api.url), "p", NOW + 3600, NOW)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize("answer", [never, drips])
def test_provider_that_is_slow(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "PROVIDER_SECONDS", 0.3)
    with provider(answer) as api:
        begun = time.monotonic()
        with pytest.raises(TurnUnavailable):
            turn_servers(cloudflare(api.url), "p", NOW + 3600, NOW)
        assert time.monotonic() - begun < 1.5


def test_nobody_there() -> None:
    with provider(answers(201, {})) as api:
        pass
    with pytest.raises(TurnUnavailable, match="can't be reached"):
        turn_servers(cloudflare(api.url), "p", NOW + 3600, NOW)
    with pytest.raises(TurnUnavailable, match="can't be reached"):
        turn_servers(cloudflare("http://[bad"), "p", NOW + 3600, NOW)


@pytest.mark.parametrize(
    "settings",
    [
        TurnSettings("coturn", urls=("turn:a",)),
        TurnSettings("coturn", secret=SECRET),
        TurnSettings("cloudflare", secret=SECRET),
        TurnSettings("twilio", account="AC1"),
    ],
)
def test_settings_that_lack_something(settings: TurnSettings) -> None:
    with pytest.raises(TurnUnavailable, match="FIRERTC_TURN"):
        turn_servers(settings, "p", NOW + 3600, NOW)


def test_no_turn() -> None:
    assert turn_servers(TurnSettings(), "p", NOW + 3600, NOW) == []
    assert stun_servers(TurnSettings()) == []
    assert stun_servers(TurnSettings(stun_urls=("stun:a", "stun:b"))) == [
        {"urls": ["stun:a", "stun:b"]}
    ]


def test_one_server_instead_of_a_list() -> None:
    # Cloudflare's older endpoint answers so.
    server = {"urls": ["turn:a:3478"], "username": "u", "credential": "c"}
    assert read_servers(server) == [server]


# ---- in join ----------------------------------------------------------------------------------


def test_join_with_turn(place: Place, serve: Serve) -> None:
    key, _ = place.make_key()
    with (
        provider(answers(201, CLOUDFLARE)) as api,
        serve(
            FIRERTC_TURN="cloudflare",
            FIRERTC_TURN_ACCOUNT="key1",
            FIRERTC_TURN_SECRET=SECRET,
            FIRERTC_TURN_API=api.url,
            FIRERTC_STUN_URLS="stun:stun.example.com:3478",
        ) as (url, log),
    ):
        joined = place.post({"key": key}, url=url).json()["result"]
    assert joined["iceServers"][0] == {"urls": ["stun:stun.example.com:3478"]}
    assert joined["iceServers"][-1]["credential"] == "aba9"
    assert 3595 <= json.loads(api.asked[0][2])["ttl"] <= 3600
    assert SECRET not in log.read_text()


def test_join_goes_on_without_turn(place: Place, serve: Serve) -> None:
    key, _ = place.make_key()
    with (
        provider(answers(500, {"secret": SECRET})) as api,
        serve(
            FIRERTC_TURN="twilio",
            FIRERTC_TURN_ACCOUNT="AC1",
            FIRERTC_TURN_SECRET=SECRET,
            FIRERTC_TURN_API=api.url,
            FIRERTC_STUN_URLS="stun:stun.example.com:3478",
        ) as (url, log),
    ):
        joined = place.post({"key": key}, url=url).json()["result"]
    assert joined["iceServers"] == [{"urls": ["stun:stun.example.com:3478"]}]
    assert "join goes on without TURN" in log.read_text()
    assert "HTTP 500" in log.read_text()
    assert SECRET not in log.read_text()
