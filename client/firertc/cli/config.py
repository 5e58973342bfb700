"""``firertc config``: which settings count, and where each comes from."""

from __future__ import annotations

import json
from dataclasses import fields

import click

from ..config import Config
from .options import project_options


@click.command()
@project_options
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
def config(config: Config, as_json: bool) -> None:
    """Show which settings count and where they come from.

    Options win over the environment (FIRERTC_PROJECT, FIRERTC_KEY, …), the environment over the
    project file firertc.toml, and that over a running local suite.
    """
    shown = {
        item.name: (getattr(config, item.name), config.sources.get(item.name, "default"))
        for item in fields(config)
        if item.name != "sources"
    }
    if as_json:
        click.echo(
            json.dumps(
                {name: {"value": v, "source": s} for name, (v, s) in shown.items()}, indent=1
            )
        )
        return
    width = max(map(len, shown))
    for name, (value, source) in shown.items():
        text = "" if value in (None, "") else str(value)
        click.echo(f"{name:<{width}}  {text or '-'}  ({source})")
