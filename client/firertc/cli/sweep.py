"""``firertc sweep``: delete what is past its lease."""

from __future__ import annotations

import click

from ..config import Config
from .owning import json_option, owner_options, owning
from .tables import show_json

__all__ = ["sweep"]


@click.command()
@click.option("--dry-run", is_flag=True, help="Count only, delete nothing.")
@json_option
@owner_options
def sweep(config: Config, dry_run: bool, as_json: bool) -> None:
    """Delete what is past its lease, and rooms that ran empty (for the project's owner).

    The scheduled function does it by itself; without functions, run this from a cron job. It
    judges by the database's clock, and what is renewed in the meantime stays.
    """
    with owning(config) as database:
        from ..owner import server_time
        from ..owner import sweep as run

        swept = run(database, server_time(database), dry_run=dry_run)
    total = sum(swept.values())
    if as_json:
        show_json({"dryRun": dry_run, "deleted": swept, "total": total})
        return
    parts = ", ".join(f"{group} {number}" for group, number in swept.items())
    did = "Would delete" if dry_run else "Deleted"
    click.echo(f"{did} {total} document{'s' * (total != 1)}{': ' * bool(parts)}{parts}.")
