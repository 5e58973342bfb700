"""ICE servers for a session: STUN as set, TURN with credentials that end with the session."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

import httpx
from settings import TurnSettings

PROVIDER_SECONDS: Final = 3.0
"""The longest that a provider's answer is waited for, all told; a join works without TURN."""
ANSWER_BYTES: Final = 65536
TTL_SECONDS_MIN: Final = 60

CLOUDFLARE_API: Final = "https://rtc.live.cloudflare.com"
TWILIO_API: Final = "https://api.twilio.com"

IceServer = dict[str, Any]
"""An ``RTCIceServer``: ``urls`` (a list), and for TURN ``username`` and ``credential``."""


class TurnUnavailable(Exception):
    """No TURN credentials could be had. The text never holds a secret."""


def stun_servers(settings: TurnSettings) -> list[IceServer]:
    """The STUN servers that are set."""
    return [{"urls": list(settings.stun_urls)}] if settings.stun_urls else []


def turn_servers(settings: TurnSettings, peer: str, until: int, now: int) -> list[IceServer]:
    """Get TURN credentials from the provider that is set.

    Args:
        settings: provider and account.
        peer: document id of the peer; coturn writes it into its log.
        until: end of the session, Unix seconds.
        now: Unix seconds.

    Raises:
        TurnUnavailable: the settings lack something, or the provider did not answer as its
            documentation says.
    """
    ttl_seconds = max(until - now, TTL_SECONDS_MIN)
    if not settings.provider:
        return []
    if not settings.secret:
        raise TurnUnavailable("FIRERTC_TURN is set, but the secret FIRERTC_TURN_SECRET is empty")
    if settings.provider == "coturn":
        if not settings.urls:
            raise TurnUnavailable("FIRERTC_TURN is coturn, but FIRERTC_TURN_URLS is empty")
        return [coturn_server(settings.urls, settings.secret, peer, now + ttl_seconds)]
    if not settings.account:
        raise TurnUnavailable("FIRERTC_TURN is set, but FIRERTC_TURN_ACCOUNT is empty")
    if settings.provider == "cloudflare":
        return _cloudflare(settings, ttl_seconds)
    return _twilio(settings, ttl_seconds)


def coturn_server(urls: Iterable[str], secret: str, peer: str, until: int) -> IceServer:
    """Credentials by shared secret (draft-uberti-behave-turn-rest-00, section 2.2).

    The username is ``{Unix time of the end}:{peer}``, the credential the Base64 of its HMAC-SHA1
    under coturn's ``static-auth-secret``.
    """
    username = f"{until}:{peer}"
    digest = hmac.digest(secret.encode("utf-8"), username.encode("utf-8"), "sha1")
    return {
        "urls": list(urls),
        "username": username,
        "credential": base64.b64encode(digest).decode("ascii"),
    }


def _cloudflare(settings: TurnSettings, ttl_seconds: int) -> list[IceServer]:
    """https://developers.cloudflare.com/realtime/turn/generate-credentials/"""
    answer = _post(
        f"{settings.api or CLOUDFLARE_API}/v1/turn/keys/{settings.account}"
        "/credentials/generate-ice-servers",
        headers={"Authorization": f"Bearer {settings.secret}"},
        json_body={"ttl": ttl_seconds},
    )
    return read_servers(answer.get("iceServers"))


def _twilio(settings: TurnSettings, ttl_seconds: int) -> list[IceServer]:
    """https://www.twilio.com/docs/stun-turn/api"""
    answer = _post(
        f"{settings.api or TWILIO_API}/2010-04-01/Accounts/{settings.account}/Tokens.json",
        auth=(settings.account, settings.secret),
        form={"Ttl": str(ttl_seconds)},
    )
    return read_servers(answer.get("ice_servers"))


def read_servers(listed: Any) -> list[IceServer]:
    """Read a provider's list; drop what browsers can't use; put the best address first.

    aiortc takes only the first TURN address: UDP if there is one, else TLS on 443, which passes
    most firewalls. Addresses on port 53 are dropped: browsers block it, and the attempt costs
    seconds.

    Raises:
        TurnUnavailable: if it is no list of ``RTCIceServer``.
    """
    servers = [listed] if isinstance(listed, Mapping) else listed
    if not isinstance(servers, list):
        raise TurnUnavailable("the provider's answer has no list of ICE servers")
    stun: list[str] = []
    turn: dict[tuple[str, str], list[str]] = {}
    for server in servers:
        urls = server.get("urls") if isinstance(server, Mapping) else None
        urls = [urls] if isinstance(urls, str) else urls
        if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
            raise TurnUnavailable("the provider's answer has an ICE server without 'urls'")
        usable = [url for url in urls if ":53?" not in url and not url.endswith(":53")]
        stun += [url for url in usable if url.startswith(("stun:", "stuns:"))]
        relays = [url for url in usable if url.startswith(("turn:", "turns:"))]
        username, credential = server.get("username"), server.get("credential")
        if relays:
            if not isinstance(username, str) or not isinstance(credential, str):
                raise TurnUnavailable("the provider's answer has TURN without credentials")
            turn.setdefault((username, credential), []).extend(relays)
    result: list[IceServer] = [{"urls": stun}] if stun else []
    for (username, credential), relays in turn.items():
        urls = sorted(dict.fromkeys(relays), key=_rank)
        result.append({"urls": urls, "username": username, "credential": credential})
    return result


def _rank(url: str) -> int:
    if url.startswith("turn:") and "transport=tcp" not in url:
        return 0
    if url.startswith("turns:"):
        return 1 if ":443" in url else 2
    return 3


def _post(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    auth: tuple[str, str] | None = None,
    json_body: Mapping[str, Any] | None = None,
    form: Mapping[str, str] | None = None,
) -> Mapping[str, Any]:
    """POST, and read an object of JSON within :data:`PROVIDER_SECONDS` in all."""
    deadline = time.monotonic() + PROVIDER_SECONDS
    body = b""
    try:
        with (
            httpx.Client(timeout=PROVIDER_SECONDS, follow_redirects=False) as http,
            http.stream(
                "POST", url, headers=headers, auth=auth, json=json_body, data=form
            ) as response,
        ):
            # httpx's own timeout starts anew with every piece that arrives.
            for piece in response.iter_bytes():
                body += piece
                if time.monotonic() > deadline or len(body) > ANSWER_BYTES:
                    raise TurnUnavailable("the provider's answer is too slow or too long")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise TurnUnavailable(f"the provider can't be reached ({type(error).__name__})") from None
    if not response.is_success:
        raise TurnUnavailable(f"the provider answered with HTTP {response.status_code}")
    try:
        answer = json.loads(body)
    except ValueError:
        raise TurnUnavailable("the provider's answer is no JSON") from None
    if not isinstance(answer, Mapping):
        raise TurnUnavailable("the provider's answer is no object")
    return answer
