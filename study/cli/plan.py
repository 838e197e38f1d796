"""`bimp plan`."""

from __future__ import annotations

import click

from study.cli.terminal import MARGIN, Verb, say

SAME_CODE = "Your code has changed and computes the same: count what it settled before."


@click.command("plan", cls=Verb)
@click.argument("study")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Override a key.")
@click.option("--out", metavar="DIR", help="Folder whose stages and timings count.")
@click.option("--same-code", is_flag=True, help=SAME_CODE)
@MARGIN
def command(
    study: str, sets: tuple[str, ...], out: str | None, same_code: bool, margin: float | None
) -> None:
    """Say what STUDY would run: trials, stages, epochs asked and after sharing, and the time.

    The time is estimated from stages already measured for the same model, task and device, and is
    "unknown" where there are none. Of a study that has records it says how small a difference their
    seeds find, and how many seeds one of --margin takes. Starts nothing.
    """
    from study.checks.user_code import opened_study
    from study.definition.studyfile import load

    resolved, _ = opened_study(load(study, sets), out, same_code=same_code, writes=False)
    resolved.check()  # before what is slow to import

    from study.views.named_lines import terminal_width
    from study.views.plan import plan, table

    say(table(plan(resolved, out, margin), terminal_width()))
