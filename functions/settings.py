"""What the project's owner can set, in ``functions/.env`` (docs/deploying.md).

Plain environment variables, not declared parameters: ``firebase deploy`` and the emulator ask on
the terminal for every declared parameter without a line in ``.env``, also where it has a default.
The command line tool gives them to this code both when it looks for the functions and when they
run, so that even the region and the list of secrets can follow them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Final

TURN_SECRET: Final = "FIRERTC_TURN_SECRET"
"""Name in Secret Manager: coturn's static-auth-secret, Cloudflare's API token or Twilio's."""

TURN_PROVIDERS: Final = ("", "coturn", "cloudflare", "twilio")


@dataclass(frozen=True)
class TurnSettings:
    """Where TURN credentials come from."""

    provider: str = ""
    """``FIRERTC_TURN``: ``coturn``, ``cloudflare``, ``twilio``, or empty for no TURN."""

    stun_urls: tuple[str, ...] = ()
    """``FIRERTC_STUN_URLS``: ``stun:host:port``, separated by commas."""

    urls: tuple[str, ...] = ()
    """``FIRERTC_TURN_URLS``: coturn's ``turn:`` and ``turns:`` addresses, the best one first."""

    account: str = ""
    """``FIRERTC_TURN_ACCOUNT``: Cloudflare's TURN key id, or Twilio's account SID."""

    api: str = ""
    """``FIRERTC_TURN_API``: another base address of the provider's API; empty for the usual."""

    secret: str = field(default="", repr=False)
    """The secret of that name; never shown."""


def region() -> str:
    """``FIRERTC_REGION``: where the functions run; best where the database is."""
    return os.environ.get("FIRERTC_REGION") or "us-central1"


def database_id() -> str:
    """``FIRERTC_DATABASE``: ``(default)`` or the name of a database."""
    return os.environ.get("FIRERTC_DATABASE") or "(default)"


def max_instances() -> int:
    """``FIRERTC_MAX_INSTANCES``: bounds what a flood of requests can cost.

    Raises:
        ValueError: if it is no whole number above 0; the deployment stops there.
    """
    text = os.environ.get("FIRERTC_MAX_INSTANCES") or "20"
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"FIRERTC_MAX_INSTANCES must be a whole number above 0, not {text!r}.")
    return int(text)


def app_check_required() -> bool:
    """``FIRERTC_REQUIRE_APP_CHECK``: ``true`` refuses requests without an App Check token.

    Raises:
        ValueError: if it is neither ``true`` nor ``false``: a typo must not open the door.
    """
    text = os.environ.get("FIRERTC_REQUIRE_APP_CHECK", "").strip().lower()
    if text not in ("", "true", "false"):
        raise ValueError("FIRERTC_REQUIRE_APP_CHECK must be true or false.")
    return text == "true"


def turn() -> TurnSettings:
    """The settings of TURN and STUN."""
    return TurnSettings(
        provider=os.environ.get("FIRERTC_TURN", "").strip().lower(),
        stun_urls=_addresses("FIRERTC_STUN_URLS"),
        urls=_addresses("FIRERTC_TURN_URLS"),
        account=os.environ.get("FIRERTC_TURN_ACCOUNT", "").strip(),
        api=os.environ.get("FIRERTC_TURN_API", "").strip().rstrip("/"),
        secret=os.environ.get(TURN_SECRET, "").strip(),
    )


def join_secrets() -> list[str]:
    """Names of the secrets that ``join`` gets: none without TURN, so that none must exist.

    Raises:
        ValueError: if ``FIRERTC_TURN`` names no known provider; the deployment stops there.
    """
    provider = turn().provider
    if provider not in TURN_PROVIDERS:
        known = ", ".join(name for name in TURN_PROVIDERS if name)
        raise ValueError(f"FIRERTC_TURN must be empty or one of {known}, not {provider!r}.")
    return [TURN_SECRET] if provider else []


def _addresses(name: str) -> tuple[str, ...]:
    parts = (part.strip() for part in os.environ.get(name, "").split(","))
    return tuple(part for part in parts if part)
