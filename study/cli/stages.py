"""`bimp stages`."""

from __future__ import annotations

import sys

import click

from study.cli.terminal import Verb, say, warn
from trainables.vocabulary.refusal import Refusal


@click.command("stages", cls=Verb)
@click.argument("folder", metavar="DIR")
@click.option(
    "--format",
    "shape",
    default="table",
    show_default=True,
    type=click.Choice(["table", "csv", "json"]),
    help="How they are printed.",
)
@click.option("--prune", is_flag=True, help="List what nobody needs of them, with its size.")
@click.option("--delete", is_flag=True, help="With --prune: remove it.")
def command(folder: str, shape: str, prune: bool, delete: bool) -> None:
    """List the stages behind the study folder DIR: dense runs first, those most shared on top.

    `trials` counts the trials of the study that go through a stage. Reads only, unless --prune is
    given --delete.
    """
    if delete and not prune:
        raise Refusal("--delete must be given with --prune, which lists what it removes, got none")
    if prune:
        _prune(folder, shape, delete)
        return
    from study.views.named_lines import terminal_width
    from study.views.stage_list import stages, table, to_csv

    listing = stages(folder)
    for warning in listing.warnings:
        warn(warning)
    if shape == "json":
        import json

        click.echo(json.dumps(listing.rows, indent=1))
    elif shape == "csv":
        say(to_csv(listing), end=False)
    else:
        say(table(listing, terminal_width()))


def _prune(folder: str, shape: str, delete: bool) -> None:
    from study.views.named_lines import terminal_width
    from study.views.stage_waste import prune, table, waste

    if shape != "table":
        raise Refusal(f"--format must be table with --prune, got {shape}")
    listing = prune(folder) if delete else waste(folder)
    for fault in listing.faults:
        warn(fault)
    say(table(listing, removed=delete, width=terminal_width()))
    if listing.faults:
        sys.exit(1)
