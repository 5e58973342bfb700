"""The local Firestore that evaluates the rules, and requests to it as any user.

It is hidane, started on a free port for the test session; it reads unsigned tokens (``alg`` none),
and takes ``Bearer owner`` for an administrator, whom no rule binds.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

HIDANE_VERSION: Final = "0.6.0"
START_SECONDS: Final = 10
REQUEST_SECONDS: Final = 20
PR_SET_PDEATHSIG: Final = 1
DENIED: Final = 403

Claims = Mapping[str, Any]
"""A token's claims; ``sub`` is the uid."""

OWNER: Final[Claims] = {"owner": True}
"""The administrator, who arranges and is bound by no rule."""

NOBODY: Final[Claims] = {}
"""A request without a token."""


class RulesRefused(Exception):
    """The engine didn't take a ruleset; the text says where it is wrong."""


@dataclass(frozen=True)
class Reply:
    """What the engine answered."""

    status: int
    """HTTP status."""

    body: Any
    """The JSON."""

    @property
    def denied(self) -> bool:
        """Refused by the rules, and not for any other reason."""
        return self.status == DENIED

    @property
    def fine(self) -> bool:
        """Done."""
        return self.status == httpx.codes.OK


def find_hidane() -> Path:
    """The engine's binary: ``FIRERTC_HIDANE``, on the PATH, or where the set-up keeps it."""
    named = os.environ.get("FIRERTC_HIDANE")
    if named:
        return Path(named)
    on_path = shutil.which("hidane")
    if on_path:
        return Path(on_path)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "firertc" / f"hidane-{HIDANE_VERSION}" / "bin" / "hidane"


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Engine:
    """A running rules engine."""

    def __init__(self, log: Path) -> None:
        binary = find_hidane()
        if not binary.exists():
            raise FileNotFoundError(
                f"No rules engine at {binary}. Install it with 'cargo install --locked hidane "
                f"--version {HIDANE_VERSION}', or name its binary in FIRERTC_HIDANE."
            )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._log = log.open("wb")
        self._process = subprocess.Popen(
            [binary, "--host", "127.0.0.1", "--port", str(port), "--project_id", "demo-rules"],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        self._http = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=REQUEST_SECONDS, trust_env=False
        )
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self._http.get("/")
                return
            except httpx.TransportError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.close()
                    raise
            time.sleep(0.01)

    def close(self) -> None:
        """End the engine and whatever it started."""
        self._http.close()
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()

    def load(self, project: str, rules: str) -> None:
        """Load a ruleset for a project.

        :raises RulesRefused: on any error or warning.
        """
        content = {"rules": {"files": [{"name": "firestore.rules", "content": rules}]}}
        reply = self._http.put(f"/emulator/v1/projects/{project}:securityRules", json=content)
        if reply.status_code != httpx.codes.OK or reply.json():
            raise RulesRefused(reply.text)

    def coverage(self, project: str) -> dict[str, Any]:
        """What each expression of the project's ruleset evaluated to so far."""
        reply = self._http.get(f"/emulator/v1/projects/{project}:ruleCoverage")
        reply.raise_for_status()
        report: dict[str, Any] = reply.json()
        return report

    def post(self, project: str, method: str, claims: Claims, body: Mapping[str, Any]) -> Reply:
        """Call a method of the REST API, such as ``:commit``, below the documents' root."""
        root = f"/v1/projects/{project}/databases/(default)/documents"
        reply = self._http.post(root + method, json=body, headers=_authorization(project, claims))
        return Reply(reply.status_code, reply.json())


def _authorization(project: str, claims: Claims) -> dict[str, str]:
    if claims is NOBODY:
        return {}
    if claims is OWNER:
        return {"authorization": "Bearer owner"}
    now = int(time.time())
    token = {"iss": f"https://securetoken.google.com/{project}", "aud": project, "iat": now}
    segments: Sequence[Mapping[str, Any]] = ({"alg": "none", "typ": "JWT"}, {**token, **claims})
    encoded = [
        base64.urlsafe_b64encode(json.dumps(segment).encode()).rstrip(b"=").decode()
        for segment in segments
    ]
    return {"authorization": f"Bearer {'.'.join(encoded)}."}
