"""How firebase-tools reaches its functions' processes: ports of their own, fresh connections."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from firertc.errors import ConfigError
from firertc.suite import local
from firertc.suite.addresses import HOST
from firertc.suite.engine import find_firebase

ROOT = Path(__file__).resolve().parents[2]
WORKERS = Path(local.__file__).with_name("workers.cjs")
GIVEN = 3
END_SECONDS = 20.0

# All begin to look at the same port, and hold what they were given until their input ends.
SAME = 'require("node:crypto").randomInt = () => {first};'
ASK = """
const portfinder = require(require.resolve("portfinder", {{ paths: [process.argv[1]] }}));
(async () => {{
  for (let count = 0; count < {given}; count++) console.log(await portfinder.getPortPromise());
}})();
process.stdin.resume();
"""
REQUEST = """
const http = require("node:http");
const server = http.createServer((request, response) => {
  console.log(request.headers.connection);
  response.end(() => server.close());
});
server.listen(0, "127.0.0.1", () => {
  http.get({ host: "127.0.0.1", port: server.address().port }, (response) => response.resume());
});
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose programs find what firebase-tools is made of."""
    try:
        firebase = find_firebase(ROOT)
    except ConfigError as error:
        pytest.skip(str(error))
    # .../node_modules/firebase-tools/lib/bin/firebase.js
    (tmp_path / "node_modules").symlink_to(firebase.parents[3])
    return tmp_path


def node() -> str:
    """The program Node.js, which is there if firebase-tools is."""
    found = shutil.which("node")
    assert found is not None
    return found


class Asking:
    """A process that asks for ports as firebase-tools does."""

    def __init__(self, folder: Path, first: int) -> None:
        same, ask = folder / "same.cjs", folder / "ask.cjs"
        same.write_text(SAME.format(first=first))
        ask.write_text(ASK.format(given=GIVEN))
        self._process = subprocess.Popen(
            [node(), "--require", str(same), "--require", str(WORKERS), str(ask)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ports(self) -> list[int]:
        """What it was given."""
        lines = self._process.stdout
        assert lines is not None
        numbers: list[int] = []
        while len(numbers) < GIVEN:
            line = lines.readline()
            assert line, "it ended early"
            if line.strip().isdigit():
                numbers.append(int(line))
        return numbers

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate(timeout=END_SECONDS)


@pytest.fixture
def listening() -> Iterator[int]:
    """A port below those of suites that somebody listens on."""
    for port in range(18_000, 19_000):
        try:
            server = socket.create_server((HOST, port))
        except OSError:
            continue
        with server:
            yield port
        return
    pytest.skip("a thousand ports are taken")


def test_no_port_is_given_twice(folder: Path, listening: int) -> None:
    with closing(Asking(folder, listening)) as one, closing(Asking(folder, listening)) as other:
        ports = [*one.ports(), *other.ports()]
    assert len(set(ports)) == 2 * GIVEN, ports
    assert all(listening < port < 20_000 for port in ports)


def test_no_connection_is_kept(folder: Path) -> None:
    # One that is kept ends after 2 s on the other side, together with what is sent just then.
    program = folder / "request.cjs"
    program.write_text(REQUEST)
    command = [node(), "--require", str(WORKERS), str(program)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=END_SECONDS, check=True)
    assert said.stdout.split() == ["close"]
