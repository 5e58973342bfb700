"""Which Firestore emulator to run: Google's (a jar, Java 21 or newer), or hidane."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from firertc.errors import ConfigError

__all__ = ["ENGINE_VARIABLE", "Engine", "Found", "choose", "find", "find_firebase"]

ENGINE_VARIABLE = "FIRERTC_FIRESTORE"
"""Environment variable that forces an engine: ``jar`` or ``hidane``."""

JAVA_MINIMUM = 21
"""Oldest Java that firebase-tools 15 starts an emulator with."""

HIDANE_VERSION = "0.6.0"

INSTALL = (
    "Install Java 21 or newer (then firebase-tools fetches Google's emulator), or run "
    f"scripts/setup, which builds hidane {HIDANE_VERSION} with cargo."
)


@dataclass(frozen=True)
class Found:
    """What this machine has."""

    java: int | None
    """Major version of the first ``java`` on the path."""
    jar: Path | None
    """Google's emulator, if it has been downloaded."""
    hidane: Path | None
    """The program hidane."""


@dataclass(frozen=True)
class Engine:
    """The Firestore emulator that was chosen."""

    name: str
    """``jar`` or ``hidane``."""
    why: str
    """Half a sentence for the user."""
    prefix: tuple[str, ...] = ()
    """Words to put before the command of firebase-tools."""

    @property
    def title(self) -> str:
        """What to call it in front of the user."""
        return "Google's emulator" if self.name == "jar" else f"hidane {HIDANE_VERSION}"


def choose(found: Found, forced: str | None = None) -> Engine:
    """Decide for an engine.

    :param found: what is there.
    :param forced: ``jar`` or ``hidane`` if the user insists.
    :raises ConfigError: if neither can be had, or not the one that was asked for.
    """
    if forced not in (None, "", "jar", "hidane"):
        raise ConfigError(f"{ENGINE_VARIABLE} is {forced!r}; it can be 'jar' or 'hidane'")
    java = "no Java" if found.java is None else f"Java {found.java}"
    runs_jar = found.java is not None and found.java >= JAVA_MINIMUM
    if forced == "jar":
        if not runs_jar:
            raise ConfigError(
                f"{ENGINE_VARIABLE}=jar needs Java {JAVA_MINIMUM} or newer, and there is {java}"
            )
        return Engine("jar", f"{ENGINE_VARIABLE}=jar")
    if forced == "hidane":
        if found.hidane is None:
            raise ConfigError(f"{ENGINE_VARIABLE}=hidane, but hidane is not installed. {INSTALL}")
        return Engine("hidane", f"{ENGINE_VARIABLE}=hidane", (str(found.hidane), "exec", "--"))
    if runs_jar and found.jar is not None:
        return Engine("jar", f"{java} and the jar are there")
    if found.hidane is not None:
        if runs_jar:
            why = f"{java} is there, but the jar has not been downloaded"
        else:
            why = f"Google's needs Java {JAVA_MINIMUM}, and there is {java}"
        return Engine("hidane", why, (str(found.hidane), "exec", "--"))
    if runs_jar:
        return Engine("jar", f"{java} is there; firebase-tools downloads the jar")
    raise ConfigError(f"no Firestore emulator can run here: {java}, and no hidane. {INSTALL}")


def find(firebase: Path) -> Found:
    """Look for Java, the jar that this firebase-tools wants, and hidane."""
    return Found(java=_java_major(), jar=_jar(firebase), hidane=_hidane())


def find_firebase(root: Path) -> Path:
    """The program of firebase-tools (``firebase.js``) of a checkout.

    :raises ConfigError: if it is not installed, or Node.js isn't.
    """
    if shutil.which("node") is None:
        raise ConfigError("Node.js (20 or newer) is not installed: the local suite needs it")
    inside = Path("node_modules", "firebase-tools", "lib", "bin", "firebase.js")
    for base in (root, Path(__file__).resolve().parents[3]):
        if (base / inside).is_file():
            return base / inside
    on_path = shutil.which("firebase")
    if on_path and Path(on_path).resolve().suffix == ".js":
        return Path(on_path).resolve()
    raise ConfigError(f"firebase-tools is not installed in {root}: run scripts/setup (or npm ci)")


def cache_directory() -> Path:
    """Where the set-up keeps what it built, shared by all checkouts."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "firertc"


def _java_major() -> int | None:
    java = shutil.which("java")
    if java is None:
        return None
    try:
        answer = subprocess.run(
            [java, "-version"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r'version "(\d+)(?:\.(\d+))?', answer.stderr + answer.stdout)
    if match is None:
        return None
    major = int(match[1])
    return int(match[2]) if major == 1 and match[2] else major


def _jar(firebase: Path) -> Path | None:
    override = os.environ.get("FIRESTORE_EMULATOR_BINARY_PATH")
    if override:
        return Path(override) if Path(override).is_file() else None
    details = firebase.parents[1] / "emulator" / "downloadableEmulatorInfo.json"
    try:
        name = json.loads(details.read_text())["firestore"]["downloadPathRelativeToCacheDir"]
    except (OSError, ValueError, KeyError):
        return None
    base = os.environ.get("FIREBASE_EMULATORS_PATH")
    cache = Path(base) if base else Path.home() / ".cache" / "firebase" / "emulators"
    return cache / name if (cache / name).is_file() else None


def _hidane() -> Path | None:
    built = cache_directory() / f"hidane-{HIDANE_VERSION}" / "bin" / "hidane"
    if built.is_file():
        return built
    on_path = shutil.which("hidane")
    return Path(on_path) if on_path else None
