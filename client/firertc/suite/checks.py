"""What the suite asks its emulators: do the rules rule, which lines were used, empty it, seed it.

All of it over REST, as the owner (``Bearer owner``) or as a user.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from firertc.errors import ConfigError, FunctionsUnreachable, Unreachable

from .addresses import Addresses
from .tokens import user_token

__all__ = [
    "Seeds",
    "add_key",
    "clear",
    "functions_loaded",
    "load_rules",
    "require_denial",
    "rule_coverage",
    "seed",
    "warm",
]

OWNER = {"Authorization": "Bearer owner"}
REQUEST_SECONDS = 30.0
PROGRAM_ORIGINS = ("http://localhost:*", "http://127.0.0.1:*")


@dataclass(frozen=True)
class Seeds:
    """A realm and the key it is joined with."""

    realm: str
    """Name of the realm."""
    key: str
    """Id of the key, for clients."""
    secret: str = field(repr=False)
    """The key's secret, for servers that make tokens."""


def _client(address: str) -> httpx.Client:
    return httpx.Client(base_url=f"http://{address}", timeout=REQUEST_SECONDS, trust_env=False)


def _documents(addresses: Addresses, path: str = "") -> str:
    return f"/v1/projects/{addresses.project}/databases/(default)/documents{path}"


def require_denial(addresses: Addresses, rules: Path | None) -> None:
    """Make sure that the rules are in force, by asking for what they must refuse.

    An emulator whose rules don't parse serves everything to everybody, and every test of a
    permission would pass.

    :param addresses: where the suite is.
    :param rules: the file with the rules, for a list of its mistakes.
    :raises ConfigError: if something was allowed that must be denied.
    """
    name = f"/nobody-made-a-rule-for-this/{secrets.token_hex(8)}"
    user = {"Authorization": f"Bearer {user_token('stranger', project=addresses.project)}"}
    with _client(addresses.firestore) as client:
        try:
            answers = {
                "a read without a token": client.get(_documents(addresses, name)),
                "a read of a key": client.get(_documents(addresses, "/keys/any"), headers=user),
                "a write by a stranger": client.patch(
                    _documents(addresses, name), headers=user, json={"fields": {}}
                ),
            }
        except httpx.HTTPError as error:
            raise Unreachable(f"Firestore at {addresses.firestore} fails: {error}") from error
        allowed = [what for what, answer in answers.items() if answer.status_code != 403]
        if not allowed:
            return
    problems = "firebase.json names no rules that are there"
    if rules is not None and rules.is_file():
        try:
            load_rules(addresses, rules)
            problems = f"Firestore finds no mistake in {rules.name}: do they deny by default?"
        except ConfigError as error:
            problems = str(error)
    raise ConfigError(
        f"the security rules are not in force: {', '.join(allowed)} was not denied; {problems}"
    )


def load_rules(addresses: Addresses, rules: Path) -> None:
    """Put other security rules in force.

    :raises ConfigError: if they don't parse; the text has the places.
    :raises Unreachable: if Firestore does not answer.
    """
    path = f"/emulator/v1/projects/{addresses.project}:securityRules"
    content = {"rules": {"files": [{"name": rules.name, "content": rules.read_text()}]}}
    try:
        with _client(addresses.firestore) as client:
            answer = client.put(path, headers=OWNER, json=content)
            if answer.status_code == 400:
                message = answer.json()["error"]["message"]
                raise ConfigError(f"the rules in {rules} don't parse:\n{message}")
            answer.raise_for_status()
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise Unreachable(f"Firestore at {addresses.firestore} fails: {error}") from error


def functions_loaded(addresses: Addresses) -> list[str]:
    """The names of the functions that the suite serves.

    :raises FunctionsUnreachable: if their emulator does not answer.
    """
    base = httpx.URL(addresses.functions)
    try:
        with _client(f"{base.host}:{base.port}") as client:
            backends = client.get("/backends").raise_for_status().json()["backends"]
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise FunctionsUnreachable(f"the functions don't answer: {error}") from error
    return sorted(
        trigger["name"] for backend in backends for trigger in backend["functionTriggers"]
    )


def warm(addresses: Addresses, names: Sequence[str]) -> None:
    """Have the processes of callable functions started, by a call that each refuses as empty.

    The first call of a function takes two thirds of a second longer than the next.

    :raises FunctionsUnreachable: if one does not answer.
    """
    for name in names:
        try:
            with httpx.Client(timeout=REQUEST_SECONDS, trust_env=False) as client:
                client.post(f"{addresses.functions}/{name}", json={"data": None})
        except httpx.HTTPError as error:
            raise FunctionsUnreachable(f"function {name!r} does not answer: {error}") from error


def rule_coverage(addresses: Addresses) -> dict[str, Any]:
    """The engine's report on how often each expression of the rules was evaluated, and to what.

    :raises Unreachable: if Firestore does not answer.
    """
    report: dict[str, Any] = _ask(
        addresses, "GET", f"/emulator/v1/projects/{addresses.project}:ruleCoverage"
    ).json()
    return report


def clear(addresses: Addresses) -> None:
    """Remove every document.

    :raises Unreachable: if Firestore does not answer.
    """
    path = f"/emulator/v1/projects/{addresses.project}/databases/(default)/documents"
    _ask(addresses, "DELETE", path)


def seed(addresses: Addresses) -> Seeds:
    """Write the demo realm and its key, which browsers on this machine and programs may use.

    ``realms/demo`` is closed: one joins with the key. Each time, the key gets a new secret.

    :raises Unreachable: if Firestore does not answer.
    """
    return add_key(addresses, addresses.realm, addresses.key, label="demo")


def add_key(
    addresses: Addresses, realm: str, key: str, *, label: str = "", open_realm: bool = False
) -> Seeds:
    """Write a realm and a key to it.

    :param realm: name of the realm, made if missing, overwritten otherwise.
    :param key: id of the key.
    :param label: the owner's note on the key.
    :param open_realm: whether the realm is open to those without a key.
    :raises Unreachable: if Firestore does not answer.
    """
    seeds = Seeds(realm, key, secrets.token_urlsafe(32))
    documents = {
        f"/realms/{realm}": {"open": open_realm, "limits": {}},
        f"/keys/{key}": {
            "realm": realm,
            "secret": seeds.secret,
            "origins": list(PROGRAM_ORIGINS),
            "programs": True,
            "label": label,
            "disabled": False,
            "limits": {},
        },
    }
    writes = [
        {"update": {"name": _documents(addresses, path)[4:], "fields": _fields(content)}}
        for path, content in documents.items()
    ]
    _ask(addresses, "POST", _documents(addresses, ":commit"), json={"writes": writes})
    return seeds


def _ask(addresses: Addresses, method: str, path: str, json: Any = None) -> httpx.Response:
    try:
        with _client(addresses.firestore) as client:
            answer = client.request(method, path, headers=OWNER, json=json)
            return answer.raise_for_status()
    except httpx.HTTPError as error:
        raise Unreachable(f"Firestore at {addresses.firestore} fails: {error}") from error


def _fields(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in content.items()}


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"booleanValue": value}
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    return {"mapValue": {"fields": _fields(value)}}
