"""Where the local suite listens, and the environment that leads programs to it."""

from __future__ import annotations

import random
import socket
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields

from firertc.errors import Unreachable

__all__ = ["DEMO_KEY", "DEMO_PROJECT", "DEMO_REALM", "HOST", "REGION", "Addresses", "Ports"]

HOST = "127.0.0.1"
"""The suite listens on the loopback only: its database obeys anybody who says ``owner``."""

DEMO_PROJECT = "demo-firertc"
"""A project id that starts with ``demo-`` never reaches production (firebase-tools)."""

DEMO_REALM = "demo"
DEMO_KEY = "demo-key"

REGION = "us-central1"
"""Where functions run that don't say otherwise (firebase-functions)."""

FREE_PORTS = range(20_000, 32_000)
"""Below the ports that Linux hands out for outgoing connections (32768 and up)."""


@dataclass(frozen=True)
class Ports:
    """The ports of every part of the suite, on the loopback."""

    firestore: int
    """Firestore: gRPC, REST and WebChannel."""
    auth: int
    """Auth."""
    functions: int
    """Functions."""
    hosting: int
    """Hosting."""
    requests: int
    """The log of requests (a WebSocket)."""
    hub: int
    """The hub of firebase-tools."""
    logging: int
    """The log server of firebase-tools."""
    eventarc: int
    """Eventarc, which comes with functions."""
    tasks: int
    """Cloud Tasks, which come with functions."""

    @classmethod
    def standard(cls) -> Ports:
        """The ports everybody knows from firebase-tools."""
        return cls(8080, 9099, 5001, 5000, 9150, 4400, 4500, 9299, 9499)

    @classmethod
    def free(cls) -> Ports:
        """Ports that nobody listens on at the moment."""
        return cls(*free_ports(len(fields(cls))))

    @classmethod
    def standard_or_free(cls) -> tuple[Ports, list[tuple[str, int, int]]]:
        """The standard ports, and others where those are taken.

        :returns: the ports, and (name, standard port, port instead) for each that is taken.
        """
        ports = asdict(cls.standard())
        taken = [name for name, port in ports.items() if not is_free(port)]
        moved = [
            (name, ports[name], port)
            for name, port in zip(taken, free_ports(len(taken)), strict=True)
        ]
        return cls(**{**ports, **{name: port for name, _, port in moved}}), moved


def is_free(port: int) -> bool:
    """Whether nobody listens on this port of the loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_ports(count: int, avoid: Collection[int] = ()) -> list[int]:
    """Choose free ports of the loopback at random.

    :raises Unreachable: if too few are free.
    """
    chosen: list[int] = []
    if count == 0:
        return chosen
    for port in random.sample(FREE_PORTS, k=min(len(FREE_PORTS), 50 * count)):
        if port not in avoid and is_free(port):
            chosen.append(port)
        if len(chosen) == count:
            return chosen
    raise Unreachable(
        f"no {count} free ports between {FREE_PORTS.start} and {FREE_PORTS.stop} on {HOST}: "
        "end what listens there"
    )


@dataclass(frozen=True)
class Addresses:
    """Where a running suite is found."""

    project: str
    """Project id."""
    firestore: str
    """``host:port`` of Firestore."""
    auth: str
    """``host:port`` of Auth."""
    functions: str
    """Base URL of the functions, ``http://host:port/PROJECT/REGION``."""
    hosting: str
    """URL of the web pages."""
    requests: str
    """WebSocket URL of the log of requests."""
    key: str = DEMO_KEY
    """The key that the demo realm is joined with."""
    realm: str = DEMO_REALM
    """The realm that is there from the start."""

    @classmethod
    def at(cls, ports: Ports, project: str = DEMO_PROJECT) -> Addresses:
        """The addresses that belong to the ports."""
        return cls(
            project=project,
            firestore=f"{HOST}:{ports.firestore}",
            auth=f"{HOST}:{ports.auth}",
            functions=f"http://{HOST}:{ports.functions}/{project}/{REGION}",
            hosting=f"http://{HOST}:{ports.hosting}",
            requests=f"ws://{HOST}:{ports.requests}/requests",
        )

    def environment(self) -> dict[str, str]:
        """The variables that make Google's libraries and ``firertc`` use this suite."""
        return {
            "FIRESTORE_EMULATOR_HOST": self.firestore,
            "FIREBASE_AUTH_EMULATOR_HOST": self.auth,
            "GCLOUD_PROJECT": self.project,
            "FIRERTC_PROJECT": self.project,
            "FIRERTC_FUNCTIONS_URL": self.functions,
            "FIRERTC_PAGE_URL": f"{self.hosting}/call",
            "FIRERTC_REALM": self.realm,
            "FIRERTC_KEY": self.key,
        }
