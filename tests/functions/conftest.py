"""Fixtures of the functions' tests: the emulators, realms with keys, the functions' modules."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from functions_place import Place, Serve

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"
sys.path.insert(0, str(FUNCTIONS))


@pytest.fixture
def place(suite: object) -> Iterator[Place]:
    """The running emulators with a fresh realm."""
    here = Place()
    yield here
    here.close()


@pytest.fixture
def serve(suite: object, tmp_path: Path) -> Serve:
    """Start ``join`` in a process of its own, with settings, as the cloud would."""

    @contextmanager
    def started(**settings: str) -> Iterator[tuple[str, Path]]:
        with socket.socket() as chosen:
            chosen.bind(("127.0.0.1", 0))
            port = chosen.getsockname()[1]
        log = tmp_path / "log"
        framework = Path(sys.executable).with_name("functions-framework")
        arguments = [str(framework), "--target", "join", "--source", "main.py", "--port", str(port)]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*arguments, "--host", "127.0.0.1"],
                cwd=FUNCTIONS,
                env=os.environ | settings | {"PYTHONUNBUFFERED": "1"},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
            try:
                _wait_for(port, process, log)
                # The framework serves its one function under every path.
                yield f"http://127.0.0.1:{port}", log
            finally:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)

    return started


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"join does not answer: {log.read_text()}")
