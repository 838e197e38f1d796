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
    from study.definition.studyfile import load
    from study.points.resolve import resolve

    resolved = resolve(load(study, sets))
    resolved.check()  # before what is slow to import

    from study.driver.launch import run
    from study.driver.run_summary import in_words

    summary = run(resolved, out, address)
    click.echo(in_words(summary, resolved))
    if not summary.complete:
        sys.exit(1)
