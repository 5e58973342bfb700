"""The directory that firebase-tools runs in: the project under other ports.

firebase-tools takes the folder of its configuration for the project, refuses paths that leave it
and does not watch files below a folder whose name begins with a dot. So the suite makes a folder
for itself in the system's temporary directory, with links to what the project's folder holds and
a ``firebase.json`` of its own. The security rules are copied: when their file changes,
firebase-tools sends them in a form that hidane refuses, and ends because of that.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from firertc.errors import ConfigError

from .addresses import HOST, Ports

__all__ = ["PARTS", "find_root", "make", "parts_of", "rules_of", "surroundings"]

PARTS = ("auth", "firestore", "functions", "hosting")
"""What the suite can consist of, by the names of firebase-tools."""

CONFIG = "firebase.json"
RULES = "suite.rules"

FOREIGN = (
    "FIRESTORE_EMULATOR_HOST",
    "FIREBASE_AUTH_EMULATOR_HOST",
    "FIREBASE_EMULATOR_HUB",
    "FIREBASE_TOKEN",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GCLOUD_PROJECT",
    "GOOGLE_CLOUD_PROJECT",
)
"""Variables that would lead the functions to another suite, or into the cloud."""


def find_root(start: Path | None = None) -> Path:
    """The nearest folder with a ``firebase.json``, from here upwards.

    :param start: where to begin; default: the working directory.
    :raises ConfigError: if there is none.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / CONFIG).is_file():
            return folder
    raise ConfigError(
        f"no {CONFIG} in {start} or above: run this in a checkout of a Firebase project"
    )


def parts_of(root: Path, only: Sequence[str] | None = None) -> tuple[str, ...]:
    """The parts that the project's ``firebase.json`` has, or those asked for.

    :raises ConfigError: if one that was asked for doesn't exist.
    """
    if only is None:
        configuration = _read(root / CONFIG)
        known = {*configuration, *configuration.get("emulators", {})}
        return tuple(part for part in PARTS if part in known)
    unknown = sorted(set(only) - set(PARTS))
    if unknown:
        raise ConfigError(f"unknown part {unknown[0]!r}: there are {', '.join(PARTS)}")
    return tuple(only)


def rules_of(root: Path) -> Path | None:
    """The security rules that the project's ``firebase.json`` names."""
    firestore = _read(root / CONFIG).get("firestore")
    name = firestore.get("rules") if isinstance(firestore, dict) else None
    return root / name if isinstance(name, str) else None


def make(root: Path, ports: Ports, parts: Sequence[str], rules: Path | None = None) -> Path:
    """Make the folder; the supervisor removes it.

    :param root: the project's folder.
    :param ports: where the parts shall listen.
    :param parts: some of :data:`PARTS`.
    :param rules: other security rules than the project's.
    :raises ConfigError: if the project's ``firebase.json`` can't be used.
    """
    configuration = configured(_read(root / CONFIG), ports, parts)
    rules = rules or rules_of(root)
    if rules is not None and not rules.is_file():
        raise ConfigError(f"there are no security rules at {rules}")
    folder = Path(tempfile.mkdtemp(prefix="firertc-suite-"))
    (folder / "tmp").mkdir()
    for entry in root.iterdir():
        if not entry.name.startswith(".") and entry.name not in (CONFIG, "tmp", "node_modules"):
            (folder / entry.name).symlink_to(entry.resolve())
    if rules is not None and "firestore" in configuration:
        shutil.copyfile(rules, folder / RULES)
        configuration["firestore"] = {**configuration["firestore"], "rules": RULES}
    (folder / CONFIG).write_text(json.dumps(configuration, indent=2))
    return folder


def configured(
    configuration: Mapping[str, Any], ports: Ports, parts: Sequence[str]
) -> dict[str, Any]:
    """The project's configuration, cut down to the parts, with these ports."""

    def at(port: int) -> dict[str, Any]:
        return {"host": HOST, "port": port}

    emulators = {
        "auth": at(ports.auth),
        "firestore": {**at(ports.firestore), "websocketPort": ports.requests},
        "functions": at(ports.functions),
        "hosting": at(ports.hosting),
    }
    kept = {
        name: value
        for name, value in configuration.items()
        if name != "emulators" and (name not in PARTS or name in parts)
    }
    for part in parts:
        if part != "auth" and part not in kept:
            raise ConfigError(f"{CONFIG} says nothing about {part!r}: add it, or leave it out")
    kept["emulators"] = {
        **{name: value for name, value in emulators.items() if name in parts},
        "hub": at(ports.hub),
        "logging": at(ports.logging),
        "eventarc": at(ports.eventarc),
        "tasks": at(ports.tasks),
        "ui": {"enabled": False},
        "singleProjectMode": True,
    }
    return kept


def surroundings(folder: Path, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment to run firebase-tools in: no telemetry, no news, no user's login.

    :param folder: what :func:`make` made.
    :param environment: what to start from; default: this process's.
    """
    given = os.environ if environment is None else environment
    kept = {
        name: value
        for name, value in given.items()
        if name not in FOREIGN and not name.startswith(("FIRERTC_", "PYTEST_"))
    }
    return {
        **kept,
        "CI": "1",
        # Ten seconds, the default, are short for a busy machine.
        "FUNCTIONS_DISCOVERY_TIMEOUT": "30",
        # Each request under way has a process of its own. By default up to 50 are started at once;
        # they meet on the same free port, and one of the two answers with HTTP 500.
        "FUNCTIONS_EMULATOR_PARALLEL": str(max(2, os.cpu_count() or 2)),
        "NO_UPDATE_NOTIFIER": "1",
        "NO_COLOR": "1",
        "XDG_CONFIG_HOME": str(folder / "tmp"),
        "TMPDIR": str(folder / "tmp"),
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        configuration = json.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}") from None
    if not isinstance(configuration, dict):
        raise ConfigError(f"{path} must hold a JSON object")
    return configuration
