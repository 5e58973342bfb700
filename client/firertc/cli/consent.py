"""Asking whether files are wanted."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..sinks import Existing, Plan
    from ..transfer_frames import Entry
    from .progress import Screen

SHOWN_FILES = 20


class Consent:
    """Decides on offers as the command line says, or asks the person.

    :param yes: accept without asking.
    :param existing: what to do with files whose names are taken; None: ask.
    """

    def __init__(self, screen: Screen, yes: bool, existing: Existing | None) -> None:
        self.screen = screen
        self._yes = yes
        self._existing = existing
        self._accepted: tuple[Entry, ...] | None = None
        """What was accepted before the connection was lost."""
        self._answer: Existing = "rename"

    async def decide(self, plan: Plan, peer: str) -> Existing | None:
        """Show an offer, and ask; the same files are not asked for twice.

        :returns: what to do with files whose names are taken; None: decline.
        :raises ConfigError: if nobody can be asked.
        """
        from .progress import amount
        from .tables import printable

        files = plan.offer.files
        if files == self._accepted:
            self.screen.event("accepted", None, peer=peer)
            return self._answer
        size = "size unknown" if plan.size is None else amount(plan.size)
        text = f"{len(files)} file{'s' if len(files) > 1 else ''}, {size}"
        names = [
            f"  {printable(entry.path)}  {'?' if entry.size is None else amount(entry.size)}"
            + ("  (is here already)" if index in plan.here else "")
            + ("  (another of this name is here)" if index in plan.existing else "")
            for index, entry in enumerate(files[:SHOWN_FILES])
        ]
        if len(files) > SHOWN_FILES:
            names.append(f"  … and {len(files) - SHOWN_FILES} more")
        self.screen.event(
            "offer",
            f"offered: {text}",
            peer=peer,
            bytes=plan.size,
            files=[{"path": entry.path, "size": entry.size} for entry in files],
        )
        if not self.screen.as_json:
            for name in names:
                click.echo(name, err=True)
        answer = await self._ask(plan)
        if answer is not None:
            self._accepted, self._answer = files, answer
            self.screen.event("accepted", None, peer=peer)
        return answer

    async def _ask(self, plan: Plan) -> Existing | None:
        from .streams import ask

        existing = self._existing
        if plan.existing and existing is None and (self._yes or not sys.stdin.isatty()):
            first = plan.offer.files[plan.existing[0]].path
            raise ConfigError(
                f"{first!r} is here already ({len(plan.existing)} of the files offered): receive "
                "with --overwrite, --rename, or --into another folder."
            )
        if not self._yes and not sys.stdin.isatty():
            raise ConfigError("Nobody is there to be asked: receive with --yes to accept.")
        if plan.existing and existing is None:
            count = len(plan.existing)
            words: tuple[Existing, ...] = ("overwrite", "rename", "skip")
            asked = f"{count} of these names are taken. [o]verwrite, [r]ename, [s]kip, or [n]o"
            word = await ask(f"{asked}: ", [*words, "no"])
            return next((known for known in words if known.startswith(word)), None)
        if self._yes:
            return existing or "rename"
        agreed = await ask("Receive? [Y/n]: ", ["yes", "no"], default="yes")
        return (existing or "rename") if "yes".startswith(agreed) else None
