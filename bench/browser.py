"""Newcomer's act to open data channel, between two pages of one Chromium.

FireRTC beside PeerJS with a PeerServer of its own, the tutorials' flow over the same Firestore, and
two connections that hand each other everything at once. *Cold*: the page has just been loaded.
*Warm*: it has joined, opened its peer or signed in before. Every round measures each way once, in
turn.

    make bench ARGS=browser
"""

from __future__ import annotations

import argparse
import http.server
import json
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from firertc.suite import LocalSuite, seed
from firertc.suite.presets import open_presets

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "bench" / "pages"
HOST = "127.0.0.1"
SETTLE_SECONDS = 1.5
"""From when all is ready to the act. A waiting offer has its last word after a second."""
START_SECONDS = 20.0
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-features=WebRtcHideLocalIpsWithMdns")
BOTH = ("Cold", "Warm")
WAYS = {"peerjs": BOTH, "tutorial": BOTH, "room": BOTH, "door": ("Warm",), "code": BOTH}
"""Ways of connecting, and how each is measured: see the module's docstring."""
TITLES = {
    "instant": "instant signaling, one page",
    "peerjs": "PeerJS with PeerServer",
    "tutorial": "tutorials' flow on Firestore",
    "room": "FireRTC, standing offer",
    "door": "FireRTC, room prepared",
    "code": "FireRTC, one-off call",
}


def build() -> Path:
    """Get the packages that are compared, and build the page.

    :returns: the folder to serve.
    """
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is not installed: run scripts/setup")
    if not (PAGES / "node_modules").is_dir():
        print("installing PeerJS and PeerServer")
        subprocess.run([npm, "ci", "--ignore-scripts", "--silent"], cwd=PAGES, check=True)
    vite = ROOT / "node_modules" / ".bin" / "vite"
    subprocess.run([vite, "build"], cwd=PAGES, check=True, stdout=subprocess.DEVNULL)
    return PAGES / "dist"


class _Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder; yields its address."""
    server = http.server.ThreadingHTTPServer((HOST, 0), partial(_Files, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def peer_server() -> Iterator[dict[str, Any]]:
    """Run a PeerServer; yields where it listens."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    program = PAGES / "node_modules" / "peer" / "dist" / "bin" / "peerjs.js"
    process = subprocess.Popen(
        ["node", str(program), "--host", HOST, "--port", str(port), "--allow_discovery"],
        stdout=subprocess.DEVNULL,
    )
    try:
        give_up = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection((HOST, port), 1).close()
                break
            except OSError:
                if time.monotonic() > give_up or process.poll() is not None:
                    sys.exit("PeerServer does not start")
                time.sleep(0.1)
        yield {"host": HOST, "port": port}
    finally:
        process.terminate()
        process.wait(10)


class Measurement:
    """Two pages and what the ways need to connect them."""

    def __init__(self, browser: Browser, address: str, places: dict[str, Any]) -> None:
        self.browser = browser
        self.address = address
        self.places = places
        self.times: dict[str, list[float]] = {}
        self.waiting = self.open()

    def open(self) -> Page:
        """A page in a context of its own."""
        page = self.browser.new_context().new_page()
        page.goto(self.address)
        page.wait_for_function("() => 'bench' in globalThis")
        return page

    def round(self, keep: bool) -> None:
        """Measure each way once."""
        page = self.open()
        self.note("instant", page.evaluate("bench.instant()"), keep)
        page.context.close()
        for way, temperatures in WAYS.items():
            for temperature in temperatures:
                self.once(way, temperature, keep)

    def once(self, way: str, temperature: str, keep: bool) -> None:
        """One newcomer."""
        place, name = self.places[way], f"bench-{secrets.token_hex(6)}"
        name = self.waiting.evaluate(f"([p, n]) => bench.{way}.wait(p, n)", [place, name]) or name
        page = self.open()
        if temperature == "Warm":
            page.evaluate(f"([p, n]) => bench.{way}.warm(p, n)", [place, name])
        time.sleep(SETTLE_SECONDS)
        come = f"([p, n]) => bench.{way}.come{temperature}(p, n)"
        self.note(f"{way} {temperature.lower()}", page.evaluate(come, [place, name]), keep)
        page.context.close()

    def note(self, name: str, milliseconds: float, keep: bool) -> None:
        """Keep a figure, unless it was to warm up."""
        if keep:
            self.times.setdefault(name, []).append(milliseconds)


def show(times: dict[str, list[float]], rounds: int) -> None:
    """Print the table."""
    print(f"newcomer's act to open data channel, {rounds} rounds, milliseconds")
    print(f"{'':32}{'':24}{'of PeerJS':>18}")
    print(f"{'':32}{'median':>8}{'best':>8}{'worst':>8}{'open+connect':>14}{'connect':>9}")
    opening, connecting = (statistics.median(times[f"peerjs {each}"]) for each in ("cold", "warm"))
    for name, values in times.items():
        way, _, temperature = name.partition(" ")
        median = statistics.median(values)
        print(
            f"{TITLES[way] + (f', {temperature}' if temperature else ''):32}"
            f"{median:8.1f}{min(values):8.1f}{max(values):8.1f}"
            f"{median / opening:14.2f}{median / connecting:9.2f}"
        )


def main(options: Sequence[str]) -> None:
    """Run everything on this machine and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    arguments = parser.parse_args(options)
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("Chromium is not installed: run scripts/setup --browser")
    folder = build()
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(TemporaryDirectory()))
        rules = open_presets(ROOT / "firestore.rules", scratch / "firestore.rules")
        parts = ("auth", "firestore", "functions")
        suite = stack.enter_context(LocalSuite(ROOT, only=parts, rules=rules, warm=("join",)))
        seeds = seed(suite.addresses)
        addresses = suite.addresses
        project = {
            "project": addresses.project,
            "apiKey": "demo",
            "key": seeds.key,
            "functionsUrl": addresses.functions,
            "firestoreEmulator": addresses.firestore,
            "authEmulator": addresses.auth,
        }
        server = stack.enter_context(peer_server())
        places = {"peerjs": server} | dict.fromkeys(("tutorial", "room", "door", "code"), project)
        address = stack.enter_context(serve(folder))
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        stack.callback(browser.close)
        measurement = Measurement(browser, address, places)
        for number in range(arguments.rounds + 1):
            measurement.round(keep=number > 0)
    show(measurement.times, arguments.rounds)
    if arguments.json:
        arguments.json.write_text(json.dumps(measurement.times, indent=1) + "\n")
