"""The local suite: Auth, Firestore, functions and hosting on this machine, for tests and demos.

* :class:`LocalSuite` starts and stops it;
* :func:`running` finds one that ``firertc up`` has started;
* :func:`seed` writes the demo realm and its key, :func:`add_key` any other;
* :func:`recording` reads the emulator's own log of requests;
* :func:`user_token` makes the token of any user.
"""

from .addresses import DEMO_KEY, DEMO_PROJECT, DEMO_REALM, Addresses, Ports
from .checks import Seeds, add_key, clear, rule_coverage, seed
from .engine import Engine
from .local import LocalSuite
from .requests import Operations, Request, RequestLog, recording
from .state import running, stop_running
from .tokens import user_token
from .workspace import PARTS, find_root

__all__ = [
    "DEMO_KEY",
    "DEMO_PROJECT",
    "DEMO_REALM",
    "PARTS",
    "Addresses",
    "Engine",
    "LocalSuite",
    "Operations",
    "Ports",
    "Request",
    "RequestLog",
    "Seeds",
    "add_key",
    "clear",
    "find_root",
    "recording",
    "rule_coverage",
    "running",
    "seed",
    "stop_running",
    "user_token",
]
