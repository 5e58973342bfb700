"""Firebase Auth over its REST interface: what turns tokens into other tokens.

The refresh token of an anonymous account is kept in the user's configuration folder, readable by
the user alone, so that one person doesn't use up a new account at every call (Firebase allows about
100 an hour from one address).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import platformdirs

from .config import Config
from .errors import ConfigError, FireRTCError, SessionExpired, Unreachable

HTTP_SECONDS = 15.0
RETRY_SECONDS = 0.7


@dataclass(frozen=True)
class Account:
    """A signed-in anonymous user."""

    uid: str
    id_token: str = field(repr=False)
    refresh_token: str = field(repr=False)


async def post(
    url: str,
    *,
    what: str,
    hint: str,
    json_body: Mapping[str, Any] | None = None,
    form: Mapping[str, str] | None = None,
    attempts: int = 3,
    unreachable: type[FireRTCError] = Unreachable,
) -> httpx.Response:
    """POST, again if nobody answers.

    :param what: what is being asked, for the error.
    :param hint: what to do if it doesn't answer.
    :raises Unreachable: (or the given class) if no try got an answer.
    """
    async with httpx.AsyncClient(timeout=HTTP_SECONDS) as client:
        for attempt in range(1, attempts + 1):
            try:
                return await client.post(url, json=json_body, data=form)
            except httpx.HTTPError as error:
                if attempt == attempts:
                    reason = str(error) or type(error).__name__
                    raise unreachable(f"{what} does not answer ({reason}). {hint}") from None
                await asyncio.sleep(RETRY_SECONDS * attempt)
    raise unreachable(f"{what} does not answer. {hint}")


async def sign_in(config: Config, custom_token: str) -> dict[str, str]:
    """Exchange a custom token for an ID token and a refresh token.

    :raises Unreachable: if Firebase Auth doesn't answer.
    :raises SessionExpired: if it refuses the token.
    """
    return await _auth(
        config,
        config.identity("signInWithCustomToken"),
        ("idToken", "refreshToken"),
        json_body={"token": custom_token, "returnSecureToken": True},
    )


async def refresh(config: Config, refresh_token: str) -> dict[str, str]:
    """Exchange a refresh token for a new ID token.

    :raises SessionExpired: if it is no longer good.
    """
    return await _auth(
        config,
        config.secure_token(),
        ("user_id", "id_token", "refresh_token"),
        form={"grant_type": "refresh_token", "refresh_token": refresh_token},
    )


async def anonymous(config: Config, *, folder: Path | None = None) -> Account:
    """The anonymous account of this user at this machine; made at the first use.

    :param folder: where its refresh token is kept; default: the user's configuration folder.
    """
    store = (folder or Path(platformdirs.user_config_dir("firertc"))) / "accounts.json"
    name = f"{config.project}@{config.auth_emulator or 'cloud'}"
    kept = _read(store)
    if name in kept:
        with contextlib.suppress(SessionExpired):
            reply = await refresh(config, kept[name])
            return Account(reply["user_id"], reply["id_token"], reply["refresh_token"])
    reply = await _auth(
        config,
        config.identity("signUp"),
        ("localId", "idToken", "refreshToken"),
        json_body={"returnSecureToken": True},
    )
    account = Account(reply["localId"], reply["idToken"], reply["refreshToken"])
    _write(store, {**kept, name: account.refresh_token})
    return account


async def _auth(
    config: Config,
    url: str,
    wanted: tuple[str, ...],
    *,
    json_body: Mapping[str, Any] | None = None,
    form: Mapping[str, str] | None = None,
) -> dict[str, str]:
    if not config.auth_emulator and not config.api_key:
        raise ConfigError(
            "The web API key of the Firebase project is not set: set FIRERTC_API_KEY. It is in the "
            "Firebase console under project settings, and it is no secret."
        )
    local = "Is the local suite running? Start it with 'firertc up'."
    reply = await post(
        f"{url}?key={config.api_key or 'emulator'}",
        json_body=json_body,
        form=form,
        attempts=2 if config.auth_emulator else 4,
        what="Firebase Auth",
        hint=local if config.auth_emulator else "Check the network.",
    )
    try:
        content = reply.json()
    except ValueError:
        content = {}
    if reply.status_code == 200 and isinstance(content, dict):
        if any(name not in content for name in wanted):
            raise Unreachable(
                "What answers in place of Firebase Auth is something else: a proxy or a page to "
                "log in to the network?"
            )
        return {name: str(content[name]) for name in wanted}
    reason = "unknown reason"
    if isinstance(content, dict) and isinstance(content.get("error"), dict):
        reason = str(content["error"].get("message", reason))
    raise SessionExpired(f"Firebase Auth refused to sign in: {reason}.")


def _read(store: Path) -> dict[str, str]:
    try:
        content = json.loads(store.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in content.items()} if isinstance(content, dict) else {}


def _write(store: Path, content: Mapping[str, str]) -> None:
    try:
        store.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # mkstemp makes the file with mode 600.
        handle, temporary = tempfile.mkstemp(dir=store.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file)
        os.replace(temporary, store)
    except OSError:
        # A read-only home costs a new account at every call, no more.
        return
