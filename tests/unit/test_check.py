"""``scripts/check.py``: what it shows of its parts, its exit code, the end of what it starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
WAIT_SECONDS = 30.0

PARTS = """
import sys
sys.path.insert(0, {scripts!r})
import check
python = sys.executable
def chains(arguments):
    return tuple(
        tuple(check.Part(name, (python, "-c", code)) for name, code in chain)
        for chain in {chains!r}
    )
check.chains = chains
sys.argv = ["check.py"]
sys.exit(check.main())
"""

Chains = list[list[tuple[str, str]]]

SAYS = "print('tests/a.py ..   [ 50%]'); print('what {0} says'); print('and why')"
SLEEPS = """
import subprocess, sys, time
inner = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
print(f'pid {inner.pid}  [ 10%]', flush=True)
time.sleep(600)
"""


def start(chains: Chains) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PARTS.format(scripts=str(SCRIPTS), chains=chains)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_each_parts_output_is_in_one_piece_and_a_failure_stops_no_other() -> None:
    later = f"import time; time.sleep(0.5); {SAYS.format('two')}"
    failing = f"{SAYS.format('one')}; raise SystemExit(3)"
    with start([[("one", failing), ("three", SAYS.format("three"))], [("two", later)]]) as process:
        out, _ = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 3
    lines = out.splitlines()
    for name in ("one", "two", "three"):
        assert f"{name:8} tests/a.py ..   [ 50%]" in lines
        at = lines.index(f"what {name} says")
        outcome = "FAILED with exit code 3" if name == "one" else "passed"
        assert f" {name} {outcome} in " in lines[at - 1] and lines[at + 1] == "and why"
    assert "FAILED: one in " in lines[-1]


def test_all_passed() -> None:
    with start([[("one", "pass")], [("two", "pass")]]) as process:
        out, _ = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0 and "all passed" in out.splitlines()[-1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_it(number: signal.Signals) -> None:
    """Also what a part has started, unless the whole is killed: then the parts alone."""
    with start([[("one", SLEEPS)], [("two", SLEEPS)]]) as process:
        assert process.stdout is not None
        pids: list[int] = []
        while len(pids) < 2:
            words = process.stdout.readline().split()
            assert words, "it ended"
            if words[1] == "pid":
                pids.append(int(words[2]))
        parts = [int(Path(f"/proc/{pid}/stat").read_text().split()[3]) for pid in pids]
        process.send_signal(number)
        if number == signal.SIGKILL:
            process.wait(WAIT_SECONDS)
            ended = parts
        else:
            out, _ = process.communicate(timeout=WAIT_SECONDS)
            assert process.returncode == 130 and "Stopped." in out
            ended = parts + pids
        try:
            give_up = time.monotonic() + WAIT_SECONDS
            while left := [pid for pid in ended if _lives(pid)]:
                assert time.monotonic() < give_up, f"left: {left}"
                time.sleep(0.05)
        finally:
            for pid in filter(_lives, pids):
                os.kill(pid, signal.SIGKILL)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
