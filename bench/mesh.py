"""Ten Chromium pages, each linked to each: FireRTC's room beside PeerJS with a PeerServer.

Every page is a browser context of its own. *At once*: all come at the same instant; PeerJS, which
has no rooms, is told beforehand who else comes, FireRTC finds that out. *In turn*: one after the
other, until each newcomer is linked to all who are there; PeerJS reads who is there from its
server's list. In both FireRTC has its session and PeerJS its connection to the server already.

    make bench ARGS=mesh
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from firertc.suite import LocalSuite, seed

from .browser import FLAGS, ROOT, build, peer_server, serve

PEERS = 10
KINDS = ("peerjs", "firertc")
TITLES = {"peerjs": "PeerJS", "firertc": "FireRTC"}
SOON_MILLISECONDS = 1_000
"""From the order to come until all come."""
PAGE_MILLISECONDS = 120_000


class Ten:
    """So many pages, and what they connect by."""

    def __init__(self, browser: Browser, address: str, places: dict[str, Any], peers: int) -> None:
        self.places = places
        self.pages: list[Page] = []
        for _ in range(peers):
            page = browser.new_context().new_page()
            page.set_default_timeout(PAGE_MILLISECONDS)
            page.goto(address)
            page.wait_for_function("() => 'bench' in globalThis")
            self.pages.append(page)

    def ready(self, kind: str) -> list[str]:
        """Get a new room's peers ready.

        :returns: their ids.
        """
        room = f"mesh-{secrets.token_hex(6)}"
        ids = [f"{room}-{number}" for number in range(len(self.pages))]
        for page, peer in zip(self.pages, ids, strict=True):
            page.evaluate(
                "(how) => bench.mesh.ready(...how)", [kind, self.places[kind], room, peer]
            )
        return ids

    def at_once(self, kind: str) -> float:
        """Milliseconds until all are linked to all."""
        ids = self.ready(kind)
        at = time.time() * 1000 + SOON_MILLISECONDS
        for number, page in enumerate(self.pages):
            # Each connects to those before it, so that each pair is linked once.
            order = [at, ids[:number], len(ids) - 1]
            page.evaluate("(how) => { globalThis.coming = bench.mesh.come(...how); }", order)
        done = max(float(page.evaluate("() => globalThis.coming")) for page in self.pages)
        self.leave()
        return done - at

    def in_turn(self, kind: str) -> list[float]:
        """Milliseconds of each newcomer, until it is linked to all who are there."""
        taken = []
        if kind == "peerjs":
            # It is in its server's list as soon as it is open: one at a time.
            room = f"mesh-{secrets.token_hex(6)}"
        else:
            self.ready(kind)
        for number, page in enumerate(self.pages):
            if kind == "peerjs":
                how = [kind, self.places[kind], room, f"{room}-{number}"]
                page.evaluate("(how) => bench.mesh.ready(...how)", how)
            at = time.time() * 1000
            done = page.evaluate("(how) => bench.mesh.come(...how)", [at, None, number])
            taken.append(float(done) - at)
            for before in self.pages[:number]:
                before.evaluate("(links) => bench.mesh.linkedTo(links)", number)
        self.leave()
        return taken

    def leave(self) -> None:
        """Everybody goes."""
        for page in self.pages:
            page.evaluate("() => bench.mesh.leave()")


def measure(ten: Ten, rounds: int) -> dict[str, Any]:
    """Both ways of filling a room, in turn, and a round before that to warm up."""
    together: dict[str, list[float]] = {kind: [] for kind in KINDS}
    turns: dict[str, list[list[float]]] = {kind: [] for kind in KINDS}
    for number in range(rounds + 1):
        for kind in KINDS:
            once, turn = ten.at_once(kind), ten.in_turn(kind)
            if number > 0:
                together[kind].append(once)
                turns[kind].append(turn)
    return {
        "peers": len(ten.pages),
        "rounds": rounds,
        "cores": os.cpu_count(),
        "at_once_ms": together,
        "in_turn_ms": turns,
    }


def main(options: Sequence[str]) -> None:
    """Run everything on this machine and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", type=int, default=PEERS)
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    arguments, _ = parser.parse_known_args(options)
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("Chromium is not installed: run scripts/setup --browser")
    folder = build()
    with ExitStack() as stack:
        parts = ("auth", "firestore", "functions")
        suite = stack.enter_context(LocalSuite(ROOT, only=parts, warm=("join",)))
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
        places = {"peerjs": stack.enter_context(peer_server()), "firertc": project}
        address = stack.enter_context(serve(folder))
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        stack.callback(browser.close)
        figures = measure(Ten(browser, address, places, arguments.peers), arguments.rounds)
    _show(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


def _show(figures: dict[str, Any]) -> None:
    peers = figures["peers"]
    print(f"{peers} Chromium pages, {figures['rounds']} rounds, milliseconds: median (worst)")
    print("| | " + " | ".join(TITLES[kind] for kind in KINDS) + " |")
    print("| --- |" + " --- |" * len(KINDS))
    rows = {f"all at once: {peers * (peers - 1) // 2} links": figures["at_once_ms"]}
    for present in (1, peers // 2, peers - 1):
        turns = figures["in_turn_ms"]
        rows[f"a newcomer to {present}"] = {
            kind: [turn[present] for turn in turns[kind]] for kind in KINDS
        }
    for title, times in rows.items():
        shown = [f"{statistics.median(times[k]):,.0f} ({max(times[k]):,.0f})" for k in KINDS]
        print(f"| {title} | " + " | ".join(shown) + " |")
