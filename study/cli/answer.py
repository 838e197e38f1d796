"""`bimp answer`."""

from __future__ import annotations

import click

from study.cli.margin import MARGIN

WIDEST = 100
"""Lines longer than this are hard to read."""


@click.command("answer")
@click.argument("folders", metavar="DIR...", nargs=-1, required=True)
@MARGIN
@click.option("--json", "as_json", is_flag=True, help="Statements and sentences as one object.")
def command(folders: tuple[str, ...], margin: float | None, as_json: bool) -> None:
    """Say what the study folders DIR answer: what to use where, how sure, and at what cost.

    What was studied, what to use and avoid at each sparsity and budget, how many seeds would settle
    it, what each step of sparsity costs; of searches the best settings, the regret of the adaptive
    discount, the front. Reads only.
    """
    from shutil import get_terminal_size

    from analysis.answer.output import to_json, to_text
    from analysis.answer.whole import answer_in
    from trainables.vocabulary.refusal import Refusal

    warnings: list[str] = []
    try:
        found = answer_in(*folders, margin=margin, warn=warnings.append)
    except FileNotFoundError as error:
        raise Refusal(f"DIR must be a study folder, got {', '.join(folders)}: {error}") from None
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    if as_json:
        click.echo(to_json(found), nl=False)
    else:
        click.echo(to_text(found, min(get_terminal_size().columns, WIDEST)))
