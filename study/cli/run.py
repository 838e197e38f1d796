"""`bimp run`."""

from __future__ import annotations

import sys

import click


@click.command("run")
@click.argument("study")
@click.option("--out", metavar="DIR", help="Study folder; results/<name> unless given.")
@click.option("--address", help="A running Ray cluster (host:port or auto).")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Override a key.")
def command(study: str, out: str | None, address: str | None, sets: tuple[str, ...]) -> None:
    """Run what STUDY wants and its folder has not settled yet.

    Running again resumes, retries failures, and adds what the study has gained. Exit status: 0 all
    is settled, 1 some trials failed or were left undone, 2 the input is wrong and nothing started.
    """
    from study.definition.space import check
    from study.definition.studyfile import load

    loaded = load(study, sets)
    check(loaded)

    from study.driver.ending import ending
    from study.driver.launch import run

    summary = run(loaded, out, address)
    click.echo(ending(summary))
    if not summary.complete:
        sys.exit(1)
