"""`bimp stages`."""

from __future__ import annotations

import click


@click.command("stages")
@click.argument("folder", metavar="DIR")
@click.option("--format", "shape", default="table", type=click.Choice(["table", "csv", "json"]))
def command(folder: str, shape: str) -> None:
    """List the stages behind the study folder DIR: dense runs first, those most shared on top.

    `trials` counts the trials of the study that go through a stage. Reads only.
    """
    from study.views.stage_list import stages, table, to_csv

    listing = stages(folder)
    for warning in listing.warnings:
        click.echo(f"warning: {warning}", err=True)
    if shape == "json":
        import json

        click.echo(json.dumps(listing.rows, indent=1))
    elif shape == "csv":
        click.echo(to_csv(listing), nl=False)
    else:
        click.echo(table(listing))
