"""`bimp run`."""

from __future__ import annotations

import sys

import click

from study.cli.plan import SAME_CODE
from study.cli.terminal import Verb


@click.command("run", cls=Verb)
@click.argument("study")
@click.option("--out", metavar="DIR", help="Study folder; results/<name> unless given.")
@click.option("--address", help="A running Ray cluster (host:port or auto).")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Override a key.")
@click.option("--same-code", is_flag=True, help=SAME_CODE)
def command(
    study: str, out: str | None, address: str | None, sets: tuple[str, ...], same_code: bool
) -> None:
    """Run what STUDY wants and its folder has not settled yet.

    Running again resumes, retries failures, and adds what the study has gained. Exit status: 0 all
    is settled, 1 some trials failed or were left undone, 2 the input is wrong and nothing started,
    3 the cluster was lost.
    """
    from study.checks.installed import require
    from study.checks.user_code import opened_study
    from study.definition.studyfile import load

    require("run", "ray", "torch")
    resolved, code = opened_study(load(study, sets), out, same_code=same_code)
    resolved.check()  # before what is slow to import

    from study.driver.launch import run
    from study.driver.run_summary import in_words
    from trainables.vocabulary import standard

    summary = run(resolved, out, address, code)
    try:
        click.echo(in_words(summary, resolved))
    except OSError:  # the folder holds it, and the status says it
        standard.silence()
    sys.exit(summary.status)
