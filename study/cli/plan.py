"""`bimp plan`."""

from __future__ import annotations

import click


@click.command("plan")
@click.argument("study")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Override a key.")
@click.option("--out", metavar="DIR", help="Folder whose stages and timings count.")
def command(study: str, sets: tuple[str, ...], out: str | None) -> None:
    """Say what STUDY would run: trials, stages, epochs asked and after sharing, and the time.

    The time is estimated from stages already measured for the same model, task and device, and is
    "unknown" where there are none. Starts nothing.
    """
    from study.definition.studyfile import load
    from study.points.resolve import resolve

    resolved = resolve(load(study, sets))
    resolved.check()  # before what is slow to import

    from study.views.plan import plan, table

    click.echo(table(plan(resolved, out)))
