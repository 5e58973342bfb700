"""``firertc up`` and ``firertc down``: the local suite."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ConfigError, FireRTCError, Unreachable

if TYPE_CHECKING:
    from ..suite import Addresses, LocalSuite

__all__ = ["down", "up"]

WATCH_SECONDS = 0.25
"""How often the foreground looks whether the suite still runs."""

WARM = ("join",)
"""Functions whose first caller shall not wait for a process."""


class _Ended(BaseException):
    """A signal asked this program to end."""


@click.command(short_help="Start the local suite: Firestore, Auth, functions, hosting.")
@click.option("--detach", "-d", is_flag=True, help="Leave it running in the background.")
@click.option(
    "--firestore",
    type=click.Choice(["jar", "hidane"]),
    help="Which Firestore emulator; default: the best that can run here.",
)
@click.option("--presets", is_flag=True, help="Open the paths of the tutorials' pages.")
def up(detach: bool, firestore: str | None, presets: bool) -> None:
    """Start the local suite: Firestore, Auth, functions and hosting on this machine.

    It has a demo realm and key, which the other commands find by themselves in this folder and
    below. Ctrl-C ends it; with --detach, "firertc down" does. With --presets the rules are a copy
    of the project's in which presets() returns true.
    """
    from ..suite import LocalSuite, Ports, find_root, running, seed, stop_running

    root = find_root()
    addresses = running(root)
    if addresses is not None:
        raise ConfigError(
            f"the local suite of {root} runs already, with Firestore at "
            f"{addresses.firestore}; 'firertc down' stops it"
        )
    with _only_one(root), _signals():
        stop_running(root)  # what one that crashed has left
        ports, moved = Ports.standard_or_free()
        log = root / ".firertc" / "suite.log"
        rules = _open_presets(root) if presets else None
        suite = LocalSuite(root, ports=ports, rules=rules, force=firestore, log=log, warm=WARM)
        for name, port, instead in moved:
            if name in suite.parts:
                click.echo(f"Port {port} is taken: {name} listens on {instead}.")
        click.echo(f"Starting the local suite ({', '.join(suite.parts)}) …")
        begun = time.monotonic()
        try:
            suite.start()
            seed(suite.addresses)
            took = time.monotonic() - begun
            if detach:
                _show(suite, took)
                suite.detach()
                click.echo("It runs in the background; 'firertc down' stops it.")
                return
            suite.write_state(detached=False)
            _show(suite, took)
            click.echo("Ctrl-C stops it.")
            _watch(suite, log)
        except (_Ended, KeyboardInterrupt):
            click.echo("\nStopping the local suite.", err=True)
        finally:
            suite.stop()


@click.command(short_help="Stop the local suite.")
def down() -> None:
    """Stop the local suite that was started in this folder, and everything it has started."""
    from ..suite import find_root, stop_running

    root = find_root()
    if stop_running(root):
        click.echo("The local suite is stopped.")
    else:
        click.echo("No local suite runs here.")


def _open_presets(root: Path) -> Path:
    from ..suite.presets import open_presets
    from ..suite.workspace import rules_of

    rules = rules_of(root)
    if rules is None:
        raise ConfigError("firebase.json names no security rules: there are no presets to open")
    return open_presets(rules, root / ".firertc" / "presets.rules")


def _watch(suite: LocalSuite, log: Path) -> None:
    from ..suite.state import state_path

    changed = _changed(suite)
    while suite.alive():
        time.sleep(WATCH_SECONDS)
        if (now := _changed(suite)) != changed:
            changed = now
            try:
                suite.reload_rules()
                click.echo("The rules have changed and are in force.")
            except FireRTCError as error:
                click.echo(f"The rules have changed, but {error}", err=True)
    if state_path(suite.root).exists():
        raise Unreachable(f"the local suite ended by itself; its log is {log}")
    click.echo("The local suite was stopped.")


def _changed(suite: LocalSuite) -> int | None:
    """When the file with the rules was last written; None without one."""
    try:
        return suite.rules.stat().st_mtime_ns if suite.rules is not None else None
    except (OSError, ConfigError):
        return None


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """End by an exception, once, where SIGTERM or a closed terminal would end at once."""
    ending = False

    def end(number: int, frame: object) -> None:
        nonlocal ending
        if not ending:
            ending = True
            raise _Ended

    names = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(name, end) for name in names]
    try:
        yield
    finally:
        for name, handler in zip(names, before, strict=True):
            signal.signal(name, handler)


@contextlib.contextmanager
def _only_one(root: Path) -> Iterator[None]:
    """Hold a lock, so that two commands at once don't both start a suite."""
    import fcntl

    folder = root / ".firertc"
    try:
        folder.mkdir(exist_ok=True)
        lock = open(folder / "up.lock", "w")  # noqa: SIM115
    except OSError as error:
        raise ConfigError(f"{folder} can't be written: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(f"another 'firertc up' is at work in {root}") from None
        yield


def _show(suite: LocalSuite, took: float) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.print(
        f"Ready after {took:.1f} s. Firestore is {suite.engine.title}: {suite.engine.why}."
    )
    table = Table(show_header=False)
    for name, value in _lines(suite.addresses).items():
        table.add_row(name, value)
    console.print(table)
    console.print("To try next, in two other terminals here:")
    console.print("  firertc call --play test --chat          prints a code and waits")
    console.print("  firertc answer CODE --record call.mp4 --chat")


def _lines(addresses: Addresses) -> dict[str, str]:
    return {
        "Project": addresses.project,
        "Firestore": addresses.firestore,
        "Auth": addresses.auth,
        "Functions": addresses.functions,
        "Hosting": addresses.hosting,
        "Realm": addresses.realm,
        "Key": addresses.key,
    }
