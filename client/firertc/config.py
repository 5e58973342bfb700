"""Where a client finds its project: options, environment, project file, running local suite, in
that order."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from .errors import ConfigError

PROJECT_FILE = "firertc.toml"
DEFAULT_STUN = "stun:stun.l.google.com:19302"

ENVIRONMENT: Final[Mapping[str, tuple[str, ...]]] = {
    "project": ("FIRERTC_PROJECT", "GCLOUD_PROJECT", "GOOGLE_CLOUD_PROJECT"),
    "database": ("FIRERTC_DATABASE",),
    "realm": ("FIRERTC_REALM",),
    "key": ("FIRERTC_KEY",),
    "api_key": ("FIRERTC_API_KEY",),
    "region": ("FIRERTC_REGION",),
    "functions_url": ("FIRERTC_FUNCTIONS_URL",),
    "page_url": ("FIRERTC_PAGE_URL",),
    "ice_servers": ("FIRERTC_ICE_SERVERS",),
    "firestore_emulator": ("FIRESTORE_EMULATOR_HOST",),
    "auth_emulator": ("FIREBASE_AUTH_EMULATOR_HOST",),
}
"""The variables that each setting is read from, the first that is set."""


@dataclass(frozen=True)
class Config:
    """The settings of one client."""

    project: str = ""
    """Firebase project id; ``demo-…`` for the emulators alone."""
    database: str = "(default)"
    """Firestore database id."""
    realm: str = ""
    """Realm name; needed for an open realm and by the owner's commands. A key names its own."""
    key: str = field(default="", repr=False)
    """Key of the realm; without one the realm must be open."""
    api_key: str = field(default="", repr=False)
    """Web API key of the Firebase project (public); not needed with the emulators."""
    region: str = "us-central1"
    """Where the functions run."""
    functions_url: str = ""
    """Base address of the functions; empty: from project and region."""
    page_url: str = ""
    """Address of the web page that a code's QR code leads to; empty: the project's hosting."""
    ice_servers: tuple[Mapping[str, Any], ...] | None = None
    """``RTCIceServer`` dictionaries in place of those that ``join`` hands out."""
    firestore_emulator: str = ""
    """``host:port``."""
    auth_emulator: str = ""
    """``host:port``."""
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Where each setting came from, for ``firertc config``."""

    @property
    def local(self) -> bool:
        """Whether this is a local suite."""
        return bool(self.firestore_emulator)

    def functions(self) -> str:
        """Base address of the functions."""
        if self.functions_url:
            return self.functions_url.rstrip("/")
        return f"https://{self.region}-{self.project}.cloudfunctions.net"

    def page(self) -> str:
        """Address of the web page for calls."""
        return (self.page_url or f"https://{self.project}.web.app/call").rstrip("/")

    def identity(self, method: str) -> str:
        """Address of a method of Firebase Auth (Identity Toolkit)."""
        if self.auth_emulator:
            base = f"http://{self.auth_emulator}/identitytoolkit.googleapis.com"
        else:
            base = "https://identitytoolkit.googleapis.com"
        return f"{base}/v1/accounts:{method}"

    def secure_token(self) -> str:
        """Address where a refresh token becomes an ID token."""
        if self.auth_emulator:
            return f"http://{self.auth_emulator}/securetoken.googleapis.com/v1/token"
        return "https://securetoken.googleapis.com/v1/token"


def load_config(
    options: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Config:
    """Gather the settings.

    :param options: by name, those that are None are left out; they win.
    :param environ: instead of ``os.environ``.
    :param folder: where to look for ``firertc.toml`` and a running suite, and above; default: here.
    :raises ConfigError: if a value or the project file is malformed.
    """
    environ = os.environ if environ is None else environ
    folder = folder or Path.cwd()
    known = {item.name for item in fields(Config)} - {"sources"}
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}

    def take(layer: Mapping[str, Any], source: str) -> None:
        for name, value in layer.items():
            if name in known and name not in values and value not in (None, ""):
                values[name] = _checked(name, value, source)
                sources[name] = source

    take(options or {}, "option")
    for name, variables in ENVIRONMENT.items():
        for variable in variables:
            take({name: environ.get(variable, "")}, f"environment, {variable}")
    path = _find(folder, PROJECT_FILE)
    if path is not None:
        take(_read_project_file(path, known), str(path))
    state = _find(folder, ".firertc/suite.json")
    if state is not None and "firestore_emulator" not in values:
        suite = _read_suite(state)
        if values.get("project", suite.get("project")) == suite.get("project"):
            take(suite, f"running suite, {state}")
    if "project" not in values:
        raise ConfigError(
            "No Firebase project is set. Start the local suite with 'firertc up', or set "
            f"FIRERTC_PROJECT, --project or 'project' in {PROJECT_FILE}."
        )
    return Config(**values, sources=sources)


def _checked(name: str, value: Any, source: str) -> Any:
    if name == "ice_servers":
        return _ice_servers(value, source)
    if not isinstance(value, str):
        raise ConfigError(f"Setting {name!r} ({source}) must be text.")
    if name.endswith("_emulator") and (":" not in value or "/" in value):
        raise ConfigError(f"Setting {name!r} ({source}) must be host:port, not {value!r}.")
    if name.endswith("_url") and not value.startswith(("http://", "https://")):
        raise ConfigError(f"Setting {name!r} ({source}) must begin with http:// or https://.")
    return value


def _ice_servers(value: Any, source: str) -> tuple[Mapping[str, Any], ...]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ConfigError(
                f"'ice_servers' ({source}) must be a JSON list of "
                '{"urls": …, "username": …, "credential": …}.'
            ) from None
    if not isinstance(value, list | tuple) or not all(
        isinstance(server, Mapping) and "urls" in server for server in value
    ):
        raise ConfigError(f"'ice_servers' ({source}) must be a list of servers with 'urls'.")
    return tuple(dict(server) for server in value)


def _find(folder: Path, name: str) -> Path | None:
    for place in (folder, *folder.parents):
        if (place / name).is_file():
            return place / name
    return None


def _read_project_file(path: Path, known: set[str]) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} can't be read: {error}.") from None
    unknown = sorted(set(values) - known)
    if unknown:
        raise ConfigError(
            f"{path}: unknown setting {unknown[0]!r}. Known: {', '.join(sorted(known))}."
        )
    return values


def _read_suite(path: Path) -> dict[str, Any]:
    try:
        state = json.loads(path.read_text("utf-8"))
        environment = state["environment"]
        # Signal 0 only asks whether the suite's supervisor is still there.
        os.kill(state["supervisor"], 0)
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {
        name: environment[variable]
        for name, variables in ENVIRONMENT.items()
        for variable in variables[:1]
        if isinstance(environment.get(variable), str)
    }
