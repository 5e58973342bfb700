"""Who may use the console: accounts of Firebase Auth with the custom claim ``admin: true``.

Only whoever holds the project's credentials can set a claim; the local suite's Auth obeys anybody
on this machine. Claims of other names that an account has stay as they are.

The methods are those of Google's Identity Toolkit:
https://cloud.google.com/identity-platform/docs/reference/rest/v1/projects.accounts
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import google.auth
import httpx
from google.auth import exceptions as credentials
from google.auth.transport.requests import Request

from ..config import Config
from ..errors import ConfigError, Denied, FireRTCError, Unknown, Unreachable
from .access import LOG_IN

__all__ = ["Admin", "grant_admin", "list_admins", "revoke_admin"]

CLAIM: Final = "admin"
SCOPES: Final = (
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/identitytoolkit",
)
ROLE: Final = "roles/firebaseauth.admin"
"""Role of Google Cloud's IAM that reads and changes accounts."""
HTTP_SECONDS: Final = 15.0
PAGE_ACCOUNTS: Final = 500
PASSWORD_CHARS_MIN: Final = 6
"""Firebase Auth takes no shorter one."""


@dataclass(frozen=True)
class Admin:
    """An account of Firebase Auth."""

    uid: str
    """Its id."""
    email: str
    """Empty without one."""
    disabled: bool = False
    """Whether it can't sign in."""
    changed: bool = True
    """Whether its rights were not already so."""


def grant_admin(config: Config, who: str, *, password: str | None = None) -> Admin:
    """Give an account the right to use the console.

    Whoever is signed in has it after the next renewal of the token, or after signing in anew.

    :param config: says project and emulator.
    :param who: e-mail address or uid.
    :param password: make an account with this e-mail and password, if there is none.
    :raises Unknown: there is no such account, and none was to be made.
    :raises ConfigError: there are no credentials, or the e-mail or the password is no good.
    :raises Denied: the credentials may not change accounts.
    :raises Unreachable: Firebase Auth does not answer.
    """
    with _Accounts(config) as accounts:
        account = accounts.find(who)
        if account is None and password is not None:
            account = accounts.create(who, password)
        if account is None:
            raise _unknown(config, who)
        return accounts.set_claim(account, True)


def revoke_admin(config: Config, who: str) -> Admin:
    """Take the right away: the functions refuse at once, the rules when its token ends (an hour).

    :param config: says project and emulator.
    :param who: e-mail address or uid.
    :raises Unknown: there is no such account. Other errors: see :func:`grant_admin`.
    """
    with _Accounts(config) as accounts:
        account = accounts.find(who)
        if account is None:
            raise _unknown(config, who)
        return accounts.set_claim(account, False)


def list_admins(config: Config) -> list[Admin]:
    """The accounts that may use the console, by e-mail. Looks through every account.

    :param config: says project and emulator. Errors: see :func:`grant_admin`.
    """
    with _Accounts(config) as accounts:
        found = [_admin(account) for account in accounts.everybody() if _claims(account).get(CLAIM)]
    return sorted(found, key=lambda admin: (admin.email, admin.uid))


class _Accounts:
    """Firebase Auth with the owner's rights."""

    def __init__(self, config: Config) -> None:
        self._project = config.project
        self._local = bool(config.auth_emulator)
        if self._local:
            base = f"http://{config.auth_emulator}/identitytoolkit.googleapis.com"
            headers = {"Authorization": "Bearer owner"}
        elif config.project.startswith("demo-"):
            raise Unreachable(
                f"Project {config.project!r} lives in the local suite alone, and none runs here. "
                "Start it with 'firertc up', or name your own project with --project."
            )
        else:
            base = "https://identitytoolkit.googleapis.com"
            headers = {
                "Authorization": f"Bearer {_token()}",
                # A person's own credentials don't say whose quota counts.
                "X-Goog-User-Project": config.project,
            }
        self._base = f"{base}/v1/projects/{config.project}"
        self._http = httpx.Client(
            headers=headers,
            timeout=HTTP_SECONDS,
            trust_env=not self._local,
        )

    def __enter__(self) -> _Accounts:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def find(self, who: str) -> Mapping[str, Any] | None:
        """The account of an e-mail address or a uid."""
        field = "email" if "@" in who else "localId"
        users = self._ask("POST", "accounts:lookup", json={field: [who]}).get("users")
        return users[0] if isinstance(users, list) and users else None

    def create(self, email: str, password: str) -> Mapping[str, Any]:
        """A new account."""
        if "@" not in email:
            raise ConfigError("To make an account, name its e-mail address.")
        if len(password) < PASSWORD_CHARS_MIN:
            raise ConfigError(f"The password needs {PASSWORD_CHARS_MIN} characters or more.")
        made = self._ask("POST", "accounts", json={"email": email, "password": password})
        return {"localId": made["localId"], "email": email}

    def set_claim(self, account: Mapping[str, Any], admin: bool) -> Admin:
        """Set the claim, or remove it; the others stay."""
        claims = _claims(account)
        if (claims.get(CLAIM) is True) == admin:
            return _admin(account, changed=False)
        claims.pop(CLAIM, None)
        if admin:
            claims[CLAIM] = True
        attributes = json.dumps(claims, separators=(",", ":"))
        body = {"localId": account["localId"], "customAttributes": attributes}
        self._ask("POST", "accounts:update", json=body)
        return _admin(account)

    def everybody(self) -> Iterator[Mapping[str, Any]]:
        """Every account of the project."""
        page: str | None = None
        while True:
            parameters = {"maxResults": str(PAGE_ACCOUNTS)}
            if page:
                parameters["nextPageToken"] = page
            answer = self._ask("GET", "accounts:batchGet", params=parameters)
            users = answer.get("users") or []
            yield from users
            page = answer.get("nextPageToken")
            if not page or not users:
                return

    def _ask(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, f"{self._base}/{path}", **content)
            body = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            hint = "Is the local suite running? Start it with 'firertc up'."
            raise Unreachable(
                f"Firebase Auth does not answer ({type(error).__name__}). "
                f"{hint if self._local else 'Check the network.'}"
            ) from None
        if answer.status_code == 200 and isinstance(body, dict):
            return body
        raise self._explain(answer.status_code, body)

    def _explain(self, status: int, body: Any) -> FireRTCError:
        error = body.get("error") if isinstance(body, dict) else None
        text = str(error.get("message", "")) if isinstance(error, dict) else ""
        text = "".join(filter(str.isprintable, text))[:300].rstrip(".")
        if text.startswith(("INVALID_EMAIL", "WEAK_PASSWORD")):
            return ConfigError(f"Firebase Auth does not take this e-mail or password ({text}).")
        if "CONFIGURATION_NOT_FOUND" in text:
            return ConfigError(
                f"Project {self._project!r} has no Firebase Auth yet: open Authentication in the "
                "Firebase console, and turn on a way to sign in."
            )
        if status == 401:
            return Denied(f"Google does not accept these credentials. {LOG_IN}.")
        if status == 403:
            return Denied(
                f"These credentials may not change accounts of project {self._project!r} ({text}). "
                f"Is that its id? Its owner can give them the role {ROLE}."
            )
        return FireRTCError(f"Firebase Auth refused: {text or f'HTTP {status}'}.")


def _token() -> str:
    try:
        found, _ = google.auth.default(scopes=list(SCOPES))
        found.refresh(Request())  # type: ignore[no-untyped-call]  # it has no types
    except credentials.DefaultCredentialsError:
        raise ConfigError(f"There are no credentials for the project's owner. {LOG_IN}.") from None
    except credentials.TransportError:
        raise Unreachable("Google's token service does not answer. Check the network.") from None
    except credentials.GoogleAuthError:
        raise Denied(f"Google does not accept these credentials. {LOG_IN}.") from None
    return str(found.token)


def _claims(account: Mapping[str, Any]) -> dict[str, Any]:
    try:
        claims = json.loads(account.get("customAttributes") or "{}")
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}


def _admin(account: Mapping[str, Any], *, changed: bool = True) -> Admin:
    return Admin(
        uid=str(account.get("localId", "")),
        email=str(account.get("email", "")),
        disabled=account.get("disabled") is True,
        changed=changed,
    )


def _unknown(config: Config, who: str) -> Unknown:
    return Unknown(
        f"Project {config.project!r} has no account {who[:200]!r}. Make one in the Firebase "
        "console (Authentication), or here: 'firertc admin grant EMAIL --create'."
    )
